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
      const added = [...bySource.values()].map((ofOne): LogRequest => {
        const { submissionId, source } = ofOne[0]!;
        const from = ofOne.findLastIndex(({ replace }) => replace);
        const lines = ofOne.slice(Math.max(0, from)).flatMap((request) => request.lines);
        return { submissionId, source, replace: from >= 0, lines: lines.slice(-keep).map(shortened) };
      });
      await remove(
        db,
        added.filter(({ replace }) => replace),
      );
      for (const one of await append(db, added)) await trim(db, one, keep);
      return noAnswers(requests);
    },
  };
}

function shortened(line: string): string {
  return line.length <= LINE_LENGTH
    ? line
    : `${line.slice(0, LINE_LENGTH)} ... ${line.length - LINE_LENGTH} characters left out`;
}

async function remove(db: Db, replaced: readonly LogRequest[]): Promise<void> {
  if (replaced.length === 0) return;
  const [ids, sources] = [replaced.map((one) => one.submissionId), replaced.map((one) => one.source)];
  await sql`
    delete from submission_log l using unnest(${textArray(ids)}::text[], ${textArray(sources)}::text[]) as t(id, source)
    where l.submission_id = t.id and l.source = t.source`.execute(db);
}

interface Grown {
  readonly id: string;
  readonly source: string;
  /** The number of the last line. */
  readonly last: string;
  readonly added: string;
}

/** All in one statement: thousands of submissions have something to say at once. */
async function append(db: Db, added: readonly LogRequest[]): Promise<readonly Grown[]> {
  const of = (part: (one: LogRequest) => string) => textArray(added.flatMap((one) => one.lines.map(() => part(one))));
  const lines = added.flatMap((one) => one.lines);
  if (lines.length === 0) return [];
  // Numbered over all sources: the order in which they came.
  const { rows } = await sql<Grown>`
    with line as (
      select id, source, line, row_number() over (partition by id order by n) as n
      from unnest(${of((one) => one.submissionId)}::text[], ${of((one) => one.source)}::text[], ${textArray(lines)}::text[]) with ordinality as t(id, source, line, n)
    ), former as materialized (
      select id, (select coalesce(max(line_number), 0) from submission_log where submission_id = t.id) as last
      from (select distinct id from line) as t
    ), added as (
      insert into submission_log (submission_id, source, line_number, line)
      select id, source, last + n, line from line join former using (id)
      returning submission_id, source, line_number
    )
    select submission_id as id, source, max(line_number) as last, count(*) as added from added group by 1, 2`.execute(
    db,
  );
  return rows;
}

/** Removes the oldest lines of a source, from time to time: a look at all lines for every few that are added would cost the square of them. */
async function trim(db: Db, { id, source, last, added }: Grown, keep: number): Promise<void> {
  const step = Math.max(1, Math.floor(keep / 20));
  if (Math.floor(Number(last) / step) === Math.floor((Number(last) - Number(added)) / step)) return;
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

/** Lines at the end of a log: as many as Livy keeps. */
const END_LINES = 200;
/** Ends of logs in one answer. */
export const LOG_ENDS = 100;

/** What the end of a log is asked for by. */
export function logKey(submissionId: string, source: LogSource): string {
  return `${source} ${submissionId}`;
}

/** The last lines of logs, oldest first, by key. */
export async function readLogEnds(db: Db, keys: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const { rows } = await sql<{ readonly key: string; readonly line: string }>`
    select k.key, l.line from unnest(${textArray(keys)}::text[]) as k(key)
    cross join lateral (
      select line_number, line from submission_log
      where submission_id = split_part(k.key, ' ', 2) and source = split_part(k.key, ' ', 1)
      order by line_number desc limit ${END_LINES}::int
    ) as l
    order by k.key, l.line_number`.execute(db);
  const ends = new Map<string, string[]>();
  for (const { key, line } of rows) {
    const end = ends.get(key);
    if (end === undefined) ends.set(key, [line]);
    else end.push(line);
  }
  return ends;
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
