/**
 * The life of a submission: one Livy batch that we own, from its durable row to its end.
 *
 * ```
 * planned -> submitting -> starting -> running -> succeeded | failed | killed
 *                               (any) -> cancelling -> cancelled | succeeded      (any) -> lost (provisional)
 * ```
 *
 * - `planned`: the row is durable, nothing was posted, or what was posted certainly had no effect. It waits for a place on its cluster.
 * - `submitting`: from before the POST until it is known whether the batch exists (`posting.ts`).
 * - `starting`, `running`: Livy has the batch, or YARN its application.
 * - `succeeded`: there is a manifest and the result was committed (`commit.ts`). This can be before Livy knows of the end, and whatever Livy says later changes nothing.
 * - `failed`, `killed`: told by a manifest, else by YARN, else by Livy and the passing of a stated time (`verdict.ts`).
 * - `lost`: Livy does not know the batch and nobody has told its end yet. It can come back.
 * - `cancelling`: until the end of the application is confirmed (`cancelling.ts`).
 *
 * Every answer is about our batch only if it carries our name, which is unique; ids start at 0 again when Livy does, and are never trusted.
 */

import type { Clock } from "../../clock.ts";
import { Code, FiresteelError } from "../../errors.ts";
import type {
  BulkResult,
  DatasetStore,
  Storage,
  SubmissionFailure,
  SubmissionRecord,
  SubmissionState,
  SubmissionStore,
} from "../../evaluate/ports.ts";
import type { Admission, Slot } from "./admission.ts";
import { stopForCertain } from "./cancelling.ts";
import type { LivyBatchRequest } from "./client.ts";
import type { Cluster, Look, Watch } from "./cluster.ts";
import { commitManifest } from "./commit.ts";
import { linger } from "./linger.ts";
import { failureOf, findManifest, type Manifest } from "./manifest.ts";
import type { Patience } from "./patience.ts";
import { post, resolvePost } from "./posting.ts";
import type { SparkSpec } from "./spec.ts";
import { endOf, SubmissionRow } from "./submission-row.ts";
import { type Claim, judge } from "./verdict.ts";

/** How a submission ended. */
export type Ended =
  | { readonly state: "succeeded"; readonly result: BulkResult }
  | { readonly state: "failed" | "killed"; readonly failure: SubmissionFailure; readonly error: FiresteelError | null }
  /** `withdrawn`: nobody had asked for that, but nobody seemed to need it any more. */
  | { readonly state: "cancelled"; readonly cause: string; readonly withdrawn: boolean };

/** What a submission needs of the world. */
export interface SubmissionWorld {
  readonly store: SubmissionStore & DatasetStore;
  readonly storage: Storage;
  readonly patience: Patience;
  /** Aborted when this process stops: the submission is left to itself. */
  readonly stop: AbortSignal;
  /** How many submissions this process keeps. */
  live(): number;
}

class CancelRequest extends Error {}

/** A submission as it looks to those who wait for its work: kept by this process or by another. */
export interface Followed {
  readonly record: SubmissionRecord;
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

/** One submission that this process keeps; it runs by itself from the moment it is made. */
export class Submission implements Followed {
  readonly #world: SubmissionWorld;
  readonly #cluster: Cluster;
  readonly #spec: SparkSpec;
  readonly #row: SubmissionRow;
  readonly #cancel = new AbortController();
  readonly #signal: AbortSignal;
  #slot: Slot | null = null;
  /** When the next look for a manifest is due, by the clock's `elapsed`, as the times below. */
  #manifestAt = 0;
  /** Whether the last look for a manifest got an answer: without one, nothing is known. */
  #hasLooked = false;
  /** When Livy first claimed an end that is not proven, or stopped answering. */
  #doubtSince: number | null = null;
  #askedAt = 0;
  #watch: Watch | null = null;
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
    this.#spec = spec;
    this.#followed = followed;
    this.#row = new SubmissionRow(world.store, cluster, record, followed);
    // Asked for before anybody kept it.
    if (record.cancelRequested !== null) this.cancel(record.cancelRequested);
    this.#signal = AbortSignal.any([world.stop, this.#cancel.signal]);
    this.ended = this.#live();
    this.gone = this.ended.then(
      async (end) => {
        if (end.state !== "cancelled") await linger(cluster, this.#row, world.patience, world.stop);
        if (followed) await this.#row.change({ goneAt: cluster.clock.now() });
      },
      () => {},
    );
    this.gone.catch(() => {}); // A store that fails ends the orchestrator by itself.
  }

