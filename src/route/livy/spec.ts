/**
 * The spec of an attempt: what the harness is told (`jobs/firesteel_harness.py` reads it), and what the orchestrator must know to finish the attempt after it was started again itself.
 */

import type { DatasetValue } from "../../define/external.ts";
import type { StructType } from "../../define/schema.ts";
import type { OutputOptions, SparkWork, SqlParameter } from "../../define/work.ts";
import { Code, FiresteelError } from "../../errors.ts";
import type { DatasetRecord, Storage } from "../../evaluate/ports.ts";
import type { JobGroup } from "./attribution.ts";
import { toHadoopPath } from "./hadoop-path.ts";

/** One dataset that an attempt reads. */
export interface SpecInput {
  /** View name (SQL) or the author's name (PySpark). */
  readonly name: string;
  readonly format: string;
  readonly location: string;
  /** Exactly these are read, never a listing. */
  readonly files: readonly string[];
  readonly options: Readonly<Record<string, string>>;
  readonly schema: StructType | null;
  readonly partitionBy: readonly string[];
}

/** One dataset that an attempt writes. */
export interface SpecOutput {
  readonly name: string;
  readonly format: "parquet";
  readonly partitionBy: readonly string[];
  readonly options: Readonly<Record<string, string>>;
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
  /** The submission whose committed result is no longer valid, if any. */
  readonly replaces: string | null;
  /** Major version of Spark that the work's key was computed for. */
  readonly sparkMajor: number;
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
      return Object.entries(work.inputs).sort(([a], [b]) => (a < b ? -1 : 1));
    case "fingerprint":
      return [["input", work.input]];
  }
}

/** The outputs of a piece of work in the order of their names; none for a fingerprint. */
export function outputsOf(work: SparkWork): readonly (readonly [name: string, options: OutputOptions])[] {
  switch (work.kind) {
    case "sql":
      return [[SINGLE_OUTPUT, work.output]];
    case "pyspark":
      return work.outputs === null
        ? [[SINGLE_OUTPUT, work.output]]
        : Object.entries(work.outputs).sort(([a], [b]) => (a < b ? -1 : 1));
    case "fingerprint":
      return [];
  }
}

/** The spec of one attempt. */
export function buildSpec(source: SpecSource, attempt: string, base: string): SparkSpec {
  const { work, datasets } = source;
  const inputs: SpecInput[] = [];
  const files = new Map<string, FileCheck>();
  for (const [name, { identity }] of inputsOf(work)) {
    const dataset = datasets.get(identity);
    if (dataset === undefined)
      throw new FiresteelError(Code.internal, `no place is known for input ${name}: ${identity}`);
    for (const check of checksOf(dataset)) files.set(check.uri, check);
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
    outputs: outputsOf(work).map(([name, { partitionBy = [], options = {} }]) => ({
      name,
      format: "parquet",
      partitionBy,
      options,
    })),
    conf: source.conf,
    check: { files: [...files.values()], replaces: source.replaces, sparkMajor: source.sparkMajor },
  };
}

/** Reads the spec of an attempt back, after a restart. */
export async function readSpec(storage: Storage, uri: string): Promise<SparkSpec> {
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

/** The error for an input that is not what was fingerprinted; the evaluator looks at the input again and retries. */
export function inputChanged(location: string, change: string): FiresteelError {
  return new FiresteelError(Code.aborted, `input changed while work on it waited or ran: ${change}`, {
    details: { kind: "inputChanged", location },
  });
}
