/**
 * The crash matrix: real orchestrator processes, sockets and Postgres, and the double of Livy in a process of its own; somebody goes away at every crash point (`points.ts`).
 *
 * Cells run beside each other in lanes, each with servers of its own. `npm run crash` runs those that do not fit into a test run.
 */

import { afterAll, describe, expect, it } from "vitest";
import { titleOf } from "./cell.ts";
import { runCell } from "./cell-run.ts";
import { Lanes } from "./lanes.ts";
import { usualCells } from "./matrix.ts";
import { OF_STATE, POINTS, SIDES } from "./points.ts";

const lanes = new Lanes(3);
const cells = usualCells();
const reached = new Set<string>();
const died = new Set<string>();
const transitions = new Set<string>();
let passed = 0;

afterAll(() => lanes[Symbol.asyncDispose](), 60_000);

describe.concurrent("exactly one committed result, nothing left running, nothing stuck", { timeout: 600_000 }, () => {
  it.each(cells.map((cell) => ({ title: titleOf(cell), cell })))("holds: $title", async ({ cell }) => {
    const ran = await lanes.use((lane) => runCell(lane, cell));
    for (const point of ran.reached) reached.add(point);
    for (const transition of ran.transitions) transitions.add(transition);
    for (const { point, side, dies = true } of cell.incidents) if (dies) died.add(`${point}/${side}`);
    passed++;
  });
});

describe("the list of crash points", () => {
  it("has none that no cell comes to, and each is died at on both sides", (context) => {
    if (passed < cells.length) context.skip("not all cells ran");
    const all = POINTS.flatMap((point) => SIDES.map((side) => `${point}/${side}`));
    expect(all.filter((point) => !died.has(point))).toEqual([]);
    expect(all.filter((point) => !reached.has(point))).toEqual([]);
    expect([...reached].filter((point) => !all.includes(point))).toEqual([]);
  });

  it("has every state of a submission, and each was gone over to", (context) => {
    if (passed < cells.length) context.skip("not all cells ran");
    const states = new Set([...transitions].map((transition) => transition.split(" -> ")[1]!));
    expect([...states].sort()).toEqual(Object.keys(OF_STATE).sort());
  });
});
