/**
 * Everything a test of bulk work needs around the executor: a store, a warehouse in a temporary folder, a host that returns the work given to it, and one call that submits.
 */

import { randomUUID } from "node:crypto";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { DatasetRecord, Executor, Invocation, Outcome, Storage } from "../../src/evaluate/ports.ts";
import { decodeValue } from "../../src/hash/decode.ts";
import { digestValue } from "../../src/hash/digest.ts";
import { parseProgram } from "../../src/hash/program.ts";
import { encodeValue } from "../../src/hash/value.ts";
import type { ClusterConfig } from "../../src/route/livy/clusters/cluster-config.ts";
import type { GatewayObserver } from "../../src/route/livy/clusters/observer.ts";
import type { RouteRule } from "../../src/route/livy/clusters/routing.ts";
import { createGateway, type Gateway } from "../../src/route/livy/gateway.ts";
import type { Patience } from "../../src/route/livy/patience.ts";
import { createStaging } from "../../src/route/livy/submissions/staging.ts";
import { createSparkExecutor, type SparkExecutorOptions } from "../../src/route/spark-executor.ts";
import { createFileStorage } from "../../src/route/storage/file-storage.ts";
import { MemoryDatabase, MemoryStore, type MemoryStoreOptions } from "./memory-store.ts";

export interface BenchOptions {
  readonly clusters: readonly ClusterConfig[];
  readonly routes?: readonly RouteRule[];
  /** Folder of the warehouse; a temporary one when not given. */
  readonly folder?: string;
  readonly database?: MemoryDatabase;
  /** Others live on the same database at the same time. @default false */
  readonly shared?: boolean;
  readonly patience?: Partial<Patience>;
  readonly observer?: GatewayObserver;
  readonly onLookup?: SparkExecutorOptions["onLookup"];
  readonly harness?: string;
  /** What a request to the database waits for. */
  readonly reach?: MemoryStoreOptions["reach"];
  /** Stands between the gateway and the warehouse's files. */
  readonly storage?: (files: Storage) => Storage;
}

export interface Bench extends AsyncDisposable {
  readonly folder: string;
  readonly database: MemoryDatabase;
  readonly store: MemoryStore;
  readonly gateway: Gateway;
  readonly executor: Executor;
  /** Lines told by all runs, in order. */
  readonly lines: string[];
  /** Runs work as the body of a bulk task returned it; gives the decoded result. */
  run(work: unknown, options?: RunOptions): Promise<unknown>;
  /** Plans work; gives its decoded result where it is done. */
  plan(work: unknown): Promise<{ readonly work: string; readonly result: unknown }>;
  /** Ends this process's part as `kill -9` would: nothing more is written. */
  kill(): Promise<void>;
}

export interface RunOptions {
  readonly signal?: AbortSignal;
  readonly datasets?: readonly DatasetRecord[];
  readonly cluster?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly task?: string;
  readonly user?: string;
  readonly onProgress?: (line: string) => void;
}

/** A host that "runs" a body by returning what is encoded in its only argument. */
const echo: Executor = {
  name: "echo",
  run: async ({ args }) => ({ kind: "value", bytes: args[0]!, digest: digestValue(args[0]!) }),
  [Symbol.asyncDispose]: async () => {},
};

export async function createBench(options: BenchOptions): Promise<Bench> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "firesteel-route-")));
  await chmod(folder, 0o755);
  const warehouse = pathToFileURL(folder).href;
  const database = options.database ?? new MemoryDatabase();
  const store = new MemoryStore(database, {
    shared: options.shared ?? false,
    ...(options.reach ? { reach: options.reach } : {}),
  });
  const files = createFileStorage();
  const storage = options.storage?.(files) ?? files;
  const stagingOptions = {
    storage,
    warehouse,
    root: folder,
    ...(options.harness ? { harness: options.harness } : {}),
  };
  const staging = createStaging(stagingOptions);
  const planStaging = createStaging({ ...stagingOptions, write: false });
  const gateway = createGateway({
    clusters: options.clusters,
    ...(options.routes ? { routes: options.routes } : {}),
    store,
    storage,
    staging,
    warehouse,
    ...(options.patience ? { patience: options.patience } : {}),
    ...(options.observer ? { observer: options.observer } : {}),
  });
  const { onLookup } = options;
  const executor = createSparkExecutor({
    host: echo,
    gateway,
    store,
    storage,
    staging,
    planStaging,
    ...(onLookup ? { onLookup } : {}),
  });
  const lines: string[] = [];
  const close = async (): Promise<void> => {
    store.alive = false;
    await gateway[Symbol.asyncDispose]();
  };
  return {
    folder,
    database,
    store,
    gateway,
    executor,
    lines,
    kill: close,
    async plan(work) {
      const planned = await executor.plan!(invocationOf(work), new AbortController().signal);
      return { work: planned.work, result: planned.outcome && outcomeValue(planned.outcome) };
    },
    async run(work, { signal = new AbortController().signal, datasets = [], onProgress, ...asked } = {}) {
      const { cluster, labels, task = "test.task", user = "tester" } = asked;
      const invocation: Invocation = {
        ...invocationOf(work),
        datasets,
        task,
        user,
        options: {
          tags: ["bulk-data"],
          ...(cluster === undefined ? {} : { cluster }),
          ...(labels === undefined ? {} : { labels }),
        },
        onProgress: (line) => {
          lines.push(line);
          onProgress?.(line);
        },
      };
      return outcomeValue(await executor.run(invocation, signal));
    },
    async [Symbol.asyncDispose]() {
      await close();
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What the outcome of bulk work is reduced to: the first branch; the inputs of the work are in the other one. */
function outcomeValue({ bytes }: Outcome): unknown {
  const [node] = parseProgram(bytes).nodes;
  if (node?.kind !== "form" || node.form !== "cond") throw new Error("outcome of bulk work is another expression");
  return decodeValue(node.args[1]!.bytes);
}

function invocationOf(work: unknown): Invocation {
  return {
    jobId: randomUUID(),
    executionId: "test-execution",
    task: "test.task",
    code: "0".repeat(64),
    evalHash: randomUUID(),
    args: [encodeValue(work)],
    datasets: [],
    options: { tags: ["bulk-data"] },
    user: "tester",
  };
}
