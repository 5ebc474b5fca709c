/**
 * Bodies that run now, shared by every execution of this process that wants the same call.
 */

import { Code, FiresteelError } from "../errors.ts";
import type { Progress } from "./ports.ts";

interface Run<T> {
  readonly result: Promise<T>;
  readonly stop: AbortController;
  readonly listeners: Set<Progress>;
  last: Parameters<Progress> | null;
}

/** Runs by key. A run is cancelled when the last of those who joined it has left. */
export class Running<T> {
  readonly #runs = new Map<string, Run<T>>();

  /** Number of bodies that run. */
  get size(): number {
    return this.#runs.size;
  }

  /**
   * Joins the run of a key, or starts it.
   *
   * @param signal leaves the run; the promise then rejects with `cancelled`, at once
   * @param onProgress told the last progress so far and each further one
   */
  async join(
    key: string,
    signal: AbortSignal,
    onProgress: Progress,
    start: (signal: AbortSignal, onProgress: Progress) => Promise<T>,
  ): Promise<T> {
    let run = this.#runs.get(key);
    if (!run || run.stop.signal.aborted) run = this.#start(key, run, start);
    if (run.last !== null) onProgress(...run.last);
    run.listeners.add(onProgress);
    try {
      return await leaveOn(signal, run.result);
    } finally {
      run.listeners.delete(onProgress);
      if (run.listeners.size === 0)
        run.stop.abort(new FiresteelError(Code.cancelled, "nobody waits for the result any more"));
    }
  }
  /** A run that is being cancelled is waited for, so that a body is never run twice at once. */
  #start(
    key: string,
    leaving: Run<T> | undefined,
    start: (signal: AbortSignal, onProgress: Progress) => Promise<T>,
  ): Run<T> {
    const stop = new AbortController();
    const listeners = new Set<Progress>();
    const begin = async () => {
      await leaving?.result.catch(() => undefined);
      stop.signal.throwIfAborted();
      return start(stop.signal, (...progress) => {
        created.last = progress;
        for (const listener of listeners) listener(...progress);
      });
    };
    // One turn later, so that `created` is there whatever `start` does at once.
    const result = Promise.resolve()
      .then(begin)
      .finally(() => {
        if (this.#runs.get(key) === created) this.#runs.delete(key);
      });
    const created: Run<T> = { stop, listeners, last: null, result };
    // Whoever joined hears of a failure; when all have left nobody does, which is meant.
    result.catch(() => undefined);
    this.#runs.set(key, created);
    return created;
  }
}

/** The promise, or a rejection with `cancelled` as soon as the signal aborts. */
export function leaveOn<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const leave = () =>
      reject(signal.reason instanceof FiresteelError ? signal.reason : new FiresteelError(Code.cancelled, "cancelled"));
    if (signal.aborted) {
      leave();
      promise.catch(() => undefined);
      return;
    }
    signal.addEventListener("abort", leave, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}
