/** What goes wrong in other clients of Livy (seen live with Airflow's provider), each with ours: on the double as both versions, with a ResourceManager to ask and without. The ledger tells what really ran. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sql } from "../../../src/define/spark.ts";
import type { FiresteelError } from "../../../src/errors.ts";
import type { Double, DoubleOptions } from "../../livy/double.ts";
import { type Served, serveDouble } from "../../livy/serve.ts";
import { hasEnded } from "../../livy/yarn.ts";
import { type Bench, type BenchOptions, createBench } from "../bench.ts";

const TICK = 40;
const QUICK = {
  askMs: 20,
  manifestMs: 20,
  postMs: 300,
  zombieMs: 150,
  endMs: 200,
  lostMs: 2_500,
  quietMs: 100,
  lingerMs: 500,
};
const work = (n: number) => sql`SELECT ${n} AS id`;
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable(),
    (error: unknown) => error as FiresteelError,
  );
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

const worlds = (["0.7.1", "0.9.0"] as const).flatMap((profile) =>
  [true, false].map(
    (witness) => [profile, witness ? "a ResourceManager" : "no ResourceManager", profile, witness] as const,
  ),
);

describe.each(worlds)("Livy %s and %s", (_, __, profile, witness) => {
  let served: Served;
  let livy: Double;
  let bench: Bench;

  const start = (options: Partial<BenchOptions> & { readonly maxLive?: number } = {}) => {
    const { maxLive = 16, ...rest } = options;
    const resourceManager = witness ? { resourceManager: { url: served.resourceManagerUrl } } : {};
    return createBench({
      clusters: [{ name: "local", url: served.url, tickMs: TICK, maxLive, ...resourceManager }],
      patience: QUICK,
      ...rest,
    });
  };
  const open = async (options: Partial<DoubleOptions> = {}) => {
    served = await serveDouble({ profile, ...options });
    livy = served.double;
    bench = await start();
  };
  const close = async () => {
    await bench[Symbol.asyncDispose]();
    await served[Symbol.asyncDispose]();
  };
  beforeEach(() => open());
  afterEach(async () => {
    await until(() => [...livy.yarn.applications.values()].every(hasEnded));
    await close();
  });

  const submissions = () => [...bench.database.submissions.values()];
  const states = () => bench.database.transitions.map(({ to }) => to);
  const running = () => until(() => states().includes("running"));
  /** One application, one manifest, one committed result. */
  const expectOnce = () => {
    expect(livy.ledger.count("accepted")).toBe(1);
    expect(livy.ledger.count("manifest")).toBe(1);
    expect(bench.database.results.size).toBe(1);
    expect(submissions().map(({ state }) => state)).toEqual(["succeeded"]);
  };

  it.each(["drop", "reset", "cut"] as const)("a lost reply to the POST (%s) makes no second batch", async (does) => {
    livy.faults.script("POST /batches", { when: "after", does });
    await bench.run(work(1));
    expect(livy.count("POST /batches")).toBe(1);
    expectOnce();
  });

  it("too many sessions: the work waits for its turn", async () => {
    await close();
    await open({ maxCreation: 1, timings: { submitMs: 60 } });
    await Promise.all([1, 2, 3].map((n) => bench.run(work(n))));
    expect(bench.lines.join("\n")).toContain("too many sessions are being created");
    expect(submissions().map(({ state }) => state)).toEqual(["succeeded", "succeeded", "succeeded"]);
    expect(livy.ledger.count("accepted")).toBe(3);
  });

  it("three errors while looking change nothing", async () => {
    livy.plan = () => ({ runs: "ok", ms: 2_500 });
    const boom = '"java.lang.IllegalStateException: boom"';
    const fault = { when: "before", does: "answer", status: 500, body: boom } as const;
    livy.faults.script("GET /batches", fault, fault, fault);
    await bench.run(work(1));
    expect(livy.count("GET /batches")).toBeGreaterThanOrEqual(3);
    expectOnce();
  });

  it("an id that is a stranger's after a restart: the stranger's success is not ours", async () => {
    livy.plan = () => ({ runs: "fails", ms: 1_700 });
    const failed = failure(bench.run(work(1)));
    await running();
    await served.start({ recovery: false });
    expect(livy.add("somebody-else", "success").id).toBe(submissions()[0]?.batchId);
    expect((await failed).message).toContain("ValueError: column price is missing");
    expect(submissions().map(({ state }) => state)).toEqual(["failed"]);
    expect(livy.ledger.count("accepted")).toBe(1);
  });

  it("a batch that Livy forgets while it runs ends as it ends", async () => {
    livy.plan = () => ({ runs: "ok", ms: 1_700 });
    const result = bench.run(work(1));
    await running();
    livy.forget("0");
    await result;
    expect(states()).toContain(witness ? "running" : "lost");
    expectOnce();
  });

  it("a batch that Livy forgets and that dies is not waited for for ever", async () => {
    livy.plan = () => ({ runs: livy.taken.length === 0 ? "dies" : "ok", ms: 200 });
    const result = bench.run(work(1));
    await running();
    livy.forget("0");
    await result;
    expect(submissions().map(({ attempt, state }) => [attempt, state])).toEqual([
      [1, "failed"],
      [2, "succeeded"],
    ]);
    expect(livy.ledger.count("accepted")).toBe(2);
  });

  it.runIf(witness)(
    "an application that still closes down is not gone because a question about it failed",
    async () => {
      await bench[Symbol.asyncDispose]();
      bench = await start({ patience: { ...QUICK, lingerMs: 10_000 } });
      livy.plan = () => ({ runs: "ok", closeMs: 600 });
      await bench.run(work(1));
      livy.faults.script("GET /cluster/apps/x", { when: "before", does: "answer", status: 503, body: "" });
      livy.forget("0");
      await until(() => submissions()[0]?.goneAt != null);
      expect(livy.ledger.count("ended")).toBe(1);
    },
  );

  it("`recovering` is no end, however long", async () => {
    livy.plan = () => ({ runs: "ok", ms: QUICK.lostMs + 1_000 });
    const result = bench.run(work(1));
    await running();
    await served.crash();
    livy.yarn.down = true;
    await served.start();
    await sleep(QUICK.lostMs + 400);
    expect(livy.find("0")?.state).toBe("recovering");
    livy.yarn.down = false;
    await result;
    expectOnce();
  });

  it("`recovering` before the application is known is none either", async () => {
    await close();
    await open({ timings: { submitMs: 150 } });
    const result = bench.run(work(1));
    await until(() => states().includes("starting"));
    await served.crash();
    await served.start();
    expect(livy.find("0")).toMatchObject({ state: "recovering", appId: null });
    await result;
    expectOnce();
  });

  it("the end of the orchestrator while it looks at batch 0 makes no second batch", async () => {
    livy.plan = () => ({ runs: "ok", ms: 300 });
    const before = failure(bench.run(work(1)));
    await running();
    expect(submissions()[0]?.batchId).toBe(0);
    await bench.kill();
    await before;
    const again = await start({ database: bench.database, folder: bench.folder });
    try {
      expect(await again.gateway.tend()).toBe(1);
      await again.run(work(1));
      expect(livy.count("POST /batches")).toBe(1);
      expectOnce();
    } finally {
      await again[Symbol.asyncDispose]();
    }
  });

  it("50 batches at once are looked at with one request a tick, over few connections", async () => {
    await bench[Symbol.asyncDispose]();
    bench = await start({ maxLive: 50 });
    livy.plan = () => ({ runs: "ok", ms: 1_000 });
    const began = performance.now();
    await Promise.all(Array.from({ length: 50 }, (_, n) => bench.run(work(n))));
    const ticks = (performance.now() - began) / TICK;
    expect(livy.ledger.count("accepted")).toBe(50);
    expect(livy.count("GET /batches")).toBeLessThanOrEqual(ticks + 2);
    for (const kind of ["GET /batches/x", "GET /batches/x/state"]) expect(livy.count(kind)).toBe(0);
    expect(served.mostConnections).toBeLessThanOrEqual(8);
  });

  it("a success that comes back as dead stays a success", async () => {
    livy.plan = () => ({ runs: "ok", closeMs: 300 });
    await bench.run(work(1));
    const [application] = livy.yarn.applications.values();
    await until(() => application !== undefined && hasEnded(application));
    livy.yarn.applications.clear();
    await served.crash();
    await served.start();
    await until(() => livy.find("0")?.state === "dead");
    await Promise.all(bench.gateway.live().map(({ gone }) => gone));
    expect(await bench.run(work(1))).toBeDefined();
    expectOnce();
  });

  it("a cancelled application is gone when the caller hears of it, and Livy's word alone is not believed", async () => {
    livy.plan = () => ({ runs: "forever" });
    livy.yarn.refusesKills = true;
    const controller = new AbortController();
    const cancelled = failure(bench.run(work(1), { signal: controller.signal }));
    await running();
    controller.abort();
    await until(() => livy.ledger.count("deleted") > 0);
    await sleep(100);
    if (witness) expect(states()).not.toContain("cancelled");
    livy.yarn.refusesKills = false;
    expect(await cancelled).toMatchObject({ code: "cancelled" });
    if (witness) expect([...livy.yarn.applications.values()].map(({ state }) => state)).toEqual(["KILLED"]);
    else {
      expect(submissions()[0]?.cause).toContain("no ResourceManager is configured that could confirm it");
      for (const application of livy.yarn.applications.values()) await livy.yarn.kill(application);
    }
  });
});
