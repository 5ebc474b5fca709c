/**
 * Waiting that ends: pauses and growing delays.
 */

import type { Clock } from "../../clock.ts";

/** Resolves after a time, or rejects with the signal's reason when that comes first. */
export async function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const callOff = clock.after(ms, () => {
      signal?.removeEventListener("abort", stop);
      resolve();
    });
    const stop = () => {
      callOff();
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Settles with a promise, or when a time is over. */
export async function atMost(clock: Clock, ms: number, promise: Promise<void>): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const callOff = clock.after(ms, resolve);
  try {
    await Promise.race([promise, over]);
  } finally {
    callOff();
  }
}

/** Delays that double from `firstMs` up to `mostMs`, each shortened by up to a fifth at random so that many waiters spread out. */
export class Backoff {
  readonly #clock: Clock;
  readonly #firstMs: number;
  readonly #mostMs: number;
  #failures = 0;

  constructor(clock: Clock, firstMs: number, mostMs: number) {
    this.#clock = clock;
    this.#firstMs = firstMs;
    this.#mostMs = mostMs;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Counts a failure; gives the delay before the next try. */
  next(): number {
    const delay = Math.min(this.#firstMs * 2 ** this.#failures, this.#mostMs);
    this.#failures++;
    return delay * (1 - this.#clock.random() * 0.2);
  }

  reset(): void {
    this.#failures = 0;
  }
}
