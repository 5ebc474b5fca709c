import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readRows } from "../../src/data/read.ts";
import { writeParquet } from "../../src/data/write-parquet.ts";
import { type DatasetPlace, DatasetValue, rememberDataset } from "../../src/define/external.ts";
import type { StructType } from "../../src/define/schema.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firesteel-parquet-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let made = 0;
const place = (files: readonly string[], location: string, schema: StructType | null = null): DatasetValue => {
  const identity = (++made).toString(16).padStart(64, "0");
  const record: DatasetPlace = {
    location,
    format: "parquet",
    partitionBy: [],
    rows: null,
    schema,
    files: files.map((path) => ({ path })),
  };
  rememberDataset(identity, record);
  return new DatasetValue(identity);
};

async function roundTrip(rows: readonly unknown[], columns: Readonly<Record<string, string>>) {
  const uri = pathToFileURL(join(folder, `${++made}.parquet`)).href;
  expect(await writeParquet(rows, columns, uri)).toBe(rows.length);
  return readRows(place([""], uri));
}

/** Type, what may be written, and what is read then. */
const TYPES: readonly [string, fc.Arbitrary<unknown>, (value: unknown) => unknown][] = [
  ["string", fc.string({ unit: "binary" }), (value) => value],
  ["boolean", fc.boolean(), (value) => value],
  ["int", fc.integer(), (value) => value],
  [
    "bigint",
    fc.oneof(fc.maxSafeInteger(), fc.bigInt({ min: -(2n ** 53n) + 1n, max: 2n ** 53n - 1n })),
    (value) => BigInt(value as number),
  ],
  ["float", fc.float({ noNaN: true }), (value) => value],
  ["double", fc.double({ noNaN: true }), (value) => value],
  ["date", fc.integer({ min: -100_000, max: 100_000 }).map((day) => new Date(day * 86_400_000)), (value) => value],
  ["timestamp", fc.date({ noInvalidDate: true, min: new Date(-6e13), max: new Date(2.5e14) }), (value) => value],
  ["binary", fc.uint8Array({ maxLength: 40 }), (value) => value],
];

describe("rows written and read", () => {
  it.each(TYPES)("%s comes back as it was", async (type, values, read) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(values), { minLength: 1, maxLength: 20 }), async (column) => {
        const rows = await roundTrip(
          column.map((value) => ({ a: value, n: 1 })),
          { a: type, n: "int" },
        );
        expect(rows).toEqual(column.map((value) => ({ a: value === null ? null : read(value), n: 1 })));
      }),
      { numRuns: 30 },
    );
  });

  it("no rows are a dataset too", async () => {
    expect(await roundTrip([], { a: "int" })).toEqual([]);
  });

  it("a column that a row lacks is NULL", async () => {
    expect(await roundTrip([{ a: 1 }, {}, { a: undefined }], { a: "int" })).toEqual([
      { a: 1 },
      { a: null },
      { a: null },
    ]);
  });

  it.each<[string, unknown, string, RegExp]>([
    [
      "beyond 2^53",
      2n ** 53n,
      "bigint",
      /^createDataset: row 1, column a \(bigint\) is beyond 2\^53 and would be rounded/,
    ],
    ["a rounded number", 2 ** 53, "bigint", /is beyond 2\^53/],
    ["a fraction", 1.5, "bigint", /must be an integer: 1\.5$/],
    ["-0", -0, "bigint", /must be an integer/],
    ["-0", -0, "int", /must be an integer of 32 bits/],
    ["33 bits", 2 ** 31, "int", /must be an integer of 32 bits: 2147483648$/],
    ["a bigint", 1n, "int", /must be an integer of 32 bits/],
    ["a number that 32 bits cannot hold", 0.1, "float", /must be a number that 32 bits hold exactly: 0\.1$/],
    ["a text", "1", "double", /must be a number: 1$/],
    ["a number", 1, "string", /must be a string/],
    ["a number", 1, "boolean", /must be true or false/],
    ["noon", new Date(43_200_000), "date", /must be a Date at midnight UTC/],
    ["NaN in a float", Number.NaN, "float", /is NaN, which the file's writer does not know/],
    ["NaN in a double", Number.NaN, "double", /is NaN, which the file's writer does not know/],
    ["an invalid Date", new Date(Number.NaN), "timestamp", /must be a Date/],
    ["a list", [1], "binary", /must be a Uint8Array/],
  ])("%s in a column that cannot hold it is refused (%s as %s)", async (_, value, type, message) => {
    const before = await readdir(folder);
    const uri = pathToFileURL(join(folder, "refused.parquet")).href;
    await expect(writeParquet([{ a: null }, { a: value }], { a: type }, uri)).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(message),
      details: { row: 1 },
    });
    expect(await readdir(folder)).toEqual(before);
  });

  it.each<[string, readonly unknown[], Readonly<Record<string, string>>, RegExp]>([
    ["an unknown type", [], { a: "decimal" }, /column a has a type that is not known here \(string, .*\): decimal$/],
    ["no columns", [], {}, /there are no columns/],
    ["a row that is a list", [[1]], { a: "int" }, /row 0 is no object/],
    ["an undeclared column", [{ b: 1 }], { a: "int" }, /row 0 has a column that is not declared: b$/],
  ])("%s is refused", async (_, rows, columns, message) => {
    await expect(writeParquet(rows, columns, pathToFileURL(join(folder, "x.parquet")).href)).rejects.toThrow(message);
  });
});

