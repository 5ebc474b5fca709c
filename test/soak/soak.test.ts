/**
 * 200 concurrent executions a seed on simulated orchestrators, clusters, store and warehouse, while everything that can go wrong does. A seed takes about 1 s of CPU, and the tests follow 500; FIRESTEEL_SOAK_SEEDS says another
 * number (more: `npm run soak -- gateway`). A seed that goes wrong is told with the command that follows it.
 *
 * Not covered: what only real parts do (sockets, Postgres, YARN: the crash matrix and the contract suite have those), and warm sessions.
 *
 * Faults that are planted in the code (`plants.ts`; `npm run soak -- plant` does it again) and the first seed that finds them:
 *
 * | fault | found by |
 * | --- | --- |
 * | recorded results are looked at without patience for a warehouse that is away | seed 1 |
 * | the next attempt does not wait until the application is gone | seed 1 |
 * | a DELETE is believed | seed 1 |
 * | the claim of work is not heeded | seed 1 |
 * | failures of the user are retried | seed 1 |
 * | what was posted for nobody is cancelled in its row only | seed 1 |
 * | a batch of another attempt is taken for ours | seed 1 |
 * | lost replies are not looked after | seed 2 |
 * | no quiet time after a lost reply | seed 2 |
 * | no quiet time after a stop | seed 3 |
 * | dead and forgotten batches are believed at once | seed 5 |
 * | the lease is not confirmed before a POST | seed 14 |
 * | a batch is deleted by its id | seed 15 |
 * | the claim of a cluster is not heeded | seed 25 |
 * | a batch is looked up by its id | seed 34 |
 *
 * Not found: a commit without compare-and-set (nobody gets there while claims and leases hold; the stores' own suite has it), and a POST for an asker who died while it waited (`isWorkClaimed`): others ask for the same
 * work here, so that it is needed after all.
 */
import { availableParallelism } from "node:os";
import { expect, it } from "vitest";
import { report, soakAll } from "./lanes.ts";
import { PLANTS, planted } from "./plants.ts";
import { draw } from "./scenario.ts";
import { soak } from "./soak.ts";

const SEEDS = Number(process.env["FIRESTEEL_SOAK_SEEDS"] ?? 500);
/** The slowest machine under load; there is nothing to wait for but its own work. */
const SEED_MS = 60_000;

it(
  "each of many seeds keeps all that is promised",
  async () => {
    const wrong: string[] = [];
    await soakAll(1, SEEDS, Math.min(2, availableParallelism()), (outcome) => {
      if (outcome.wrong.length > 0) wrong.push(report(outcome));
    });
    expect(wrong).toEqual([]);
  },
  SEEDS * SEED_MS,
);

it(
  "a seed replays exactly, and another one otherwise",
  async () => {
    const small = (seed: number) => soak(draw(seed, 40));
    const [one, again, other] = [await small(7), await small(7), await small(8)];
    expect(again).toEqual(one);
    expect(other.fingerprint).not.toBe(one.fingerprint);
    expect(one.submissions).toBeGreaterThan(20);
  },
  5 * SEED_MS,
);

it("what is to be planted is in the code once", { timeout: SEED_MS }, async () => {
  for (const plant of PLANTS) {
    await using copy = await planted(plant);
    expect(copy.root).not.toBe("");
  }
  expect(PLANTS.length).toBeGreaterThan(10);
});
