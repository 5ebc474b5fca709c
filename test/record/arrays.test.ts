import fc from "fast-check";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestArray, plainArray, storable, textArray } from "../../src/record/arrays.ts";
import { ArrayWriter } from "../../src/record/bytes.ts";
import type { Db } from "../../src/record/database.ts";
import { openPGlite } from "../../src/record/pglite/client.ts";
import { openPostgres } from "../../src/record/postgres.ts";
import { type Backend, embeddedBackend, postgresBackend } from "./backends.ts";
import { plain } from "./samples.ts";

describe.each([
  { name: "PGlite", start: embeddedBackend as () => Promise<Backend> },
  { name: "Postgres", start: postgresBackend as () => Promise<Backend> },
])("array literals on $name", ({ start }) => {
  let backend: Backend;
  let db: Db;
  beforeAll(async () => {
    backend = await start();
    const location = await backend.fresh();
    db =
      location.kind === "embedded"
        ? await openPGlite(location.directory)
        : openPostgres({ url: location.url, onNotice: () => undefined }).db;
  });
  afterAll(async () => {
    await db?.destroy();
    await backend?.stop();
  });

  async function unnest(literal: string | Buffer, type: string): Promise<unknown[]> {
    const { rows } = await sql<{
      member: unknown;
    }>`select member from unnest(${literal}::${sql.raw(type)}) with ordinality as t(member, place) order by place`.execute(
      db,
    );
    return rows.map((row) => plain(row.member));
  }

  it("give the members back", async () => {
    const nasty = fc.constantFrom(
      "",
      "NULL",
      "null",
      '"',
      "\\",
      "{",
      "}",
      ",",
      " ",
      "\n",
      "\0",
      "\ud800",
      'a\\"b,{NULL}',
      "ü€😀",
    );
    const texts = fc.array(fc.option(fc.oneof(nasty, fc.string({ unit: "binary" }))));
    const numbers = fc.array(fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })));
    const bytes = fc.array(fc.uint8Array({ maxLength: 40 }));
    await fc.assert(
      fc.asyncProperty(texts, numbers, bytes, fc.array(fc.boolean()), async (text, number, binary, flags) => {
        expect(await unnest(textArray(text), "text[]")).toEqual(
          text.map((member) => (member === null ? null : storable(member))),
        );
        expect(await unnest(plainArray(number), "float8[]")).toEqual(
          number.map((member) => (member === null ? null : member + 0)),
        );
        expect(await unnest(plainArray(flags), "bool[]")).toEqual(flags);
        const array = new ArrayWriter("bytea", 1);
        for (const member of binary) array.addBytes(member);
        expect(await unnest(array.finish(), "bytea[]")).toEqual(binary.map((member) => [...member]));
        expect(
          await unnest(digestArray(binary.map((member) => Buffer.from(member).toString("hex"))), "bytea[]"),
        ).toEqual(binary.map((member) => [...member]));
      }),
      { numRuns: 60 },
    );
  });
});
