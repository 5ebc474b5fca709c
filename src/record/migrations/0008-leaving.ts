import { type Kysely, sql } from "kysely";

/** Submissions that have ended and whose applications may not have: also who starts after a crash sees to their end. */
const STATEMENTS: readonly string[] = [
  // What ended before this was written down is long gone.
  "update submission set gone_at = ended_at where gone_at is null and state in ('succeeded', 'failed', 'killed', 'cancelled')",
  "create index submission_leaving on submission (seq) where gone_at is null and state in ('succeeded', 'failed', 'killed')",
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
