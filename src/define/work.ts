/**
 * Descriptions of Spark work: what the body of a bulk task returns. Plain frozen data; nothing runs here.
 *
 * {@link SparkWork} is a value like any other (it has a canonical encoding), so a body that returns it can run on any executor; the `spark` executor takes it from there.
 */

import type { DatasetValue } from "./external.ts";

/** Settings of a Spark application and how the work gets there, named as Livy's `POST /batches` names them. None is part of an identity, except entries of `conf` that can change rows. */
export interface SparkSettings {
  readonly conf?: Readonly<Record<string, string>>;
  /** As an application of its own, or as a statement of a warm session of the cluster; `auto` decides by what the work is and reads. @default what the cluster's entry says */
  readonly mode?: "batch" | "statement" | "auto";
  readonly driverMemory?: string;
  readonly driverCores?: number;
  readonly executorMemory?: string;
  readonly executorCores?: number;
  readonly numExecutors?: number;
  readonly queue?: string;
  readonly proxyUser?: string;
  /** Python files and archives put on the path; paths from the project's root or URIs. Part of the identity by content. */
  readonly pyFiles?: readonly string[];
  /** Jars put on the class path. Part of the identity by content. */
  readonly jars?: readonly string[];
  readonly files?: readonly string[];
  readonly archives?: readonly string[];
}

/** How one output is written. */
export interface OutputOptions {
  /** Columns that become `key=value` directories. */
  readonly partitionBy?: readonly string[];
  /** Spark writer options, for example `{ compression: "zstd" }`. */
  readonly options?: Readonly<Record<string, string>>;
}

/** A typed parameter of a SQL text; the value in its string form, null for NULL. */
export interface SqlParameter {
  readonly name: string;
  /** Spark SQL type name: `bigint`, `double`, `string`, `boolean`, `date`, `timestamp`, `binary` (base64), `decimal(p,s)`, `void`. */
  readonly type: string;
  readonly value: string | null;
}

/** A SQL query over datasets; its text names them `input_0`, `input_1`, ... and its parameters `:p0`, `:p1`, ... */
export interface SqlWork {
  readonly kind: "sql";
  readonly text: string;
  readonly inputs: readonly DatasetValue[];
  readonly parameters: readonly SqlParameter[];
  readonly output: OutputOptions;
  readonly settings: SparkSettings;
}

/** A Python file with `def run(ctx)`, run under the harness. */
export interface PysparkWork {
  readonly kind: "pyspark";
  /** Path from the project's root, or a URI. */
  readonly file: string;
  readonly inputs: Readonly<Record<string, DatasetValue>>;
  /** JSON values, seen as `ctx.params`. */
  readonly params: unknown;
  /** Named outputs; null for the single output that `run` returns as one DataFrame. */
  readonly outputs: Readonly<Record<string, OutputOptions>> | null;
  /** Options of the single output. */
  readonly output: OutputOptions;
  readonly settings: SparkSettings;
}

/** How one output of an unmodified application is read. */
export interface AppOutputOptions {
  /** What the application writes. @default "parquet" */
  readonly format?: AppFormat;
  /**
   * The columns that are read, in their order, as Spark writes them in SQL: `"id BIGINT, name STRING"`. Files of `csv` and `json` say nothing certain about types and need it. In `key=value` folders, whose values Spark would
   * guess types for, it makes them certain. With it an output may also be empty.
   */
  readonly schema?: string;
  /** Spark reader options, for example `{ header: "true" }`. Of `csv` and `json`, `mode` is `FAILFAST` where nothing else is said: a line that does not fit is a failure, never NULLs. */
  readonly options?: Readonly<Record<string, string>>;
}

export const APP_FORMATS = ["parquet", "orc", "json", "csv"] as const;
/** A format of Spark's own writers. */
export type AppFormat = (typeof APP_FORMATS)[number];

/** An unmodified application. Its arguments name places as `${inputs.NAME}` and `${outputs.NAME}`. */
export interface SparkAppWork {
  readonly kind: "sparkApp";
  /** A Python file or a jar: path from the project's root, or a URI. */
  readonly file: string;
  /** The class with `main`; null for a Python file. */
  readonly className: string | null;
  readonly args: readonly string[];
  readonly inputs: Readonly<Record<string, DatasetValue>>;
  readonly outputs: Readonly<Record<string, AppOutputOptions>>;
  readonly settings: SparkSettings;
}

/** Reads a dataset and fingerprints its rows; made by the evaluator for `dataset(..., { fingerprint: "rows" })`. */
export interface FingerprintWork {
  readonly kind: "fingerprint";
  readonly input: DatasetValue;
  readonly settings: SparkSettings;
}

/** Any Spark work. */
export type SparkWork = SqlWork | PysparkWork | SparkAppWork | FingerprintWork;

const works = new WeakSet<object>();

/** Freezes a description and marks it as Spark work. @internal */
export function makeWork<W extends SparkWork>(work: W): W {
  works.add(work);
  return Object.freeze(work);
}

/** Whether a value was made by {@link makeWork}. @internal */
export function isWork(value: unknown): value is SparkWork {
  return typeof value === "object" && value !== null && works.has(value);
}
