/**
 * Keeping clusters: of all processes on one store, one admits, posts and watches everything on a cluster.
 *
 * That one is its *keeper*: the process that holds the cluster's claim, which ends with its lease. So a limit of the cluster counts for all processes, one list request a tick serves them all, and whoever needs work done
 * on a cluster that another keeps writes the row of its submission (`planned`, kept by nobody) and follows it through the store (`followed.ts`). The keeper takes every live submission on its clusters that nobody keeps or
 * whose keeper is dead. A keeper that dies or stops is replaced by whoever looks first; one that was paused meanwhile finds its lease gone: its writes are refused and it does not post (`Submission`).
 */

import type { Clock } from "../../../clock.ts";
import type {
  DatasetStore,
  Storage,
  SubmissionRecord,
  SubmissionStore,
  Surroundings,
  TakenSubmission,
} from "../../../evaluate/ports.ts";
import type { Cluster, ClusterStatus } from "../clusters/cluster.ts";
import type { Patience } from "../patience.ts";
import type { SessionPool } from "../sessions/session-pool.ts";
import { readSpec, type SparkSpec } from "./spec.ts";
import { Submission, type SubmissionWorld } from "./submission.ts";

export interface KeepingOptions {
  readonly clock: Clock;
  readonly clusters: ReadonlyMap<string, Cluster>;
  /** The warm sessions of those clusters that keep any. */
  readonly pools: ReadonlyMap<string, SessionPool>;
  readonly store: SubmissionStore & DatasetStore;
  readonly storage: Storage;
  readonly patience: Patience;
  /** Aborted when this process stops. */
  readonly stop: AbortSignal;
  /** Told when a submission is gone. */
  readonly onIdle: () => void;
  readonly finish: SubmissionWorld["finish"];
  /** Told about a submission that went on without anybody waiting for it and could not be finished. */
  readonly onError: (error: unknown) => void;
}

/** Between two tries to become the keeper of a cluster outside of the regular looks. */
const CLAIM_MS = 1_000;

/** So many submissions are taken up at once: for each a file is read or a row written. */
const AT_ONCE = 64;

/** How long after its life failed (for a reason that is neither its own nor its cluster's) a submission is begun again. */
const AGAIN_MS = 10_000;

/** How old the confirmation of what does not change may be, about; and so many are written at once: a thousand took 0.3 to 0.8 s, for which every result of that time waited. */
const CONFIRMED_FOR_MS = 30_000;
const CONFIRMED_AT_ONCE = 200;

/** How old what is told of the last answer of a cluster may be, about. */
const CONFIRM_MS = 10_000;

/** What the keeper of a cluster alone knows. */
type Told = Pick<
  ClusterStatus,
  "state" | "since" | "confirmedAt" | "version" | "live" | "waiting" | "waits" | "sessions" | "lastError"
>;

function pickTold({ state, since, confirmedAt, version, live, waiting, waits, sessions, lastError }: Told): Told {
  return { state, since, confirmedAt, version, live, waiting, waits, sessions, lastError };
}

/** The clusters that this process keeps, and the submissions on them. */
export class Keeping {
  readonly #options: KeepingOptions;
  readonly #live = new Map<string, Submission>();
  /** The same by cluster. */
  readonly #liveOn = new Map<string, Set<Submission>>();
  readonly #needed = new Map<string, number>();
  /** All that are not gone: those that live, and those that have ended and whose applications may not have. */
  readonly #present = new Map<string, Submission>();
  readonly #worlds = new Map<string, SubmissionWorld>();
  readonly #ending = new Set<Promise<unknown>>();
  readonly #kept = new Set<string>();
  readonly #tries = new Map<string, { readonly at: number; readonly claimed: Promise<boolean> }>();
  /** What the keepers of the others tell of them. */
  #notes: Surroundings["keptClusters"] = new Map();
  readonly #told = new Map<string, string>();
  #taking: Promise<unknown> = Promise.resolve();
  /** Kept here, and to be begun (again): their spec could not be read, or their life failed while others wait for their end. */
  #waiting: readonly { readonly id: string; readonly dueAt: number }[] = [];

