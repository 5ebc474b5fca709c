/** `npm run soak -- gateway`: many seeds, or one with all that happens in it. */

import { availableParallelism } from "node:os";
import { report, soakAll } from "../test/soak/lanes.ts";
import { draw } from "../test/soak/scenario.ts";
import { shrink } from "../test/soak/shrink.ts";
import { soak } from "../test/soak/soak.ts";
import { readOptions } from "./options.ts";

export async function soakGateway(args: readonly string[]): Promise<void> {
  const options = {
    seeds: { type: "string" },
    seed: { type: "string", default: "1" },
    processes: { type: "string", default: String(availableParallelism()) },
    trace: { type: "boolean", default: false },
  } as const;
  const values = readOptions("npm run soak -- gateway [--seeds N] [--seed N] [--processes N] [--trace]", options, args);
  const [seed, seeds, processes] = [values.seed, values.seeds ?? "1", values.processes].map(Number) as [
    number,
    number,
    number,
  ];
  if (![seed, seeds, processes].every((one) => Number.isSafeInteger(one) && one >= 0))
    throw new Error("--seed, --seeds and --processes must be whole numbers");
  if (values.seeds === undefined) return one(seed, values.trace);
  const began = performance.now();
  let [done, bad] = [0, 0];
  await soakAll(seed, seeds, processes, (outcome) => {
    done++;
    if (outcome.wrong.length > 0) {
      bad++;
      console.log(report(outcome));
    }
    if (done % 50 === 0) console.log(`${done} seeds, ${((performance.now() - began) / 1_000).toFixed(0)} s`);
  });
  console.log(`${done} seeds, ${bad} went wrong; ${((performance.now() - began) / 1_000 / done).toFixed(2)} s a seed`);
  if (bad > 0) process.exitCode = 1;
}

async function one(seed: number, trace: boolean): Promise<void> {
  const scenario = draw(seed);
  const outcome = await soak(scenario, trace ? console.log : null);
  const { wrong, submissions, requests, lives, simulatedMs, fingerprint } = outcome;
  console.log(
    `seed ${seed}: ${submissions} submissions, ${requests} requests, ${lives} processes, ${Math.round(simulatedMs / 1_000)} s simulated, ${fingerprint}`,
  );
  if (wrong.length === 0) return;
  process.exitCode = 1;
  console.log(report(outcome));
  const { scenario: small, outcome: left } = await shrink(scenario, outcome);
  console.log(
    `smaller: ${JSON.stringify({ ...small, asks: small.asks.length > 10 ? small.asks.length : small.asks })}`,
  );
  for (const line of left.wrong.slice(0, 10)) console.log(`  ${line}`);
}
