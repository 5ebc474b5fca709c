import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Db } from "../../src/record/database.ts";
import { migrate } from "../../src/record/migrate.ts";
import { openPGlite } from "../../src/record/pglite/client.ts";
import { openPostgres } from "../../src/record/postgres.ts";
import { openStore } from "../../src/record/store.ts";
import { type Backend, embeddedBackend, type PostgresBackend, postgresBackend } from "./backends.ts";

/** Tables with their columns, constraints and indices as SQL-like text, in an order of its own. */
async function dumpSchema(db: Db): Promise<string> {
  const { rows } = await sql<{ line: string }>`
    select line from (
      select c.relname as name, 1 as part, a.attnum::int as place, c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then ' not null' else '' end
        || case a.attidentity when 'a' then ' generated always as identity' else '' end || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') as line
      from pg_class c join pg_attribute a on a.attrelid = c.oid left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
      where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped and c.relname not like 'kysely%'
      union all
      select c.relname, 2, 0, c.relname || ' constraint ' || o.conname || ' ' || pg_get_constraintdef(o.oid)
      from pg_constraint o join pg_class c on c.oid = o.conrelid where c.relnamespace = 'public'::regnamespace and c.relname not like 'kysely%' and o.contype <> 'n'
      union all
      select tablename, 3, 0, indexdef from pg_indexes where schemaname = 'public' and tablename not like 'kysely%'
    ) as lines order by name collate "C", part, place, line collate "C"`.execute(db);
  return `-- The schema after all migrations, one line a thing. Written by test/record/migrate.test.ts: run it with "vitest run -u" after adding a migration.\n${rows.map((row) => row.line).join("\n")}\n`;
}

describe("migrations", () => {
  let postgres: PostgresBackend;
  let embedded: Backend;
  beforeAll(async () => {
    [postgres, embedded] = await Promise.all([postgresBackend(), embeddedBackend()]);
  });
  afterAll(async () => {
    await Promise.all([postgres?.stop(), embedded?.stop()]);
  });

  it("make the committed schema on Postgres and on PGlite", async () => {
    const location = await embedded.fresh();
    if (location.kind !== "embedded") throw new Error("not embedded");
    for (const db of [
      openPostgres({ url: (await postgres.fresh()).url, onNotice: () => undefined }).db,
      await openPGlite(location.directory),
    ]) {
      try {
        await migrate(db);
        await expect(await dumpSchema(db)).toMatchFileSnapshot("schema.sql");
      } finally {
        await db.destroy();
      }
    }
  });

  it("run once when 20 installs run at once", async () => {
    const { url } = await postgres.fresh();
    const databases = Array.from(
      { length: 20 },
      () => openPostgres({ url, connections: 2, onNotice: () => undefined }).db,
    );
    try {
      await Promise.all(databases.map((db) => migrate(db)));
      const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(databases[0]!);
      expect(rows.map(({ name }) => name).sort()).toEqual([
        "0001-initial",
        "0002-task-versions",
        "0003-sharing",
        "0004-clusters",
        "0005-sessions",
        "0006-place-formats",
        "0007-log-sources",
        "0008-leaving",
      ]);
    } finally {
      await Promise.all(databases.map((db) => db.destroy()));
    }
  });

  it("give 20 stores that open a new database at once the same store id", async () => {
    const { url } = await postgres.fresh();
    const stores = await Promise.all(Array.from({ length: 20 }, () => openStore({ kind: "postgres", url })));
    try {
      expect(new Set(stores.map((store) => store.storeId)).size).toBe(1);
    } finally {
      await Promise.all(stores.map((store) => store[Symbol.asyncDispose]()));
    }
  });

  it("refuse a database of a newer version", async () => {
    const location = await postgres.fresh();
    await (await openStore(location))[Symbol.asyncDispose]();
    const { db } = openPostgres({ url: location.url, onNotice: () => undefined });
    await sql`insert into kysely_migration (name, timestamp) values ('9999-future', '')`.execute(db);
    await db.destroy();
    await expect(openStore(location)).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("9999-future"),
    });
  });

  it("say what is wrong with the place of a database", async () => {
    await expect(openStore({ kind: "postgres", url: "mysql://me:secret@x/y" })).rejects.toMatchObject({
      code: "invalid_argument",
      message: "database URL must start with postgres://: mysql://me:***@x/y",
    });
    await expect(openStore({ kind: "postgres", url: "postgres://127.0.0.1:1/x" })).rejects.toMatchObject({
      code: "unavailable",
    });
    const { url } = await postgres.fresh();
    await expect(openStore({ kind: "postgres", url: url.replace(/test_\d+$/, "nothing") })).rejects.toMatchObject({
      code: "failed_precondition",
    });
    await expect(openStore({ kind: "postgres", url: url.replace("password", "wrong") })).rejects.toMatchObject({
      code: "permission_denied",
    });
  });
});
