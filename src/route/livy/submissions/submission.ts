/**
 * The life of a submission: one attempt at some bulk work, from its durable row to its end. What carries it, a Livy batch or a statement of a session, is behind a port (`carrier.ts`).
 *
 * ```
 * planned -> submitting -> starting -> running (-> finishing) -> succeeded | failed | killed
 *                               (any) -> cancelling -> cancelled | succeeded      (any) -> lost (provisional)
 * ```
 *
 * - `planned`: the row is durable, nothing was posted, or what was posted certainly had no effect. It waits for a place on its cluster.
 * - `submitting`: from before the POST until it is known whether it had an effect.
 * - `starting`, `running`: Livy has it, or YARN its application.
 * - `finishing`: only of an unmodified application: its good end is confirmed (`verdict.ts`), and what it wrote is made into datasets (`app-finish.ts`). It is not run again because of anything that happens from here on,
 *   unless what it wrote cannot be trusted.
 * - `succeeded`: there is a manifest and the result was committed (`commit.ts`). This can be before Livy knows of the end, and whatever Livy says later changes nothing.
 * - `failed`, `killed`: told by a manifest, else by YARN, else by Livy and the passing of a stated time (`verdict.ts`).
 * - `lost`: Livy does not know it and nobody has told its end yet. It can come back.
 * - `cancelling`: until its end is confirmed.
 */

import type { Clock } from "../../../clock.ts";
import { Code, FiresteelError } from "../../../errors.ts";
import type {
  BulkResult,
  DatasetStore,
  Storage,
  SubmissionFailure,
  SubmissionRecord,
  SubmissionState,
  SubmissionStore,
} from "../../../evaluate/ports.ts";
import type { Cluster } from "../clusters/cluster.ts";
import type { HeldRecord } from "../clusters/observer.ts";
import type { Patience } from "../patience.ts";
import type { SessionPool } from "../sessions/session-pool.ts";
import { StatementCarrier } from "../sessions/statement-carrier.ts";
import { Backoff, pause } from "../waiting.ts";
import type { Claim } from "../witness/verdict.ts";
import type { EndedApp, Finished } from "./app-finish.ts";
import { BatchCarrier } from "./batch-carrier.ts";
import type { Carrier, Posted, Sight } from "./carrier.ts";
import { commitManifest, type Expected, expectedOf } from "./commit.ts";
import { failureOf, findManifest, type Manifest } from "./manifest.ts";
import { readSpec, type SparkSpec } from "./spec.ts";
import { SubmissionRow } from "./submission-row.ts";

/** How a submission ended. */
export type Ended =
  | { readonly state: "succeeded"; readonly result: BulkResult }
  | { readonly state: "failed" | "killed"; readonly failure: SubmissionFailure; readonly error: FiresteelError | null }
  | { readonly state: "cancelled"; readonly cause: string };

/** What a submission needs of the world. */
export interface SubmissionWorld {
  readonly store: SubmissionStore & DatasetStore;
  readonly storage: Storage;
  readonly patience: Patience;
  /** The cluster's sessions, if it keeps any. */
  readonly pool: SessionPool | null;
  /** Makes datasets of what an unmodified application wrote. */
  finish(app: EndedApp): Promise<Finished>;
  /** Aborted when this process stops: the submission is left to itself. */
  readonly stop: AbortSignal;
  /** How many submissions this process keeps. */
  live(): number;
}

class CancelRequest extends Error {}

/** Lines of the log that a failure is told with. */
const LOG_TAIL = 50;

/** A submission as it looks to those who wait for its work: kept by this process or by another. */
export interface Followed {
  readonly record: HeldRecord;
  /** The last lines of the log. */
  readonly logTail: readonly string[];
  /** Settles with the end; rejects when the store fails or this process stops. */
  readonly ended: Promise<Ended>;
  /** Settles when the application is gone too, or nothing more can be done about it. */
  readonly gone: Promise<void>;
  /** Whether its end was asked for. */
  readonly cancelled: boolean;
  /** Tells a listener what it waits for or does; returns what ends that. */
  listen(listener: (line: string) => void): () => void;
  /** Asks for its end; `ended` tells when it is certain. */
  cancel(reason: string): void;
}

