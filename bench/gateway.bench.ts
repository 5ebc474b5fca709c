/**
 * What the gateway costs and how soon it notices: `npm run bench -- gateway [--quick] [load|post|airflow...]`, each figure beside its target.
 *
 * The gateway is the real one in a process of its own (`gateway/gateway-process.ts`), with its store on Postgres; Livy is the double, in another process whose CPU is not counted, with ten servers for the load. All
 * submissions are made as any other: asked of the executor, posted to Livy. `--quick` has a tenth of them.
 *
 * Jobs end when they are told to. "Noticed" is the moment when the caller has the committed result; the delay is counted from when Livy began to show the end. Airflow's provider is installed in the cache folder.
 */

import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterConfig } from "../src/route/livy/clusters/cluster-config.ts";
import { startPostgres } from "../test/postgres.ts";
import { median, quantile, report } from "./figures.ts";
import { runAirflow } from "./gateway/airflow.ts";
import { type Child, startChild } from "./gateway/child.ts";
import type { GatewayControl, GatewayOptions, Usage } from "./gateway/gateway-process.ts";
import type { LivyControl, LivyOptions } from "./gateway/livy-process.ts";

const quick = process.argv.includes("--quick");
const asked = process.argv.slice(3).filter((arg) => !arg.startsWith("-"));
const isAsked = (part: string) => asked.length === 0 || asked.includes(part);
/** For `--cpu-prof` and the like, and V8's settings of memory, of the gateway's process. */
const flags = process.argv.slice(3).filter((arg) => /^--(cpu-prof|max-|heap-)/.test(arg));

const SERVERS = 10;
const EACH = quick ? 100 : 1_000;
const STEPS = quick ? [1, 10, 100] : [1, 100, 1_000];
const TICK_MS = 1_000;
const WINDOW_S = quick ? 8 : 20;
const ENDS_PER_S = 20;
const PAIRS = quick ? 20 : 60;
const BATCHES = 50;
const JOB_MS = quick ? 10_000 : 30_000;

const rows: [what: string, figure: string, target: string, missed: string][] = [];
const figures: Record<string, unknown> = { quick, load: loadavg()[0] };

/** Notes a figure beside its target. */
function tell(what: string, figure: number, text: string, target: string, met: boolean | null = null): void {
  rows.push([what, text, target, met === false ? "missed" : ""]);
  figures[what] = Number(figure.toFixed(2));
  console.log(`${what}: ${text}${met === false ? ` (missed: ${target})` : ""}`);
}

const folder = await mkdtemp(join(tmpdir(), "firesteel-bench-"));
const postgres = await startPostgres();
try {
  if (isAsked("load")) await measureLoad();
  if (isAsked("post")) await measurePost();
  if (isAsked("airflow")) await measureAirflow();
} finally {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}
report(["what", "figure", "target", ""], rows, { ...figures, loadAfter: loadavg()[0] });

function startLivy(options: Partial<LivyOptions>): Child<LivyControl> {
  return startChild("livy-process.ts", { servers: 1, pollMs: 500, lines: 20, closeMs: 1_000, ...options });
}

/** A gateway with a warehouse of a name. */
async function startGateway(
  name: string,
  database: string,
  urls: readonly string[],
  config: Partial<ClusterConfig>,
): Promise<Child<GatewayControl>> {
  const warehouse = join(folder, name);
  await mkdir(warehouse, { recursive: true });
  const clusters = urls.map((url, i) => ({ name: `c${i}`, url, tickMs: TICK_MS, ...config }));
  return startChild("gateway-process.ts", { database, folder: warehouse, clusters } satisfies GatewayOptions, flags);
}