  constructor(options: KeepingOptions) {
    this.#options = options;
    options.stop.addEventListener("abort", () => {
      for (const submission of this.#live.values()) submission.leave();
    });
  }

  /** Submissions that live and are kept here. */
  get live(): readonly Submission[] {
    return [...this.#live.values()];
  }

  /** Clusters that this process keeps. */
  get kept(): ReadonlySet<string> {
    return this.#kept;
  }

  /** A submission that is kept here, until it is gone too. */
  find(id: string): Submission | null {
    return this.#present.get(id) ?? null;
  }

  /** How a cluster is: known here, or told by its keeper. */
  statusOf(cluster: Cluster): ClusterStatus {
    const status = { ...cluster.status, sessions: this.#options.pools.get(cluster.name)?.status ?? null };
    if (this.#kept.has(status.name)) return status;
    // Told by this code or another version of it; where it lies and what it is called is this process's own configuration.
    const told = this.#notes.get(status.name) as Partial<ClusterStatus> | undefined;
    return { ...status, ...pickTold({ ...status, ...told }) };
  }

  /** Whether this process keeps a cluster; becomes its keeper when nobody is. */
  async keeps(cluster: string): Promise<boolean> {
    if (this.#kept.has(cluster)) return true;
    const now = this.#options.clock.elapsed();
    let last = this.#tries.get(cluster);
    if (last === undefined || now - last.at >= CLAIM_MS) {
      last = { at: now, claimed: this.#claim(cluster) };
      this.#tries.set(cluster, last);
    }
    return last.claimed;
  }

  async #claim(cluster: string): Promise<boolean> {
    const claimed = await this.#options.store.claimCluster(cluster);
    if (claimed) {
      this.#kept.add(cluster);
      this.#attend(cluster);
    }
    return claimed;
  }

  #attend(cluster: string): void {
    const attended = this.#options.clusters.get(cluster);
    attended?.onTick(() => this.#confirm(cluster));
    attended?.tend();
    this.#options.pools.get(cluster)?.keep();
  }

  /** Whether something of a cluster is still needed here: a submission that lives, or one whose application does. */
  needs(cluster: string): boolean {
    return (this.#needed.get(cluster) ?? 0) > 0;
  }

  /** Starts the life of a submission whose row says that this process keeps it. */
  start(cluster: Cluster, taken: SubmissionRecord, spec: SparkSpec, followed = false): Submission {
    const submission = new Submission(this.#worldOf(cluster), cluster, taken, spec, followed);
    this.#live.set(taken.id, submission);
    const there = this.#liveOn.get(cluster.name) ?? new Set();
    this.#liveOn.set(cluster.name, there.add(submission));
    this.#present.set(taken.id, submission);
    this.#track(this.#attendTo(submission, followed));
    return submission;
  }

  /** One for all submissions of a cluster. */
  #worldOf({ name }: Cluster): SubmissionWorld {
    const { store, storage, patience, stop, finish, pools } = this.#options;
    const pool = pools.get(name) ?? null;
    const known = this.#worlds.get(name);
    if (known !== undefined && known.pool === pool) return known;
    const world = { store, storage, patience, pool, stop, finish, live: () => this.#live.size };
    this.#worlds.set(name, world);
    return world;
  }

  /** Until it is gone too. */
  async #attendTo(submission: Submission, followed: boolean): Promise<void> {
    const { stop, onError, onIdle } = this.#options;
    const { id, cluster } = submission.record;
    const count = (by: number) => this.#needed.set(cluster, (this.#needed.get(cluster) ?? 0) + by);
    count(1);
    try {
      await submission.ended;
    } catch (error) {
      // Somebody may wait for `ended` and hear of its failure; nobody needs to.
      if (!stop.aborted) {
        onError(error);
        // Whoever follows it hears of its end only through its row.
        if (followed) this.#wait(id, this.#options.clock.elapsed() + AGAIN_MS);
      }
    }
    this.#live.delete(id);
    this.#liveOn.get(cluster)?.delete(submission);
    // A failed store ends the orchestrator by itself.
    await submission.gone.catch(() => {});
    if (this.#present.get(id) === submission) this.#present.delete(id);
    count(-1);
    onIdle();
  }

  /** Becomes the keeper of clusters without one, takes the submissions there, and tells how they are; returns how many it took. One after another, however often it is asked for. */
  tend(around: Surroundings | null = null): Promise<number> {
    const tended = this.#taking.then(() => this.#tend(around));
    this.#taking = tended.catch(() => {});
    return tended;
  }

  /** Settles when what is being taken up now has been. */
  async taken(): Promise<void> {
    await this.#taking;
  }

  /** Settles when every submission has been left to itself or has ended. */
  async ended(): Promise<void> {
    await this.#taking;
    await Promise.allSettled(this.#ending);
  }

  async #tend(around: Surroundings | null): Promise<number> {
    const { store, clusters, stop } = this.#options;
    if (stop.aborted) return 0;
    const before = this.#kept.size;
    for (const name of clusters.keys()) {
      if (this.#kept.has(name)) this.#attend(name);
      if (this.#kept.has(name) || around?.keptClusters.has(name)) continue;
      await this.#claim(name);
    }
    if (around !== null) {
      this.#notes = around.keptClusters;
      for (const id of around.cancelledSubmissions) await this.#cancel(id);
    }
    const news = around === null || around.submissions || this.#kept.size > before;
    const taken = news ? await store.takeSubmissions([...clusters.keys()]) : [];
    for (let at = 0; at < taken.length; at += AT_ONCE)
      await Promise.all(taken.slice(at, at + AT_ONCE).map((one) => this.#take(one)));
    const now = this.#options.clock.elapsed();
    const due = this.#waiting.flatMap(({ id, dueAt }) => (dueAt <= now ? [id] : []));
    const again = due.length === 0 ? [] : await store.findSubmissions(due);
    this.#waiting = this.#waiting.filter(({ id }) => !due.includes(id));
    for (const submission of again) await this.#begin(submission);
    await this.#tell();
    return taken.length;
  }

  async #take({ submission, asked }: TakenSubmission): Promise<void> {
    const { store, clusters } = this.#options;
    const now = { endedAt: this.#options.clock.now() };
    if (submission.state !== "planned" && submission.endedAt === null)
      clusters.get(submission.cluster)?.observer.adopted(submission);
    if (submission.state === "planned" && !asked && submission.cancelRequested === null) {
      // Nothing was posted; whoever needs it asks again, and under the code of today.
      await store.updateSubmission(submission.id, {
        ...now,
        state: "cancelled",
        cause: "it was never submitted before the orchestrator that asked for it ended",
      });
    } else if (!clusters.has(submission.cluster) && submission.endedAt !== null) {
      await store.updateSubmission(submission.id, { goneAt: now.endedAt });
    } else if (!clusters.has(submission.cluster)) {
      const message = `cluster ${submission.cluster} is not configured any more`;
      await store.updateSubmission(submission.id, {
        ...now,
        goneAt: now.endedAt,
        state: "failed",
        cause: message,
        failure: { class: "cluster", type: "ClusterUnknown", message },
      });
    } else {
      await this.#begin(submission);
    }
  }

  async #begin(submission: SubmissionRecord): Promise<void> {
    const { store, storage, clusters } = this.#options;
    try {
      const spec = await readSpec(storage, submission.location);
      this.start(clusters.get(submission.cluster)!, submission, spec, store.shared);
    } catch (error) {
      // The storage may be away; what runs goes on by itself meanwhile.
      const note = `waiting: what was submitted cannot be read: ${(error as Error).message}`;
      if (note !== submission.note) await store.updateSubmission(submission.id, { note });
      this.#wait(submission.id, 0);
    }
  }

  #wait(id: string, dueAt: number): void {
    this.#waiting = [...this.#waiting, { id, dueAt }];
  }

  async #cancel(id: string): Promise<void> {
    const submission = this.#live.get(id);
    if (submission === undefined || submission.cancelled) return;
    const record = (await this.#options.store.findSubmissions([id]))[0];
    submission.cancel(record?.cancelRequested ?? "cancelled on request");
  }

  /** Writes that what lives on a cluster was seen there: after each list for those that this was not written of for long, the longest first. */
  #confirm(cluster: string): void {
    const ageOf = ({ record, seenAt }: Submission) => (seenAt === null ? 0 : seenAt - (record.confirmedAt ?? 0));
    let seen = [...(this.#liveOn.get(cluster) ?? [])].filter((one) => ageOf(one) >= CONFIRMED_FOR_MS);
    if (seen.length === 0) return;
    if (seen.length > CONFIRMED_AT_ONCE) seen = seen.sort((a, b) => ageOf(b) - ageOf(a)).slice(0, CONFIRMED_AT_ONCE);
    const at = Math.min(...seen.map(({ seenAt }) => seenAt ?? Number.POSITIVE_INFINITY));
    for (const submission of seen) submission.confirmed(at);
    // A failed store ends the orchestrator by itself.
    const ids = seen.map(({ record }) => record.id);
    this.#options.store.confirmSubmissions(ids, at).catch(() => {});
  }

  async #tell(): Promise<void> {
    const { store, clusters } = this.#options;
    if (!store.shared) return;
    for (const name of this.#kept) {
      const cluster = clusters.get(name);
      if (cluster === undefined) continue;
      const status = pickTold(this.statusOf(cluster));
      const { confirmedAt, ...rest } = status;
      // That nothing has changed is told less often.
      const text = JSON.stringify({ ...rest, confirmed: Math.floor((confirmedAt ?? 0) / CONFIRM_MS) });
      if (this.#told.get(name) === text) continue;
      this.#told.set(name, text);
      await store.tellCluster({ name, status });
    }
  }

  #track(promise: Promise<unknown>): void {
    this.#ending.add(promise);
    const forget = () => this.#ending.delete(promise);
    promise.then(forget, forget);
  }
}
