/**
 * What comes of an expression, and of several together, with the calls that it took.
 *
 * Calls come in two kinds. Those that *must* be made, whatever the order in which things happen; and those that *may* be made: when something failed, what was asked for beside it goes on, but an execution that
 * got its result by catching the failure ends without waiting for it.
 */

import { show } from "./show.ts";

/** A failure as those see it who catch it, less its path. */
export interface Problem {
  readonly code: string;
  readonly name: string;
  readonly message: string;
}

/** Calls by an id that tells apart those that are not merged. */
export interface Trace {
  readonly must: ReadonlySet<string>;
  readonly may: ReadonlySet<string>;
}

export type Settled = { readonly trace: Trace } & (
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problems: ReadonlyMap<string, Problem> }
);

const NOTHING: Trace = { must: new Set(), may: new Set() };

export const done = (value: unknown, trace = NOTHING): Settled => ({ ok: true, value, trace });
export const failed = (problem: Problem): Settled => ({
  ok: false,
  problems: new Map([[show(problem), problem]]),
  trace: NOTHING,
});

/** Several things asked for at once: all their values, or whichever failure comes first. */
export const together = (parts: readonly Settled[], combine: (values: readonly unknown[]) => Settled): Settled => {
  const bad = parts.filter((part) => !part.ok);
  if (bad.length === 0) return after(parts, combine(parts.map((part) => (part.ok ? part.value : undefined))));
  const must = new Set(bad.length === 1 ? bad[0]!.trace.must : []);
  const may = new Set(parts.flatMap(({ trace }) => [...trace.must, ...trace.may]).filter((id) => !must.has(id)));
  return {
    ok: false,
    problems: new Map(bad.flatMap((part) => (part.ok ? [] : [...part.problems]))),
    trace: { must, may },
  };
};

/** What comes after other things were done. */
export const after = (before: readonly Settled[], last: Settled): Settled => {
  const traces = [...before, last].map(({ trace }) => trace);
  const must = new Set(traces.flatMap((trace) => [...trace.must]));
  return {
    ...last,
    trace: { must, may: new Set(traces.flatMap((trace) => [...trace.may]).filter((id) => !must.has(id))) },
  };
};
