/** What an execution will probably look up, read ahead: the calls of the last execution of the same root. */

import { createHash } from "node:crypto";
import { sql } from "kysely";
import type { CachedCall, Digest } from "../evaluate/ports.ts";
import { plainArray } from "./arrays.ts";
import { ByteReader } from "./bytes.ts";
import type { StoredOutcome } from "./call-body.ts";
import { readOutcome } from "./call-body.ts";
import { BY_KEY, type CallWrites, withBytes } from "./calls.ts";
import type { Db } from "./database.ts";
import { type BlockName, runsOf } from "./jobs.ts";

/** Calls that are read in one query, about; in the first one fewer, so that evaluating begins while the database works on the others. */
const READ_CALLS = 4_000;
const FIRST_CALLS = 500;
/** Executions of the same root that are looked at: one that failed early says little. */
const CANDIDATES = 3;

/** What executions of the same task with the same arguments have in common. */
export function rootDigest(task: string, args: Uint8Array): Buffer {
  return createHash("sha256").update(`${task}\0`).update(args).digest();
}

/**
 * The calls of the jobs of the newest execution of a root (of the newest few, the one with the most jobs), those first whose jobs started first; some thousand at a time, one query each. Calls that are not known any
 * more are left out.
 *
 * Blocks come in the order of their oldest job: jobs that wait for others end, and so are packed, long after them.
 */
export async function* previousCalls(
  db: Db,
  writes: CallWrites,
  task: string,
  args: Uint8Array,
): AsyncGenerator<readonly CachedCall[]> {
  const { rows: blocks } = await sql<BlockName & { readonly id: string }>`
    with best as materialized (
      select e.id from (select id, seq from execution where root = ${rootDigest(task, args)} order by seq desc limit ${CANDIDATES}) e
      cross join lateral (select sum(count) as jobs from job_block where execution_id = e.id) b
      where b.jobs > 0 order by b.jobs desc, e.seq desc limit 1
    )
    select best.id, b.seq::text as seq, b.count from best join job_block b on b.execution_id = best.id order by b.first_started_ms, b.seq`.execute(
    db,
  );
  const executionId = blocks[0]?.id;
  if (executionId === undefined) return;
  for (const run of runsOf(blocks, READ_CALLS, FIRST_CALLS)) {
    // The hashes are cut out of the blocks once, not once for each hash: the blocks are stored in pieces beside their rows.
    const { rows: answer } = await sql<{ packed: Uint8Array | null }>`
      with b as materialized (
        select count, substring(data for 32 * count) as hashes from job_block
        where execution_id = ${executionId} and seq in (select unnest(${plainArray(run.map(({ seq }) => Number(seq)))}::int8[]))
        order by first_started_ms, seq
      )
      select string_agg(c.eval_hash || int4send(length(c.body)) || c.body, '') as packed from b
      cross join lateral generate_series(0, b.count - 1) as i
      cross join lateral (select eval_hash, body from call where eval_hash = substring(b.hashes from 32 * i + 1 for 32) ${BY_KEY}) c`.execute(
      db,
    );
    const reader = new ByteReader(answer[0]?.packed ?? new Uint8Array());
    const stored: [Digest, StoredOutcome][] = [];
    while (!reader.done) stored.push([reader.digest(), readOutcome(reader)]);
    const found = await withBytes(db, writes, stored);
    if (found.size > 0) yield [...found.values()];
  }
}