/** How a submission ended while another process kept it, which died before the application was gone; null where it lives. */
async function endBefore(store: SubmissionStore, { id, state, work, failure }: HeldRecord): Promise<Ended | null> {
  switch (state) {
    case "succeeded": {
      const result = await store.findResult(work);
      if (result !== null) return { state, result };
      throw new FiresteelError(Code.dataLoss, `submission ${id} succeeded and its result is not there`);
    }
    case "failed":
    case "killed":
      return {
        state,
        failure: failure ?? { class: "cluster", type: "Unknown", message: "it is not known why" },
        error: null,
      };
    default:
      return null;
  }
}

/** One submission that this process keeps; it runs by itself from the moment it is made. */
export class Submission implements Followed {
  readonly #world: SubmissionWorld;
  readonly #cluster: Cluster;
  readonly #expected: Expected;
  readonly #row: SubmissionRow;
  readonly #carrier: Carrier;
  /** Aborted when its end is asked for, with a {@link CancelRequest}, or when this process stops. */
  readonly #control = new AbortController();
  /** When the next look for a manifest is due, by the clock's `elapsed`, as the times below. */
  #manifestAt = 0;
  /** Whether the last look for a manifest got an answer: without one, nothing is known. */
  #hasLooked = false;
  /** When Livy first claimed an end that is not proven, or stopped answering. */
  #doubtSince: number | null = null;
  #askedAt = 0;
  #sight: Sight | null = null;
  #logTail: readonly string[] = [];
  readonly #followed: boolean;
  readonly ended: Promise<Ended>;
  readonly gone: Promise<void>;

  /** @param followed other processes may wait for it through the store */
  constructor(
    world: SubmissionWorld,
    cluster: Cluster,
    record: SubmissionRecord,
    spec: SparkSpec,
    followed: boolean = false,
  ) {
    this.#world = world;
    this.#cluster = cluster;
    this.#expected = expectedOf(spec);
    this.#followed = followed;
    const { request: _, ...held } = record;
    this.#row = new SubmissionRow(world.store, cluster, held, followed);
    this.#carrier =
      record.mode === "batch"
        ? new BatchCarrier(cluster, this.#row, record, world.patience, this.#isApp)
        : new StatementCarrier(cluster, this.#row, record, world.patience, world.pool);
    if (!this.#carrier.endsEarly) this.#manifestAt = Number.POSITIVE_INFINITY;
    // Asked for before anybody kept it.
    if (record.cancelRequested !== null) this.cancel(record.cancelRequested);
    if (world.stop.aborted) this.leave();
    this.ended = this.#live();
    this.gone = this.ended.then(
      async (end) => {
        if (end.state !== "cancelled") await this.#carrier.linger(world.stop);
        if (!world.stop.aborted) await this.#row.change({ goneAt: cluster.clock.now() });
      },
      () => {},
    );
    this.gone.catch(() => {}); // A store that fails ends the orchestrator by itself.
  }

  get record(): HeldRecord {
    return this.#row.record;
  }

  get logTail(): readonly string[] {
    return this.#logTail;
  }

  get #signal(): AbortSignal {
    return this.#control.signal;
  }

  /** When Livy last showed it as the row has it, ms since the epoch; null while that is in doubt. */
  get seenAt(): number | null {
    return this.#doubtSince === null ? (this.#sight?.seenAt ?? null) : null;
  }

  /** Takes over that the row was confirmed at a time; that is written already. */
  confirmed(at: number): void {
    this.#row.confirmed(at);
  }

  /** What it waits for or does, in words. */
  get told(): string {
    return this.#row.told;
  }

  get cancelled(): boolean {
    return this.#signal.reason instanceof CancelRequest;
  }

  listen(listener: (line: string) => void): () => void {
    return this.#row.listen(listener);
  }

  cancel(reason: string): void {
    this.#control.abort(new CancelRequest(reason));
  }

  /** Leaves it to itself: this process stops. */
  leave(): void {
    this.#control.abort(this.#world.stop.reason);
  }

  async #live(): Promise<Ended> {
    try {
      return await this.#run();
    } catch (error) {
      if (this.#world.stop.aborted) {
        throw new FiresteelError(
          Code.aborted,
          `orchestrator stops; submission ${this.record.id} goes on by itself and is taken up again at the next start`,
          { cause: error },
        );
      }
      const asked = this.#askedToStop(error);
      if (asked === null) throw error;
      return await this.#stopForCertain(asked);
    } finally {
      this.#carrier.release();
      this.#row.close();
    }
  }

  /** Why this submission is to be stopped, if that is what an error means; a request that was under way then fails in its own words. */
  #askedToStop(error: unknown): string | null {
    if (error instanceof CancelRequest) return error.message;
    const { reason } = this.#signal;
    return reason instanceof CancelRequest && error instanceof FiresteelError && error.code === Code.cancelled
      ? reason.message
      : null;
  }

