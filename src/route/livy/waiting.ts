/**
 * Waiting that ends: pauses and growing delays.
 */

/** Resolves after a time, or rejects with the signal's reason when that comes first. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Settles with a promise, or when a time is over. */
export async function atMost(ms: number, promise: Promise<void>): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  try {
    await Promise.race([promise, over]);
  } finally {
    clearTimeout(timer);
  }
}

/** Delays that double from `firstMs` up to `mostMs`, each shortened by up to a fifth at random so that many waiters spread out. */
export class Backoff {
  readonly #firstMs: number;
  readonly #mostMs: number;
  #failures = 0;

  constructor(firstMs: number, mostMs: number) {
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
    return delay * (1 - Math.random() * 0.2);
  }

  reset(): void {
    this.#failures = 0;
  }
}
