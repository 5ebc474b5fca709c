/**
 * Identity of bulk work: what decides the rows that come out, and nothing else. It keys submissions, so a change in TypeScript that renders the same work submits nothing.
 */

import type { SparkWork } from "../../../define/work.ts";
import type { DatasetRecord, Digest } from "../../../evaluate/ports.ts";
import { digestOf } from "../../../hash/digest.ts";
import { inputsOf, outputsOf } from "./spec.ts";
import type { StagedFile } from "./staging.ts";

/** The files of a piece of work. */
export interface WorkFiles {
  /** The PySpark job, Python file or jar; null for other work. */
  readonly file: StagedFile | null;
  /** In the order given: it decides which of two modules of one name is found. */
  readonly pyFiles: readonly StagedFile[];
  readonly jars: readonly StagedFile[];
  readonly files: readonly StagedFile[];
  readonly archives: readonly StagedFile[];
}

/**
 * Settings below `spark.sql.` that change how rows are computed or stored but not which rows come out; all others count. They are prefixes.
 *
 * Listed by what they do not change, so that a setting nobody thought of costs a needless run, never a wrong answer.
 */
const SAME_ROWS = [
  "spark.sql.adaptive.",
  "spark.sql.autoBroadcastJoinThreshold",
  "spark.sql.broadcastTimeout",
  "spark.sql.codegen.",
  "spark.sql.execution.arrow.maxRecordsPerBatch",
  "spark.sql.files.maxPartitionBytes",
  "spark.sql.files.minPartitionNum",
  "spark.sql.files.openCostInBytes",
  "spark.sql.inMemoryColumnarStorage.",
  "spark.sql.parquet.compression.codec",
  "spark.sql.parquet.filterPushdown",
  "spark.sql.shuffle.partitions",
  "spark.sql.ui.",
] as const;

/**
 * Settings that change nothing for an unmodified application: where and how it runs. All others count, because an application may read any of them (`spark.shop.day`, an environment variable, a system property).
 * Prefixes where they end with a dot.
 */
const SAME_APP = [
  ...SAME_ROWS,
  "spark.app.name",
  "spark.blockManager.",
  "spark.broadcast.",
  "spark.cleaner.",
  "spark.cores.max",
  "spark.decommission.",
  "spark.default.parallelism",
  "spark.driver.cores",
  "spark.driver.maxResultSize",
  "spark.driver.memory",
  "spark.driver.memoryOverhead",
  "spark.driver.memoryOverheadFactor",
  "spark.driver.resource.",
  "spark.dynamicAllocation.",
  "spark.eventLog.",
  "spark.excludeOnFailure.",
  "spark.executor.cores",
  "spark.executor.heartbeatInterval",
  "spark.executor.instances",
  "spark.executor.memory",
  "spark.executor.memoryOverhead",
  "spark.executor.memoryOverheadFactor",
  "spark.executor.resource.",
  "spark.hadoop.fs.",
  "spark.history.",
  "spark.io.compression.",
  "spark.kryoserializer.",
  "spark.locality.",
  "spark.memory.",
  "spark.metrics.",
  "spark.network.",
  "spark.rpc.",
  "spark.scheduler.",
  "spark.serializer",
  "spark.shuffle.",
  "spark.speculation",
  "spark.speculation.",
  "spark.stage.",
  "spark.storage.",
  "spark.task.",
  "spark.ui.",
  "spark.yarn.am.",
  "spark.yarn.archive",
  "spark.yarn.executor.",
  "spark.yarn.historyServer.",
  "spark.yarn.jars",
  "spark.yarn.maxAppAttempts",
  "spark.yarn.priority",
  "spark.yarn.queue",
  "spark.yarn.tags",
] as const;

/** Session settings that every job is given, so that the cluster's defaults cannot change rows. `spark.sql.ansi.enabled` is Spark's own default for the major version. */
export function pinnedConf(
  conf: Readonly<Record<string, string>>,
  sparkMajor: number,
): Readonly<Record<string, string>> {
  const pins: Record<string, string> = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": String(sparkMajor >= 4),
    "spark.sql.caseSensitive": "false",
  };
  for (const key of Object.keys(pins)) pins[key] = conf[key] ?? pins[key]!;
  return pins;
}

/** The part of a Spark configuration that can change rows, pins included. */
export function rowConf(conf: Readonly<Record<string, string>>, sparkMajor: number): Readonly<Record<string, string>> {
  const counts = Object.entries(conf).filter(
    ([key]) => key.startsWith("spark.sql.") && !SAME_ROWS.some((prefix) => key.startsWith(prefix)),
  );
  return { ...Object.fromEntries(counts), ...pinnedConf(conf, sparkMajor) };
}

/** The part of a Spark configuration that counts for an unmodified application, pins included. */
export function appConf(conf: Readonly<Record<string, string>>, sparkMajor: number): Readonly<Record<string, string>> {
  const same = (key: string) => SAME_APP.some((one) => (one.endsWith(".") ? key.startsWith(one) : key === one));
  const counts = Object.entries(conf).filter(([key]) => !same(key));
  return { ...Object.fromEntries(counts), ...pinnedConf(conf, sparkMajor) };
}

/**
 * Digest of a piece of work. Memory, cores, queue, cluster, proxy user and every setting outside `spark.sql.` count for nothing.
 *
 * @param conf the cluster's and the task's configuration, merged
 * @param datasets where the inputs are read: an application reads files, so their format counts
 */
export function workKey(
  work: SparkWork,
  files: WorkFiles,
  conf: Readonly<Record<string, string>>,
  sparkMajor: number,
  datasets: ReadonlyMap<string, DatasetRecord> = new Map(),
): Digest {
  const isApp = work.kind === "sparkApp";
  const named = (list: readonly StagedFile[]) => list.map(({ name, digest }) => [name, digest]);
  return digestOf(
    "work",
    1,
    work.kind,
    bodyOf(work, files.file),
    inputsOf(work).map(([name, { identity }]) => {
      if (!isApp) return [name, identity];
      const { format = null, options = {} } = datasets.get(identity) ?? {};
      return [name, identity, format, options];
    }),
    outputsOf(work).map(({ name, format, partitionBy, options, schema = null }) =>
      isApp ? [name, format, schema, options] : [name, partitionBy, options],
    ),
    [named(files.pyFiles), named(files.jars), named(files.files), named(files.archives)],
    (isApp ? appConf : rowConf)(conf, sparkMajor),
    sparkMajor,
  );
}

function bodyOf(work: SparkWork, file: StagedFile | null): unknown {
  switch (work.kind) {
    case "sql":
      return [work.text, work.parameters.map(({ name, type, value }) => [name, type, value])];
    case "pyspark":
      // One DataFrame or a dict of them: `run` has to return something else.
      return [file?.digest ?? null, work.params, work.outputs === null ? "single" : "named"];
    case "sparkApp":
      return [file?.digest ?? null, work.className, work.args];
    case "fingerprint":
      return null;
  }
}
