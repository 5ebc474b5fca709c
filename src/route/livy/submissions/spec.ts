/**
 * The spec of an attempt: what the harness is told (`jobs/firesteel_harness.py` reads it), and what the orchestrator must know to finish the attempt after it was started again itself. An unmodified application never sees
 * its own; for it the places in it are filled into its arguments.
 */

import type { DatasetValue } from "../../../define/external.ts";
import type { StructType } from "../../../define/schema.ts";
import { fillPlaces } from "../../../define/spark-app.ts";
import type { OutputOptions, SparkAppWork, SparkWork, SqlParameter } from "../../../define/work.ts";
import { Code, FiresteelError } from "../../../errors.ts";
import type { DatasetRecord, Storage } from "../../../evaluate/ports.ts";
import type { LivyBatchRequest } from "../http/client.ts";
import { toHadoopPath } from "../witness/hadoop-path.ts";
import type { JobGroup } from "./attribution.ts";

/** One dataset that an attempt reads. */
export interface SpecInput {
  /** View name (SQL) or the author's name (PySpark). */
  readonly name: string;
  readonly format: string;
  readonly location: string;
  /** Exactly these are read, never a listing. */
  readonly files: readonly string[];
  readonly options: Readonly<Record<string, string>>;
  /** A text is Spark's DDL. */
  readonly schema: StructType | string | null;
  readonly partitionBy: readonly string[];
}

/** One dataset that an attempt writes. */
export interface SpecOutput {
  readonly name: string;
  readonly format: string;
  readonly partitionBy: readonly string[];
  /** The harness writes with them; what an application wrote is read with them. */
  readonly options: Readonly<Record<string, string>>;
  /** Spark's DDL, for what an application wrote. */
  readonly schema?: string;
}

/** An input file as it was when it was fingerprinted. */
export interface FileCheck {
  readonly uri: string;
  readonly bytes: number;
  readonly modified?: string;
  readonly etag?: string;
  /** The dataset it belongs to, for messages. */
  readonly location: string;
}

/** What only the orchestrator reads; kept in the spec so that it survives the orchestrator. */
export interface SpecCheck {
  /** Compared again before the result is committed. */
  readonly files: readonly FileCheck[];
  /** Locations of inputs that are read as they are found: no data file but those of `files` may lie there. */
  readonly whole?: readonly string[];
  /** The submission whose committed result is no longer valid, if any. */
  readonly replaces: string | null;
  /** Major version of Spark that the work's key was computed for. */
  readonly sparkMajor: number;
  /** Of an application: the request, before attribution, under which its outputs are read as well. */
  readonly request?: LivyBatchRequest;
}

/** The whole spec; file names in it are in Hadoop's spelling, except below `check`. */
export interface SparkSpec {
  readonly version: 1;
  readonly attempt: string;
  readonly base: string;
  readonly kind: SparkWork["kind"];
  readonly inputs: readonly SpecInput[];
  readonly sql?: string;
  readonly parameters?: readonly SqlParameter[];
  readonly file?: string;
  readonly pyFiles?: readonly string[];
  readonly params?: unknown;
  /** Of an application: its arguments with the places filled in. */
  readonly args?: readonly string[];
  readonly outputs: readonly SpecOutput[];
  readonly conf: Readonly<Record<string, string>>;
  readonly check: SpecCheck;
  /** Shown with every Spark job; no part of the work. */
  readonly group?: JobGroup;
}

/** What all attempts at one piece of work have in common. */
export interface SpecSource {
  readonly work: SparkWork;
  /** Where each input can be read, by identity. */
  readonly datasets: ReadonlyMap<string, DatasetRecord>;
  /** URIs of the staged job file and Python files. */
  readonly file: string | null;
  readonly pyFiles: readonly string[];
  /** Session settings that the harness pins. */
  readonly conf: Readonly<Record<string, string>>;
  readonly replaces: string | null;
  readonly sparkMajor: number;
}

/** Name of the output of work that has only one. */
export const SINGLE_OUTPUT = "out";

/** The datasets of a piece of work in the order of their names. */
export function inputsOf(work: SparkWork): readonly (readonly [name: string, dataset: DatasetValue])[] {
  switch (work.kind) {
    case "sql":
      return work.inputs.map((dataset, i) => [`input_${i}`, dataset]);
    case "pyspark":
    case "sparkApp":
      return byName(work.inputs);
    case "fingerprint":
      return [["input", work.input]];
  }
}

/** The outputs of a piece of work in the order of their names; none for a fingerprint. */
export function outputsOf(work: SparkWork): readonly SpecOutput[] {
  switch (work.kind) {
    case "sql":
      return [writtenOutput(SINGLE_OUTPUT, work.output)];
    case "pyspark":
      return work.outputs === null
        ? [writtenOutput(SINGLE_OUTPUT, work.output)]
        : byName(work.outputs).map(([name, options]) => writtenOutput(name, options));
    case "sparkApp":
      return byName(work.outputs).map(([name, { format = "parquet", schema, options = {} }]) => ({
        name,
        format,
        partitionBy: [],
        options,
        ...(schema === undefined ? {} : { schema }),
      }));
    case "fingerprint":
      return [];
  }
}

function writtenOutput(name: string, { partitionBy = [], options = {} }: OutputOptions): SpecOutput {
  return { name, format: "parquet", partitionBy, options };
}

