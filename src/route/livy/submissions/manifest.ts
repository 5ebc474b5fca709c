/**
 * Manifests: the file that a bulk job writes last, which proves its end.
 *
 * Every start of a driver writes below its own folder `<base>/<token>/`, so an attempt whose driver was started twice can leave two manifests. One that tells of success counts before one that tells of
 * failure: its outputs are whole, whatever happened to the other start.
 */

import { z } from "zod";
import type { DataType, StructType } from "../../../define/schema.ts";
import { Code, FiresteelError } from "../../../errors.ts";
import type { DatasetFile, DatasetRecord, Storage, SubmissionFailure } from "../../../evaluate/ports.ts";
import { type RowFingerprint, writtenDatasetIdentity } from "../../../hash/dataset.ts";
import { escapePath } from "../../storage/location.ts";
import { toHadoopPath } from "../witness/hadoop-path.ts";

const dataType: z.ZodType<DataType> = z.lazy(() =>
  z.union([z.string(), structType, z.looseObject({ type: z.string() }) as unknown as z.ZodType<DataType>]),
);
const structType: z.ZodType<StructType> = z.object({
  type: z.literal("struct"),
  fields: z.array(
    z.object({
      name: z.string(),
      type: dataType,
      nullable: z.boolean(),
      metadata: z.record(z.string(), z.unknown()).default({}),
    }),
  ),
});

/** One output in a manifest. */
export interface ManifestOutput {
  readonly name: string;
  readonly location: string;
  readonly format: string;
  /** With which the files are read; none when it is not given. */
  readonly options?: Readonly<Record<string, string>> | undefined;
  readonly partitionBy: string[];
  readonly schema: StructType;
  readonly rows: number;
  readonly fingerprint: RowFingerprint;
  /** Paths are relative to the location. Time and ETag are those of the listing that was fingerprinted, where that came after the writing. */
  readonly files: {
    readonly path: string;
    readonly bytes: number;
    readonly rows?: number | null | undefined;
    readonly modified?: string | undefined;
    readonly etag?: string | undefined;
  }[];
}

/** A manifest as the harness writes it, and `app-finish.ts` for an unmodified application. */
export interface Manifest {
  readonly version: 1;
  readonly attempt: string;
  readonly driver: string;
  readonly appId?: string | null | undefined;
  readonly spark: string;
  readonly status: "succeeded" | "failed";
  readonly startedAt?: string | null | undefined;
  readonly endedAt?: string | null | undefined;
  /** Seconds by phase. */
  readonly timings?: Record<string, number> | undefined;
  readonly outputs: ManifestOutput[];
  readonly error?:
    | {
        readonly class: "user" | "cluster";
        readonly type: string;
        readonly message: string;
        readonly position?: { readonly line: number; readonly column: number } | null | undefined;
        readonly traceback?: string | null | undefined;
      }
    | null
    | undefined;
}

const fingerprint = z.object({
  mode: z.literal("rows"),
  version: z.number().int(),
  xor: z.array(z.string().regex(/^[0-9a-f]{16}$/)).length(2),
  sums: z.array(z.string().regex(/^-?\d+$/)).length(4),
});

const output: z.ZodType<ManifestOutput> = z.object({
  name: z.string(),
  location: z.string(),
  format: z.string(),
  options: z.record(z.string(), z.string()).optional(),
  partitionBy: z.array(z.string()),
  schema: structType,
  rows: z.number().int().nonnegative(),
  fingerprint,
  files: z.array(
    z.object({
      path: z.string().regex(/^(?!\/)(?!.*(^|\/)\.\.(\/|$))/),
      bytes: z.number().int().nonnegative(),
      rows: z.number().int().nonnegative().nullish(),
      modified: z.string().optional(),
      etag: z.string().optional(),
    }),
  ),
});

const failure = z.object({
  class: z.enum(["user", "cluster"]),
  type: z.string(),
  message: z.string(),
  position: z.object({ line: z.number().int(), column: z.number().int() }).nullish(),
  traceback: z.string().nullish(),
});

const manifest: z.ZodType<Manifest> = z.object({
  version: z.literal(1),
  attempt: z.string(),
  driver: z.string(),
  appId: z.string().nullish(),
  spark: z.string(),
  status: z.enum(["succeeded", "failed"]),
  startedAt: z.string().nullish(),
  endedAt: z.string().nullish(),
  timings: z.record(z.string(), z.number()).optional(),
  outputs: z.array(output).default([]),
  error: failure.nullish(),
});

