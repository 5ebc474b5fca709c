/**
 * Reading datasets in the body of a task.
 */

import { fileURLToPath } from "node:url";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import type { AsyncBuffer } from "hyparquet";
import { type DatasetValue, placeOf } from "../define/external.ts";
import type { DataType } from "../define/schema.ts";
import { Code, FiresteelError } from "../errors.ts";
import { storageOf } from "../evaluate/file-identity.ts";
import { bodyStorages } from "./body-storages.ts";

/** Loaded when rows are read: each edit of flow code starts a thread that loads this module. */
const hyparquet = () => import("hyparquet");

/** Bytes of a file that is read as a whole rather than in parts, each a request. */
const SMALL = 4 << 20;

/** A row: column name to value. 64-bit integers are `bigint`, dates and timestamps `Date`, NULL is `null`. */
export type Row = Readonly<Record<string, unknown>>;

/** What {@link readRows} takes. */
export interface ReadRowsOptions {
  /** Only these columns. */
  readonly columns?: readonly string[];
}

/** Codecs that hyparquet asks for beside snappy, which it has itself. */
const compressors = {
  ZSTD: (input: Uint8Array) => new Uint8Array(zstdDecompressSync(input)),
  GZIP: (input: Uint8Array) => new Uint8Array(gunzipSync(input)),
  BROTLI: (input: Uint8Array) => new Uint8Array(brotliDecompressSync(input)),
};

/**
 * All rows of a Parquet dataset, in memory. A dataset is an unordered bag: sort where the order matters, or the result depends on how the files happen to lie.
 *
 * @example
 * ```ts
 * export const top = task("sales.top", async (revenue: Dataset) => {
 *   const rows = await readRows(revenue);
 *   return rows.map((row) => String(row.region)).sort();
 * });
 * ```
 *
 * @throws FiresteelError `failed_precondition` for a format other than Parquet; `invalid_argument` for a dataset that is no argument of the task
 */
export async function readRows<R extends Row = Row>(
  dataset: DatasetValue,
  options: ReadRowsOptions = {},
): Promise<R[]> {
  const place = placeOf(dataset);
  if (!place)
    throw new FiresteelError(
      Code.invalidArgument,
      `dataset was not given to this task as an argument: ${dataset.identity}`,
    );
  if (place.format !== "parquet")
    throw new FiresteelError(
      Code.failedPrecondition,
      `readRows reads Parquet, not ${place.format}; turn it into a dataset with sql first: ${place.location}`,
    );
  const { parquetReadObjects } = await hyparquet();
  const rows: R[] = [];
  for (const { path } of place.files) {
    const location = path === "" ? place.location : `${place.location}/${path}`;
    const directories = partitionValues(path, place.schema?.fields ?? []);
    const inFile = options.columns?.filter((column) => !(column in directories));
    const file = await openFile(location);
    const read = await parquetReadObjects({
      file,
      compressors,
      // Only columns that say so are text; by default binary ones would be taken for it too.
      utf8: false,
      ...(inFile ? { columns: [...inFile] } : {}),
    });
    const added = options.columns
      ? Object.fromEntries(Object.entries(directories).filter(([name]) => options.columns?.includes(name)))
      : directories;
    for (const row of read) rows.push({ ...normal(row), ...added } as unknown as R);
  }
  return rows;
}

/** Local files are read by piece; elsewhere small ones at once, and of large ones each part that is asked for once. */
async function openFile(location: string): Promise<AsyncBuffer> {
  const { asyncBufferFromFile, cachedAsyncBuffer } = await hyparquet();
  if (location.startsWith("file:")) return asyncBufferFromFile(fileURLToPath(location));
  const storage = storageOf(bodyStorages(), location);
  const found = await storage.stat(location);
  if (!found) throw new FiresteelError(Code.notFound, `file of a dataset does not exist: ${location}`);
  const read = async (start: number, end?: number) =>
    exactBuffer(await storage.read(location, { start, expected: found, ...(end === undefined ? {} : { end }) }));
  if (found.bytes > SMALL) return cachedAsyncBuffer({ byteLength: found.bytes, slice: read });
  const whole = await read(0);
  return { byteLength: whole.byteLength, slice: (start, end) => whole.slice(start, end) };
}

function exactBuffer({ buffer, byteOffset, byteLength }: Uint8Array): ArrayBuffer {
  return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
}

/** hyparquet leaves columns that are NULL undefined here and null there. */
function normal(row: Record<string, unknown>): Record<string, unknown> {
  for (const key in row) row[key] ??= null;
  return row;
}

const NULL_DIRECTORY = "__HIVE_DEFAULT_PARTITION__";

/** The values that `key=value` directories hold, by the recorded types of their columns. */
function partitionValues(
  path: string,
  fields: readonly { readonly name: string; readonly type: DataType }[],
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const directory of path.split("/").slice(0, -1).map(decodeURIComponent)) {
    const at = directory.indexOf("=");
    if (at < 0) continue;
    const name = unescaped(directory.slice(0, at));
    const text = unescaped(directory.slice(at + 1));
    values[name] = text === NULL_DIRECTORY ? null : convert(text, fields.find((field) => field.name === name)?.type);
  }
  return values;
}

/** Spark writes `%3A` for a colon and the like; a name that somebody else wrote may hold a bare `%`. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function convert(text: string, type: DataType | undefined): unknown {
  switch (type) {
    case "byte":
    case "short":
    case "integer":
    case "float":
    case "double":
      return Number(text);
    case "long":
      return BigInt(text);
    case "boolean":
      return text === "true";
    case "date":
    case "timestamp":
    case "timestamp_ntz":
      return new Date(type === "date" ? `${text}T00:00:00Z` : `${text.replace(" ", "T")}Z`);
    default:
      return text;
  }
}
