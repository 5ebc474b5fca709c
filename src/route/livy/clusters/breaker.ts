/**
 * The circuit breaker of one cluster: whether it takes submissions now, by the answers to all requests that are sent there.
 *
 * ```
 *            failures in a row, for some time                 an answer
 *   closed ----------------------------------> open --------------------------> half-open
 *      ^                                         ^                              |      |
 *      |                                         '------------ a failure -------'      |
 *      '---------- a POST was answered, or several answers while nothing was posted ---'
 * ```
 *
 * - *closed*: everything goes through. From a failure until the next answer there is *doubt*: nothing is posted, since a POST whose answer is lost costs most, but the cluster does not count as down for one error.
 * - *open*: the cluster is down. Nothing is posted; somebody asks from time to time whether it is back.
 * - *half-open*: it answers again. One POST at a time goes through, and the first that is answered shows that it can do more than list batches.
 *
 * The breaker sends nothing and has no timers: whoever owns it asks again while {@link Breaker.settled} is false.
 */

import type { Clock } from "../../../clock.ts";

export type BreakerState = "closed" | "open" | "half-open";

/** Failures in a row that open it, when they last so long: several requests that fail in one moment are one failure. */
export const OPENS_AFTER = { failures: 3, ms: 1_000 } as const;
/** Answers in a row that close it when there is nothing to post. */
const CLOSES_AFTER_ANSWERS = 3;

export class Breaker {
  readonly #clock: Clock;
  #state: BreakerState = "closed";
  #since: number;
  #failures = 0;
  #answers = 0;
  /** When the failures in a row began, by the clock's `elapsed`. */
  #failingSince: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** When that state began, ms since the epoch. */
  get since(): number {
    return this.#since;
  }

  /** Closed, and the last request failed. */
  get doubt(): boolean {
    return this.#state === "closed" && this.#failures > 0;
  }

  /** False while it has to be asked how the cluster is. */
  get settled(): boolean {
    return this.#state === "closed" && !this.doubt;
  }

  /** How many POSTs may be under way. */
  get passes(): "all" | "one" | "none" {
    if (this.#state === "half-open") return "one";
    return this.settled ? "all" : "none";
  }

  /** A request got an answer that shows that the server is there. */
  answered(): void {
    this.#failures = 0;
    this.#failingSince = null;
    if (this.#state === "open") this.#to("half-open");
    if (this.#state === "half-open" && ++this.#answers >= CLOSES_AFTER_ANSWERS) this.#to("closed");
  }

  /** A POST begins: now that one has to be answered. */
  posting(): void {
    this.#answers = Number.NEGATIVE_INFINITY;
  }

  /** A POST is over: answered, not answered, or (null) given up before that was known. */
  posted(answered: boolean | null): void {
    this.#answers = 0;
    if (answered) this.answered();
    if (this.#state === "half-open" && answered !== null) this.#to(answered ? "closed" : "open");
  }

  /** A request failed in a way that says that the server is not there, or not well. */
  failed(): void {
    const now = this.#clock.elapsed();
    this.#failures++;
    this.#failingSince ??= now;
    const lasts = this.#failures >= OPENS_AFTER.failures && now - this.#failingSince >= OPENS_AFTER.ms;
    if (this.#state === "half-open" || (this.#state === "closed" && lasts)) this.#to("open");
  }

  #to(state: BreakerState): void {
    this.#state = state;
    this.#since = this.#clock.now();
    this.#answers = 0;
  }
}
