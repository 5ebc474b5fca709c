/** The gateway while Livy and YARN answer with faults at random, each before or after its effect, and Livy is killed and started again: every piece of work has one application, or one statement, and one result. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { sql } from "../../../src/define/spark.ts";
import type { ClusterConfig } from "../../../src/route/livy/clusters/cluster-config.ts";
import { type Remote, spawnDouble } from "../../livy/remote.ts";
import { type Bench, createBench } from "../bench.ts";

const WORKS = 20;

let double: Remote;
let bench: Bench;

async function open(profile: "0.7.1" | "0.9.0", seed: number, sessions: Partial<ClusterConfig> = {}): Promise<void> {
  double = await spawnDouble({ profile, seed, timings: { lookupMs: 2_000 } });
  bench = await createBench({
    clusters: [
      { name: "local", url: double.url, resourceManager: { url: double.resourceManagerUrl }, tickMs: 40, ...sessions },
    ],
    patience: {
      askMs: 20,
      manifestMs: 20,
      postMs: 500,
      zombieMs: 150,
      endMs: 300,
      lostMs: 1_500,
      quietMs: 100,
      lingerMs: 500,
    },
  });
  await double.control.planAll({ runs: "ok", ms: 200 });
  await double.control.chaos({ rate: 0.1, delayMs: 60 });
}

afterEach(async () => {
  await bench[Symbol.asyncDispose]();
  await double[Symbol.asyncDispose]();
});

it.each([
  ["0.7.1", 1],
  ["0.9.0", 2],
  ["0.9.0", 3],
] as const)("Livy %s, seed %i", async (profile, seed) => {
  await open(profile, seed);
  const working = Promise.all(Array.from({ length: WORKS }, (_, n) => bench.run(sql`SELECT ${n} AS id`)));
  await sleep(300);
  await double.control.crash();
  await sleep(100);
  await double.control.start({ recovery: true });
  const results = await working;
  expect(new Set(results.map((one) => JSON.stringify(one))).size).toBe(WORKS);
  const ledger = await double.control.ledger();
  const count = (event: string) => ledger.filter((one) => one.event === event).length;
  expect({ accepted: count("accepted"), manifests: count("manifest") }).toEqual({ accepted: WORKS, manifests: WORKS });
  expect(bench.database.results.size).toBe(WORKS);
  const submissions = [...bench.database.submissions.values()];
  expect(submissions.filter(({ state }) => state === "succeeded")).toHaveLength(WORKS);
  // Where Livy was killed while spark-submit ran, no application came of it.
  for (const { state, appId, cause } of submissions)
    if (state !== "succeeded")
      expect({ state, appId, cause }).toEqual({
        state: "failed",
        appId: null,
        cause: expect.stringContaining("No YARN application is found with tag"),
      });
});

it.each([4, 5, 6])("statements on Livy 0.9.0, seed %i", async (seed) => {
  await open("0.9.0", seed, { sessions: { max: 3, mode: "statement", recycleAfter: 5 } });
  const working = Promise.all(Array.from({ length: WORKS }, (_, n) => bench.run(sql`SELECT ${n} AS id`)));
  await sleep(300);
  await double.control.crash();
  await sleep(100);
  await double.control.start({ recovery: true });
  const results = await working;
  expect(new Set(results.map((one) => JSON.stringify(one))).size).toBe(WORKS);
  expect(bench.database.results.size).toBe(WORKS);
  const submissions = [...bench.database.submissions.values()];
  const succeeded = submissions.filter(({ state }) => state === "succeeded");
  expect(succeeded.map(({ work }) => work).sort()).toEqual([...bench.database.results.keys()].sort());
  // An attempt begins once; where one failed with its session another was made.
  const ledger = await double.control.ledger();
  const begun = ledger.filter(({ event }) => event === "began").map(({ detail }) => detail);
  expect(new Set(begun).size).toBe(begun.length);
  const manifests = ledger.filter(({ event }) => event === "manifest").length;
  const batches = submissions.filter(({ mode }) => mode === "batch").length;
  expect(begun.length + batches).toBeLessThanOrEqual(submissions.length);
  expect(manifests).toBeGreaterThanOrEqual(WORKS);
});
