import { type Kysely, sql } from "kysely";

/** Equal rows may lie in files of several formats: how a dataset is read belongs to each of its places. */
const STATEMENTS: readonly string[] = [
  "alter table dataset_location add column format text, add column options json",
  "update dataset_location l set format = d.format, options = d.options from dataset d where d.identity = l.identity",
  "alter table dataset_location alter column format set not null, alter column options set not null",
  "alter table dataset drop column format, drop column options",
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