describe("readRows", () => {
  const field = (name: string, type: string) => ({ name, type, nullable: true, metadata: {} });

  it("adds what key=value folders say, by the recorded types", async () => {
    const root = join(folder, "parts");
    const files = [
      "year=2024/day=2024-01-02/ok=true/note=a%3Ab/part 1.parquet",
      "year=__HIVE_DEFAULT_PARTITION__/day=2024-01-03/ok=false/note=100%/part.parquet",
    ];
    for (const file of files) {
      const path = join(root, file);
      await mkdir(join(path, ".."), { recursive: true });
      await writeParquet([{ n: 1 }], { n: "int" }, pathToFileURL(path).href);
    }
    const schema: StructType = {
      type: "struct",
      fields: [
        field("n", "integer"),
        field("year", "long"),
        field("day", "date"),
        field("ok", "boolean"),
        field("note", "string"),
      ],
    };
    const location = pathToFileURL(root).href;
    const paths = files.map((file) => pathToFileURL(join(root, file)).href.slice(location.length + 1));
    const data = place(paths, location, schema);
    expect(await readRows(data)).toEqual([
      { n: 1, year: 2024n, day: new Date("2024-01-02"), ok: true, note: "a:b" },
      { n: 1, year: null, day: new Date("2024-01-03"), ok: false, note: "100%" },
    ]);
    expect(await readRows(data, { columns: ["year", "n"] })).toEqual([
      { n: 1, year: 2024n },
      { n: 1, year: null },
    ]);
    expect(await readRows(data, { columns: ["ok"] })).toEqual([{ ok: true }, { ok: false }]);
  });

  it("reads only the columns asked for", async () => {
    const uri = pathToFileURL(join(folder, "columns.parquet")).href;
    await writeParquet([{ a: 1, b: "x" }], { a: "int", b: "string" }, uri);
    expect(await readRows(place([""], uri), { columns: ["b"] })).toEqual([{ b: "x" }]);
  });

  it.each<[string, Partial<DatasetPlace>, RegExp]>([
    ["another format", { format: "csv" }, /^readRows reads Parquet, not csv; turn it into a dataset with sql first: /],
    [
      "an HDFS that is not configured",
      { location: "hdfs://nn/x", files: [{ path: "" }] },
      /^no WebHDFS is configured for hdfs:\/\/nn: /,
    ],
  ])("refuses %s", async (_, change, message) => {
    const identity = (++made).toString(16).padStart(64, "0");
    rememberDataset(identity, {
      location: "file:///x",
      format: "parquet",
      partitionBy: [],
      rows: null,
      schema: null,
      files: [],
      ...change,
    });
    await expect(readRows(new DatasetValue(identity))).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringMatching(message),
    });
  });

  it("refuses a dataset that is no argument of the task", async () => {
    await expect(readRows(new DatasetValue("f".repeat(64)))).rejects.toMatchObject({ code: "invalid_argument" });
  });
});
