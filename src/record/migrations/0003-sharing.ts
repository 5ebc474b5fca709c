import { type Kysely, sql } from "kysely";

/** What several processes on one database tell each other. */
const STATEMENTS: readonly string[] = [
  // Null: nobody keeps it yet; the keeper of its cluster takes it.
  "alter table submission alter column owner drop not null",
  // Somebody may follow it through the database: its changes are told.
  "alter table submission add column followed boolean not null default false",
  "alter table submission add column note text not null default ''",
  "alter table submission add column cancel_requested text",
  "alter table submission add column gone_at timestamptz",
  `create table cluster (
    name text primary key,
    status json not null,
    told_at timestamptz not null
  )`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
