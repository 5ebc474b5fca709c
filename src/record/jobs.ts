/**
 * Jobs: those that run or wait have a row each, those that have ended are packed into blocks.
 *
 * A job that ends soon never has a row: its end goes into a block with those of its batch. The row of one that took longer is removed in the transaction that adds the block. An end is final: what is recorded of the
 * job as running after it does not count.
 */

import { type RawBuilder, type Selectable, sql } from "kysely";
import type { JobPageRequest, JobRecord, JobState } from "../evaluate/ports.ts";
import { digestArray, hexOf, plainArray, textArray } from "./arrays.ts";
import { ArrayWriter } from "./bytes.ts";
import type { Db, JobTable } from "./database.ts";
import { packJobs, unpackJobs } from "./job-block.ts";
import { toMs } from "./page.ts";
import { noAnswers, type WriteKind } from "./write-kind.ts";

/** Jobs that are read in one query, about: 60 bytes each. */
const READ_JOBS = 10_000;

/** Bytes that jobs hold in the queue, about. */
export function jobBytes(jobs: readonly JobRecord[]): number {
  let bytes = 0;
  for (const { error } of jobs) bytes += error === null ? 300 : 500 + (error.stack?.length ?? 0) + error.message.length;
  return bytes;
}

/** Writes jobs; of several records of one job in a batch the last counts, or the last that has ended. */
export function createJobWrites(): WriteKind<readonly JobRecord[], undefined> {
  /** Jobs that may have a row. Those of former processes are not among them: who goes on with their executions ends those. */
  const rows = new Set<string>();
  return {
    name: "job",
    lane: "job",
    repeatable: false,
    patient: true,
    halve: (jobs) => (jobs.length < 2 ? null : [jobs.slice(0, jobs.length >> 1), jobs.slice(jobs.length >> 1)]),
    prepare: (payloads) => {
      const last = new Map<string, JobRecord>();
      for (const jobs of payloads)
        for (const job of jobs) {
          const before = last.get(job.id);
          if (before === undefined || hasEnded(job) || !hasEnded(before)) last.set(job.id, job);
        }
      const live: JobRecord[] = [];
      const ended: JobRecord[] = [];
      for (const job of last.values()) (hasEnded(job) ? ended : live).push(job);
      for (const { id } of live) rows.add(id);
      const left = rows.size === 0 ? [] : ended.filter(({ id }) => rows.has(id)).map(({ id }) => id);
      const statements = [insertBlocks(ended), upsertRows(live), removeRows(left)];
      return async (db) => {
        for (const statement of statements) await statement?.execute(db);
        return noAnswers(payloads);
      };
    },
    settled: (payloads, committed) => {
      if (rows.size === 0 || !committed) return;
      for (const jobs of payloads) for (const job of jobs) if (hasEnded(job)) rows.delete(job.id);
    },
  };
}

function hasEnded({ state }: JobRecord): boolean {
  return state !== "running" && state !== "waiting";
}

function insertBlocks(jobs: readonly JobRecord[]): RawBuilder<unknown> | null {
  if (jobs.length === 0) return null;
  const executions = [...Map.groupBy(jobs, (job) => job.executionId)];
  const blocks = executions.map(([, ended]) => packJobs(ended));
  const data = new ArrayWriter();
  for (const block of blocks) data.addBytes(block.data);
  return sql`
    insert into job_block (execution_id, count, first_started_ms, data)
    select * from unnest(${textArray(executions.map(([id]) => id))}::text[], ${plainArray(blocks.map((block) => block.count))}::int[],
      ${plainArray(blocks.map((block) => block.firstStartedAt))}::int8[], ${data.finish()}::bytea[])`;
}

function upsertRows(records: readonly JobRecord[]): RawBuilder<unknown> | null {
  if (records.length === 0) return null;
  const jobs = records.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const texts = (pick: (job: JobRecord) => string | null): RawBuilder<unknown> =>
    sql`${textArray(jobs.map(pick))}::text[]`;
  return sql`
    insert into job (id, execution_id, parent_id, task, eval_hash, state, executor, cached, started_at, error, submission_id, note)
    select id, execution_id, parent_id, task, eval_hash, state, executor, cached, to_timestamp(started_ms / 1000), error::json, submission_id, note
    from unnest(
      ${texts((job) => job.id)}, ${texts((job) => job.executionId)}, ${texts((job) => job.parentId)}, ${texts((job) => job.task)},
      ${digestArray(jobs.map((job) => job.evalHash))}::bytea[], ${texts((job) => job.state)}, ${texts((job) => job.executor)},
      ${plainArray(jobs.map((job) => job.cached))}::bool[], ${plainArray(jobs.map((job) => job.startedAt))}::float8[],
      ${texts((job) => (job.error === null ? null : JSON.stringify(job.error)))}, ${texts((job) => job.submissionId)}, ${texts((job) => job.note)}
    ) as t(id, execution_id, parent_id, task, eval_hash, state, executor, cached, started_ms, error, submission_id, note)
    on conflict (id) do update set
      state = excluded.state, executor = excluded.executor, cached = excluded.cached, started_at = excluded.started_at, eval_hash = excluded.eval_hash,
      error = excluded.error, submission_id = excluded.submission_id, note = excluded.note`;
}

