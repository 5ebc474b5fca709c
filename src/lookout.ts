/** Looks around on a shared store: from time to time, and when another process says that there is something to do. */

import { type Clock, machineClock, pause } from "./clock.ts";
import { FiresteelError } from "./errors.ts";
import type { Store, Surroundings } from "./evaluate/ports.ts";
import { atMost } from "./route/livy/waiting.ts";

export interface LookoutOptions {
  readonly store: Store;
  /** Between two looks when nothing is heard. */
  readonly lookMs: number;
  readonly onLook: (around: Surroundings) => Promise<void>;
  /** Told of a look that failed for another reason than a database that is away. */
  readonly onError: (error: FiresteelError) => void;
  /** @default the machine's */
  readonly clock?: Clock;
}

/** How long disposing waits for a look that is under way. */
const CLOSE_MS = 2_000;
/** Notices come in crowds; one look answers many. */
const CROWD_MS = 20;

/** Looks until it is disposed of. */
export class Lookout implements AsyncDisposable {
  readonly #options: LookoutOptions;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #unlisten: () => void;
  readonly #running: Promise<void>;
  #due = false;
  #wake: () => void = () => {};

  constructor(options: LookoutOptions) {
    this.#options = options;
    this.#clock = options.clock ?? machineClock;
    this.#unlisten = options.store.onChange(({ kind }) => {
      if (kind === "owner" || kind === "wish" || kind === "missed") this.#lookNow();
    });
    this.#running = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#unlisten();
    // A look can wait for a database that is away; the store's closing ends that.
    await atMost(this.#clock, CLOSE_MS, this.#running);
  }

  #lookNow(): void {
    this.#due = true;
    this.#wake();
  }

  async #run(): Promise<void> {
    const { store, lookMs, onLook, onError } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      if (!this.#due) await this.#pause(lookMs);
      await pause(this.#clock, CROWD_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      this.#due = false;
      try {
        await onLook(await store.lookAround());
      } catch (reason) {
        const error = FiresteelError.from(reason);
        // A database that is away is told by the store; a lost lease ends the orchestrator by itself.
        if (!signal.aborted && error.code !== "unavailable" && error.code !== "aborted") onError(error);
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    const early = new AbortController();
    this.#wake = () => early.abort();
    await pause(this.#clock, ms, AbortSignal.any([early.signal, this.#stop.signal])).catch(() => undefined);
    this.#wake = () => {};
  }
}
