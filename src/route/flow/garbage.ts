/**
 * Garbage of large values. The buffers that bodies leave behind lie outside of V8's heap, and V8 collects them late: while four values of 50 MB were made and handed on, up to six of them were in memory (a peak of 420 to
 * 520 MB, now 310 to 370).
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Bytes of large values that may have become garbage before it is collected. */
const COLLECT_BYTES = 32 * 1024 * 1024;

type Collect = (options: { readonly type: "minor" }) => void;

let collect: Collect | undefined;
let handled = 0;

/** Notes that a body was given, or gave, a large value of this many bytes. */
export function noteLarge(bytes: number): void {
  handled += bytes;
}

/** Collects what is young, where enough large values went by; to be called when a body has ended. */
export function collectLarge(): void {
  if (handled < COLLECT_BYTES) return;
  handled = 0;
  collect ??= collector();
  collect({ type: "minor" });
}

/** V8's own function. There is no other way to it at run time than the flag, which is taken back before any other code could see the function. */
function collector(): Collect {
  setFlagsFromString("--expose-gc");
  try {
    return runInNewContext("gc") as Collect;
  } finally {
    setFlagsFromString("--no-expose-gc");
  }
}
