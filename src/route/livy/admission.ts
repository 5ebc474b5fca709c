/**
 * Admission: how many submissions may live on one cluster, and how fast new ones are posted. First come, first served.
 *
 * A POST forks a JVM on Livy's machine and Livy works through POSTs one after another, so more than a few at once only make it slower.
 */

import type { Clock } from "../../clock.ts";
import { Backoff } from "./waiting.ts";

/** A place among the live submissions of a cluster. */
export interface Slot extends Disposable {
  /** The POST is over; the next one may begin. */
  posted(): void;
}

export interface AdmissionLimits {
  /** Most submissions alive at once. */
  readonly maxLive: number;
  /** Most POSTs under way at once. */
  readonly maxPosts: number;
}

interface Waiter {
  readonly admit: (slot: Slot) => void;
  readonly note: (reason: string) => void;
  told: string;
}

/** Hands out the slots of one cluster. */
export class Admission {
  readonly #clock: Clock;
  readonly #limits: AdmissionLimits;
  readonly #cluster: string;
  readonly #outage: () => string | null;
  readonly #queue = new Set<Waiter>();
  readonly #busy: Backoff;
  #live = 0;
  #posts = 0;
  #pausedUntil = 0;
  #callOff: (() => void) | null = null;

  /** @param outage why the cluster cannot be used now; null when it can */
  constructor(clock: Clock, cluster: string, limits: AdmissionLimits, outage: () => string | null) {
    this.#clock = clock;
    this.#busy = new Backoff(clock, 1_000, 30_000);
    this.#cluster = cluster;
    this.#limits = limits;
    this.#outage = outage;
  }

  get live(): number {
    return this.#live;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /** Waits for a slot; `note` is told why, whenever the reason changes. */
  admit(note: (reason: string) => void, signal: AbortSignal): Promise<Slot> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#queue.delete(waiter);
        reject(signal.reason);
      };
      const waiter: Waiter = {
        admit: (slot) => {
          signal.removeEventListener("abort", leave);
          resolve(slot);
        },
        note,
        told: "",
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#queue.add(waiter);
      this.pump();
    });
  }

  /** A slot for a submission that lives already. */
  occupy(): Slot {
    return this.#slot(false);
  }

  /** Livy makes as many sessions as it may: no POST for a while, longer each time. */
  tooMany(): void {
    this.#pausedUntil = this.#clock.elapsed() + this.#busy.next();
    this.pump();
  }

  /** A POST was taken. */
  taken(): void {
    this.#busy.reset();
    this.#pausedUntil = 0;
  }

  /** Admits whoever may go now and tells the others why not. Called when the cluster's state changed. */
  pump(): void {
    for (const waiter of this.#queue) {
      const reason = this.#obstacle();
      if (reason === null) {
        this.#queue.delete(waiter);
        waiter.admit(this.#slot(true));
      } else if (reason !== waiter.told) {
        waiter.told = reason;
        waiter.note(reason);
      }
    }
    const pausedMs = this.#pausedUntil - this.#clock.elapsed();
    if (this.#queue.size > 0 && pausedMs > 0) {
      this.#callOff ??= this.#clock.after(pausedMs + 1, () => {
        this.#callOff = null;
        this.pump();
      });
    }
  }

  /** Stops the timer; waiters are released by their signals. */
  close(): void {
    this.#callOff?.();
  }

  #obstacle(): string | null {
    const outage = this.#outage();
    if (outage !== null) return outage;
    if (this.#clock.elapsed() < this.#pausedUntil)
      return `cluster ${this.#cluster} creates as many sessions as it may (its own words: too many sessions); trying again`;
    if (this.#live >= this.#limits.maxLive)
      return `cluster ${this.#cluster} has ${this.#live} of ${this.#limits.maxLive} submissions live`;
    if (this.#posts >= this.#limits.maxPosts) return `cluster ${this.#cluster} is taking other submissions`;
    return null;
  }

  #slot(posting: boolean): Slot {
    this.#live++;
    if (posting) this.#posts++;
    let [open, posts] = [true, posting];
    const posted = () => {
      if (!posts) return;
      posts = false;
      this.#posts--;
      this.pump();
    };
    return {
      posted,
      [Symbol.dispose]: () => {
        if (!open) return;
        open = false;
        this.#live--;
        posted();
        this.pump();
      },
    };
  }
}
