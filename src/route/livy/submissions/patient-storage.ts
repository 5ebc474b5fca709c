/**
 * Waits for a warehouse that is away: bulk work must not fail for that, as it does not for a cluster or a database that is.
 *
 * Only for what lies in the warehouse. A place that somebody named may be misspelled, and whoever named it wants to hear of it.
 */

import type { Clock } from "../../../clock.ts";
import { Code, FiresteelError } from "../../../errors.ts";
import type { Storage } from "../../../evaluate/ports.ts";
import { Backoff, pause } from "../waiting.ts";

/** How work waits. */
export interface StorageWait {
  readonly clock: Clock;
  /** Told what is waited for. */
  readonly tell: (line: string) => void;
  /** Ends the waiting. */
  readonly signal: AbortSignal;
}

const FIRST_MS = 500;
const LAST_MS = 10_000;

/** Does something again until the storage that it needs gives an answer. */
export async function patiently<T>({ clock, tell, signal }: StorageWait, action: () => Promise<T>): Promise<T> {
  const retry = new Backoff(clock, FIRST_MS, LAST_MS);
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof FiresteelError) || error.code !== Code.unavailable) throw error;
      signal.throwIfAborted();
      tell(`waiting: the warehouse gives no answer: ${error.message}`);
    }
    await pause(clock, retry.next(), signal);
  }
}

/** The storage, with requests for what lies in the warehouse asked again until there is an answer. */
export function patientStorage(storage: Storage, warehouse: string, wait: StorageWait): Storage {
  const ask = <T>(uri: string, action: () => Promise<T>): Promise<T> =>
    uri === warehouse || uri.startsWith(`${warehouse}/`) ? patiently(wait, action) : action();
  return {
    ...storage,
    list: (uri, options) => ask(uri, () => storage.list(uri, options)),
    stat: (uri, signal) => ask(uri, () => storage.stat(uri, signal)),
    read: (uri, options) => ask(uri, () => storage.read(uri, options)),
    stream: (uri, options) => storage.stream(uri, options),
    digest: (uri, signal) => ask(uri, () => storage.digest(uri, signal)),
    putIfAbsent: (uri, bytes) => ask(uri, () => storage.putIfAbsent(uri, bytes)),
    remove: (uri) => ask(uri, () => storage.remove(uri)),
  };
}