/** Looks for the manifest of an attempt below its location; null when there is none yet. A damaged one is `data_loss`. */
export async function findManifest(
  storage: Storage,
  base: string,
  attempt: string,
  signal?: AbortSignal,
): Promise<Manifest | null> {
  let files: Awaited<ReturnType<Storage["list"]>>;
  try {
    // Not what lies below the outputs.
    const include = (path: string, folder: boolean) =>
      folder ? !path.includes("/") : /^[^/]+\/manifest\.json$/.test(path);
    files = await storage.list(base, { include, signal });
  } catch (error) {
    if (error instanceof FiresteelError && error.code === Code.notFound) return null;
    throw error;
  }
  const manifests: Manifest[] = [];
  for (const { uri } of files) manifests.push(parseManifest(await storage.read(uri), uri, base, attempt));
  const age = (one: Manifest) => one.endedAt ?? "";
  manifests.sort((a, b) => (a.status === b.status ? age(a).localeCompare(age(b)) : a.status === "succeeded" ? -1 : 1));
  return manifests[0] ?? null;
}

/** Reads a manifest and checks that it is about this attempt and names nothing outside its own folder. */
export function parseManifest(bytes: Uint8Array, uri: string, base: string, attempt: string): Manifest {
  const fail = (why: string, cause?: unknown): FiresteelError =>
    new FiresteelError(Code.dataLoss, `manifest ${uri} ${why}`, { cause, details: { uri } });
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw fail("is no JSON", cause);
  }
  const parsed = manifest.safeParse(json);
  if (!parsed.success) {
    const first = parsed.error.issues[0];
    throw fail(
      `does not have the expected form at ${first?.path.join(".") || "its root"}: ${first?.message}`,
      parsed.error,
    );
  }
  const found = parsed.data;
  if (found.attempt !== attempt) throw fail(`is about another attempt: ${found.attempt}`);
  const own = `${base}/${found.driver}`;
  for (const { name, location, files } of found.outputs) {
    if (files.length > 0 && !samePlace(location, toHadoopPath(`${own}/${encodeURIComponent(name)}`)))
      throw fail(`names an output outside ${own}: ${location}`);
  }
  if (found.status === "failed" && !found.error) throw fail("tells of a failure and does not say which");
  return found;
}

/** The failure that a manifest tells of; null when it tells of success. */
export function failureOf(found: Manifest): SubmissionFailure | null {
  if (found.status === "succeeded" || !found.error) return null;
  const { class: kind, type, message, position, traceback } = found.error;
  return { class: kind, type, message, position: position ?? null, ...(traceback ? { traceback } : {}) };
}

/** The datasets of a manifest, by output name. Asks the storage for each file: one that is missing or of another size is `data_loss`. */
export async function datasetsOf(
  found: Manifest,
  base: string,
  storage: Storage,
): Promise<Readonly<Record<string, DatasetRecord>>> {
  const datasets: Record<string, DatasetRecord> = {};
  for (const one of found.outputs) {
    const location = `${base}/${found.driver}/${encodeURIComponent(one.name)}`;
    const files: DatasetFile[] = [];
    for (let i = 0; i < one.files.length; i += 64) {
      files.push(...(await Promise.all(one.files.slice(i, i + 64).map((file) => checkFile(storage, location, file)))));
    }
    datasets[one.name] = {
      identity: writtenDatasetIdentity(one.schema, one.rows, one.fingerprint),
      location,
      format: one.format,
      options: one.options ?? {},
      schema: one.schema,
      partitionBy: one.partitionBy,
      rows: one.rows,
      files,
    };
  }
  return datasets;
}

async function checkFile(
  storage: Storage,
  location: string,
  file: ManifestOutput["files"][number],
): Promise<DatasetFile> {
  // The `%3A` that Spark writes into folder names is text there.
  const path = escapePath(file.path);
  const uri = `${location}/${path}`;
  const stat = await storage.stat(uri);
  if (stat === null || stat.bytes !== file.bytes) {
    const why = stat === null ? "is missing" : `has ${stat.bytes} bytes, its manifest says ${file.bytes}`;
    throw new FiresteelError(Code.dataLoss, `output file ${why}: ${uri}`, { details: { uri } });
  }
  const isOther =
    (file.modified !== undefined && file.modified !== stat.modified) ||
    (file.etag !== undefined && file.etag !== stat.etag);
  if (isOther)
    throw new FiresteelError(Code.dataLoss, `output file was written to after it was fingerprinted: ${uri}`, {
      details: { uri },
    });
  return {
    path,
    bytes: file.bytes,
    modified: stat.modified,
    ...(stat.etag === undefined ? {} : { etag: stat.etag }),
    ...(file.rows == null ? {} : { rows: file.rows }),
  };
}

function samePlace(a: string, b: string): boolean {
  const plain = (uri: string) => uri.replace(/^file:\/*/, "file:/").replace(/\/+$/, "");
  return plain(a) === plain(b);
}
