/**
 * The differential property test: random programs with random edits, in real processes that are killed midway. After each edit the result equals that of an evaluator without any cache, and exactly those bodies
 * ran whose call has no kept result. `npm run soak` follows more programs.
 */
import { availableParallelism } from "node:os";
import { expect, it } from "vitest";
import { explore } from "./explore.ts";

/** Always the same programs, so that a failure belongs to a change of the code. */
const SEED = 1;
const PROGRAMS = 2000;

it(`${PROGRAMS} programs give after each of 10 edits what a new evaluation gives, and run what changed (seed ${SEED})`, async () => {
  const { programs, steps, midway } = await explore({
    seed: SEED,
    programs: PROGRAMS,
    lanes: Math.min(availableParallelism(), 2),
  });
  expect(programs).toBe(PROGRAMS);
  expect(steps).toBe(PROGRAMS * 11);
  expect(midway).toBeGreaterThanOrEqual(50);
}, 1_500_000);