  async #run(): Promise<Ended> {
    const { state } = this.record;
    const before = await endBefore(this.#world.store, this.record);
    if (before !== null) return before;
    if (state === "cancelling") throw new CancelRequest(this.record.cause);
    if (state === "planned") return (await this.#submit()) ?? (await this.#follow());
    if (state === "finishing") return this.#finish();
    // Taken up after a restart: it lives, or may live, without having asked for a place.
    this.#carrier.occupy();
    if (state === "submitting") return (await this.#resubmit()) ?? (await this.#follow());
    return this.#follow();
  }

  get #isApp(): boolean {
    return this.#expected.kind === "sparkApp";
  }

  get #clock(): Clock {
    return this.#cluster.clock;
  }

  /** Posts until it exists. Returns an end when it never will. */
  async #submit(): Promise<Ended | null> {
    const { patience, store } = this.#world;
    for (let posts = 0; ; ) {
      const admitted = await this.#carrier.admit(this.#signal);
      if (admitted.kind === "refused") return this.#fail("failed", admitted.failure, admitted.error);
      // Whoever asked may have died meanwhile; who takes its execution over and asks again finds no live one then, and makes a new attempt.
      if (this.#followed && !(await store.isWorkClaimed(this.record.work))) return this.#withdraw();
      await this.#row.to("submitting", admitted.cause, admitted.change);
      // A process that was paused here may not be the keeper any more, and must not post what the new one posts.
      await store.confirmLease();
      const posted = await this.#carrier.post(this.#signal);
      const end = await this.#take(posted);
      if (end !== "again") return end;
      if (posted.kind !== "again") continue;
      if (posted.counts) posts++;
      if (posts >= patience.posts) {
        return this.#fail("failed", {
          class: "cluster",
          type: "PostFailed",
          message: `cluster ${this.#cluster.name} did not take it in ${posts} tries: ${posted.why}`,
        });
      }
      await this.#row.to("planned", `nothing was submitted: ${posted.why}`);
      this.#carrier.release();
      this.#row.tell(`waiting: ${posted.why}`);
    }
  }

  async #withdraw(): Promise<Ended> {
    const cause = "nobody waits for it any more; it was never submitted";
    await this.#row.to("cancelled", cause, { endedAt: this.#clock.now() });
    return { state: "cancelled", cause };
  }

  /** After a restart in the middle of a POST. */
  async #resubmit(): Promise<Ended | null> {
    const posted = await this.#carrier.resolve("the orchestrator was started again during the POST", this.#signal);
    const end = await this.#take(posted);
    if (end !== "again") return end;
    this.#carrier.release();
    await this.#row.to("planned", "nothing was submitted before the restart");
    return this.#submit();
  }

  async #take(posted: Posted): Promise<Ended | null | "again"> {
    switch (posted.kind) {
      case "made": {
        const now = this.#clock.now();
        await this.#row.to("starting", posted.cause, { ...posted.change, submittedAt: now, confirmedAt: now });
        this.#row.tell(posted.told);
        return null;
      }
      case "again":
        return "again";
      case "refused":
        return this.#fail("failed", posted.failure, posted.error);
    }
  }

  /** Looks at whatever is new until there is an end. */
  async #follow(): Promise<Ended> {
    using sight = this.#carrier.sight();
    this.#sight = sight;
    for (;;) {
      const shown = await this.#checkManifest(false);
      if (shown !== null) return shown;
      const withinMs = Math.max(1, this.#manifestAt - this.#clock.elapsed());
      // In doubt time passes too.
      const claim = await sight.next(withinMs, this.#doubtSince !== null, this.#signal);
      if (claim === null) continue;
      if (claim === "lives") {
        this.#doubtSince = null;
        continue;
      }
      const end = await this.#doubt(claim);
      if (end !== null) return end;
    }
  }

  /** Finds out whether an end that Livy claims is one. */
  async #doubt(claim: Claim): Promise<Ended | null> {
    const now = this.#clock.elapsed();
    // Whoever is asked now was asked at every tick before: once a second is enough, and a cluster that is down is asked less.
    if (this.#doubtSince !== null && now - this.#askedAt < (claim === "silent" ? 5_000 : 1_000)) return null;
    this.#askedAt = now;
    this.#doubtSince ??= now;
    // To when this claim was heard, and not to when it is judged: this process may be paused between, and nobody was asked meanwhile.
    const doubtMs = now - this.#doubtSince;
    const proven = await this.#checkManifest(true);
    if (proven !== null || !this.#hasLooked) return proven;
    const verdict = await this.#carrier.judge(claim, doubtMs, this.#signal);
    if (verdict.kind === "finished") {
      await this.#carrier.copyLog(this.#signal);
      const cause = `${verdict.why}; its outputs are to be fingerprinted`;
      await this.#row.to("finishing", cause, { confirmedAt: this.#clock.now() });
      return this.#finish();
    }
    if (verdict.kind === "ended") {
      const late = await this.#checkManifest(true);
      return late !== null || !this.#hasLooked ? late : this.#fail(verdict.state, verdict.failure);
    }
    this.#row.tell(claim === "silent" ? `waiting: ${verdict.why}` : verdict.why);
    const state = verdict.state ?? this.record.state;
    if (state !== this.record.state || (claim !== "silent" && verdict.why !== this.record.cause))
      await this.#row.to(state, verdict.why);
    return null;
  }

  /** Makes a result of what an application has written; tried until there is an answer. */
  async #finish(): Promise<Ended> {
    // The Spark job that reads the outputs takes a place of its own.
    this.#carrier.release();
    const retry = new Backoff(this.#clock, this.#world.patience.askMs, 10_000);
    // When this process stops, the Spark job is left to itself too.
    const cancelled = new AbortController();
    const cancel = () => this.cancelled && cancelled.abort(this.#signal.reason);
    cancel();
    this.#signal.addEventListener("abort", cancel, { once: true });
    for (;;) {
      try {
        const finished = await this.#world.finish({
          record: await this.#row.read(),
          spec: await readSpec(this.#world.storage, this.record.location),
          cluster: this.#cluster,
          tell: (line) => this.#row.tell(line),
          signal: cancelled.signal,
        });
        if (finished.kind === "failed") return await this.#fail("failed", finished.failure);
        const end = await this.#settle(finished.manifest);
        if (end !== null) return end;
      } catch (reason) {
        this.#signal.throwIfAborted();
        const error = FiresteelError.from(reason);
        // Somebody cancelled the Spark job, and with it this.
        if (error.code === Code.cancelled) throw new CancelRequest(error.message);
        if (error.code !== Code.unavailable) throw reason;
        this.#row.tell(`waiting: ${error.message}`);
      }
      await pause(this.#clock, retry.next(), this.#signal);
    }
  }

  /** Looks for the manifest, if it is time to; `force` looks in any case. */
  async #checkManifest(force: boolean): Promise<Ended | null> {
    const { storage } = this.#world;
    if (!force && this.#clock.elapsed() < this.#manifestAt) return null;
    if (this.#isApp) {
      this.#hasLooked = true; // An application writes none.
      return null;
    }
    const began = this.#clock.elapsed();
    let manifest: Manifest | null;
    this.#hasLooked = false;
    try {
      manifest = await findManifest(storage, this.record.location, this.record.id, this.#signal);
      this.#hasLooked = true;
    } catch (error) {
      this.#signal.throwIfAborted();
      if ((error as FiresteelError).code === Code.dataLoss)
        return this.#fail(
          "failed",
          { class: "cluster", type: "ManifestDamaged", message: (error as Error).message },
          FiresteelError.from(error),
        );
      this.#row.tell(`waiting: ${(error as Error).message}`);
      manifest = null;
    }
    this.#manifestAt = this.#clock.elapsed() + this.#manifestDelayMs(this.#clock.elapsed() - began);
    return manifest === null ? null : this.#settle(manifest);
  }

  /**
   * Time to the next look that nothing else asks for. Few are looked at often, which shows an end seconds before Livy does; many share what looks there may be, and their ends are told by Livy's list. Storage that is far
   * away, or a listing that takes long, is looked at less often.
   */
  #manifestDelayMs(tookMs: number): number {
    if (!this.#carrier.endsEarly) return Number.POSITIVE_INFINITY;
    const { patience, live } = this.#world;
    const [leastMs, perSecond] = this.record.location.startsWith("file:")
      ? [patience.manifestMs, patience.manifests]
      : [10 * patience.manifestMs, patience.manifests / 10];
    return Math.max(leastMs, 10 * tookMs, (1_000 * live()) / perSecond);
  }

  /** Null when the storage gives no answer about the outputs now. */
  async #settle(manifest: Manifest): Promise<Ended | null> {
    const known =
      this.record.appId === null && manifest.appId?.startsWith("application_") ? { appId: manifest.appId } : {};
    const startedAt = this.record.startedAt ?? (manifest.startedAt ? Date.parse(manifest.startedAt) : null);
    // Durable with what follows, which is waited for.
    this.#row.change({ ...known, startedAt, confirmedAt: this.#clock.now() }).catch(() => {});
    const failure = failureOf(manifest);
    if (failure !== null) return this.#fail("failed", failure);
    let result: BulkResult;
    try {
      result = await commitManifest(this.#world.store, this.#world.storage, this.record, this.#expected, manifest);
    } catch (reason) {
      const error = FiresteelError.from(reason);
      if (error.code === Code.internal) throw error;
      if (error.code === Code.unavailable) {
        this.#hasLooked = false;
        this.#row.tell(`waiting: ${error.message}`);
        return null;
      }
      // The lease is lost or the store is gone: not for this submission to judge.
      if (error.code === Code.aborted && error.details["kind"] !== "inputChanged") throw error;
      const type = error.details["kind"] === "inputChanged" ? "InputChanged" : "OutputRefused";
      return this.#fail(
        "failed",
        { class: error.code === Code.failedPrecondition ? "submit" : "cluster", type, message: error.message },
        error,
      );
    }
    const other = result.submissionId !== this.record.id;
    await this.#row.to(
      "succeeded",
      other
        ? `done; the result of ${result.submissionId} was committed before`
        : "its manifest is there and its result is committed",
      { endedAt: this.#clock.now() },
    );
    return { state: "succeeded", result };
  }

  async #fail(
    state: "failed" | "killed",
    failure: SubmissionFailure,
    error: FiresteelError | null = null,
  ): Promise<Ended> {
    await this.#carrier.copyLog(this.#world.stop);
    this.#logTail = (await this.#row.readLog()).slice(-LOG_TAIL);
    await this.#row.to(state, `${failure.type}: ${failure.message}`.slice(0, 1_000), {
      failure,
      endedAt: this.#clock.now(),
      confirmedAt: this.#clock.now(),
    });
    return { state, failure, error };
  }

  async #stopForCertain(reason: string): Promise<Ended> {
    const { stop } = this.#world;
    const before: SubmissionState = this.record.state;
    const end = async (cause: string): Promise<Ended> => {
      await this.#row.to("cancelled", cause, {
        endedAt: this.#clock.now(),
        confirmedAt: this.#clock.now(),
        cancelRequested: reason,
      });
      return { state: "cancelled", cause };
    };
    if (before === "planned") return end(`${reason}; it was never submitted`);
    if (before !== "cancelling") await this.#row.to("cancelling", reason);
    let proven: Ended | null = null;
    const succeeded = async () => {
      const manifest = await findManifest(this.#world.storage, this.record.location, this.record.id, stop).catch(
        () => null,
      );
      if (manifest?.status === "succeeded") proven = await this.#settle(manifest);
      return proven !== null;
    };
    const cause = await this.#carrier.stop(succeeded, stop);
    return proven ?? end(`${reason}; ${cause}`);
  }
}
