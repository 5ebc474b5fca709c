/** Doubles of Livy in a process of their own, with jobs that end when they are told to. */

import { setTimeout as sleep } from "node:timers/promises";
import type { JobPlan } from "../../test/livy/job.ts";
import { type Served, serveDouble } from "../../test/livy/serve.ts";
import { optionsOfChild, serve } from "./child.ts";

export interface LivyOptions {
  readonly servers: number;
  /** Between two looks of a server at YARN, as in Livy's own setting, about: no two servers have the same, nor a fraction of the tick, since what is noticed when would hang on where both happen to stand. */
  readonly pollMs: number;
  /** Lines of a batch's log; a list shows ten. */
  readonly lines: number;
  /** From the manifest to the end of the application. */
  readonly closeMs: number;
}

/** What the process can be told. */
export interface LivyControl {
  urls(): readonly string[];
  /** How many jobs wait for their end. */
  held(): number;
  /** All later jobs go like this; null: they end well when they are told to. */
  plan(plan: JobPlan | null): void;
  /** Ends jobs at a steady rate, of all servers in turn; settles when the last has been told. */
  release(count: number, perSecond: number): Promise<void>;
  /** Requests so far, by kind, of each server. */
  requests(): readonly Readonly<Record<string, number>>[];
  /** By name, when Livy began to show a batch as ended, ms since the epoch. */
  shown(): Readonly<Record<string, number>>;
  /** Most connections that the first server had at once. */
  connections(): number;
  /** How long lists took within the server since this was last asked, ms. */
  listTimes(): readonly number[];
}

const { servers, pollMs, lines, closeMs } = optionsOfChild<LivyOptions>();
const timings = { postMs: 1, submitMs: 5, acceptMs: 5, runMs: 0, closeMs };
/** The jobs that wait, by server. */
const waiting: (() => void)[][] = [];
let plan: JobPlan | null = null;
let listTimes: number[] = [];

async function start(server: number): Promise<Served> {
  const served = await serveDouble({
    profile: "0.9.0",
    timings: { ...timings, pollMs: pollMs * (0.905 + 0.02 * server) },
    maxCreation: 10_000,
  });
  const { double } = served;
  const mine: (() => void)[] = [];
  waiting.push(mine);
  double.plan = (): JobPlan => {
    if (plan !== null) return { lines, ...plan };
    const { promise, resolve } = Promise.withResolvers<void>();
    mine.push(resolve);
    return { runs: "ok", held: promise, lines };
  };
  const handle = double.handle.bind(double);
  double.handle = async (request) => {
    const began = performance.now();
    const answer = await handle(request);
    if (request.target.startsWith("/batches?")) listTimes.push(performance.now() - began);
    return answer;
  };
  return served;
}

const all: Served[] = [];
for (let i = 0; i < servers; i++) all.push(await start(i));

const control: LivyControl = {
  urls: () => all.map(({ url }) => url),
  held: () => waiting.reduce((sum, mine) => sum + mine.length, 0),
  plan: (next) => {
    plan = next;
  },
  release: async (count, perSecond) => {
    const began = performance.now();
    for (let i = 0; i < count; i++) {
      await sleep(Math.max(0, began + (i * 1_000) / perSecond - performance.now()));
      waiting[i % servers]!.shift()?.();
    }
  },
  requests: () =>
    all.map(({ double }) => {
      const kinds: Record<string, number> = {};
      for (const kind of double.requests) kinds[kind] = (kinds[kind] ?? 0) + 1;
      return kinds;
    }),
  shown: () => {
    const shown: Record<string, number> = {};
    for (const { double } of all)
      for (const { event, name, at } of double.ledger.entries) if (event === "shown" && name !== null) shown[name] = at;
    return shown;
  },
  connections: () => all[0]!.mostConnections,
  listTimes: () => {
    const times = listTimes;
    listTimes = [];
    return times;
  },
};
serve(control);