  get record(): SubmissionRecord {
    return this.#row.record;
  }

  get logTail(): readonly string[] {
    return this.#row.logTail;
  }

  /** When Livy last showed it as the row has it, ms since the epoch; null while that is in doubt. */
  get seenAt(): number | null {
    return this.#doubtSince === null ? (this.#watch?.seenAt ?? null) : null;
  }

  /** Takes over that the row was confirmed at a time; that is written already. */
  confirmed(at: number): void {
    this.#row.confirmed(at);
  }

  get cancelled(): boolean {
    return this.#cancel.signal.aborted;
  }

  listen(listener: (line: string) => void): () => void {
    return this.#row.listen(listener);
  }

  cancel(reason: string): void {
    this.#cancel.abort(new CancelRequest(reason));
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
      this.#slot?.[Symbol.dispose]();
      this.#row.close();
    }
  }

  /** Why this submission is to be stopped, if that is what an error means; a request that was under way then fails in its own words. */
  #askedToStop(error: unknown): string | null {
    if (error instanceof CancelRequest) return error.message;
    const { aborted, reason } = this.#cancel.signal;
    return aborted && error instanceof FiresteelError && error.code === Code.cancelled
      ? (reason as Error).message
      : null;
  }

  async #run(): Promise<Ended> {
    const { state } = this.record;
    if (state === "cancelling") throw new CancelRequest(this.record.cause);
    if (state === "planned") return (await this.#submit()) ?? (await this.#follow());
    // Taken up after a restart: it lives, or may live, without having asked for a place.
    this.#slot = this.#admission.occupy();
    if (state === "submitting") return (await this.#resubmit()) ?? (await this.#follow());
    return this.#follow();
  }

  get #clock(): Clock {
    return this.#cluster.clock;
  }

  get #admission(): Admission {
    return this.#cluster.admission;
  }

  /** Posts until the batch exists. Returns an end when it never will. */
  async #submit(): Promise<Ended | null> {
    const { patience } = this.#world;
    for (let posts = 0; ; ) {
      this.#slot = await this.#admission.admit((reason) => this.#row.tell(`waiting: ${reason}`), this.#signal);
      // Whoever asked may have died meanwhile; who takes its execution over and asks again finds no live one then, and makes a new attempt.
      if (this.#followed && !(await this.#world.store.isWorkClaimed(this.record.work))) return this.#withdraw();
      await this.#row.to("submitting", `POST to ${this.#cluster.config.name}`);
      // A process that was paused here may not be the keeper any more, and must not post what the new one posts.
      await this.#world.store.confirmLease();
      const posted = await post(
        this.#cluster,
        this.#row,
        this.record.request as unknown as LivyBatchRequest,
        patience,
        this.#signal,
      );
      this.#slot.posted();
      const end = await this.#take(posted);
      if (end !== "again") return end;
      if (posted.kind !== "again") continue;
      if (posted.counts) posts++;
      if (posts >= patience.posts) {
        return this.#fail("failed", {
          class: "cluster",
          type: "PostFailed",
          message: `cluster ${this.#cluster.config.name} did not take the batch in ${posts} tries: ${posted.why}`,
        });
      }
      await this.#row.to("planned", `nothing was submitted: ${posted.why}`);
      this.#slot[Symbol.dispose]();
      this.#slot = null;
      this.#row.tell(`waiting: ${posted.why}`);
    }
  }

  async #withdraw(): Promise<Ended> {
    const cause = "nobody waits for it any more; it was never submitted";
    await this.#row.to("cancelled", cause, { endedAt: this.#clock.now() });
    return { state: "cancelled", cause, withdrawn: true };
  }

  /** After a restart in the middle of a POST. */
  async #resubmit(): Promise<Ended | null> {
    const posted = await resolvePost(
      this.#cluster,
      this.#row,
      this.record.request as unknown as LivyBatchRequest,
      "the orchestrator was started again during the POST",
      this.#world.patience,
      this.#signal,
    );
    const end = await this.#take(posted);
    if (end !== "again") return end;
    this.#slot?.[Symbol.dispose]();
    this.#slot = null;
    await this.#row.to("planned", "nothing was submitted before the restart");
    return this.#submit();
  }

  async #take(posted: Awaited<ReturnType<typeof post>>): Promise<Ended | null | "again"> {
    const submittedAt = this.#clock.now();
    switch (posted.kind) {
      case "made":
        await this.#row.to("starting", "Livy has the batch", {
          batchId: posted.batch.id,
          submittedAt,
          confirmedAt: submittedAt,
        });
        await this.#row.see(posted.batch);
        this.#row.tell(`submitted as batch ${posted.batch.id} on ${this.#cluster.config.name}`);
        return null;
      case "onYarn":
        await this.#row.to("starting", "YARN has the application, Livy not the batch", {
          appId: posted.appId,
          submittedAt,
          confirmedAt: submittedAt,
        });
        return null;
      case "again":
        return "again";
      case "refused": {
        const { words } = posted.error.details;
        return this.#fail(
          "failed",
          {
            class: "submit",
            type: posted.error.code,
            message: typeof words === "string" ? words : posted.error.message,
          },
          posted.error,
        );
      }
    }
  }

  /** Looks at whatever is new until there is an end. */
  async #follow(): Promise<Ended> {
    using watch = this.#cluster.watch(this.record.livyName);
    this.#watch = watch;
    for (;;) {
      const end = (await this.#checkManifest(false)) ?? (await this.#checkLivy(watch));
      if (end !== null) return end;
    }
  }

  async #checkLivy(watch: Watch): Promise<Ended | null> {
    const withinMs = Math.max(1, this.#manifestAt - this.#clock.elapsed());
    // In doubt time passes too.
    const look = await watch.next(withinMs, this.#signal, this.#doubtSince !== null);
    if (look === null) return null;
    const claim = await this.#claimOf(look);
    if (claim === null) {
      this.#doubtSince = null;
      return null;
    }
    const now = this.#clock.elapsed();
    // Whoever is asked now was asked at every tick before: once a second is enough, and a cluster that is down is asked less.
    if (this.#doubtSince !== null && now - this.#askedAt < (claim === "silent" ? 5_000 : 1_000)) return null;
    this.#askedAt = now;
    this.#doubtSince ??= now;
    const since = this.#doubtSince;
    const proven = await this.#checkManifest(true);
    if (proven !== null || !this.#hasLooked) return proven;
    const verdict = await judge(this.#cluster, this.#row, claim, since, this.#world.patience, this.#signal);
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

  /** What a look says about the end; null when the batch lives. */
  async #claimOf(look: Look): Promise<Claim | null> {
    if (look.kind === "down") {
      this.#row.tell(`waiting: ${look.reason}`);
      return "silent";
    }
    let batch = look.kind === "seen" ? look.batch : null;
    if (batch === null) {
      try {
        batch = await this.#cluster.client.findBatch(this.record.livyName, this.#signal);
      } catch (error) {
        this.#signal.throwIfAborted();
        this.#cluster.failed(error);
        return "silent";
      }
    }
    if (batch === null || batch.name !== this.record.livyName) return "gone";
    const { appId } = this.record;
    // The same name with another application is not the batch that we followed.
    if (appId !== null && batch.appId !== null && batch.appId !== appId) return "gone";
    await this.#row.see(batch);
    return endOf(batch);
  }

  /** Looks for the manifest, if it is time to; `force` looks in any case. */
  async #checkManifest(force: boolean): Promise<Ended | null> {
    const { storage } = this.#world;
    if (!force && this.#clock.elapsed() < this.#manifestAt) return null;
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
    await this.#row.change({ ...known, startedAt, confirmedAt: this.#clock.now() });
    const failure = failureOf(manifest);
    if (failure !== null) return this.#fail("failed", failure);
    let result: BulkResult;
    try {
      result = await commitManifest(this.#world.store, this.#world.storage, this.record, this.#spec, manifest);
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
    if (this.record.batchId !== null) await this.#row.copyWholeLog(this.#world.stop);
    await this.#row.to(state, `${failure.type}: ${failure.message}`.slice(0, 1_000), {
      failure,
      endedAt: this.#clock.now(),
      confirmedAt: this.#clock.now(),
    });
    return { state, failure, error };
  }

  async #stopForCertain(reason: string): Promise<Ended> {
    const { patience, stop } = this.#world;
    const before: SubmissionState = this.record.state;
    const end = async (cause: string): Promise<Ended> => {
      await this.#row.to("cancelled", cause, {
        endedAt: this.#clock.now(),
        confirmedAt: this.#clock.now(),
        cancelRequested: reason,
      });
      return { state: "cancelled", cause, withdrawn: false };
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
    const unanswered = this.record.batchId === null;
    const cause = await stopForCertain(this.#cluster, this.#row, patience, unanswered, succeeded, stop);
    return proven ?? end(`${reason}; ${cause}`);
  }
}
