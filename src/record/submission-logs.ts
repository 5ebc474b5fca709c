/** Log lines of submissions, bounded: Livy and YARN forget them, and nobody reads more than the end. */

import { sql } from "kysely";
import { LogSource, type SourceLog } from "../evaluate/ports.ts";
import { textArray } from "./arrays.ts";
import type { Db } from "./database.ts";
import { noAnswers, type WriteKind } from "./write-kind.ts";

/** Lines kept of each source of a submission, and a twentieth more: they are not counted at every write. */
export const LOG_LINES = 2_000;
/** Bytes kept of each source; together they have to fit into one answer. */
const LOG_BYTES = 512 * 1024;
/** Characters kept of one line. */
const LINE_LENGTH = 8_000;

export interface LogRequest {
  readonly submissionId: string;
  readonly source: LogSource;
  readonly lines: readonly string[];
  /** The lines that are there go first. */
  readonly replace: boolean;
}

/** Appends lines, and removes the oldest of their source beyond `keep`. */
export function appendLogKind(keep: number): WriteKind<LogRequest, undefined> {
  return {
    name: "log",
    lane: "log",
    repeatable: false,
    prepare: (requests) => async (db) => {
      const bySource = Map.groupBy(requests, ({ submissionId, source }) => `${source} ${submissionId}`);
      for (const ofOne of bySource.values()) {
        const { submissionId, source } = ofOne[0]!;
        const from = Math.max(
          0,
          ofOne.findLastIndex(({ replace }) => replace),
        );
        if (ofOne[from]!.replace)
          await db
            .deleteFrom("submission_log")
            .where("submission_id", "=", submissionId)
            .where("source", "=", source)
            .execute();
        const lines = ofOne.slice(from).flatMap((request) => request.lines);
        await append(db, submissionId, source, lines.slice(-keep).map(shortened), keep);
      }
      return noAnswers(requests);
    },
  };
}

function shortened(line: string): string {
  return line.length <= LINE_LENGTH
    ? line
    : `${line.slice(0, LINE_LENGTH)} ... ${line.length - LINE_LENGTH} characters left out`;
}

async function append(db: Db, id: string, source: LogSource, lines: readonly string[], keep: number): Promise<void> {
  if (lines.length === 0) return;
  // Numbered over all sources: the order in which they came.
  const { rows } = await sql<{ readonly last: string }>`
    insert into submission_log (submission_id, source, line_number, line)
    select ${id}::text, ${source}::text, n + (select coalesce(max(line_number), 0) from submission_log where submission_id = ${id}::text), line
    from unnest(${textArray(lines)}::text[]) with ordinality as t(line, n)
    returning line_number as last`.execute(db);
  // A look at all lines for every few that are added would cost the square of them.
  const step = Math.max(1, Math.floor(keep / 20));
  const last = Math.max(...rows.map((row) => Number(row.last)));
  if (Math.floor(last / step) === Math.floor((last - lines.length) / step)) return;
  await sql`
    delete from submission_log where submission_id = ${id}::text and source = ${source}::text and line_number < (
      select min(line_number) from (
        select line_number, count(*) over newest as n, sum(octet_length(line) + 1) over newest as bytes
        from submission_log where submission_id = ${id}::text and source = ${source}::text
        window newest as (order by line_number desc)
      ) as kept where n <= ${keep}::int and bytes <= ${LOG_BYTES}::int
    )`.execute(db);
}

/** The kept lines, oldest first. */
export async function readLog(db: Db, submissionId: string, source?: LogSource): Promise<readonly string[]> {
  let query = db.selectFrom("submission_log").select("line").where("submission_id", "=", submissionId);
  if (source !== undefined) query = query.where("source", "=", source);
  return (await query.orderBy("line_number").execute()).map((row) => row.line);
}

/** The kept lines by source. */
export async function readLogs(db: Db, submissionId: string): Promise<readonly SourceLog[]> {
  const rows = await db
    .selectFrom("submission_log")
    .select(["source", "line"])
    .where("submission_id", "=", submissionId)
    .orderBy("line_number")
    .execute();
  const bySource = Map.groupBy(rows, (row) => row.source);
  return Object.values(LogSource).flatMap((source) => {
    const lines = bySource.get(source);
    return lines === undefined ? [] : [{ source, lines: lines.map((row) => row.line) }];
  });
}
