/**
 * Named limits: counts of units of which running bodies hold one each.
 *
 * A body that wants several gets them all at once or waits, so two bodies can never hold what the other one wants. Waiting is first come, first served per set of names.
 */

import { Code, FiresteelError } from "../errors.ts";

interface Waiter {
  /** Rises with arrival. */
  readonly order: number;
  readonly resume: () => void;
  left: boolean;
}

/** Those who wait for the same set of names, in order of arrival from `next` on. */
interface Queue {
  readonly names: readonly string[];
  waiters: Waiter[];
  next: number;
}

/** The limits of one orchestrator. */
export class Limits {
  readonly #free: Map<string, number>;
  readonly #queues = new Map<string, Queue>();
  #arrivals = 0;

  constructor(sizes: Readonly<Record<string, number>>) {
    this.#free = new Map(Object.entries(sizes));
  }

  /** Resolves with a function that gives the units back. Rejects with `invalid_argument` for an unknown name, `cancelled` when the signal aborts first. */
  async acquire(wanted: readonly string[], signal: AbortSignal): Promise<() => void> {
    const names = [...new Set(wanted)].sort();
    for (const name of names) {
      if (this.#free.has(name)) continue;
      throw new FiresteelError(
        Code.invalidArgument,
        `limit is not configured (limits in firesteel.config.ts: ${[...this.#free.keys()].join(", ") || "none"}): ${name}`,
      );
    }
    if (signal.aborted) throw cancelled(names);
    if (names.length > 0) await this.#wait(names, signal);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      for (const name of names) this.#free.set(name, this.#free.get(name)! + 1);
      this.#resume();
    };
  }

  #wait(names: readonly string[], signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      waiter.left = true;
      reject(cancelled(names));
      this.#resume();
    };
    const waiter: Waiter = {
      order: this.#arrivals++,
      left: false,
      resume: () => {
        signal.removeEventListener("abort", leave);
        resolve();
      },
    };
    signal.addEventListener("abort", leave, { once: true });
    const key = names.join(" ");
    const queue = this.#queues.get(key) ?? { names, waiters: [], next: 0 };
    this.#queues.set(key, queue);
    queue.waiters.push(waiter);
    this.#resume();
    return promise;
  }

  /** Lets waiters go in order of arrival; one that has to wait on keeps its names from those behind it. Costs as much as there are sets of names, not waiters. */
  #resume(): void {
    const blocked = new Set<string>();
    const open = new Set(this.#queues);
    while (open.size > 0) {
      const oldest = this.#oldest(open);
      if (!oldest) return;
      const { entry, waiter } = oldest;
      const [, queue] = entry;
      if (queue.names.every((name) => !blocked.has(name) && this.#free.get(name)! > 0)) {
        for (const name of queue.names) this.#free.set(name, this.#free.get(name)! - 1);
        queue.next++;
        waiter.resume();
      } else {
        for (const name of queue.names) blocked.add(name);
        open.delete(entry);
      }
    }
  }

  /** The waiter that came first among some queues; queues that are empty by now are dropped. */
  #oldest(open: Set<[string, Queue]>): { readonly entry: [string, Queue]; readonly waiter: Waiter } | undefined {
    let found: { readonly entry: [string, Queue]; readonly waiter: Waiter } | undefined;
    for (const entry of open) {
      const [key, queue] = entry;
      while (queue.waiters[queue.next]?.left) queue.next++;
      if (queue.next >= 1024) {
        queue.waiters = queue.waiters.slice(queue.next);
        queue.next = 0;
      }
      const waiter = queue.waiters[queue.next];
      if (!waiter) {
        open.delete(entry);
        this.#queues.delete(key);
      } else if (!found || waiter.order < found.waiter.order) found = { entry, waiter };
    }
    return found;
  }
}

function cancelled(names: readonly string[]): FiresteelError {
  return new FiresteelError(Code.cancelled, `cancelled while waiting for ${names.join(", ") || "nothing"}`);
}
