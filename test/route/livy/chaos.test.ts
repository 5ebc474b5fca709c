/** The gateway while Livy and YARN answer with faults at random, each before or after its effect, and Livy is killed and started again: every piece of work has one application and one result. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { sql } from "../../../src/define/spark.ts";
import { type Remote, spawnDouble } from "../../livy/remote.ts";
import { type Bench, createBench } from "../bench.ts";

const WORKS = 20;

let double: Remote;
let bench: Bench;

async function open(profile: "0.7.1" | "0.9.0", seed: number): Promise<void> {
  double = await spawnDouble({ profile, seed });
  bench = await createBench({
    clusters: [{ name: "local", url: double.url, resourceManager: { url: double.resourceManagerUrl }, tickMs: 40 }],
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
  expect([...bench.database.submissions.values()].map(({ state }) => state)).toEqual(
    Array.from({ length: WORKS }, () => "succeeded"),
  );
});
