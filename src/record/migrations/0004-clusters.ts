import { type Kysely, sql } from "kysely";

/** Who took which cluster out of use, when and why, and who gave it back. */
const STATEMENTS: readonly string[] = [
  `create table cluster_drain (
    seq bigint generated always as identity primary key,
    cluster text not null,
    drained_at timestamptz not null,
    drained_by text not null,
    reason text not null,
    resumed_at timestamptz,
    resumed_by text
  )`,
  "create unique index cluster_drain_now on cluster_drain (cluster) where resumed_at is null",
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
