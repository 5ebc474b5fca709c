/**
 * The differential property test: random programs (`grow.ts`, `print.ts`) with random edits (`edits.ts`), 80 side by side in a real evaluator process (`lane-process.ts`) that is killed midway. After each edit the
 * result equals that of an evaluator without any cache (`naive.ts`), and exactly those bodies ran whose call has no kept result (`oracle.ts`); after a kill also those whose result was not durable yet.
 * What disagrees is shrunk (`shrink.ts`) and told with a script that shows it again. `npm run soak` follows more programs.
 *
 * A third of the projects has an embedded store, the others Postgres; one in seven runs bodies in threads and processes. Some programs are run with two arguments at the same time. Some edits come while the code before
 * runs: its result is then that of the old code, with the data of before or of after, and the next one that of the new code. Files that tasks wrote are deleted or changed.
 *
 * Left open on purpose: programs in which either of two different failures may be caught first; what runs beside a failure that was caught, and below a result that is checked shallowly: not more than needed, perhaps less; a call that is asked
 * for by two executions, or under two contexts, at the same time: its body may run for each of them (the look-up of one can be answered just before the other's result is there). Not in the language: codecs, limits, plain functions
 * given to forms, datasets.
 *
 * Faults planted in the code, and in how many programs of the seed 1 they were found:
 *
 * | fault | found in |
 * | --- | --- |
 * | context not in the identity of calls | the first 80 |
 * | a written file is never looked at again | the first 50 |
 * | a shallow result ignores the code of tasks below | not in 80, before edits below shallow results were made frequent; not known since |
 */
import { availableParallelism } from "node:os";
import { expect, it } from "vitest";
import { explore } from "./explore.ts";

/** Always the same programs, so that a failure belongs to a change of the code. */
const SEED = 1;
const PROGRAMS = 2000;

it("random programs give after each edit what a new evaluation gives, and run what changed", async () => {
  const { programs, steps, midway, races } = await explore({
    seed: SEED,
    programs: PROGRAMS,
    lanes: Math.min(availableParallelism(), 2),
  });
  expect(programs).toBe(PROGRAMS);
  expect(steps).toBe(PROGRAMS * 11);
  expect(midway).toBeGreaterThanOrEqual(50);
  expect(races).toBeGreaterThanOrEqual(1000);
}, 3_600_000);
