/**
 * Ctrl-C and its like: the first asks the command to end well, a second one ends it at once.
 */

import { constants } from "node:os";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Signals that come within this time of the first, in ms, are the same Ctrl-C: npm hands on what its child got from the terminal too. */
const SAME_MS = 400;

/** Calls `onFirst` at the first signal until it is disposed of; a second one ends the process with the signal's exit code. */
export function onInterrupt(onFirst: () => void): Disposable {
  let first: number | undefined;
  const listener = (signal: NodeJS.Signals) => {
    if (first === undefined) {
      first = Date.now();
      onFirst();
    } else if (Date.now() - first > SAME_MS) process.exit(128 + constants.signals[signal]);
  };
  for (const signal of SIGNALS) process.on(signal, listener);
  return {
    [Symbol.dispose]: () => {
      for (const signal of SIGNALS) process.off(signal, listener);
    },
  };
}
