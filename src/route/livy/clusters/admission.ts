/**
 * Admission: how many submissions may live on one cluster, of all, of one queue and of one user, and how fast new ones are posted.
 *
 * First come, first served, among those that may go: work of one user and queue waits in a *lane*, and a lane that may not go holds nobody up but itself. So what a change costs depends on the number of lanes, not on how many
 * wait in them.
 *
 * A POST forks a JVM on Livy's machine and Livy works through POSTs one after another, so more than a few at once only make it slower.
 */

import type { Clock } from "../../../clock.ts";
import type { SubmissionRecord } from "../../../evaluate/ports.ts";
import type { LivyBatchRequest } from "../http/client.ts";
import { Backoff } from "../waiting.ts";

/** Whose place it is, as far as limits go by it. */
export interface Asker {
  readonly user: string;
  readonly queue: string;
}

/** Whose place a submission takes; work that names no queue is in YARN's `default`. */
export function askerOf({ user, request }: Pick<SubmissionRecord, "user" | "request">): Asker {
  const { queue, conf } = request as Partial<LivyBatchRequest>;
  return { user, queue: queue ?? conf?.["spark.yarn.queue"] ?? "default" };
}

/** A place among the live submissions of a cluster. */
export interface Slot extends Disposable {
  /** The POST is over; the next one may begin. `answered`: the server did something with it. */
  posted(answered: boolean): void;
}

/** One limit for each, or limits by name; `*` stands for all that have none of their own. */
export type LimitEach = number | Readonly<Record<string, number>>;

export interface AdmissionLimits {
  /** Most submissions alive at once. */
  readonly maxLive: number;
  /** Most POSTs under way at once. */
  readonly maxPosts: number;
  /** Most submissions posted in any second; below 1: one in so much longer. */
  readonly maxPerSecond?: number | undefined;
  /** Most submissions alive at once of one queue. */
  readonly perQueue?: LimitEach | undefined;
  /** Most submissions alive at once of one user. */
  readonly perUser?: LimitEach | undefined;
}

/** What admission asks of its cluster. */
export interface Gate {
  /** Why nothing may be posted now; null when something may. */
  obstacle(): string | null;
  /** Only one POST at a time, to see how it goes; in words. */
  trial(): string | null;
  /** A POST begins. */
  posting(): void;
  /** A POST is over; null: it was given up before it was known whether it was answered. */
  posted(answered: boolean | null): void;
}

interface Waiter {
  readonly order: number;
  readonly admit: (slot: Slot) => void;
  readonly note: (reason: string) => void;
}

interface Lane {
  readonly asker: Asker;
  readonly waiters: Set<Waiter>;
  told: string | null;
}

/** Hands out the slots of one cluster. */
export class Admission {
  readonly #clock: Clock;
  readonly #cluster: string;
  readonly #gate: Gate;
  readonly #busy: Backoff;
  readonly #lanes = new Map<string, Lane>();
  readonly #users = new Map<string, number>();
  readonly #queues = new Map<string, number>();
  #limits: AdmissionLimits;
  #order = 0;
  #live = 0;
  #posts = 0;
  /** When the last POSTs began, by the clock's `elapsed`, as the time below. */
  #recent: readonly number[] = [];
  #pausedUntil = 0;
  #callOff: (() => void) | null = null;

  constructor(clock: Clock, cluster: string, limits: AdmissionLimits, gate: Gate) {
    this.#clock = clock;
    this.#busy = new Backoff(clock, 1_000, 30_000);
    this.#cluster = cluster;
    this.#limits = limits;
    this.#gate = gate;
  }

  get limits(): AdmissionLimits {
    return this.#limits;
  }

  /** What lives goes on, also where that is more than new limits allow. */
  set limits(limits: AdmissionLimits) {
    this.#limits = limits;
    this.pump();
  }

  get live(): number {
    return this.#live;
  }

