/**
 * The gateway under test in a process of its own, as `main.ts` wires it: executor, gateway, Postgres store, looks around. Only bodies are missing: what is asked for is given as work.
 */

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import v8 from "node:v8";
import vm from "node:vm";
import { Pool } from "undici";
import { sql } from "../../src/define/spark.ts";
import type { Executor, Invocation, Store } from "../../src/evaluate/ports.ts";
import { digestValue } from "../../src/hash/digest.ts";
import { encodeValue } from "../../src/hash/value.ts";
import { Lookout } from "../../src/lookout.ts";
import { observeSubmissions } from "../../src/observe-submissions.ts";
import { patientStore } from "../../src/patient-store.ts";
import { openStore } from "../../src/record/store.ts";
import type { ClusterConfig } from "../../src/route/livy/clusters/cluster-config.ts";
import { createGateway } from "../../src/route/livy/gateway.ts";
import { createStaging } from "../../src/route/livy/submissions/staging.ts";
import { createSparkExecutor } from "../../src/route/spark-executor.ts";
import { createFileStorage } from "../../src/route/storage/file-storage.ts";
import { optionsOfChild, serve } from "./child.ts";
import { StoreTime } from "./store-time.ts";

export interface GatewayOptions {
  /** URL of a Postgres database. */
  readonly database: string;
  /** Folder of the warehouse. */
  readonly folder: string;
  readonly clusters: readonly ClusterConfig[];
}

/** What the process has used. */
export interface Usage {
  /** CPU time of this process, all its threads, ms. */
  readonly cpuMs: number;
  readonly rssMb: number;
  /** ms since the epoch. */
  readonly at: number;
}

/** Times of one submission, ms. */
export interface PostTimes {
  /** From the request for the work until Livy has answered the POST. */
  readonly gatewayMs: number;
  /** The part of it in which an answer of the database was awaited. */
  readonly storeMs: number;
  /** The same request posted by hand, with the same client library. */
  readonly bareMs: number;
}

/** What the process can be told. */
export interface GatewayControl {
  /** Asks each of some clusters for so much new work; settles when all of it lives there. */
  submit(count: number, clusters: readonly string[]): Promise<void>;
  /** Settles when so many submissions of a former process live here. */
  taken(count: number): Promise<void>;
  /** By submission, when its result was there, ms since the epoch. */
  ended(): Readonly<Record<string, number>>;
  usage(): Usage;
  /** What is in use of the heap after a collection, which makes room: asked after all that is measured. */
  heapMb(): number;
  /** One submission and one POST by hand, in turn. */
  compare(pairs: number, cluster: string): Promise<readonly PostTimes[]>;
}

/** As `main.ts` has it with its usual lease. */
const LOOK_MS = 2_000;

const options = optionsOfChild<GatewayOptions>();
const opened = await openStore({ kind: "postgres", url: options.database });
const time = new StoreTime();
const store: Store = time.measure(
  observeSubmissions(
    patientStore(opened),
    () => {},
    () => false,
  ),
);
const storage = createFileStorage();
const warehouse = pathToFileURL(options.folder).href;
const staging = createStaging({ storage, warehouse, root: options.folder });
const planStaging = createStaging({ storage, warehouse, root: options.folder, write: false });
let closing = false;
const fail = (error: Error) => {
  if (closing) return;
  console.error(error);
  process.exit(1);
};
void opened.lost.then(fail);
const gateway = createGateway({ clusters: options.clusters, store, storage, staging, warehouse, onError: fail });
await gateway.tend();
const lookout = new Lookout({
  store,
  lookMs: LOOK_MS,
  onLook: async (around) => void (await gateway.tend(around)),
  onError: fail,
});
const host: Executor = {
  name: "echo",
  run: async ({ args }) => ({ kind: "value", bytes: args[0]!, digest: digestValue(args[0]!) }),
  [Symbol.asyncDispose]: async () => {},
};
const executor = createSparkExecutor({ host, gateway, store, storage, staging, planStaging });
/** Calls of an execution; each has a signal of its own, as executions have. */
const OF_EXECUTION = 100;
let execution = new AbortController();
let asked = 0;
const ended: Record<string, number> = {};

/** Has one new piece of work done. */
function run(cluster: string): Promise<unknown> {
  const n = asked++;
  if (n % OF_EXECUTION === 0) execution = new AbortController();
  let submission = "";
  const invocation: Invocation = {
    jobId: randomUUID(),
    executionId: `bench-${Math.floor(n / OF_EXECUTION)}`,
    task: "bench.load",
    code: "0".repeat(64),
    evalHash: randomUUID(),
    args: [encodeValue(sql`SELECT id, id % 7 AS k, ${n} AS salt FROM range(1000000)`)],
    datasets: [],
    options: { tags: ["bulk-data"], cluster },
    user: "bench",
    onProgress: (_, id) => {
      submission = id ?? submission;
    },
  };
  return executor.run(invocation, execution.signal).then(() => {
    ended[submission] = Date.now();
  }, fail);
}

/** Rarely, since looking at thousands costs what is measured. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(500);
}

v8.setFlagsFromString("--expose-gc");
const collect = vm.runInNewContext("gc") as () => void;

const isLive = new Set(["starting", "running"]);

const control: GatewayControl = {
  submit: async (count, names) => {
    const wanted = gateway.live().length + count * names.length;
    for (let i = 0; i < count; i++) for (const name of names) void run(name);
    await until(() => {
      const live = gateway.live();
      return live.length >= wanted && live.every(({ record }) => isLive.has(record.state));
    });
  },
  taken: (count) => until(() => gateway.live().length >= count),
  ended: () => ended,
  usage: () => {
    const { user, system } = process.cpuUsage();
    return { cpuMs: (user + system) / 1_000, rssMb: process.memoryUsage.rss() / 1e6, at: Date.now() };
  },
  heapMb: () => {
    collect();
    return process.memoryUsage().heapUsed / 1e6;
  },
  compare: async (pairs, cluster) => {
    const url = new URL(options.clusters.find(({ name }) => name === cluster)!.url);
    const pool = new Pool(url.origin);
    const times: PostTimes[] = [];
    for (let i = 0; i < pairs; i++) {
      const posted = time.nextState("starting");
      const before = time.spentMs();
      const began = performance.now();
      const running = run(cluster);
      const request = await posted;
      const gatewayMs = request.at - began;
      const storeMs = request.spentMs - before;
      const body = JSON.stringify({ ...request.body, name: `bare-${i}` });
      const bare = performance.now();
      const answer = await pool.request({
        method: "POST",
        path: "/batches",
        body,
        headers: { "content-type": "application/json", "x-requested-by": "bench" },
      });
      await answer.body.text();
      times.push({ gatewayMs, storeMs, bareMs: performance.now() - bare });
      await running;
    }
    await pool.destroy();
    return times;
  },
};
serve(control, async () => {
  closing = true;
  await lookout[Symbol.asyncDispose]();
  await gateway[Symbol.asyncDispose]();
  await opened[Symbol.asyncDispose]();
});
