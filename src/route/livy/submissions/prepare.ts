/**
 * Preparing bulk work: staging its files, merging its settings, computing its key. Everything that can be refused without a cluster is refused here.
 */

import { FileValue } from "../../../define/external.ts";
import type { Resources } from "../../../define/task-options.ts";
import type { SparkSettings, SparkWork } from "../../../define/work.ts";
import { Code, FiresteelError } from "../../../errors.ts";
import type { DatasetRecord, Digest, SubmissionMode } from "../../../evaluate/ports.ts";
import type { Cluster } from "../clusters/cluster.ts";
import type { RouteQuestion } from "../clusters/routing.ts";
import type { LivyBatchRequest } from "../http/client.ts";
import { type Carriage, carriageOf } from "../sessions/mode.ts";
import { toSparkUri } from "../witness/hadoop-path.ts";
import { buildSpec, type SparkSpec } from "./spec.ts";
import type { StagedFile, Staging } from "./staging.ts";
import { pinnedConf, workKey } from "./work-key.ts";

/** Work that is ready to be submitted. */
export interface PreparedWork {
  readonly key: Digest;
  readonly question: RouteQuestion;
  /** The clusters' settings that can change rows, as the key has them ({@link Cluster.rowsOf}): only where they are the same the work is the same. */
  readonly rows: string;
  /** The project's files that are part of the work. */
  readonly files: readonly FileValue[];
  /** What a cluster is sent, without name and arguments. */
  readonly request: (cluster: Cluster) => LivyBatchRequest;
  /** The spec of an attempt; `replaces` names the submission whose committed result is no longer valid. */
  readonly spec: (mode: SubmissionMode, attempt: string, base: string, replaces: string | null) => SparkSpec;
  /** What decides whether it is a batch or a statement. */
  readonly carriage: Carriage;
}

export interface PrepareOptions {
  readonly work: SparkWork;
  readonly question: RouteQuestion;
  readonly datasets: ReadonlyMap<string, DatasetRecord>;
  /** The first of the clusters that it may go to. */
  readonly cluster: Cluster;
  readonly staging: Staging;
  /** What the task asks for, where the work's own settings say nothing. */
  readonly resources?: Resources | undefined;
}

/** Stages and keys a piece of work. Rejects with `not_found` and the path when one of its files does not exist. */
export async function preparedWork({
  work,
  question,
  datasets,
  cluster,
  staging,
  resources: asked = {},
}: PrepareOptions): Promise<PreparedWork> {
  const { settings } = work;
  const { task } = question;
  const stageAll = (paths: readonly string[] | undefined, what: string) =>
    Promise.all((paths ?? []).map((path) => staging.stage(path, `${what} of task ${task}`)));
  const isApp = work.kind === "sparkApp";
  const file = isApp || work.kind === "pyspark" ? await staging.stage(work.file, `job file of task ${task}`) : null;
  const pyFiles = await stageAll(settings.pyFiles, "Python file");
  const jars = await stageAll(settings.jars, "jar");
  const files = await stageAll(settings.files, "file");
  const archives = await stageAll(settings.archives, "archive");
  const harness = await staging.harness();
  refuseSameNames(task, pyFiles, isApp);
  const { sparkMajor } = cluster;
  const confOn = ({ config }: Cluster) => ({ ...config.conf, ...settings.conf });
  const submitted = isApp
    ? { file: toSparkUri(file!.uri), ...(work.className === null ? {} : { className: work.className }) }
    : { file: toSparkUri(harness.file) };
  // Of the clusters that the work may go to all have the same in what counts.
  const conf = confOn(cluster);
  const uris = (list: readonly StagedFile[]) => list.map(({ uri }) => uri);
  const forSpark = (list: readonly StagedFile[]) => uris(list).map(toSparkUri);
  const modules = [...(isApp ? [] : harness.pyFiles.map(toSparkUri)), ...forSpark(pyFiles)];
  return {
    key: workKey(work, { file, pyFiles, jars, files, archives }, conf, sparkMajor, datasets),
    question,
    rows: cluster.rowsOf(question),
    files: [file, ...pyFiles, ...jars, ...files, ...archives].flatMap((staged) =>
      staged?.source === undefined ? [] : [new FileValue(staged.source, staged.digest)],
    ),
    request: (on) => ({
      ...submitted,
      ...(modules.length > 0 ? { pyFiles: modules } : {}),
      ...(jars.length > 0 ? { jars: forSpark(jars) } : {}),
      ...(files.length > 0 ? { files: forSpark(files) } : {}),
      ...(archives.length > 0 ? { archives: forSpark(archives) } : {}),
      ...resources({ ...sparkSettings(asked), ...settings }),
      // Nobody else pins them for an application.
      conf: { ...confOn(on), ...(isApp ? pinnedConf(conf, sparkMajor) : {}) },
    }),
    carriage: carriageOf(work, asked, datasets.values()),
    spec: (mode, attempt, base, replaces) =>
      buildSpec(
        {
          work,
          datasets,
          file: file?.uri ?? null,
          pyFiles: uris(pyFiles),
          // A batch has the others from its application; a session's application has the cluster's.
          conf: { ...(mode === "statement" ? settings.conf : {}), ...pinnedConf(conf, sparkMajor) },
          replaces,
          sparkMajor,
        },
        attempt,
        base,
      ),
  };
}

const RESOURCES = [
  "driverMemory",
  "driverCores",
  "executorMemory",
  "executorCores",
  "numExecutors",
  "queue",
  "proxyUser",
] as const;

/** A task's resources in Spark's words; what Spark does not know is for other executors. */
function sparkSettings({ memory, cores, executors }: Resources): SparkSettings {
  return {
    ...(memory === undefined ? {} : { executorMemory: memory }),
    ...(cores === undefined ? {} : { executorCores: cores }),
    ...(executors === undefined ? {} : { numExecutors: executors }),
  };
}

/** The settings that Livy takes by name; it refuses nulls. */
function resources(settings: SparkSettings): Partial<LivyBatchRequest> {
  return Object.fromEntries(RESOURCES.filter((key) => settings[key] !== undefined).map((key) => [key, settings[key]]));
}

/** YARN puts them all into one folder, where the second would take the place of the first. */
function refuseSameNames(task: string, files: readonly StagedFile[], isApp: boolean): void {
  const byName = new Map<string, StagedFile>();
  for (const file of files) {
    const other = byName.get(file.name);
    if (other !== undefined && other.digest !== file.digest)
      throw new FiresteelError(
        Code.invalidArgument,
        `task ${task} has two different Python files of one name: ${file.name}`,
      );
    if (!isApp && file.name.startsWith("firesteel_"))
      throw new FiresteelError(
        Code.invalidArgument,
        `task ${task} has a Python file whose name is reserved (firesteel_*): ${file.name}`,
      );
    byName.set(file.name, file);
  }
}
