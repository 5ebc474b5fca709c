/** Waits for a database that is away, as its writer does: work that runs must not fail or stop for that. */

import { setTimeout as sleep } from "node:timers/promises";
import { Code, FiresteelError } from "./errors.ts";
import type { Store } from "./evaluate/ports.ts";

/** What running work reads. Writes wait already. */
const READS: ReadonlySet<string | symbol> = new Set<keyof Store>([
  "findCalls",
  "findCallRecord",
  "findShallow",
  "findValue",
  "findDataset",
  "findFileStats",
  "findExecution",
  "findSubmission",
  "findSubmissions",
  "listSubmissions",
  "findAttempts",
  "findResult",
  "isWorkClaimed",
  "readLog",
  "readLogEnd",
  "readLogs",
  "listDrains",
]);
const FIRST_MS = 100;
const LAST_MS = 2_000;

/** A wait that keeps no process alive. */
const idly = (ms: number): Promise<void> => sleep(ms, undefined, { ref: false });

/** The store, with reads of running work that are asked again until the database answers. Not for front doors, where a caller wants to hear that it is away. */
export function patientStore<S extends Store>(store: S, wait: (ms: number) => Promise<void> = idly): S {
  const methods = new Map<string | symbol, unknown>();
  return new Proxy(store, {
    get(target, key) {
      const known = methods.get(key);
      if (known !== undefined) return known;
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      const method = value.bind(target) as (...args: unknown[]) => Promise<unknown>;
      const made = READS.has(key) ? (...args: unknown[]) => patiently(wait, () => method(...args)) : method;
      methods.set(key, made);
      return made;
    },
  });
}

async function patiently<T>(wait: (ms: number) => Promise<void>, read: () => Promise<T>): Promise<T> {
  for (let waitMs = FIRST_MS; ; waitMs = Math.min(2 * waitMs, LAST_MS)) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof FiresteelError) || error.code !== Code.unavailable) throw error;
    }
    await wait(waitMs);
  }
}