function removeRows(ids: readonly string[]): RawBuilder<unknown> | null {
  if (ids.length === 0) return null;
  return sql`delete from job where id in (select unnest(${textArray(ids.toSorted())}::text[]))`;
}

/** Ends the jobs that a dead process left open in executions: whoever goes on with these asks for everything again, by jobs of its own. */
export async function endLeftJobs(db: Db, executionIds: readonly string[]): Promise<void> {
  if (executionIds.length === 0) return;
  const { rows } = await sql<Selectable<JobTable>>`
    delete from job where execution_id in (select unnest(${textArray(executionIds)}::text[])) returning *`.execute(db);
  const endedAt = Date.now();
  await insertBlocks(rows.map((row) => ({ ...fromRow(row), state: "cancelled", endedAt, note: null })))?.execute(db);
}

/** Blocks of one execution, oldest start first; for reading some at a time. */
export interface BlockName {
  readonly seq: string;
  readonly count: number;
}

async function listBlocks(db: Db, executionId: string): Promise<readonly BlockName[]> {
  const { rows } = await sql<BlockName>`
    select seq::text as seq, count from job_block where execution_id = ${executionId} order by first_started_ms, seq`.execute(
    db,
  );
  return rows;
}

/** Cuts blocks into runs of about `jobs` jobs, the first one of about `first`. */
export function* runsOf(
  blocks: readonly BlockName[],
  jobs: number,
  first: number = jobs,
): Generator<readonly BlockName[]> {
  let run: BlockName[] = [];
  let count = 0;
  let most = first;
  for (const block of blocks) {
    if (run.length > 0 && count + block.count > most) {
      yield run;
      run = [];
      count = 0;
      most = jobs;
    }
    run.push(block);
    count += block.count;
  }
  if (run.length > 0) yield run;
}

/** Reads blocks in their order. */
async function readBlocks(db: Db, executionId: string, blocks: readonly BlockName[]): Promise<readonly JobRecord[]> {
  if (blocks.length === 0) return [];
  const { rows } = await sql<{ count: number; data: Uint8Array }>`
    select count, data from job_block where execution_id = ${executionId} and seq in (select unnest(${plainArray(blocks.map(({ seq }) => Number(seq)))}::int8[]))
    order by first_started_ms, seq`.execute(db);
  return rows.flatMap(({ count, data }) => unpackJobs(executionId, count, data));
}

async function readRows(db: Db, executionId: string): Promise<Map<string, JobRecord>> {
  const rows = await db.selectFrom("job").selectAll().where("execution_id", "=", executionId).execute();
  return new Map(rows.map((row) => [row.id, fromRow(row)] as const));
}

/**
 * The jobs of an execution, some thousand at a time: the ended ones in the order of their blocks, then those that have not ended.
 *
 * The rows are read before the blocks: a job that ends meanwhile is then in both and its end counts, and none is in neither.
 */
export async function* readJobs(db: Db, executionId: string): AsyncGenerator<readonly JobRecord[]> {
  const live = await readRows(db, executionId);
  for (const run of runsOf(await listBlocks(db, executionId), READ_JOBS)) {
    const jobs = await readBlocks(db, executionId, run);
    if (live.size > 0) for (const { id } of jobs) live.delete(id);
    yield jobs;
  }
  if (live.size > 0) yield [...live.values()];
}

/** The jobs of an execution, oldest first. */
export async function listJobs(db: Db, executionId: string): Promise<readonly JobRecord[]> {
  const jobs = new Map<string, JobRecord>();
  for await (const some of readJobs(db, executionId)) for (const job of some) jobs.set(job.id, job);
  return [...jobs.values()].sort((a, b) => a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1));
}

/** Some jobs of an execution. Many are not sorted across their blocks: that would take all of them for each page. */
export async function pageJobs(
  db: Db,
  executionId: string,
  { from, limit }: JobPageRequest,
): Promise<{ readonly jobs: readonly JobRecord[]; readonly count: number }> {
  const blocks = await listBlocks(db, executionId);
  const packed = blocks.reduce((sum, { count }) => sum + count, 0);
  if (packed <= READ_JOBS) {
    const jobs = await listJobs(db, executionId);
    return { jobs: jobs.slice(from, from + limit), count: jobs.length };
  }
  const live = await readRows(db, executionId);
  const wanted: BlockName[] = [];
  let skipped = 0;
  let end = 0;
  for (const block of blocks) {
    if (end + block.count <= from) skipped += block.count;
    else if (end < from + limit) wanted.push(block);
    end += block.count;
  }
  const ended = (await readBlocks(db, executionId, wanted)).slice(from - skipped, from - skipped + limit);
  const open = Math.max(0, from - packed);
  const rest = limit - ended.length;
  return { jobs: [...ended, ...[...live.values()].slice(open, open + rest)], count: packed + live.size };
}

function fromRow(row: Selectable<JobTable>): JobRecord {
  return {
    id: row.id,
    executionId: row.execution_id,
    parentId: row.parent_id,
    task: row.task,
    evalHash: hexOf(row.eval_hash),
    state: row.state as JobState,
    executor: row.executor,
    cached: row.cached,
    startedAt: toMs(row.started_at),
    endedAt: null,
    error: row.error,
    submissionId: row.submission_id,
    note: row.note,
  };
}
