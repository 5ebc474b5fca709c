/** Stories: a program, and what happens to it. */

import fc from "fast-check";
import { type EditGenes, edit, pinVersions } from "./edits.ts";
import { growProgram, type ProgramGenes } from "./grow.ts";
import type { State } from "./language.ts";
import { evaluate, type Naive, Unfit } from "./naive.ts";

/** What a story is grown from. */
export interface Story {
  readonly program: ProgramGenes;
  readonly argument: number;
  readonly edits: readonly EditGenes[];
}

/** Edits of one story. */
export const EDITS = 10;

const genes = (least: number, most: number) =>
  fc.array(fc.nat(1023), { minLength: least, maxLength: most, size: "max" });
/** Small numbers and short lists are for shrinking only. */
const plain = fc.noBias;

/** Random stories; they shrink to simple programs with few edits that do something. */
export const stories: fc.Arbitrary<Story> = plain(
  fc.record({
    program: fc.record({
      tasks: fc.array(genes(30, 120), { minLength: 4, maxLength: 9, size: "max" }),
      helpers: fc.array(genes(0, 8), { minLength: 3, maxLength: 3 }),
      constants: fc.array(genes(0, 4), { minLength: 3, maxLength: 3 }),
    }),
    argument: fc.nat(6),
    edits: fc.array(genes(0, 30), { maxLength: EDITS, minLength: EDITS }),
  }),
);

/** The story of a seed. */
export function storyOf(seed: number): Story {
  return fc.sample(stories, { seed, numRuns: 1 })[0]!;
}

/** The state that a story begins with; null when it cannot serve. */
export function firstState(prefix: string, { program, argument }: Story): State | null {
  const state = pinVersions({ program: growProgram(program), data: [3, 1], argument });
  return naive(prefix, state) && state;
}

/** The state after an edit; the same one when what the edit makes cannot serve. */
export function nextState(
  prefix: string,
  genes: EditGenes,
  history: readonly State[],
): { readonly kind: string; readonly state: State; readonly naive: Naive } {
  const before = history.at(-1)!;
  const edited = edit(before, genes, history);
  const found = naive(prefix, edited.state);
  if (found) return { ...edited, naive: found };
  return { kind: `nothing (${edited.kind} makes it unfit)`, state: before, naive: evaluate(prefix, before) };
}

/** What the naive evaluator says; null for a state that cannot serve. */
export function naive(prefix: string, state: State): Naive | null {
  try {
    return evaluate(prefix, state);
  } catch (error) {
    if (error instanceof Unfit) return null;
    throw error;
  }
}
