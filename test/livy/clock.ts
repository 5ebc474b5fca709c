/** The time that the double lives by: the machine's, or one that a test moves, so that a run replays exactly. */

/** A source of time and of timers. */
export interface Clock {
  /** ms since the epoch. */
  now(): number;
  /** Does something later; returns what calls it off. */
  after(ms: number, action: () => void): () => void;
}

/** The machine's time. */
export const machineClock: Clock = {
  now: Date.now,
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};

/** A time that stands still until it is moved. */
export class ManualClock implements Clock {
  #now: number;
  #order = 0;
  readonly #timers = new Map<number, { readonly at: number; readonly action: () => void }>();

  constructor(now = 0) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, action: () => void): () => void {
    const order = this.#order++;
    this.#timers.set(order, { at: this.#now + Math.max(0, ms), action });
    return () => this.#timers.delete(order);
  }

  /** Goes to the time of the next timer and lets it act; false when there is none. Of timers of one time the older comes first. */
  next(): boolean {
    let first: number | undefined;
    for (const [order, { at }] of this.#timers)
      if (first === undefined || at < this.#timers.get(first)!.at) first = order;
    if (first === undefined) return false;
    const { at, action } = this.#timers.get(first)!;
    this.#timers.delete(first);
    this.#now = at;
    action();
    return true;
  }
}

/** Waits on a clock. */
export function wait(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve));
}
