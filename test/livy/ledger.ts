/** What really happened, whatever anybody was told: the double writes it, tests count in it. */

import type { Clock } from "../../src/clock.ts";

export type Event =
  /** A POST of a batch or session took effect. */
  | "taken"
  /** A POST was refused; with `left` a zombie stayed. */
  | "refused"
  /** An application was accepted, runs, has ended. */
  | "accepted"
  | "running"
  | "ended"
  /** Somebody's kill took effect. */
  | "killed"
  /** Livy shows a batch as ended; what its monitor has found out is then in the list. */
  | "shown"
  /** A driver wrote outputs, and its manifest. */
  | "outputs"
  | "manifest"
  /** Livy removed a batch because it was asked to, or because it was old. */
  | "deleted"
  | "forgotten"
  | "crashed"
  | "started"
  /** A statement ran; one of ours began its attempt; one was asked to end. */
  | "statement"
  | "began"
  | "interrupted";

export interface Entry {
  readonly at: number;
  readonly event: Event;
  /** Name of the batch, session or application; null where it has none. */
  readonly name: string | null;
  readonly appId?: string | null;
  readonly id?: number;
  /** State, refusal or URI. */
  readonly detail?: string;
}

/** An append-only list of what happened. */
export class Ledger {
  readonly entries: Entry[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(event: Event, name: string | null, more: Omit<Entry, "at" | "event" | "name"> = {}): void {
    this.entries.push({ at: this.#clock.now(), event, name, ...more });
  }

  count(event: Event, name?: string): number {
    return this.entries.filter((one) => one.event === event && (name === undefined || one.name === name)).length;
  }
}
