/** Several processes on one store and one cluster: the keeper does the work, the others follow it. The processes are simulated; `test/replicas` has real ones. */

import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sql } from "../../../src/define/spark.ts";
import { FiresteelError } from "../../../src/errors.ts";
import type { Double } from "../../livy/double.ts";
import { type Served, serveDouble } from "../../livy/serve.ts";
import { type Bench, createBench } from "../bench.ts";
import { MemoryDatabase } from "../memory-store.ts";

const QUICK = { askMs: 20, manifestMs: 20, postMs: 300, zombieMs: 150, endMs: 200, lostMs: 800, lingerMs: 500 };

let served: Served;
let livy: Double;
/** Lets the jobs that are held go to their ends. */
let release: () => void;
let database: MemoryDatabase;
let benches: Bench[];

beforeEach(async () => {
  served = await serveDouble({ master: "local" });
  livy = served.double;
  database = new MemoryDatabase();
  benches = [];
});
afterEach(async () => {
  for (const bench of benches.toReversed()) await bench[Symbol.asyncDispose]();
  await served[Symbol.asyncDispose]();
});

/** Holds the jobs that begin from now on. */
function hold(): void {
  const held = Promise.withResolvers<void>();
  livy.plan = () => ({ runs: "ok", held: held.promise });
  release = held.resolve;
}

/** A process that looks around as often as a test says. */
async function start(maxLive = 16): Promise<Bench> {
  const bench = await createBench({
    clusters: [{ name: "local", url: served.url, tickMs: 40, maxLive }],
    patience: QUICK,
    database,
    shared: true,
    ...(benches[0] === undefined ? {} : { folder: benches[0].folder }),
  });
  benches.push(bench);
  return bench;
}

/** Lets a keeper take whatever comes, until it is killed. */
function tending(bench: Bench): void {
  database.listeners.add((change) => {
    if (change.kind !== "wish" || !bench.store.alive) return;
    const ids = [...database.submissions.values()]
      .filter(({ id, cancelRequested }) => cancelRequested !== null && database.owners.get(id) === bench.store.owner)
      .map(({ id }) => id);
    const around = {
      executions: false,
      submissions: true,
      cancelledExecutions: [],
      cancelledSubmissions: ids,
      drains: [...database.drains.values()],
      keptClusters: new Map(),
    };
    void bench.gateway.tend(around).catch(() => undefined);
  });
}

const work = (n: number) => sql`SELECT ${n} AS id`;
const rows = () => [...database.submissions.values()];
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable(),
    (error: unknown) => error as FiresteelError,
  );

