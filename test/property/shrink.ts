/** Makes a story that fails simpler, as long as it still fails. */

import { firstState, nextState, type Story } from "./story.ts";

type Genes = readonly number[];

/** The simplest story found in that time; the one that is given when it does not fail. */
export async function shrink(story: Story, fails: (story: Story) => Promise<boolean>, timeMs: number): Promise<Story> {
  const until = Date.now() + timeMs;
  let best = story;
  if (!(await fails(best))) return best;
  for (let progress = true; progress; ) {
    progress = false;
    for (const candidate of simpler(() => best)) {
      if (Date.now() > until) return best;
      // Genes that settle nothing go without a try.
      if (told(candidate) !== told(best) && !(await fails(candidate))) continue;
      progress ||= told(candidate) !== told(best);
      best = candidate;
    }
  }
  return best;
}

/** What happens in a story, as a text; empty when it cannot serve. */
function told(story: Story): string {
  const first = firstState("p", story);
  if (!first) return "";
  const history = [first];
  for (const genes of story.edits) history.push(nextState("p", genes, history).state);
  return JSON.stringify(history);
}

/** Simpler stories, made from the best one of the moment, large steps first. */
function* simpler(best: () => Story): Generator<Story> {
  for (let at = best().edits.length - 1; at >= 0; at--) {
    yield { ...best(), edits: best().edits.filter((_, i) => i !== at) };
    yield* genesOf(
      () => best().edits,
      at,
      (edits) => ({ ...best(), edits }),
    );
  }
  for (let at = best().program.tasks.length - 2; at > 0; at--) {
    const { program } = best();
    yield { ...best(), program: { ...program, tasks: program.tasks.filter((_, i) => i !== at) } };
  }
  for (const kind of ["tasks", "helpers", "constants"] as const) {
    for (let at = 0; at < best().program[kind].length; at++)
      yield* genesOf(
        () => best().program[kind],
        at,
        (lists) => ({ ...best(), program: { ...best().program, [kind]: lists } }),
      );
  }
  if (best().argument > 0) yield { ...best(), argument: 0 };
}

/** Stories with one list of genes shorter, or with zeros in it. */
function* genesOf(all: () => readonly Genes[], at: number, make: (lists: readonly Genes[]) => Story): Generator<Story> {
  const put = (genes: Genes) => make(all().map((list, i) => (i === at ? genes : list)));
  const now = () => all()[at] ?? [];
  if (now().length > 0) yield put([]);
  for (let length = now().length >> 1; length > 0; length >>= 1) yield put(now().slice(0, now().length - length));
  for (let size = 8; size > 0; size >>= 1)
    for (let from = 0; from < now().length; from += size) {
      const genes = now();
      if (genes.slice(from, from + size).some((gene) => gene !== 0))
        yield put(genes.map((gene, i) => (i >= from && i < from + size ? 0 : gene)));
    }
}
