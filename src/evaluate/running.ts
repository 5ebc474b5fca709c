/**
 * Bodies that run now, shared by every execution of this process that wants the same call.
 */

import { Code, FiresteelError } from "../errors.ts";
import type { Progress } from "./ports.ts";

/** How a run ended. */
export type RunResult<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/** Somebody who waits for a run. */
export interface Waiter<T> {
  /** Told the last progress so far and each further one. */
  noted: Progress;
  /** Told once, never before `join` has returned, and not after leaving. */
  ended(result: RunResult<T>): void;
}

/** A run as the one sees it who carries it out. */
export class Run<T> {
  readonly #end: (result: RunResult<T>) => void;
  readonly waiters: Set<Waiter<T>> = new Set();
  #told: Parameters<Progress> | null = null;
  #stop: AbortController | undefined;
  /** Everybody has left. */
  abandoned = false;
  /** Set by who starts it: stops it when everybody has left. Whoever uses {@link signal} needs none. */
  cancel: (() => void) | undefined;
  /** What starts when this has ended: a run that is being cancelled is waited for, so that a body is never run twice at once. */
  next: (() => void) | undefined;

  constructor(end: (result: RunResult<T>) => void) {
    this.#end = end;
  }

  /** Aborts when everybody has left; made when it is asked for. */
  get signal(): AbortSignal {
    this.#stop ??= new AbortController();
    if (this.abandoned) this.#stop.abort(left());
    return this.#stop.signal;
  }

  /** Tells all who wait. */
  readonly tell: Progress = (...progress) => {
    this.#told = progress;
    for (const waiter of this.waiters) waiter.noted(...progress);
  };

  /** Ends it; not in the turn in which it was started. */
  end(result: RunResult<T>): void {
    this.#end(result);
  }

  /** Lets somebody wait; gives the function that leaves. */
  add(waiter: Waiter<T>): () => void {
    if (this.#told !== null) waiter.noted(...this.#told);
    this.waiters.add(waiter);
    return () => {
      if (!this.waiters.delete(waiter) || this.waiters.size > 0) return;
      this.abandoned = true;
      this.cancel?.();
      this.#stop?.abort(left());
    };
  }
}

function left(): FiresteelError {
  return new FiresteelError(Code.cancelled, "nobody waits for the result any more");
}

/** Runs by key. A run is cancelled when the last of those who joined it has left. */
export class Running<T> {
  readonly #runs = new Map<string, Run<T>>();

  /** Number of bodies that run. */
  get size(): number {
    return this.#runs.size;
  }

  /** Joins the run of a key, or starts one; gives the function that leaves it. */
  join(key: string, waiter: Waiter<T>, start: (run: Run<T>) => void): () => void {
    const known = this.#runs.get(key);
    if (known && !known.abandoned) return known.add(waiter);
    const run = new Run<T>((result) => {
      if (this.#runs.get(key) === run) this.#runs.delete(key);
      for (const each of run.waiters) each.ended(result);
      run.waiters.clear();
      run.next?.();
    });
    this.#runs.set(key, run);
    const leave = run.add(waiter);
    if (!known) start(run);
    else known.next = () => (run.abandoned ? run.end({ ok: false, error: left() }) : start(run));
    return leave;
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