/** Requests, cost and delays with ever more that lives. */
async function measureLoad(): Promise<void> {
  await using livy = startLivy({ servers: SERVERS });
  const urls = await livy.call.urls();
  const database = await postgres.createDatabase("load");
  const start = () => startGateway("load", database, urls, { maxLive: 2 * EACH });
  await using gateway = await start();
  let live = 0;
  for (const step of STEPS) {
    await gateway.call.submit(step - live, ["c0"]);
    live = step;
    await settled(livy);
    const [requests] = await requestsPerTick(livy, WINDOW_S / 2);
    const most = step < 1_000 ? 1 : 2;
    tell(`requests a tick, ${step} live on one cluster`, requests!, requests!.toFixed(2), `${most}`, requests! <= most);
  }
  const began = performance.now();
  const others = Array.from({ length: SERVERS - 1 }, (_, i) => `c${i + 1}`);
  await gateway.call.submit(EACH, others);
  const all = SERVERS * EACH;
  const submittedS = (performance.now() - began) / 1_000;
  tell(
    `submissions a second, ${all - EACH} of them`,
    (all - EACH) / submittedS,
    ((all - EACH) / submittedS).toFixed(0),
    "",
  );
  await settled(livy);

  await livy.call.listTimes();
  const before = await gateway.call.usage();
  const each = await requestsPerTick(livy, WINDOW_S);
  const after = await gateway.call.usage();
  const most = Math.max(...each);
  tell(`requests a tick and cluster, ${all} live on ${SERVERS}`, most, most.toFixed(2), "2", most <= 2);
  const lists = await livy.call.listTimes();
  tell("a list within the double, median", median(lists), `${median(lists).toFixed(1)} ms`, "");
  tellUsage(`${all} live, none ends`, before, after);

  const count = ENDS_PER_S * WINDOW_S;
  const idle = await gateway.call.usage();
  await livy.call.release(count, ENDS_PER_S);
  const busy = await gateway.call.usage();
  const delays = await awaitDelays(livy, gateway, count);
  tellUsage(`${all} live, ${ENDS_PER_S} end each second`, idle, busy);
  const [p50, p95] = [quantile(delays, 0.5), quantile(delays, 0.95)];
  tell("end noticed after, p50", p50, `${Math.round(p50)} ms`, `${TICK_MS / 2} ms`, p50 <= TICK_MS / 2);
  tell("end noticed after, p95", p95, `${Math.round(p95)} ms`, `${TICK_MS + 100} ms`, p95 <= TICK_MS + 100);

  const heap = await gateway.call.heapMb();
  tell(`heap after a collection, ${all - count} live`, heap, `${Math.round(heap)} MB`, "");
  await gateway[Symbol.asyncDispose]();
  const stopped = performance.now();
  await using next = await start();
  await next.call.taken(all - count);
  const seconds = (performance.now() - stopped) / 1_000;
  tell(`a new process has taken over ${all - count} after`, seconds, `${seconds.toFixed(1)} s`, "15 s", seconds < 15);
  await settled(livy);
  const first = await next.call.usage();
  await sleep(WINDOW_S * 1_000);
  tellUsage(`${all - count} taken over, none ends`, first, await next.call.usage());
}

function tellUsage(what: string, before: Usage, after: Usage): void {
  const percent = (100 * (after.cpuMs - before.cpuMs)) / (after.at - before.at);
  tell(`CPU, ${what}`, percent, `${percent.toFixed(1)} % of a core`, "30 %", percent < 30);
  tell(`memory, ${what}`, after.rssMb, `${Math.round(after.rssMb)} MB`, "300 MB", after.rssMb < 300);
}

/** Waits until the servers are asked for lists only: what was posted last has been seen. */
async function settled(livy: Child<LivyControl>): Promise<void> {
  for (let before = -1; ; ) {
    await sleep(2 * TICK_MS);
    const others = (await livy.call.requests()).reduce(
      (sum, kinds) => sum + total(kinds) - (kinds["GET /batches"] ?? 0),
      0,
    );
    if (others === before) return;
    before = others;
  }
}

/** All requests, whatever they ask, of each server that gets any. */
async function requestsPerTick(livy: Child<LivyControl>, seconds: number): Promise<number[]> {
  const before = await livy.call.requests();
  const began = performance.now();
  await sleep(seconds * 1_000);
  const after = await livy.call.requests();
  const ticks = (performance.now() - began) / TICK_MS;
  return after.map((kinds, i) => (total(kinds) - total(before[i]!)) / ticks).filter((requests) => requests > 0);
}

function total(kinds: Readonly<Record<string, number>>): number {
  return Object.values(kinds).reduce((sum, count) => sum + count, 0);
}

/** The delays of ends, once there are so many. */
async function awaitDelays(livy: Child<LivyControl>, gateway: Child<GatewayControl>, count: number): Promise<number[]> {
  for (;;) {
    await sleep(500);
    const noticed = await gateway.call.ended();
    if (Object.keys(noticed).length < count) continue;
    const delays = delaysOf(await livy.call.shown(), noticed);
    // A manifest can tell of an end before Livy does.
    if (!delays.some(Number.isNaN)) return delays;
  }
}

