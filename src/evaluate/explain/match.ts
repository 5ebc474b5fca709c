/**
 * Pairs calls that would run with earlier calls of the same task: each with the one that it most likely takes the place of.
 *
 * The same arguments come first, whatever the code. Then a call that differs in one argument, then simply the next one in order: in a list of which one item was changed, the changed item's call meets the
 * one that nobody asks for any more. An earlier call that is still in use takes part in the first step only. Every step looks keys up, so the time grows with the number of calls, not with its square.
 */

import type { Digest } from "../ports.ts";
import type { RecordedCall } from "./ports.ts";

/** What is compared of a call. */
export interface Comparable {
  readonly code: Digest;
  readonly argDigests: readonly Digest[];
}

/**
 * @param calls calls of one task
 * @param earlier earlier calls of it in the order of preference
 * @param older more calls of it, of which only those with the same arguments count
 * @param inUse eval hashes of earlier calls that are still asked for
 */
export function matchCalls<C extends Comparable>(
  calls: readonly C[],
  earlier: readonly RecordedCall[],
  older: readonly RecordedCall[],
  inUse: ReadonlySet<Digest>,
): ReadonlyMap<C, RecordedCall> {
  const matches = new Map<C, RecordedCall>();
  const byArguments = new Map<string, RecordedCall>();
  for (const call of [...earlier, ...older]) {
    const key = call.args.join();
    if (!byArguments.has(key)) byArguments.set(key, call);
  }
  const free = new Set(earlier.filter(({ evalHash }) => !inUse.has(evalHash)));
  for (const call of calls) {
    const same = byArguments.get(call.argDigests.join());
    if (same === undefined) continue;
    matches.set(call, same);
    free.delete(same);
  }
  pair(calls, free, matches, (args) => args.map((_, i) => args.with(i, "?").join()));
  pair(calls, free, matches, () => [""]);
  return matches;
}

/** Pairs what has a key in common, each once, in order. */
function pair<C extends Comparable>(
  calls: readonly C[],
  free: Set<RecordedCall>,
  matches: Map<C, RecordedCall>,
  keysOf: (args: readonly Digest[]) => readonly string[],
): void {
  const lists = new Map<string, { readonly calls: RecordedCall[]; next: number }>();
  for (const call of free) {
    for (const key of keysOf(call.args)) {
      const list = lists.get(key);
      if (list === undefined) lists.set(key, { calls: [call], next: 0 });
      else list.calls.push(call);
    }
  }
  for (const call of calls) {
    if (matches.has(call)) continue;
    for (const key of keysOf(call.argDigests)) {
      const list = lists.get(key);
      if (list === undefined) continue;
      while (list.next < list.calls.length && !free.has(list.calls[list.next]!)) list.next++;
      const found = list.calls[list.next];
      if (found === undefined) continue;
      matches.set(call, found);
      free.delete(found);
      break;
    }
  }
}
