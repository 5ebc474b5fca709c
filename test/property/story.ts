/** Stories: a program, and what happens to it. */

import fc from "fast-check";
import { DAMAGE, type EditGenes, edit, pinVersions } from "./edits.ts";
import { growProgram, type ProgramGenes } from "./grow.ts";
import type { State } from "./language.ts";
import { evaluate, type Naive, Unfit } from "./naive.ts";

/** What a story is grown from. */
export interface Story {
  readonly program: ProgramGenes;
  readonly argument: number;
  readonly beside: number;
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
      tasks: fc.array(genes(30, 120), { minLength: 5, maxLength: 10, size: "max" }),
      helpers: fc.array(genes(0, 8), { minLength: 3, maxLength: 3 }),
      constants: fc.array(genes(0, 4), { minLength: 3, maxLength: 3 }),
    }),
    argument: fc.nat(6),
    beside: fc.nat(15),
    edits: fc.array(genes(0, 30), { maxLength: EDITS, minLength: EDITS }),
  }),
);

/** The story of a seed. */
export function storyOf(seed: number): Story {
  return fc.sample(stories, { seed, numRuns: 1 })[0]!;
}

/** A state, and how it came about from the one before. */
export interface Version {
  readonly edit: string;
  readonly state: State;
  /** Set: one of the files that tasks wrote is deleted before, or changed; which one and how this number tells. */
  readonly damage?: number;
}

/** The states of a story, one after the other. Edits whose results cannot serve do nothing; null when the first one cannot. */
export function versionsOf({ program, argument, beside, edits }: Story): readonly Version[] | null {
  const first = pinVersions({
    program: growProgram(program),
    data: [3, 1, null, 4],
    argument,
    beside: beside < 7 ? beside : null,
  });
  if (!naive("p", first)) return null;
  const versions: Version[] = [{ edit: "first", state: first }];
  for (const genes of edits) {
    const history = versions.map(({ state }) => state);
    const { kind, state } = edit(history.at(-1)!, genes, history);
    if (kind === DAMAGE) {
      versions.push({ edit: kind, state, damage: genes.at(-1)! });
      continue;
    }
    if (naive("p", state) && oneWorld([...history, state])) versions.push({ edit: kind, state });
    else versions.push({ edit: `nothing (${kind} makes it unfit)`, state: history.at(-1)! });
  }
  return versions;
}

/** A final value that is checked shallowly is taken without a look at the files that it came from, so these stay as they are as long as any value is checked so. */
function oneWorld(history: readonly State[]): boolean {
  const shallow = history.filter(({ program }) => program.tasks.some(({ options }) => options.shallow));
  return shallow.every(({ data }) => String(data) === String(shallow[0]?.data));
}

/** What the naive evaluator says of each execution of the root; null for a state that cannot serve. */
export function naive(prefix: string, state: State): readonly Naive[] | null {
  try {
    const beside = state.beside === null ? [] : [evaluate(prefix, { ...state, argument: state.beside })];
    return [evaluate(prefix, state), ...beside];
  } catch (error) {
    if (error instanceof Unfit) return null;
    throw error;
  }
}
