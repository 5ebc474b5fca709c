/** Statements that wait for a session: first come, first served, except that nobody has more than his share. */

import type { RowChange } from "../submissions/submission-row.ts";

/** A session that is held for one statement. */
export interface SessionLease {
  readonly session: string;
  /** What the row of the statement's submission has to say of it. */
  readonly change: RowChange;
  /**
   * Gives it back.
   *
   * @param statement the id of the statement, which has run or never will; null when nobody knows whether one runs
   * @param ends why the session must not be used again
   */
  release(statement: number | null, ends: string | null): void;
}

interface Waiter {
  readonly user: string;
  readonly admit: (lease: SessionLease) => void;
  readonly refuse: (error: Error) => void;
  readonly note: (reason: string) => void;
  told: string;
}

export class StatementQueue {
  /** Most statements of one user at once. */
  maxPerUser: number;
  readonly #waiters = new Set<Waiter>();
  readonly #running = new Map<string, number>();

  constructor(maxPerUser: number) {
    this.maxPerUser = maxPerUser;
  }

  get size(): number {
    return this.#waiters.size;
  }

  /** How many could run now if there were sessions enough. */
  get ready(): number {
    const waiting = new Map<string, number>();
    for (const { user } of this.#waiters) waiting.set(user, (waiting.get(user) ?? 0) + 1);
    let ready = 0;
    for (const [user, count] of waiting)
      ready += Math.max(0, Math.min(count, this.maxPerUser - (this.#running.get(user) ?? 0)));
    return ready;
  }

  wait(user: string, note: (reason: string) => void, signal: AbortSignal): Promise<SessionLease> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiters.delete(waiter);
        reject(signal.reason);
      };
      const settle =
        <T>(act: (value: T) => void) =>
        (value: T) => {
          this.#waiters.delete(waiter);
          signal.removeEventListener("abort", leave);
          act(value);
        };
      const waiter: Waiter = { user, note, told: "", admit: settle(resolve), refuse: settle(reject) };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** The first who may go now. */
  next(): Waiter | null {
    for (const waiter of this.#waiters) if (!this.#isFull(waiter.user)) return waiter;
    return null;
  }

  /** A user has one statement more that runs; returns what ends that. */
  enter(user: string): () => void {
    const add = (by: number) => this.#running.set(user, (this.#running.get(user) ?? 0) + by);
    add(1);
    return () => {
      add(-1);
      if (this.#running.get(user) === 0) this.#running.delete(user);
    };
  }

  /** Tells all who wait why, where it is not their own share. */
  note(reason: string): void {
    for (const waiter of this.#waiters) {
      const own = this.#isFull(waiter.user)
        ? `${waiter.user} has ${this.maxPerUser} statements running, which is the most`
        : reason;
      if (own === waiter.told) continue;
      waiter.told = own;
      waiter.note(own);
    }
  }

  /** Nobody who waits now will get one. */
  refuse(error: Error): void {
    for (const waiter of [...this.#waiters]) waiter.refuse(error);
  }

  #isFull(user: string): boolean {
    return (this.#running.get(user) ?? 0) >= this.maxPerUser;
  }
}
