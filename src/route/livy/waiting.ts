/**
 * Waiting that ends: pauses and growing delays.
 */

import type { Clock } from "../../clock.ts";

export { pause } from "../../clock.ts";

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