function byName<T>(named: Readonly<Record<string, T>>): readonly (readonly [name: string, value: T])[] {
  return Object.entries(named).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The spec of one attempt. */
export function buildSpec(source: SpecSource, attempt: string, base: string): SparkSpec {
  const { work, datasets } = source;
  const inputs: SpecInput[] = [];
  const files = new Map<string, FileCheck>();
  const whole = new Set<string>();
  for (const [name, { identity }] of inputsOf(work)) {
    const dataset = datasets.get(identity);
    if (dataset === undefined)
      throw new FiresteelError(Code.internal, `no place is known for input ${name}: ${identity}`);
    for (const check of checksOf(dataset)) files.set(check.uri, check);
    if (work.kind === "sparkApp") whole.add(dataset.location);
    inputs.push({
      name,
      format: dataset.format,
      location: toHadoopPath(dataset.location),
      files: dataset.files.map((file) => toHadoopPath(uriOf(dataset, file.path))),
      options: dataset.options,
      schema: dataset.schema,
      partitionBy: dataset.partitionBy,
    });
  }
  return {
    version: 1,
    attempt,
    base: toHadoopPath(base),
    kind: work.kind,
    inputs,
    ...(work.kind === "sql" ? { sql: work.text, parameters: work.parameters } : {}),
    ...(work.kind === "pyspark" && source.file !== null
      ? { file: toHadoopPath(source.file), pyFiles: source.pyFiles.map(toHadoopPath), params: work.params }
      : {}),
    ...(work.kind === "sparkApp" ? { args: filledArguments(work, datasets, base) } : {}),
    outputs: outputsOf(work),
    conf: source.conf,
    check: {
      files: [...files.values()],
      ...(work.kind === "sparkApp" ? { whole: [...whole] } : {}),
      replaces: source.replaces,
      sparkMajor: source.sparkMajor,
    },
  };
}

/** Of an application, everything lies below this folder of the attempt, which for the harness is the token of a driver's start. */
export const APP_FOLDER = "app";

/** The location of an output of an application. */
export function appOutputOf(base: string, name: string): string {
  return `${base}/${APP_FOLDER}/${name}`;
}

function filledArguments(
  work: SparkAppWork,
  datasets: ReadonlyMap<string, DatasetRecord>,
  base: string,
): readonly string[] {
  const place = (kind: "inputs" | "outputs", name: string) =>
    toHadoopPath(kind === "outputs" ? appOutputOf(base, name) : datasets.get(work.inputs[name]!.identity)!.location);
  return work.args.map((argument) => fillPlaces(argument, place));
}

/** Where the spec of an attempt is, by the attempt's location: apart from it, because that may belong to another user of the cluster. */
export function specUriOf(location: string): string {
  const at = location.lastIndexOf("/attempts/");
  return `${location.slice(0, at)}/staging/specs/${location.slice(at + "/attempts/".length)}.json`;
}

/** Reads the spec of an attempt back, after a restart. */
export async function readSpec(storage: Storage, location: string): Promise<SparkSpec> {
  const uri = specUriOf(location);
  const spec = JSON.parse(new TextDecoder().decode(await storage.read(uri))) as SparkSpec;
  if (spec.version !== 1)
    throw new FiresteelError(Code.dataLoss, `spec ${uri} is of an unknown version: ${spec.version}`);
  return spec;
}

/** URI of a dataset's file. */
export function uriOf(dataset: DatasetRecord, path: string): string {
  return path === "" ? dataset.location : `${dataset.location}/${path}`;
}

/** What is compared to know that a dataset is as it was. */
export function checksOf(dataset: DatasetRecord): readonly FileCheck[] {
  return dataset.files.map(({ path, bytes, modified, etag }) => ({
    uri: uriOf(dataset, path),
    bytes,
    ...(modified === undefined ? {} : { modified }),
    ...(etag === undefined ? {} : { etag }),
    location: dataset.location,
  }));
}

/** The first of a dataset's files that is not as it was recorded; null when all are. */
export async function findChangedFile(storage: Storage, dataset: DatasetRecord): Promise<string | null> {
  return findChange(storage, checksOf(dataset));
}

/** The first file that is not as it was (other size, other time, gone), in words; null when all are. */
export async function findChange(storage: Storage, checks: readonly FileCheck[]): Promise<string | null> {
  for (let i = 0; i < checks.length; i += 64) {
    const slice = checks.slice(i, i + 64);
    const stats = await Promise.all(slice.map(({ uri }) => storage.stat(uri)));
    for (const [j, check] of slice.entries()) {
      const stat = stats[j];
      if (!stat) return `${check.uri} is gone`;
      if (stat.bytes !== check.bytes) return `${check.uri} had ${check.bytes} bytes and has ${stat.bytes}`;
      const isOther =
        (check.modified !== undefined && stat.modified !== check.modified) ||
        (check.etag !== undefined && stat.etag !== check.etag);
      if (isOther) return `${check.uri} was written to`;
    }
  }
  return null;
}

/** The first data file at a dataset's location that is none of the dataset's, in words; null when there is none. */
export async function findStranger(
  storage: Storage,
  location: string,
  files: readonly FileCheck[],
): Promise<string | null> {
  const own = new Set(files.map(({ uri }) => toHadoopPath(uri)));
  const stranger = (await storage.list(location)).find(({ uri }) => !own.has(toHadoopPath(uri)));
  return stranger === undefined ? null : `${stranger.uri} is there too`;
}

/** The error for an input that is not what was fingerprinted; the evaluator looks at the input again and retries. */
export function inputChanged(location: string, change: string): FiresteelError {
  return new FiresteelError(Code.aborted, `input changed while work on it waited or ran: ${change}`, {
    details: { kind: "inputChanged", location },
  });
}
