/**
 * Named limits: counts of units of which running bodies hold one each.
 *
 * A body that wants several gets them all at once or waits, so two bodies can never hold what the other one wants. Waiting is first come, first served per set of names.
 */

import { Code, FiresteelError } from "../errors.ts";

interface Waiter {
  readonly names: readonly string[];
  readonly resume: () => void;
}

/** The limits of one orchestrator. */
export class Limits {
  readonly #free: Map<string, number>;
  readonly #waiting: Waiter[] = [];

  constructor(sizes: Readonly<Record<string, number>>) {
    this.#free = new Map(Object.entries(sizes));
  }

  /** Resolves with a function that gives the units back. Rejects with `invalid_argument` for an unknown name, `cancelled` when the signal aborts first. */
  async acquire(names: readonly string[], signal: AbortSignal): Promise<() => void> {
    for (const name of names) {
      if (this.#free.has(name)) continue;
      throw new FiresteelError(
        Code.invalidArgument,
        `limit is not configured (limits in firesteel.config.ts: ${[...this.#free.keys()].join(", ") || "none"}): ${name}`,
      );
    }
    if (names.length > 0 && (this.#waiting.length > 0 || !this.#available(names))) await this.#wait(names, signal);
    else this.#take(names);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      for (const name of names) this.#free.set(name, this.#free.get(name)! + 1);
      this.#resume();
    };
  }

  #wait(names: readonly string[], signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(new FiresteelError(Code.cancelled, `cancelled while waiting for ${names.join(", ")}`));
        this.#resume();
      };
      const waiter: Waiter = {
        names,
        resume: () => {
          signal.removeEventListener("abort", leave);
          resolve();
        },
      };
      if (signal.aborted) reject(new FiresteelError(Code.cancelled, "cancelled"));
      else {
        signal.addEventListener("abort", leave, { once: true });
        this.#waiting.push(waiter);
        this.#resume();
      }
    });
  }

  #available(names: readonly string[]): boolean {
    return names.every((name) => this.#free.get(name)! > 0);
  }

  #take(names: readonly string[]): void {
    for (const name of names) this.#free.set(name, this.#free.get(name)! - 1);
  }

  /** Lets waiters go in order; one that has to wait on keeps its names from those behind it. */
  #resume(): void {
    const blocked = new Set<string>();
    for (const waiter of [...this.#waiting]) {
      if (this.#available(waiter.names) && !waiter.names.some((name) => blocked.has(name))) {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        this.#take(waiter.names);
        waiter.resume();
      } else for (const name of waiter.names) blocked.add(name);
    }
  }
}
