/** Earlier calls, as they are asked for when something is to be explained. Nothing here is on the way of an evaluation, so no index is kept for it. */

import { sql } from "kysely";
import type { RecordedCall } from "../evaluate/explain/ports.ts";
import type { Digest, EpochMs, ExecutionRecord } from "../evaluate/ports.ts";
import { ByteReader, digestsParameter } from "./bytes.ts";
import { readCallBody } from "./call-body.ts";
import { BY_KEY } from "./calls.ts";
import type { Db } from "./database.ts";
import { executionFromRow } from "./executions.ts";
import { readJobs } from "./jobs.ts";
import { toTime } from "./page.ts";

/** Calls that are read in one query. */
const READ_CALLS = 1_000;

/** Executions of a task that were started before a time, newest first. */
export async function executionsBefore(
  db: Db,
  task: string,
  before: EpochMs,
  limit: number,
): Promise<readonly ExecutionRecord[]> {
  const rows = await db
    .selectFrom("execution")
    .selectAll()
    .where("task", "=", task)
    .where(sql<boolean>`started_at < ${toTime(before)}`)
    .orderBy("seq", "desc")
    .limit(limit)
    .execute();
  return rows.map(executionFromRow);
}

/** Calls that an execution asked for and got no result of. */
export async function unfinishedCalls(
  db: Db,
  executionId: string,
): Promise<ReadonlyMap<Digest, "failed" | "cancelled">> {
  const found = new Map<Digest, "failed" | "cancelled">();
  for await (const jobs of readJobs(db, executionId))
    for (const { evalHash, state } of jobs) if (state === "failed" || state === "cancelled") found.set(evalHash, state);
  return found;
}

/** The recorded calls of an execution, of each of these tasks the first ones. */
export async function callsOfExecution(
  db: Db,
  executionId: string,
  tasks: readonly string[],
  limit: number,
): Promise<readonly RecordedCall[]> {
  const wanted = new Map(tasks.map((task) => [task, new Set<Digest>()]));
  for await (const jobs of readJobs(db, executionId)) {
    for (const { task, evalHash, state } of jobs) {
      const hashes = wanted.get(task);
      if (hashes && state === "succeeded" && hashes.size < limit) hashes.add(evalHash);
    }
  }
  const found = await findRecordedCalls(
    db,
    [...wanted.values()].flatMap((hashes) => [...hashes]),
  );
  return [...found.values()];
}

/** Calls by eval hash, in the order asked for. */
export async function findRecordedCalls(
  db: Db,
  evalHashes: readonly Digest[],
): Promise<ReadonlyMap<Digest, RecordedCall>> {
  const found = new Map<Digest, RecordedCall>();
  for (let i = 0; i < evalHashes.length; i += READ_CALLS) {
    const some = evalHashes.slice(i, i + READ_CALLS);
    const { rows } = await sql<CallRow & { readonly at: number }>`
      select k.at::int as at, t.name, encode(t.code, 'hex') as code, c.body
      from unnest(${digestsParameter(some)}::bytea[]) with ordinality as k(hash, at)
      cross join lateral (select task, body from call where eval_hash = k.hash ${BY_KEY}) c
      join task t on t.id = c.task order by k.at`.execute(db);
    for (const row of rows) {
      const evalHash = some[row.at - 1] as Digest;
      found.set(evalHash, read(evalHash, row).call);
    }
  }
  return found;
}

/** Calls of a task that had ended before a time, newest first. Of very many those of the newest versions of its code are looked at. */
export async function callsBefore(
  db: Db,
  task: string,
  before: EpochMs,
  limit: number,
): Promise<readonly RecordedCall[]> {
  const { rows } = await sql<CallRow & { readonly eval_hash: string }>`
    select encode(c.eval_hash, 'hex') as eval_hash, t.name, encode(t.code, 'hex') as code, c.body
    from task t join call c on c.task = t.id where t.name = ${task} order by t.first_seen desc limit ${limit}`.execute(
    db,
  );
  return rows
    .map((row) => read(row.eval_hash, row))
    .filter(({ endedAt }) => endedAt < before)
    .sort((a, b) => b.endedAt - a.endedAt)
    .map(({ call }) => call);
}

interface CallRow {
  readonly name: string;
  readonly code: string;
  readonly body: Uint8Array;
}

function read(
  evalHash: Digest,
  { name, code, body }: CallRow,
): { readonly call: RecordedCall; readonly endedAt: number } {
  const { args, endedAt } = readCallBody(new ByteReader(body));
  return { call: { evalHash, task: name, code, args: args.map(({ digest }) => digest) }, endedAt };
}
