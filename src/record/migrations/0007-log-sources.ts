import { type Kysely, sql } from "kysely";

/** Logs of a submission by where they come from, and the link to its page in the Spark History Server. */
const STATEMENTS: readonly string[] = [
  "alter table submission_log add column source text not null default 'submit'",
  "alter table submission add column history_url text",
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
