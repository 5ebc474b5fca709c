/**
 * One version of a project's code with its executors: what the evaluator holds while it evaluates with it.
 */

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { StorageConfig } from "../../config.ts";
import type { ValueFolder } from "../../data/value-folder.ts";
import { Code, FiresteelError } from "../../errors.ts";
import type { FlowCode, TaskInfo } from "../../evaluate/code.ts";
import { FINGERPRINT_TASK, fingerprintBody } from "../../evaluate/fingerprint.ts";
import type { Executor } from "../../evaluate/ports.ts";
import { createRouter } from "../router.ts";
import { FlowHost } from "./flow-host.ts";
import type { LoadedCode, LoadRequest } from "./messages.ts";
import { createProcessExecutor } from "./process-executor.ts";
import { versionKey } from "./task-versions.ts";
import { createThreadExecutor } from "./thread-executor.ts";

/** What {@link loadFlowCode} takes. */
export interface FlowCodeOptions {
  readonly root: string;
  /** How bodies reach HDFS and S3. */
  readonly storage?: StorageConfig;
  /** Flow modules, absolute paths. */
  readonly modules: readonly string[];
  /** Threads, and processes, at most. */
  readonly workers: number;
  /** Where workers put large results; null or left out: results are given whole. */
  readonly values?: ValueFolder | null;
  /** The version before: what is the same is not parsed and taken apart again. */
  readonly before?: LoadedFlowCode;
  /** Makes the executor for tasks tagged `bulk-data`, whose bodies run on `host`; null where no cluster is configured. */
  readonly spark: (host: Executor) => Executor | null;
  /** Makes the executors of third parties, by name. */
  readonly executors?: ReadonlyMap<string, MakeExecutor>;
  /** The limits that are configured; a task that names another one is refused. Not checked when not given. */
  readonly limits?: readonly string[];
}

/** Makes an executor of one version of the code. */
export type MakeExecutor = (pinned: LoadRequest) => Promise<Executor>;

/** A loaded version. Disposing of it closes it at once, whoever uses it. */
export interface LoadedFlowCode extends FlowCode, AsyncDisposable {
  readonly index: LoadedCode["index"];
  /** What the code of its tasks is made of, of those whose code is not that of the version before. */
  readonly versions: LoadedCode["versions"];
  /** URLs of all project modules that were loaded: the files to watch. */
  readonly sources: readonly string[];
  /** Closes it as soon as nobody retains it; settles when it is closed. */
  retire(): Promise<void>;
}

/** What tasks say that they read, as URLs: a module among it that is imported dynamically is loaded once a thread, so a change of it needs new threads. */
function modulesRead(tasks: readonly TaskInfo[], root: string): string[] {
  return tasks
    .flatMap(({ options }) => options.reads ?? [])
    .filter((read) => !/^[a-z][a-z0-9+.-]+:/i.test(read))
    .map((read) => pathToFileURL(resolve(root, read)).href);
}

/** Refuses a task whose options name an executor or a limit that there is not. */
function refuseUnknown(task: TaskInfo, executors: readonly string[], limits: readonly string[] | undefined): void {
  const refuse = (key: "executor" | "limit", name: string, known: string) => {
    throw new FiresteelError(
      Code.invalidArgument,
      `${key} of task ${task.name} (${task.module}:${task.line}) is not known (${known}): ${name}`,
      { details: { task: task.name, [key]: name } },
    );
  };
  const { executor, limits: wanted = [] } = task.options;
  if (executor !== undefined && !executors.includes(executor))
    refuse(
      "executor",
      executor,
      `there are: ${[...executors].sort().join(", ")}; others are named under \`executors\` in firesteel.config.ts`,
    );
  const limit = limits && wanted.find((name) => !limits.includes(name));
  if (limit !== undefined)
    refuse("limit", limit, `\`limits\` in firesteel.config.ts has: ${limits?.join(", ") || "none"}`);
}

/** Loads the code of a project. Rejects with what is wrong with it; then nothing is left behind. */
export async function loadFlowCode({
  root,
  storage,
  modules,
  workers,
  values,
  before,
  spark,
  executors: custom = new Map(),
  limits,
}: FlowCodeOptions): Promise<LoadedFlowCode> {
  const request: LoadRequest = { root, modules, ...(storage ? { storage } : {}), ...(values ? { values } : {}) };
  const host = await FlowHost.start(
    before ? { ...request, index: before.index, known: new Set([...before.tasks.values()].map(versionKey)) } : request,
  );
  const pinned: LoadRequest = { ...request, pinned: host.pinned };
  const executors = new Map<string, Executor>([
    ["inline", host],
    ["thread", createThreadExecutor(pinned, workers)],
    ["process", createProcessExecutor(pinned, workers)],
  ]);
  const bulk = spark(host);
  if (bulk) executors.set("spark", bulk);
  const closeAll = async () => {
    await Promise.all([...executors.values()].map((executor) => executor[Symbol.asyncDispose]()));
  };
  try {
    // Their workers may be anywhere.
    const { values: _, ...portable } = pinned;
    for (const [name, make] of custom) executors.set(name, await make(portable));
    for (const task of host.tasks) refuseUnknown(task, [...executors.keys()], limits);
  } catch (error) {
    await closeAll();
    throw error;
  }
  const router = createRouter(executors);
  const fingerprints = spark(fingerprintBody);
  const tasks = new Map(host.tasks.map((task) => [task.name, task]));
  let users = 0;
  let retired = false;
  let closing: Promise<void> | undefined;
  const closed = Promise.withResolvers<void>();
  const close = () => {
    closing ??= closeAll();
    closed.resolve(closing);
    return closing;
  };
  const closeUnused = () => {
    // Whoever disposes of it hears of a failure.
    if (retired && users === 0) close().catch(() => undefined);
  };
  return {
    version: host.pinned.version,
    tasks,
    codecs: host.codecs,
    warnings: host.warnings,
    index: host.index,
    versions: host.versions,
    sources: [...host.pinned.sources.map(([url]) => url), ...modulesRead(host.tasks, root)],
    executor: ({ name, options }: TaskInfo) =>
      name === FINGERPRINT_TASK.name && fingerprints
        ? fingerprints
        : router.route({ tags: options.tags ?? [], ...(options.executor ? { executor: options.executor } : {}) }),
    writeParquet: (rows, columns, uri) => host.writeParquet(rows, columns, uri),
    checkArguments: (task, args) => host.checkArguments(task, args),
    retain() {
      users++;
    },
    release() {
      users--;
      closeUnused();
    },
    retire() {
      retired = true;
      closeUnused();
      return closed.promise;
    },
    [Symbol.asyncDispose]: close,
  };
}