describe("a cluster with a keeper", () => {
  it("is used by other processes through it, which tell what it tells", async () => {
    const keeper = await start();
    await keeper.gateway.tend();
    tending(keeper);
    const other = await start();
    const [one, two] = await Promise.all([other.run(work(1)), other.run(work(2))]);
    expect(await keeper.run(work(1))).toEqual(one);
    expect(two).toBeDefined();
    expect(livy.taken).toHaveLength(2);
    expect(rows().map(({ state }) => state)).toEqual(["succeeded", "succeeded"]);
    expect(rows().every(({ id }) => database.owners.get(id) === keeper.store.owner)).toBe(true);
    expect(other.gateway.live()).toEqual([]);
  });

  it("tells failures to them as to itself: those of the job once, those of the cluster after three attempts", async () => {
    const keeper = await start();
    await keeper.gateway.tend();
    tending(keeper);
    const other = await start();
    livy.plan = () => ({ runs: "fails" });
    const [there, here] = [await failure(other.run(work(1))), await failure(keeper.run(work(2)))];
    for (const error of [there, here])
      expect(error).toMatchObject({
        code: "unknown",
        details: { class: "user", type: "ValueError", cluster: "local" },
      });
    expect(there.message).toBe(here.message);
    livy.plan = () => ({ runs: "dies" });
    expect(await failure(other.run(work(3)))).toMatchObject({ code: "unavailable", details: { class: "cluster" } });
    expect(rows().map(({ attempt, state }) => [attempt, state])).toEqual([
      [1, "failed"],
      [1, "failed"],
      [1, "failed"],
      [2, "failed"],
      [3, "failed"],
    ]);
  });

  it("confirms from time to time in one write that all that lives there was seen", async () => {
    const keeper = await start();
    await keeper.gateway.tend();
    hold();
    const runs = Promise.all([keeper.run(work(1)), keeper.run(work(2)), keeper.run(work(3))]);
    await until(() => rows().filter(({ state }) => state === "running").length === 3);
    const before = rows().map(({ confirmedAt }) => confirmedAt ?? 0);
    const writes: (readonly string[])[] = [];
    const confirm = keeper.store.confirmSubmissions.bind(keeper.store);
    keeper.store.confirmSubmissions = (ids, at) => {
      writes.push(ids);
      return confirm(ids, at);
    };
    await until(() => rows().every(({ confirmedAt }, i) => (confirmedAt ?? 0) > before[i]!));
    expect(writes.some((ids) => ids.length === 3)).toBe(true);
    release();
    await runs;
  });

  it("stops what another process does not wait for any more", async () => {
    const keeper = await start();
    await keeper.gateway.tend();
    tending(keeper);
    const other = await start();
    hold();
    const stop = new AbortController();
    const run = failure(other.run(work(1), { signal: stop.signal }));
    await until(() => rows()[0]?.state === "running");
    stop.abort(new FiresteelError("cancelled", "enough"));
    expect(await run).toMatchObject({ code: "cancelled" });
    expect(livy.ledger.count("killed")).toBe(1);
    expect(rows()[0]).toMatchObject({ state: "cancelled" });
  });

  it("goes over to a process that follows when the keeper is gone, and its jobs run once", async () => {
    const keeper = await start();
    await keeper.gateway.tend();
    tending(keeper);
    const other = await start();
    hold();
    const runs = Promise.all([other.run(work(1)), other.run(work(2))]);
    await until(() => rows().filter(({ state }) => state === "running").length === 2);
    await keeper.kill();
    expect(await other.gateway.tend()).toBe(2);
    release();
    expect(await runs).toHaveLength(2);
    expect(livy.taken).toHaveLength(2);
  });

  it("does work that another process had asked for before it died, for whoever asks again", async () => {
    const keeper = await start();
    await keeper.gateway.tend();
    tending(keeper);
    const [dead, next] = [await start(), await start()];
    hold();
    const lost = failure(dead.run(work(1)));
    await until(() => rows()[0]?.state === "running");
    await dead.kill();
    expect(await lost).toMatchObject({ code: "aborted" });
    const run = next.run(work(1));
    await sleep(100);
    release();
    await run;
    expect(livy.taken).toHaveLength(1);
  });

  it("submits nothing for a process that died while it waited", async () => {
    const keeper = await start(1);
    await keeper.gateway.tend();
    tending(keeper);
    const dead = await start();
    hold();
    const first = keeper.run(work(1));
    await until(() => livy.taken.length === 1);
    const lost = failure(dead.run(work(2)));
    await until(() => rows()[1]?.note.includes("1 of 1 submissions live") === true);
    await dead.kill();
    await lost;
    release();
    await first;
    await until(() => rows()[1]?.state === "cancelled");
    expect(rows()[1]?.cause).toBe("nobody waits for it any more; it was never submitted");
    expect(livy.taken).toHaveLength(1);
    // Whoever asks now is not told that it was cancelled, but has it done.
    livy.plan = () => ({ runs: "ok" });
    await keeper.run(work(2));
    expect(livy.taken).toHaveLength(2);
  });

  it("is not posted to by a process whose lease may be over", async () => {
    const paused = await start();
    paused.store.confirmLease = async () => {
      throw new FiresteelError("aborted", "lease was lost");
    };
    expect(await failure(paused.run(work(1)))).toMatchObject({ code: "aborted" });
    expect(livy.count("POST /batches")).toBe(0);
    await paused.kill();
    // Whoever keeps the cluster then finds that nothing was posted.
    const next = await start();
    expect(await next.gateway.tend()).toBe(1);
    await next.run(work(1));
    expect(livy.taken).toHaveLength(1);
    expect(rows()).toHaveLength(1);
  });
});
