/** A time that a test moves, so that a run replays exactly. */

import { type Clock, pause } from "../../src/clock.ts";
import { type Random, seeded } from "./random.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly action: () => void;
  off: boolean;
}

/** A time that stands still until it is moved. */
export class ManualClock implements Clock {
  readonly #random: Random;
  readonly #origin: number;
  #now: number;
  #order = 0;
  #waiting = 0;
  /** A binary heap: the next one first. */
  readonly #timers: Timer[] = [];

  constructor(now = 0, random: Random = seeded(1)) {
    this.#origin = now;
    this.#now = now;
    this.#random = random;
  }

  random(): number {
    return this.#random();
  }

  now(): number {
    return this.#now;
  }

  elapsed(): number {
    return this.#now - this.#origin;
  }

  /** Timers that have not acted and were not called off. */
  get waiting(): number {
    return this.#waiting;
  }

  after(ms: number, action: () => void): () => void {
    const timer: Timer = { at: this.#now + Math.max(0, ms), order: this.#order++, action, off: false };
    this.#waiting++;
    this.#push(timer);
    return () => {
      if (!timer.off) this.#waiting--;
      timer.off = true;
    };
  }

  /** When the next timer acts; infinity when there is none. */
  get nextAt(): number {
    while (this.#timers[0]?.off) this.#pop();
    return this.#timers[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Goes to the time of the next timer and lets it act; false when there is none. Of timers of one time the older comes first. */
  next(): boolean {
    if (this.nextAt === Number.POSITIVE_INFINITY) return false;
    const timer = this.#pop();
    timer.off = true;
    this.#waiting--;
    this.#now = timer.at;
    timer.action();
    return true;
  }

  #push(timer: Timer): void {
    const heap = this.#timers;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (isBefore(heap[above]!, timer)) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = timer;
  }

  #pop(): Timer {
    const heap = this.#timers;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++;
      if (isBefore(last, heap[below]!)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at === b.at ? a.order < b.order : a.at < b.at;
}

/** Waits on a clock. */
export function wait(clock: Clock, ms: number): Promise<void> {
  return pause(clock, ms);
}
