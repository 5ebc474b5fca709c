/** Where a function of ours was called from. Imports nothing, so every folder may use it. */
import { getCallSites } from "node:util";

/** A place in a loaded module: its URL, and line and UTF-16 column, both from 1. */
export interface CallSite {
  readonly url: string;
  readonly line: number;
  readonly column: number;
}

/**
 * The place of the call of the function that calls `callSite()`, as V8 counts it: the callee's name for `task(...)`, the property for
 * `ns.task(...)`, the opening parenthesis for anything else.
 * `between` is the number of further frames to skip. Called through a wrapper, the place is inside the wrapper.
 * Undefined when there is no such frame. Positions are those of the text that was loaded: type stripping keeps them.
 */
export function callSite(between = 0): CallSite | undefined {
  const frame = getCallSites(between + 3)[between + 2];
  if (frame === undefined) return undefined;
  // Node 22 names it `column` in its first releases, later ones have both.
  const column = frame.columnNumber ?? (frame as { readonly column?: number }).column;
  return { url: frame.scriptName, line: frame.lineNumber, column };
}
