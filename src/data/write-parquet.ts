/**
 * Small rows made in TypeScript as a Parquet file (`createDataset`). Whatever the file could not hold exactly is refused before a byte is written: the writer itself rounds 64-bit integers beyond 2^53.
 */

import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import parquet from "parquetjs-lite";
import { Code, FiresteelError } from "../errors.ts";
import { storageOver } from "../route/storage/storages.ts";
import { bodyStorages } from "./body-storages.ts";

interface Column {
  /** The writer's name of the type. */
  readonly parquet: string;
  /** The value as the writer wants it; a text says what is wrong. */
  readonly convert: (value: unknown) => { readonly value: unknown } | string;
}

const same = (test: (value: unknown) => boolean, wanted: string) => (value: unknown) =>
  test(value) ? { value } : wanted;
const isDate = (value: unknown): value is Date => value instanceof Date && !Number.isNaN(value.getTime());

/** The writer reads numbers as text, where -0 has lost its sign; given as text it keeps it. It has no NaN. */
const numeric = (value: unknown, holds: (value: number) => boolean, wanted: string) => {
  if (Number.isNaN(value))
    return "is NaN, which the file's writer does not know; leave it out (NULL) or keep it as a string column";
  if (typeof value !== "number" || !holds(value)) return wanted;
  return { value: Object.is(value, -0) ? "-0" : value };
};

/** Spark's type names. */
const COLUMNS: Readonly<Record<string, Column>> = {
  string: { parquet: "UTF8", convert: same((value) => typeof value === "string", "must be a string") },
  boolean: { parquet: "BOOLEAN", convert: same((value) => typeof value === "boolean", "must be true or false") },
  int: {
    parquet: "INT32",
    convert: same(
      (value) => typeof value === "number" && (value | 0) === value && !Object.is(value, -0),
      "must be an integer of 32 bits",
    ),
  },
  bigint: {
    parquet: "INT64",
    convert: (value) => {
      if (typeof value !== "bigint" && (typeof value !== "number" || !Number.isInteger(value) || Object.is(value, -0)))
        return "must be an integer";
      if (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER)
        return "is beyond 2^53 and would be rounded in the file; keep it as a string column and cast it in SQL";
      return { value: Number(value) };
    },
  },
  float: {
    parquet: "FLOAT",
    convert: (value) =>
      numeric(value, (number) => Math.fround(number) === number, "must be a number that 32 bits hold exactly"),
  },
  double: { parquet: "DOUBLE", convert: (value) => numeric(value, () => true, "must be a number") },
  date: {
    parquet: "DATE",
    convert: same((value) => isDate(value) && value.getTime() % 86_400_000 === 0, "must be a Date at midnight UTC"),
  },
  timestamp: { parquet: "TIMESTAMP_MILLIS", convert: same(isDate, "must be a Date") },
  binary: {
    parquet: "BYTE_ARRAY",
    convert: (value) => (value instanceof Uint8Array ? { value: Buffer.from(value) } : "must be a Uint8Array"),
  },
};

/**
 * Writes rows as one Parquet file with nullable columns.
 *
 * @param columns column name to Spark type
 * @returns the number of rows
 * @throws FiresteelError `invalid_argument` with row and column of what does not fit
 */
export async function writeParquet(
  rows: readonly unknown[],
  columns: Readonly<Record<string, string>>,
  uri: string,
): Promise<number> {
  const types = Object.entries(columns).map(([name, type]) => {
    const column = Object.hasOwn(COLUMNS, type) ? COLUMNS[type] : undefined;
    if (!column)
      throw new FiresteelError(
        Code.invalidArgument,
        `createDataset: column ${name} has a type that is not known here (${Object.keys(COLUMNS).join(", ")}): ${type}`,
      );
    return { name, type, column };
  });
  if (types.length === 0) throw new FiresteelError(Code.invalidArgument, "createDataset: there are no columns");
  const converted = rows.map((row, i) => convertRow(row, i, types));
  const schema = new parquet.ParquetSchema(
    Object.fromEntries(
      types.map(({ name, column }) => [name, { type: column.parquet, optional: true, compression: "SNAPPY" }]),
    ),
  );
  const write = async (path: string) => {
    const writer = await parquet.ParquetWriter.openFile(schema, path);
    for (const row of converted) await writer.appendRow(row);
    await writer.close();
  };
  if (uri.startsWith("file:")) await writeLocal(fileURLToPath(uri), write);
  else await writeRemote(uri, write);
  return rows.length;
}

type Write = (path: string) => Promise<void>;

async function writeLocal(path: string, write: Write): Promise<void> {
  const draft = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}.part`;
  await mkdir(dirname(path), { recursive: true });
  try {
    await write(draft);
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}

/** The writer knows local files only. */
async function writeRemote(uri: string, write: Write): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "firesteel-rows-"));
  try {
    const draft = join(folder, "rows.parquet");
    await write(draft);
    if (await storageOver(bodyStorages()).putIfAbsent(uri, await readFile(draft))) return;
    throw new FiresteelError(Code.alreadyExists, `createDataset: there is a file already: ${uri}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function convertRow(
  row: unknown,
  index: number,
  types: readonly { readonly name: string; readonly type: string; readonly column: Column }[],
): Record<string, unknown> {
  const refuse = (what: string) =>
    new FiresteelError(Code.invalidArgument, `createDataset: row ${index}${what}`, { details: { row: index } });
  if (typeof row !== "object" || row === null || Array.isArray(row)) throw refuse(" is no object");
  const given = row as Record<string, unknown>;
  for (const key of Object.keys(given))
    if (!types.some(({ name }) => name === key)) throw refuse(` has a column that is not declared: ${key}`);
  const out: Record<string, unknown> = {};
  for (const { name, type, column } of types) {
    const value = given[name];
    if (value === null || value === undefined) continue;
    const result = column.convert(value);
    if (typeof result === "string") throw refuse(`, column ${name} (${type}) ${result}: ${String(value)}`);
    out[name] = result.value;
  }
  return out;
}
