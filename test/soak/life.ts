/**
 * The life of one simulated process: everything that comes to it from outside (timers, answers, notices) comes through here, so that it can be killed at any moment as by `kill -9`, or paused and woken later.
 *
 * What a dead process waits for never comes; what it had sent goes on without it. A paused one finds all that came meanwhile when it wakes up, in order.
 */

import type { Clock } from "../../src/clock.ts";
import type { ManualClock } from "../livy/clock.ts";
import type { Random } from "../livy/random.ts";

/** Moments of which a process can be killed or paused at the nth: a write or a request leaves it, or has had its effect and the answer arrives; or the row of a submission says that it is being posted. */
export const STEPS = [
  "write before",
  "write after",
  "POST before",
  "POST after",
  "request before",
  "request after",
  "submitting",
] as const;
export type Step = (typeof STEPS)[number];

/** Moments at which one is paused: before all that its row says it does next. */
export const PAUSES: readonly Step[] = ["submitting", "submitting", "submitting", "write after", "POST after"];

export class Life {
  readonly clock: Clock;
  /** Called at its death. */
  readonly ends: (() => void)[] = [];
  #state: "running" | "paused" | "dead" = "running";
  #held: (() => void)[] = [];
  #timers = 0;
  /** Dies at such a moment, or is paused for some ms. */
  trap: {
    readonly step: Step;
    left: number;
    readonly pauseMs: number | null;
    /** Told when it happens. */
    readonly sprung: () => void;
  } | null = null;
  readonly #world: ManualClock;

  constructor(world: ManualClock, random: Random) {
    this.#world = world;
    this.clock = {
      now: () => world.now(),
      elapsed: () => world.elapsed(),
      random,
      after: (ms, action) => {
        this.#timers++;
        let waits = true;
        const done = () => {
          if (waits) this.#timers--;
          waits = false;
        };
        const callOff = world.after(Math.ceil(ms), () =>
          this.run(() => {
            if (!waits) return;
            done();
            action();
          }),
        );
        return () => {
          callOff();
          done();
        };
      },
    };
  }

  get state(): "running" | "paused" | "dead" {
    return this.#state;
  }

  /** Timers that its code waits for. */
  get timers(): number {
    return this.#timers;
  }

  /** Something from outside. */
  run(action: () => void): void {
    if (this.#state === "running") action();
    else if (this.#state === "paused") this.#held.push(action);
  }

  /** The same promise as the process sees it. */
  pass<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) =>
      promise.then(
        (value) => this.run(() => resolve(value)),
        (error: unknown) => this.run(() => reject(error)),
      ),
    );
  }

  /** Resolves when it can do something: now, or when it wakes up. */
  able(): Promise<void> {
    return new Promise((resolve) => this.run(resolve));
  }

  /** A moment of its life; false when it did not survive it. */
  step(step: Step): boolean {
    const { trap } = this;
    if (trap?.step === step && this.#state === "running" && --trap.left <= 0) {
      this.trap = null;
      trap.sprung();
      if (trap.pauseMs === null) this.kill();
      else {
        this.pause();
        this.#world.after(trap.pauseMs, () => this.wake());
      }
    }
    return this.#state !== "dead";
  }

  kill(): void {
    if (this.#state === "dead") return;
    this.#state = "dead";
    this.#held = [];
    for (const end of this.ends) end();
  }

  pause(): void {
    if (this.#state === "running") this.#state = "paused";
  }

  wake(): void {
    if (this.#state !== "paused") return;
    this.#state = "running";
    const held = this.#held;
    this.#held = [];
    for (const action of held) this.run(action);
  }
}