  get waiting(): number {
    let waiting = 0;
    for (const { waiters } of this.#lanes.values()) waiting += waiters.size;
    return waiting;
  }

  /** Why work waits, with how much of it, most first. */
  get waits(): readonly { readonly reason: string; readonly count: number }[] {
    const counts = new Map<string, number>();
    for (const { waiters, told } of this.#lanes.values())
      if (told !== null) counts.set(told, (counts.get(told) ?? 0) + waiters.size);
    return [...counts].map(([reason, count]) => ({ reason, count })).sort((a, b) => b.count - a.count);
  }

  /** Waits for a slot; `note` is told why, whenever the reason changes. */
  admit(asker: Asker, note: (reason: string) => void, signal: AbortSignal): Promise<Slot> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const lane = this.#laneOf(asker);
      const leave = () => {
        this.#leave(lane, waiter);
        reject(signal.reason);
      };
      const waiter: Waiter = {
        order: this.#order++,
        admit: (slot) => {
          signal.removeEventListener("abort", leave);
          resolve(slot);
        },
        note,
      };
      signal.addEventListener("abort", leave, { once: true });
      const { told } = lane;
      lane.waiters.add(waiter);
      this.pump();
      if (told !== null && lane.told === told && lane.waiters.has(waiter)) note(told);
    });
  }

  /** A slot for a submission that lives already. */
  occupy(asker: Asker): Slot {
    return this.#slot(asker, false);
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
    for (;;) {
      const obstacle = this.#lanes.size === 0 ? null : this.#obstacle();
      let next: Lane | null = null;
      for (const lane of this.#lanes.values()) {
        const reason = obstacle ?? this.#obstacleOf(lane.asker);
        if (reason !== null) tell(lane, reason);
        else if (next === null || orderOf(lane) < orderOf(next)) next = lane;
      }
      if (next === null) break;
      const [waiter] = next.waiters;
      this.#leave(next, waiter!);
      this.#gate.posting();
      this.#recent = [...this.#recent, this.#clock.elapsed()].slice(-this.#burst);
      waiter!.admit(this.#slot(next.asker, true));
    }
    this.#callOff?.();
    this.#callOff = null;
    const waitMs = Math.max(this.#pausedUntil - this.#clock.elapsed(), this.#rateMs());
    if (this.#lanes.size > 0 && waitMs > 0) this.#callOff = this.#clock.after(waitMs + 1, () => this.pump());
  }

  /** Stops the timer; waiters are released by their signals. */
  close(): void {
    this.#callOff?.();
  }

  #laneOf(asker: Asker): Lane {
    const key = JSON.stringify([asker.user, asker.queue]);
    const lane = this.#lanes.get(key) ?? { asker, waiters: new Set(), told: null };
    this.#lanes.set(key, lane);
    return lane;
  }

  #leave(lane: Lane, waiter: Waiter): void {
    lane.waiters.delete(waiter);
    const key = JSON.stringify([lane.asker.user, lane.asker.queue]);
    if (lane.waiters.size === 0) this.#lanes.delete(key);
  }

  /** Why nobody may go; null when somebody may. */
  #obstacle(): string | null {
    const { maxLive, maxPosts, maxPerSecond } = this.#limits;
    const obstacle = this.#gate.obstacle();
    if (obstacle !== null) return obstacle;
    if (this.#clock.elapsed() < this.#pausedUntil)
      return `cluster ${this.#cluster} creates as many sessions as it may (its own words: too many sessions); trying again`;
    if (this.#live >= maxLive) return `cluster ${this.#cluster} has ${this.#live} of ${maxLive} submissions live`;
    const trial = this.#gate.trial();
    if (trial !== null && this.#posts > 0) return trial;
    if (this.#posts >= maxPosts) return `cluster ${this.#cluster} is taking other submissions`;
    if (this.#rateMs() > 0) return `cluster ${this.#cluster} takes ${maxPerSecond} submissions a second`;
    return null;
  }

  /** Why a lane may not go although somebody may. */
  #obstacleOf({ user, queue }: Asker): string | null {
    const { perQueue, perUser } = this.#limits;
    const [ofQueue, ofUser] = [limitOf(perQueue, queue), limitOf(perUser, user)];
    const [inQueue, byUser] = [this.#queues.get(queue) ?? 0, this.#users.get(user) ?? 0];
    if (inQueue >= ofQueue)
      return `queue ${queue} on cluster ${this.#cluster} has ${inQueue} of ${ofQueue} submissions live`;
    if (byUser >= ofUser) return `user ${user} has ${byUser} of ${ofUser} submissions live on cluster ${this.#cluster}`;
    return null;
  }

  /** How many POSTs may follow each other at once. */
  get #burst(): number {
    return Math.ceil(this.#limits.maxPerSecond ?? 1);
  }

  /** How long until the rate allows another POST. */
  #rateMs(): number {
    const { maxPerSecond } = this.#limits;
    if (maxPerSecond === undefined || this.#recent.length < this.#burst) return 0;
    const first = this.#recent[this.#recent.length - this.#burst]!;
    return Math.max(0, first + (1_000 * this.#burst) / maxPerSecond - this.#clock.elapsed());
  }

  #slot({ user, queue }: Asker, posting: boolean): Slot {
    const count = (by: 1 | -1) => {
      this.#live += by;
      if (posting && by === 1) this.#posts++;
      add(this.#users, user, by);
      add(this.#queues, queue, by);
    };
    count(1);
    let [open, posts] = [true, posting];
    const over = (answered: boolean | null) => {
      if (!posts) return;
      posts = false;
      this.#posts--;
      this.#gate.posted(answered);
      this.pump();
    };
    return {
      posted: over,
      [Symbol.dispose]: () => {
        if (!open) return;
        open = false;
        count(-1);
        over(null);
        this.pump();
      },
    };
  }
}

function tell(lane: Lane, reason: string): void {
  if (lane.told === reason) return;
  lane.told = reason;
  for (const { note } of lane.waiters) note(reason);
}

function orderOf({ waiters }: Lane): number {
  const [first] = waiters;
  return first!.order;
}

function limitOf(limits: LimitEach | undefined, name: string): number {
  if (typeof limits === "number") return limits;
  const own = limits !== undefined && Object.hasOwn(limits, name) ? limits[name] : limits?.["*"];
  return own ?? Number.POSITIVE_INFINITY;
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
