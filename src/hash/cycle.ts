/** Where a value contains itself, for errors. */

import { expressionOf } from "../define/lazy.ts";
import { MAX_DEPTH } from "./tags.ts";

/** The steps to a value that is also one of those it lies in, and the steps to that one; null when there is no such value among lists, objects, Maps and Sets. */
export function findCycle(root: unknown): { readonly at: readonly string[]; readonly of: readonly string[] } | null {
  const path: string[] = [];
  /** What the value at hand lies in, and at which depth. */
  const around = new Map<unknown, number>();
  const done = new Set<unknown>();
  const search = (value: unknown): number | null => {
    if (typeof value !== "object" || value === null || expressionOf(value) || done.has(value)) return null;
    if (path.length > MAX_DEPTH) return null;
    const known = around.get(value);
    if (known !== undefined) return known;
    around.set(value, path.length);
    for (const [step, member] of members(value)) {
      path.push(step);
      const found = search(member);
      if (found !== null) return found;
      path.pop();
    }
    around.delete(value);
    done.add(value);
    return null;
  };
  const depth = search(root);
  return depth === null ? null : { at: path, of: path.slice(0, depth) };
}

/** How a member of an object is written behind it: `.name`, `["a b"]`. */
export function memberStep(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

function* members(value: object): Generator<readonly [step: string, member: unknown]> {
  if (Array.isArray(value)) for (const [i, item] of value.entries()) yield [`[${i}]`, item];
  else if (value instanceof Map) for (const [i, [, item]] of [...value].entries()) yield [`<value ${i}>`, item];
  else if (value instanceof Set) for (const [i, item] of [...value].entries()) yield [`<item ${i}>`, item];
  else if ([Object.prototype, null].includes(Object.getPrototypeOf(value) as object | null))
    for (const [key, member] of Object.entries(value)) yield [memberStep(key), member];
}
