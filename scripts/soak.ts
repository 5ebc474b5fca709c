/**
 * `npm run soak -- gateway --seeds 2000 --seed 7`: soaks the gateway in simulated worlds (`test/soak`); one `--seed` alone runs that one, `--trace` prints all that happens in it. What goes wrong is made smaller.
 *
 * `npm run soak -- plant`: plants faults in copies of the code, and tells which seed finds each.
 *
 * `npm run soak -- --programs 100000 --seed 7`: follows random programs through random edits and kills (`test/property`), and prints what was followed. The first disagreement is shrunk and ends it.
 */

import { availableParallelism } from "node:os";
import { explore } from "../test/property/explore.ts";
import type { Tally } from "../test/property/runner.ts";
import { readOptions } from "./options.ts";

if (process.argv[2] === "gateway") {
  const { soakGateway } = await import("./soak-gateway.ts");
  await soakGateway(process.argv.slice(3));
  process.exit();
}
if (process.argv[2] === "plant") {
  const { soakPlants } = await import("./soak-plants.ts");
  await soakPlants(process.argv.slice(3));
  process.exit();
}
const USAGE =
  "npm run soak -- [--programs N] [--seed N] [--processes N], npm run soak -- gateway [--seeds N] [--seed N] [--processes N] [--trace], npm run soak -- plant [TEXT]";
const values = readOptions(USAGE, {
  programs: { type: "string", default: "10000" },
  seed: { type: "string", default: String(Date.now() % 1_000_000) },
  processes: { type: "string", default: String(availableParallelism()) },
});
const plan = { programs: count("programs"), seed: count("seed"), lanes: count("processes") };
console.log(`seed ${plan.seed}, ${plan.programs} programs, ${plan.lanes} processes`);
const begun = performance.now();
let told = begun;
try {
  const tally = await explore({
    ...plan,
    onProgress(tally) {
      if (performance.now() - told < 10_000) return;
      told = performance.now();
      console.log(describe(tally));
    },
  });
  console.log(describe(tally));
  for (const [kind, steps] of [...tally.edits].sort(([, a], [, b]) => b - a)) console.log(`  ${kind}: ${steps}`);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}

function count(name: keyof typeof values): number {
  const number = Number(values[name]);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new Error(`--${name} must be a whole number from 1: ${values[name]}`);
  return number;
}

function describe({ programs, steps, calls, bodies, failures, races, kills, midway }: Tally): string {
  const seconds = (performance.now() - begun) / 1000;
  return `${programs} programs, ${steps} steps of ${calls} calls: ${bodies} bodies ran; ${failures} steps ended with a failure; ${races} changed while they ran; ${kills} kills, ${midway} of them midway; ${seconds.toFixed(0)} s`;
}
