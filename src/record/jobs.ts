/** Jobs: inserted or changed by id, many at a time. */

import { type Selectable, sql } from "kysely";
import type { JobRecord, JobState } from "../evaluate/ports.ts";
import { digestArray, hexOf, plainArray, textArray } from "./arrays.ts";
import type { Db, JobTable } from "./database.ts";
import { toMs } from "./page.ts";
import { noAnswers, type WriteKind } from "./write-kind.ts";

/** Inserts jobs or overwrites what can change of them; of several records of one job in a batch the last counts. */
export const RECORD_JOB: WriteKind<JobRecord, undefined> = {
  name: "job",
  lane: "job",
  repeatable: false,
  prepare: (records) => {
    const jobs = [...new Map(records.map((job) => [job.id, job])).values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    const texts = (pick: (job: JobRecord) => string | null): ReturnType<typeof sql> =>
      sql`${textArray(jobs.map(pick))}::text[]`;
    const statement = sql`
      insert into job (id, execution_id, parent_id, task, eval_hash, state, executor, cached, started_at, ended_at, error, submission_id, note)
      select id, execution_id, parent_id, task, eval_hash, state, executor, cached, to_timestamp(started_ms / 1000), to_timestamp(ended_ms / 1000), error::json, submission_id, note
      from unnest(
        ${texts((job) => job.id)}, ${texts((job) => job.executionId)}, ${texts((job) => job.parentId)}, ${texts((job) => job.task)},
        ${digestArray(jobs.map((job) => job.evalHash))}::bytea[], ${texts((job) => job.state)}, ${texts((job) => job.executor)},
        ${plainArray(jobs.map((job) => job.cached))}::bool[], ${plainArray(jobs.map((job) => job.startedAt))}::float8[], ${plainArray(jobs.map((job) => job.endedAt))}::float8[],
        ${texts((job) => (job.error === null ? null : JSON.stringify(job.error)))}, ${texts((job) => job.submissionId)}, ${texts((job) => job.note)}
      ) as t(id, execution_id, parent_id, task, eval_hash, state, executor, cached, started_ms, ended_ms, error, submission_id, note)
      on conflict (id) do update set
        state = excluded.state, executor = excluded.executor, cached = excluded.cached, started_at = excluded.started_at, ended_at = excluded.ended_at, eval_hash = excluded.eval_hash,
        error = excluded.error, submission_id = excluded.submission_id, note = excluded.note`;
    return async (db) => {
      await statement.execute(db);
      return noAnswers(records);
    };
  },
};

/** The jobs of an execution, oldest first. */
export async function listJobs(db: Db, executionId: string): Promise<readonly JobRecord[]> {
  const rows = await db
    .selectFrom("job")
    .selectAll()
    .where("execution_id", "=", executionId)
    .orderBy("started_at")
    .orderBy("id")
    .execute();
  return rows.map(fromRow);
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
    endedAt: toMs(row.ended_at),
    error: row.error,
    submissionId: row.submission_id,
    note: row.note,
  };
}
