/** Log lines of submissions, bounded: Livy forgets them, and nobody reads more than the end. */

import { sql } from "kysely";
import { textArray } from "./arrays.ts";
import type { Db } from "./database.ts";
import { noAnswers, type WriteKind } from "./write-kind.ts";

/** Lines kept for each submission. */
export const LOG_LINES = 2_000;

export interface LogRequest {
  readonly submissionId: string;
  readonly lines: readonly string[];
}

/** Appends lines, and removes the oldest beyond `keep`. */
export function appendLogKind(keep: number): WriteKind<LogRequest, undefined> {
  return {
    name: "log",
    lane: "log",
    repeatable: false,
    prepare: (requests) => async (db) => {
      const bySubmission = Map.groupBy(requests, (request) => request.submissionId);
      for (const [id, ofOne] of bySubmission)
        await append(db, id, ofOne.flatMap((request) => request.lines).slice(-keep), keep);
      return noAnswers(requests);
    },
  };
}

async function append(db: Db, id: string, lines: readonly string[], keep: number): Promise<void> {
  if (lines.length === 0) return;
  await sql`
    insert into submission_log (submission_id, line_number, line)
    select ${id}::text, n + (select coalesce(max(line_number), 0) from submission_log where submission_id = ${id}::text), line
    from unnest(${textArray(lines)}::text[]) with ordinality as t(line, n)`.execute(db);
  await sql`
    delete from submission_log where submission_id = ${id}::text
      and line_number <= (select max(line_number) from submission_log where submission_id = ${id}::text) - ${keep}::int`.execute(
    db,
  );
}

/** The kept lines, oldest first. */
export async function readLog(db: Db, submissionId: string): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("submission_log")
    .select("line")
    .where("submission_id", "=", submissionId)
    .orderBy("line_number")
    .execute();
  return rows.map((row) => row.line);
}
