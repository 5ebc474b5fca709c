import { type Kysely, sql } from "kysely";

/** What the code of tasks is made of, so that an earlier version can be compared with a later one. */
const STATEMENTS: readonly string[] = [
  `create table task_version (
    task text not null,
    code bytea not null,
    parts json not null,
    seen_at timestamptz not null default now(),
    primary key (task, code)
  )`,
  `create table code_text (
    digest bytea primary key,
    text text not null
  )`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
