/** `npm run soak -- plant`: plants each fault of `test/soak/plants.ts` in a copy of the code, or those whose name has a text in it, and tells the first seed that finds it. */

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { soakAll } from "../test/soak/lanes.ts";
import { PLANTS, planted } from "../test/soak/plants.ts";
import type { Outcome } from "../test/soak/soak.ts";

export async function soakPlants(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seeds: { type: "string", default: "40" },
      processes: { type: "string", default: String(availableParallelism()) },
    },
  });
  const named = PLANTS.filter(({ name }) => positionals.every((text) => name.includes(text)));
  if (named.length === 0) throw new Error(`no fault has such a name: ${positionals.join(" ")}`);
  for (const plant of named) {
    await using copy = await planted(plant);
    const found: Outcome[] = [];
    const take = (outcome: Outcome) => {
      if (outcome.wrong.length === 0) return undefined;
      found.push(outcome);
      return "enough" as const;
    };
    await soakAll(1, Number(values.seeds), Number(values.processes), take, copy.root);
    const [first] = found.sort((a, b) => a.seed - b.seed);
    if (first === undefined) process.exitCode = 1;
    console.log(
      first === undefined
        ? `NOT FOUND in ${values.seeds} seeds: ${plant.name}`
        : `seed ${first.seed}: ${plant.name}: ${first.wrong[0]}`,
    );
  }
}
