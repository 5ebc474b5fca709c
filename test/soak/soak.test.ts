/**
 * 200 concurrent executions a seed on simulated orchestrators, clusters, store and warehouse, while everything that can go wrong does. A seed takes about 1 s of CPU, and the tests follow 250; FIRESTEEL_SOAK_SEEDS says another
 * number (more: `npm run soak -- gateway`). A seed that goes wrong is told with the command that follows it.
 *
 * Not covered: what only real parts do (sockets, Postgres, YARN: the crash matrix and the contract suite have those), warm sessions, and a warehouse that is away when a recorded result is looked at (the evaluator's client asks
 * again here; what the gateway asks does meet it).
 *
 * Faults planted in the code, and where they were found:
 *
 * | fault | found in |
 * | --- | --- |
 * | a POST whose reply was lost is repeated without a look | seed 1 |
 * | `dead` and forgotten batches are believed at once | seed 1 |
 * | failures of the user are retried | seed 1 |
 * | submissions that were taken over and nobody asks for are cancelled in their row only | seed 1 |
 * | results are committed without compare-and-set; a DELETE is believed; work is not claimed; no quiet time after a stop | not in seeds 1 to 6 |
 * | the next attempt does not wait until the application before is gone; the lease is not confirmed before a POST | not in seeds 1 to 10 |
 */
import { availableParallelism } from "node:os";
import { expect, it } from "vitest";
import { report, soakAll } from "./lanes.ts";
import { draw } from "./scenario.ts";
import { soak } from "./soak.ts";

const SEEDS = Number(process.env["FIRESTEEL_SOAK_SEEDS"] ?? 250);
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
