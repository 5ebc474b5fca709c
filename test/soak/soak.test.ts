/**
 * 200 concurrent executions a seed on simulated orchestrators, clusters, store and warehouse, while everything that can go wrong does. CI runs 500 seeds, FIRESTEEL_SOAK_SEEDS says another number (more:
 * `npm run soak -- gateway`); a seed that goes wrong is told with the command that follows it.
 *
 * Not covered: what only real parts do (sockets, Postgres, YARN: the crash matrix and the contract suite have those), warm sessions and sparkApp, and a warehouse that is away when a call looks at it (its clients ask
 * again here; the gateway's own looks do meet it).
 */
import { availableParallelism } from "node:os";
import { expect, it } from "vitest";
import { report, soakAll } from "./lanes.ts";
import { draw } from "./scenario.ts";
import { soak } from "./soak.ts";

const SEEDS = Number(process.env["FIRESTEEL_SOAK_SEEDS"] ?? (process.env["CI"] === "true" ? 500 : 10));
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
