import { type Kysely, sql } from "kysely";

/** How a submission is carried: as a batch, or as a statement of a session. */
const STATEMENTS: readonly string[] = [
  "alter table submission add column mode text not null default 'batch'",
  "alter table submission add column session text",
  "alter table submission add column statement_id integer",
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
