/** Several clusters: which one work goes to, and where it goes when that one fails. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sql } from "../../../src/define/spark.ts";
import type { ClusterConfig } from "../../../src/route/livy/clusters/cluster-config.ts";
import { type GatewayObserver, NO_OBSERVER } from "../../../src/route/livy/clusters/observer.ts";
import { type Served, serveDouble } from "../../livy/serve.ts";
import { type Bench, type BenchOptions, createBench } from "../bench.ts";
import { MemoryDatabase } from "../memory-store.ts";

const QUICK = {
  askMs: 20,
  manifestMs: 20,
  postMs: 300,
  zombieMs: 150,
  endMs: 200,
  lostMs: 800,
  lingerMs: 500,
  moveMs: 100,
};

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
    const news: string[] = [];
    const observer: GatewayObserver = {
      ...NO_OBSERVER,
      down: (cluster, why) => news.push(`${cluster} is down: ${why}`),
      back: (cluster) => news.push(`${cluster} is back`),
    };
    const bench = await start({ clusters: [{ name: "a", url: a.url, tickMs: 40, probeMs: 50 }], observer });
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
    expect(news).toEqual([expect.stringMatching(/^a is down: cluster a at .* is down since .*: /), "a is back"]);
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

const entry = (name: string, { url }: Served, more: Partial<ClusterConfig> = {}): ClusterConfig => ({
  name,
  url,
  tickMs: 40,
  ...more,
});
const statusOf = (bench: Bench, name: string) => bench.gateway.clusters().find((one) => one.name === name)!;
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable(),
    (error: unknown) => error,
  );

describe("a drained cluster", () => {
  it("takes nothing new, says who drained it and why, and what runs goes on", async () => {
    const bench = await start({ clusters: [entry("a", a)] });
    const held = Promise.withResolvers<void>();
    a.double.plan = () => ({ runs: "ok", held: held.promise });
    const runs = bench.run(work(1));
    await until(() => taken()[0] === 1);
    const drain = await bench.gateway.drain("a", "ann", "new disks");
    expect(await bench.gateway.drain("a", "bob", "too")).toEqual(drain);
    const waits = bench.run(work(2));
    await until(() => statusOf(bench, "a").waiting === 1);
    expect(statusOf(bench, "a")).toMatchObject({
      state: "up",
      live: 1,
      drained: { by: "ann", reason: "new disks" },
      waits: [{ reason: expect.stringMatching(/^cluster a is drained by ann since .*Z: new disks$/), count: 1 }],
    });
    held.resolve();
    await runs;
    expect(taken()[0]).toBe(1);
    expect(await bench.gateway.resume("a", "bob")).toEqual(drain);
    await waits;
    expect(await bench.gateway.resume("a", "bob")).toBeNull();
    await expect(bench.gateway.drain("c", "ann", "x")).rejects.toThrow("cluster is not known (there are: a): c");
  });

  it("is drained for all orchestrators and after a restart, until somebody resumes it", async () => {
    const database = new MemoryDatabase();
    const one = await start({ clusters: [entry("a", a)], database });
    await one.gateway.drain("a", "ann", "new disks");
    await one.kill();
    const next = await start({ clusters: [entry("a", a)], database, folder: one.folder });
    await next.gateway.tend();
    const waits = next.run(work(1));
    await until(() => statusOf(next, "a").waiting === 1);
    expect(taken()[0]).toBe(0);
    await next.gateway.resume("a", "bob");
    await waits;
  });

  it("is left after a while by what was not posted, for another one that is the same", async () => {
    const bench = await start({
      clusters: [entry("a", a, { maxLive: 1 }), entry("b", b)],
      routes: [{ tasks: ["only.*"], to: { clusters: ["a"] } }],
    });
    const held = Promise.withResolvers<void>();
    a.double.plan = () => ({ runs: "ok", held: held.promise });
    const live = bench.run(work(0), { task: "only.a" });
    await until(() => taken()[0] === 1);
    await bench.gateway.drain("b", "ann", "first");
    const [moves, stays] = [bench.run(work(1)), bench.run(work(2), { task: "only.a" })];
    await until(() => statusOf(bench, "a").waiting === 2);
    await bench.gateway.drain("a", "ann", "now");
    await bench.gateway.resume("b", "ann");
    await moves;
    expect(taken()).toEqual([1, 1]);
    expect(rows(bench).filter((one) => one.work === rows(bench).at(-1)!.work)).toMatchObject([
      { cluster: "a", state: "cancelled", cause: "moved: cluster a is drained; it was never submitted" },
      { cluster: "b", state: "succeeded", attempt: 2 },
    ]);
    expect(statusOf(bench, "a").waiting).toBe(1);
    held.resolve();
    await bench.gateway.resume("a", "ann");
    await Promise.all([live, stays]);
    expect(taken()).toEqual([2, 1]);
  });
});

describe("a change of the configuration", () => {
  it("takes effect on work that waits: limits, rules, new clusters", async () => {
    const bench = await start({ clusters: [entry("a", a, { maxLive: 1 })] });
    await bench.gateway.tend();
    const held = Promise.withResolvers<void>();
    a.double.plan = () => ({ runs: "ok", held: held.promise });
    const runs = [1, 2, 3].map((n) => bench.run(work(n)));
    await until(() => taken()[0] === 1 && statusOf(bench, "a").waiting === 2);
    bench.gateway.configure({ clusters: [entry("a", a, { maxLive: 3, labels: { zone: "eu" } }), entry("b", b)] });
    await until(() => taken()[0] === 3);
    expect(statusOf(bench, "a")).toMatchObject({ labels: { zone: "eu" }, limits: { maxLive: 3 }, live: 3 });
    held.resolve();
    await Promise.all(runs);
    bench.gateway.configure({ clusters: [entry("a", a), entry("b", b)], routes: [{ to: { clusters: ["b"] } }] });
    await bench.run(work(4));
    expect(taken()).toEqual([3, 1]);
  });

  it("gives a cluster another address, at which its submissions are found", async () => {
    const bench = await start({ clusters: [entry("a", a, { headers: { via: "old" } })] });
    await bench.gateway.tend();
    const held = Promise.withResolvers<void>();
    a.double.plan = () => ({ runs: "ok", held: held.promise });
    const run = bench.run(work(1));
    await until(() => rows(bench)[0]?.state === "running");
    bench.gateway.configure({ clusters: [entry("a", a, { url: a.url.replace("127.0.0.1", "localhost") })] });
    await until(() => statusOf(bench, "a").state === "up");
    expect(statusOf(bench, "a").url).toContain("localhost");
    held.resolve();
    await run;
    expect(taken()[0]).toBe(1);
  });

  it("that takes a cluster out leaves it what lives there, moves what waits, and then lets go of it", async () => {
    const bench = await start({ clusters: [entry("a", a, { maxLive: 1 })] });
    await bench.gateway.tend();
    const held = Promise.withResolvers<void>();
    a.double.plan = () => ({ runs: "ok", held: held.promise });
    const first = bench.run(work(1));
    await until(() => taken()[0] === 1);
    const second = bench.run(work(2));
    await until(() => statusOf(bench, "a").waiting === 1);
    bench.gateway.configure({ clusters: [entry("b", b)] });
    await second;
    expect(taken()).toEqual([1, 1]);
    expect(statusOf(bench, "a")).toMatchObject({ isConfigured: false, live: 1 });
    held.resolve();
    await first;
    await until(() => bench.gateway.clusters().length === 1);
  });

  it("that leaves no cluster for work that waits makes it fail, with what there is", async () => {
    const bench = await start({ clusters: [entry("a", a)] });
    await bench.gateway.drain("a", "ann", "x");
    const error = failure(bench.run(work(1), { cluster: "a" }));
    await until(() => statusOf(bench, "a").waiting === 1);
    bench.gateway.configure({ clusters: [entry("b", b)] });
    expect(await error).toMatchObject({ code: "invalid_argument", message: "cluster is not known (there are: b): a" });
  });

  it("that cannot be is refused, and changes nothing", async () => {
    const bench = await start();
    const before = bench.gateway.clusters().map(({ name, url }) => [name, url]);
    for (const config of [
      { clusters: [entry("a", a), entry("a", b)] },
      { clusters: [entry("a", a, { url: "ftp://x" })] },
      { clusters: [entry("c", a, { url: "ftp://x" })] },
      { clusters: [entry("a", b)], routes: [{ to: { clusters: ["c"] } }] },
    ])
      expect(() => bench.gateway.configure(config)).toThrow();
    expect(bench.gateway.clusters().map(({ name, url }) => [name, url])).toEqual(before);
  });

  it("of settings that can change rows lets what was prepared before be prepared again", async () => {
    const bench = await start({ clusters: [entry("a", a)] });
    await bench.gateway.drain("a", "ann", "x");
    const error = failure(bench.run(work(1)));
    await until(() => statusOf(bench, "a").waiting === 1);
    const conf = { "spark.sql.session.timeZone": "Europe/Berlin" };
    bench.gateway.configure({ clusters: [entry("b", b, { conf })] });
    expect(await error).toMatchObject({ code: "aborted", details: { kind: "inputChanged" } });
    expect(taken()).toEqual([0, 0]);
  });
});

describe("a submission that an operator cancels", () => {
  it("is stopped for certain, and who waits for its work hears who did it and why", async () => {
    const bench = await start({ clusters: [entry("a", a)] });
    a.double.plan = () => ({ runs: "ok", held: new Promise(() => {}) });
    const error = failure(bench.run(work(1)));
    await until(() => rows(bench)[0]?.state === "running");
    const ended = await bench.gateway.cancel(rows(bench)[0]!.id, "ann", "too big");
    expect(ended).toMatchObject({ state: "cancelled", cancelRequested: "cancelled by ann: too big" });
    expect(await error).toMatchObject({
      code: "cancelled",
      message: expect.stringMatching(/^submission \w+ was cancelled by ann: too big; Livy deleted it/),
    });
    expect(a.double.ledger.count("killed")).toBe(1);
    expect(rows(bench)).toHaveLength(1);
    // What has ended is left as it is.
    expect(await bench.gateway.cancel(ended.id, "bob", "again")).toEqual(ended);
    await expect(bench.gateway.cancel("nothing", "bob", "x")).rejects.toMatchObject({ code: "not_found" });
  });

  it("is never posted when it waited", async () => {
    const bench = await start({ clusters: [entry("a", a)] });
    await bench.gateway.drain("a", "ann", "x");
    const error = failure(bench.run(work(1)));
    await until(() => statusOf(bench, "a").waiting === 1);
    await bench.gateway.cancel(rows(bench)[0]!.id, "ann", "too big");
    expect(await error).toMatchObject({ message: expect.stringContaining("by ann: too big; it was never submitted") });
    expect(taken()[0]).toBe(0);
  });
});
