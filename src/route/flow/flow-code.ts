/**
 * One version of a project's code with its executors: what the evaluator holds while it evaluates with it.
 */

import type { FlowCode, TaskInfo } from "../../evaluate/code.ts";
import { FINGERPRINT_TASK, fingerprintBody } from "../../evaluate/fingerprint.ts";
import type { Executor } from "../../evaluate/ports.ts";
import { createRouter } from "../router.ts";
import { FlowHost } from "./flow-host.ts";
import type { LoadedCode, LoadRequest } from "./messages.ts";
import { createProcessExecutor } from "./process-executor.ts";
import { createThreadExecutor } from "./thread-executor.ts";

/** What {@link loadFlowCode} takes. */
export interface FlowCodeOptions {
  readonly root: string;
  /** Flow modules, absolute paths. */
  readonly modules: readonly string[];
  /** Threads, and processes, at most. */
  readonly workers: number;
  /** Parsed modules of the version before. */
  readonly index?: LoadedCode["index"];
  /** Makes the executor for tasks tagged `bulk-data`, whose bodies run on `host`; null where no cluster is configured. */
  readonly spark: (host: Executor) => Executor | null;
}

/** A loaded version. Disposing of it closes it at once, whoever uses it. */
export interface LoadedFlowCode extends FlowCode, AsyncDisposable {
  readonly index: LoadedCode["index"];
  /** URLs of all project modules that were loaded: the files to watch. */
  readonly sources: readonly string[];
  /** Closes it as soon as nobody retains it; settles when it is closed. */
  retire(): Promise<void>;
}

/** Loads the code of a project. Rejects with what is wrong with it; then nothing is left behind. */
export async function loadFlowCode({ root, modules, workers, index, spark }: FlowCodeOptions): Promise<LoadedFlowCode> {
  const request: LoadRequest = { root, modules };
  const host = await FlowHost.start(index ? { ...request, index } : request);
  const pinned: LoadRequest = { ...request, pinned: host.pinned };
  const executors = new Map<string, Executor>([
    ["inline", host],
    ["thread", createThreadExecutor(pinned, workers)],
    ["process", createProcessExecutor(pinned, workers)],
  ]);
  const bulk = spark(host);
  if (bulk) executors.set("spark", bulk);
  const fingerprints = spark(fingerprintBody);
  const router = createRouter(executors);
  const tasks = new Map(host.tasks.map((task) => [task.name, task]));
  let users = 0;
  let retired = false;
  let closing: Promise<void> | undefined;
  const closed = Promise.withResolvers<void>();
  const close = () => {
    closing ??= Promise.all([...executors.values()].map((executor) => executor[Symbol.asyncDispose]())).then(() => {});
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
    index: host.index,
    sources: host.pinned.sources.map(([url]) => url),
    executor: ({ name, options }: TaskInfo) =>
      name === FINGERPRINT_TASK.name && fingerprints
        ? fingerprints
        : router.route({ tags: options.tags ?? [], ...(options.executor ? { executor: options.executor } : {}) }),
    writeParquet: (rows, columns, uri) => host.writeParquet(rows, columns, uri),
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
