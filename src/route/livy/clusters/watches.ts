/**
 * Who wants to know of which batch of a cluster, and what was shown to whom.
 *
 * Who watches a batch is woken only by what is new about it: of thousands that live hardly one changes between two ticks.
 */

import type { Clock } from "../../../clock.ts";
import { readBatchList, shownOf, type Wanted } from "../http/batch-list.ts";
import type { LivyBatch, LivyClient } from "../http/client.ts";

/** What a tick showed of one batch. */
export type Look =
  | { readonly kind: "seen"; readonly batch: LivyBatch }
  /** Not in the list. */
  | { readonly kind: "absent" }
  /** The server gave no answer. */
  | { readonly kind: "down"; readonly reason: string };

/** A standing wish to know of one batch. */
export interface Watch extends Disposable {
  /** When the batch was last in the list, ms since the epoch; null: never. */
  readonly seenAt: number | null;
  /** The next look that says something new: the first one, one that shows the batch otherwise than the last, and any that does not show it. With `every` the next one in any case. Null when there was none within the time, which may be infinite. */
  next(withinMs: number, signal: AbortSignal, every?: boolean): Promise<Look | null>;
}

interface Watched extends Wanted {
  /** What the last list showed of the batch, in short: of thousands that do not change nothing has to be held. Null where it was not in it. */
  state: string | null;
  shown: number;
  seenAt: number | null;
  /** The newest look that was not taken yet. */
  look: Look | null;
  every: boolean;
  wake: (() => void) | null;
}

/** All watches of one cluster. */
export class Watches {
  readonly #clock: Clock;
  readonly #watched = new Map<string, Watched>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many batches are watched. */
  get size(): number {
    return this.#watched.size;
  }

  /** Watches a batch until the watch is disposed of. */
  open(name: string): Watch {
    const watched: Watched = {
      name,
      position: null,
      state: null,
      shown: 0,
      seenAt: null,
      look: null,
      every: false,
      wake: null,
    };
    this.#watched.set(name, watched);
    return {
      get seenAt() {
        return watched.seenAt;
      },
      next: (withinMs, signal, every = false) => {
        watched.every = every;
        return this.#next(watched, withinMs, signal);
      },
      [Symbol.dispose]: () => {
        if (this.#watched.get(name) === watched) this.#watched.delete(name);
      },
    };
  }

  /** Asks for one list and hands out what it shows, after `answered` was told. */
  async look(client: LivyClient, signal: AbortSignal, answered: () => void): Promise<void> {
    // Whoever begins to watch from here on may be in the next list only.
    const watched = new Map(this.#watched);
    const listed = await readBatchList(client, watched, signal);
    answered();
    this.#show(watched, listed);
  }

  /** Tells all that there is no list, and why. */
  tellOutage(reason: string): void {
    const look: Look = { kind: "down", reason };
    for (const watched of this.#watched.values()) {
      watched.state = null;
      this.#hand(watched, look);
    }
  }

  /** One promise, and no function that waits for another: thousands wait here. */
  #next(watched: Watched, ms: number, signal: AbortSignal): Promise<Look | null> {
    return new Promise((resolve, reject) => {
      const done = () => {
        callOff();
        signal.removeEventListener("abort", done);
        watched.wake = null;
        if (signal.aborted) return reject(signal.reason);
        resolve(watched.look);
        watched.look = null;
      };
      const isDue = watched.look !== null || signal.aborted;
      const callOff = isDue ? () => {} : this.#clock.after(ms, done);
      if (isDue) return done();
      signal.addEventListener("abort", done, { once: true });
      watched.wake = done;
    });
  }

  /** Hands out what a list shows. */
  #show(all: ReadonlyMap<string, Watched>, listed: ReadonlyMap<string, LivyBatch>): void {
    const now = this.#clock.now();
    for (const watched of all.values()) {
      const batch = listed.get(watched.name) ?? null;
      if (batch === null) {
        watched.state = null;
        this.#hand(watched, { kind: "absent" });
        continue;
      }
      watched.seenAt = now;
      const shown = shownOf(batch);
      if (batch.state === watched.state && shown === watched.shown && !watched.every) continue;
      watched.state = batch.state;
      watched.shown = shown;
      this.#hand(watched, { kind: "seen", batch });
    }
  }

  #hand(watched: Watched, look: Look): void {
    watched.look = look;
    watched.wake?.();
  }
}
