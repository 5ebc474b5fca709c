/** A store that tells how long it was waited for. */

import type { Store, SubmissionState } from "../../src/evaluate/ports.ts";

/** A moment of a submission's life. */
export interface Moment {
  /** When the store was asked to write it, `performance.now()`. */
  readonly at: number;
  /** What was spent waiting up to then. */
  readonly spentMs: number;
  /** What was posted. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** Adds up the time in which at least one answer of a store is awaited. */
export class StoreTime {
  #open = 0;
  #since = 0;
  #spentMs = 0;
  #wanted: { readonly state: SubmissionState; readonly resolve: (moment: Moment) => void } | null = null;
  #body: Readonly<Record<string, unknown>> = {};

  /** So far. */
  spentMs(): number {
    return this.#spentMs + (this.#open > 0 ? performance.now() - this.#since : 0);
  }

  /** Settles when the next submission comes into a state. */
  nextState(state: SubmissionState): Promise<Moment> {
    return new Promise((resolve) => {
      this.#wanted = { state, resolve };
    });
  }

  /** The store, measured. */
  measure(store: Store): Store {
    const methods = new Map<string | symbol, unknown>();
    return new Proxy(store, {
      get: (target, key) => {
        const known = methods.get(key);
        if (known !== undefined) return known;
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== "function") return value;
        const method = value.bind(target) as (...args: unknown[]) => unknown;
        const measured = (...args: unknown[]) => {
          this.#note(key, args);
          const answer = method(...args);
          return answer instanceof Promise ? this.#wait(answer) : answer;
        };
        methods.set(key, measured);
        return measured;
      },
    });
  }

  #note(key: string | symbol, [first, change]: readonly unknown[]): void {
    if (key === "createSubmission") this.#body = (first as { readonly request: Moment["body"] }).request;
    const { state } = (key === "updateSubmission" ? change : {}) as { readonly state?: SubmissionState };
    if (state === undefined || state !== this.#wanted?.state) return;
    this.#wanted.resolve({ at: performance.now(), spentMs: this.spentMs(), body: this.#body });
    this.#wanted = null;
  }

  async #wait<T>(answer: Promise<T>): Promise<T> {
    if (this.#open++ === 0) this.#since = performance.now();
    try {
      return await answer;
    } finally {
      if (--this.#open === 0) this.#spentMs += performance.now() - this.#since;
    }
  }
}
