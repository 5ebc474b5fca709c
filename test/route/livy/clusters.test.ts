/** Several clusters: which one work goes to, and where it goes when that one fails. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sql } from "../../../src/define/spark.ts";
import { type Served, serveDouble } from "../../livy/serve.ts";
import { type Bench, type BenchOptions, createBench } from "../bench.ts";

const QUICK = { askMs: 20, manifestMs: 20, postMs: 300, zombieMs: 150, endMs: 200, lostMs: 800, lingerMs: 500 };

let cleanup: AsyncDisposableStack;
let a: Served;
let b: Served;
beforeEach(async () => {
  cleanup = new AsyncDisposableStack();
  [a, b] = [cleanup.use(await serveDouble({ master: "local" })), cleanup.use(await serveDouble({ master: "local" }))];
});
afterEach(() => cleanup.disposeAsync());

async function start(options: Partial<BenchOptions> = {}): Promise<Bench> {
  return cleanup.use(
    await createBench({
      clusters: [
        { name: "a", url: a.url, tickMs: 40 },
        { name: "b", url: b.url, tickMs: 40 },
      ],
      patience: QUICK,
      ...options,
    }),
  );
}

const work = (n: number) => sql`SELECT ${n} AS id`;
const rows = (bench: Bench) => [...bench.database.submissions.values()];
const taken = () => [a.double.taken.length, b.double.taken.length];
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

describe("work of the same clusters", () => {
  it("goes to the least loaded one for its size, and to the first of equals", async () => {
    const bench = await start({
      clusters: [
        { name: "a", url: a.url, tickMs: 40, maxLive: 2 },
        { name: "b", url: b.url, tickMs: 40, maxLive: 4 },
      ],
    });
    const held = Promise.withResolvers<void>();
    for (const { double } of [a, b]) double.plan = () => ({ runs: "ok", held: held.promise });
    const runs: Promise<unknown>[] = [];
    for (let n = 0; n < 6; n++) {
      runs.push(bench.run(work(n)));
      await until(() => taken()[0]! + taken()[1]! === n + 1);
    }
    held.resolve();
    await Promise.all(runs);
    expect(rows(bench).map(({ cluster }) => cluster)).toEqual(["a", "b", "b", "a", "b", "b"]);
  });

  it("is the same work wherever it goes", async () => {
    const bench = await start();
    const held = Promise.withResolvers<void>();
    a.double.plan = () => ({ runs: "ok", held: held.promise });
    const first = bench.run(work(1));
    await until(() => taken()[0] === 1);
    await bench.run(work(2));
    held.resolve();
    await first;
    // With the loads the other way round.
    await Promise.all([bench.run(work(2)), bench.run(work(1))]);
    expect(taken()).toEqual([1, 1]);
  });

  it("is tried on another one when the cluster failed at it, after the first attempt is gone", async () => {
    const bench = await start();
    a.double.plan = () => ({ runs: "dies" });
    await bench.run(work(1));
    expect(rows(bench).map(({ cluster, attempt, state }) => [cluster, attempt, state])).toEqual([
      ["a", 1, "failed"],
      ["b", 2, "succeeded"],
    ]);
  });

  it("is tried again on the only one that the rules allow", async () => {
    const bench = await start({ routes: [{ tasks: ["test.*"], to: { clusters: ["a"] } }] });
    let runs = 0;
    a.double.plan = () => ({ runs: runs++ === 0 ? "dies" : "ok" });
    await bench.run(work(1));
    expect(taken()).toEqual([2, 0]);
  });
});

describe("where work goes", () => {
  it("follows rules, labels and the name that a task asks for", async () => {
    const bench = await start({
      clusters: [
        { name: "a", url: a.url, tickMs: 40 },
        { name: "b", url: b.url, tickMs: 40, labels: { gpu: "yes" } },
      ],
      routes: [{ tasks: ["ml.*"], to: { clusters: ["b"] } }],
    });
    await bench.run(work(1));
    await bench.run(work(2), { labels: { gpu: "yes" } });
    await bench.run(work(3), { task: "ml.train" });
    await bench.run(work(4), { task: "ml.train", cluster: "a" });
    expect(rows(bench).map(({ cluster }) => cluster)).toEqual(["a", "b", "b", "a"]);
    await expect(bench.run(work(5), { labels: { gpu: "no" } })).rejects.toMatchObject({ code: "failed_precondition" });
  });
});

describe("a cluster that is away", () => {
  it("counts as down also when nothing is there, takes nothing, and takes one submission first when it is back", async () => {
    const bench = await start({ clusters: [{ name: "a", url: a.url, tickMs: 40, probeMs: 50 }] });
    const status = () => bench.gateway.clusters()[0]!;
    await bench.run(work(0));
    expect(status()).toMatchObject({ state: "up", version: expect.stringMatching(/^0/), waits: [] });
    await a.disconnect();
    await until(() => status().state === "down");
    const { since, confirmedAt } = status();
    expect(confirmedAt).toBeLessThanOrEqual(since);
    const runs = Promise.all([1, 2, 3, 4].map((n) => bench.run(work(n))));
    await until(() => status().waiting === 4);
    expect(status().waits).toEqual([{ reason: expect.stringContaining("is down since"), count: 4 }]);
    expect(a.double.count("POST /batches")).toBe(1);
    a.double.faults.script("POST /batches", { when: "after", does: "delay", ms: 1_500 });
    await a.reconnect();
    await until(() => a.double.count("POST /batches") === 2);
    expect(status()).toMatchObject({
      state: "recovering",
      waits: [{ reason: "cluster a answers again; one submission goes there first", count: 3 }],
    });
    await runs;
    expect(status()).toMatchObject({ state: "up", live: 0, waiting: 0 });
    expect(a.double.count("POST /batches")).toBe(5);
  });

  it("is the last that is chosen", async () => {
    const bench = await start({
      clusters: [a, b].map(({ url }, i) => ({ name: "ab"[i]!, url, tickMs: 40, probeMs: 50 })),
    });
    await bench.gateway.tend();
    await a.disconnect();
    await until(() => bench.gateway.clusters()[0]!.state === "down");
    await bench.run(work(1));
    expect(taken()).toEqual([0, 1]);
  });
});
