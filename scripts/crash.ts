/**
 * `npm run crash -- --cells 500 --seed 7 --lanes 3 --only "result committed"`: cells of the whole crash matrix (`test/crash`), drawn at random; `--cells 0` runs them all. What a test run does is `--usual`.
 */

import { titleOf } from "../test/crash/cell.ts";
import { runCell } from "../test/crash/cell-run.ts";
import { Lanes } from "../test/crash/lanes.ts";
import { allCells, usualCells } from "../test/crash/matrix.ts";
import { seeded } from "../test/livy/random.ts";
import { readOptions } from "./options.ts";

const values = readOptions("npm run crash -- [--usual | --cells N] [--seed N] [--lanes N] [--only REGEX]", {
  cells: { type: "string", default: "200" },
  seed: { type: "string", default: String(Date.now() % 1_000_000) },
  lanes: { type: "string", default: "3" },
  only: { type: "string", default: "" },
  usual: { type: "boolean", default: false },
});
const random = seeded(Number(values.seed));
const only = new RegExp(values.only);
const all = values.usual ? usualCells() : [...allCells()];
const fitting = all.filter((cell) => only.test(titleOf(cell)));
const drawn = values.usual
  ? fitting
  : fitting
      .map((cell) => ({ cell, place: random() }))
      .sort((a, b) => a.place - b.place)
      .map(({ cell }) => cell);
const cells = drawn.slice(0, Number(values.cells) || undefined);
console.log(`seed ${values.seed}: ${cells.length} of ${all.length} cells in ${values.lanes} lanes`);

const begun = performance.now();
let failed = 0;
await using lanes = new Lanes(Number(values.lanes));
await Promise.all(
  cells.map((cell) =>
    lanes
      .use(async (lane) => {
        const since = performance.now();
        await runCell(lane, cell);
        console.log(`ok ${((performance.now() - since) / 1000).toFixed(1)} s ${titleOf(cell)}`);
      })
      .catch((error: Error) => {
        failed++;
        console.log(`FAIL ${error.message}`);
      }),
  ),
);
console.log(
  `${cells.length - failed} cells hold, ${failed} do not; ${((performance.now() - begun) / 1000).toFixed(0)} s`,
);
process.exitCode = failed > 0 ? 1 : 0;