/** From when Livy began to show ends to when they were noticed, ms. A name in Livy ends with the submission's id. */
function delaysOf(shown: Readonly<Record<string, number>>, noticed: Readonly<Record<string, number>>): number[] {
  const idOf = (name: string) => name.slice(name.lastIndexOf("-") + 1);
  const byId = new Map(Object.entries(shown).map(([name, at]) => [idOf(name), at]));
  return Object.entries(noticed).map(([name, at]) => at - (byId.get(idOf(name)) ?? Number.NaN));
}

/** What the gateway adds to a POST. */
async function measurePost(): Promise<void> {
  await using livy = startLivy({ closeMs: 0, pollMs: 50 });
  await livy.call.plan({ runs: "ok", ms: 0 });
  await using gateway = await startGateway("post", await postgres.createDatabase("post"), await livy.call.urls(), {});
  await gateway.call.compare(PAIRS / 4, "c0");
  const times = await gateway.call.compare(PAIRS, "c0");
  const through = median(times.map(({ gatewayMs }) => gatewayMs));
  const bare = median(times.map(({ bareMs }) => bareMs));
  const store = median(times.map(({ storeMs }) => storeMs));
  const rest = median(times.map(({ gatewayMs, storeMs, bareMs }) => gatewayMs - storeMs - bareMs));
  tell("a submission until Livy has it, median", through, `${through.toFixed(1)} ms`, "");
  tell("a bare POST, median", bare, `${bare.toFixed(1)} ms`, "");
  tell("the database's part of the submission, median", store, `${store.toFixed(1)} ms`, "");
  tell("what else the gateway adds, median of the pairs", rest, `${rest.toFixed(1)} ms`, "5 ms", rest <= 5);
}

/** 50 batches at once, through Airflow's hook and through the gateway, on one server. */
async function measureAirflow(): Promise<void> {
  await using livy = startLivy({ pollMs: 100 });
  const [url] = await livy.call.urls();
  // Jobs of theirs have no harness.
  await livy.call.plan({ runs: "silent", ms: JOB_MS });
  const theirs = await runAirflow(url!, folder, BATCHES, TICK_MS / 1_000);
  const theirDelays = delaysOf(await livy.call.shown(), theirs);
  const [theirRequests] = await livy.call.requests();
  const theirConnections = await livy.call.connections();
  await livy.call.plan({ runs: "ok", ms: JOB_MS });
  await using gateway = await startGateway("airflow", await postgres.createDatabase("airflow"), [url!], {
    maxLive: BATCHES,
  });
  await gateway.call.submit(BATCHES, ["c0"]);
  const ourDelays = await awaitDelays(livy, gateway, BATCHES);
  await settled(livy);
  const [both] = await livy.call.requests();
  const ourRequests = Object.fromEntries(
    Object.keys(both!).map((kind) => [kind, both![kind]! - (theirRequests![kind] ?? 0)]),
  );

  const of = `${BATCHES} batches of ${JOB_MS / 1_000} s`;
  const ratio = looksIn(theirRequests!) / looksIn(ourRequests);
  const requests = `${looksIn(theirRequests!)} and ${looksIn(ourRequests)} requests`;
  tell(`looks at ${of}, Airflow's to ours`, ratio, `${ratio.toFixed(0)} times (${requests})`, "30 times", ratio >= 30);
  const whole = total(theirRequests!) / total(ourRequests);
  const all = `${total(theirRequests!)} and ${total(ourRequests)}`;
  tell(`all requests of ${of}, POSTs and logs too`, whole, `${whole.toFixed(0)} times (${all})`, "");
  tell("most connections at once, Airflow's", theirConnections, `${theirConnections}`, "");
  for (const [share, name] of [
    [0.5, "p50"],
    [0.95, "p95"],
  ] as const) {
    const [a, b] = [quantile(theirDelays, share), quantile(ourDelays, share)];
    tell(`end of one of ${BATCHES} noticed after, ${name}, Airflow's`, a, `${Math.round(a)} ms`, "");
    tell(`end of one of ${BATCHES} noticed after, ${name}, ours`, b, `${Math.round(b)} ms`, "Airflow's", b <= a);
  }
  figures["requests by kind"] = { airflow: theirRequests, firesteel: ourRequests };
}

/** Requests that ask how batches are. */
function looksIn(kinds: Readonly<Record<string, number>>): number {
  return ["GET /batches", "GET /batches/x", "GET /batches/x/state"].reduce((sum, kind) => sum + (kinds[kind] ?? 0), 0);
}
