/**
 * Submissions that another process keeps, followed through the store by who waits for their work.
 *
 * A notice says which row to read again; all rows that are due are read in one query. Notices can be missed, so every row is read from time to time in any case.
 */

import type { Clock } from "../../../clock.ts";
import { Code, FiresteelError } from "../../../errors.ts";
import type { SubmissionRecord, SubmissionStore } from "../../../evaluate/ports.ts";
import type { Ended, Followed } from "./submission.ts";

/** How long after a failed end its application's own is waited for, when the keeper does not tell it: it died. */
const GONE_MS = 90_000;
/** Between two looks at everything. */
const LOOK_MS = 5_000;
const TAIL = 50;

/** All that this process follows. */
export class FollowedSubmissions implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #store: SubmissionStore;
  readonly #stop: AbortSignal;
  readonly #onChange: (record: SubmissionRecord) => void;
  readonly #handles = new Map<string, Handle>();
  /** How many live, by cluster. */
  readonly #counts = new Map<string, number>();
  readonly #due = new Set<string>();
  readonly #unlisten: () => void;
  #callOff: () => void = () => {};
  #reading: Promise<void> | null = null;

  /**
   * @param stop aborted when this process stops: what is followed is left to itself
   * @param onChange told of every change of what is followed
   */
  constructor(clock: Clock, store: SubmissionStore, stop: AbortSignal, onChange: (record: SubmissionRecord) => void) {
    this.#clock = clock;
    this.#store = store;
    this.#stop = stop;
    this.#onChange = onChange;
    this.#unlisten = store.onChange((change) => {
      if (change.kind === "submission") this.#look([change.id]);
      else if (change.kind === "missed") this.#look(this.#handles.keys());
    });
    const look = () => {
      this.#look(this.#handles.keys());
      this.#callOff = clock.after(LOOK_MS, look);
    };
    this.#callOff = clock.after(LOOK_MS, look);
  }

  /** How many live on a cluster. */
  count(cluster: string): number {
    return this.#counts.get(cluster) ?? 0;
  }

  /** Follows a submission; the same one for all who ask. */
  follow(record: SubmissionRecord): Followed {
    const known = this.#handles.get(record.id);
    if (known !== undefined) return known;
    const handle = new Handle(this.#clock, this.#store, this.#stop, record);
    this.#handles.set(record.id, handle);
    void handle.gone.finally(() => this.#handles.delete(record.id));
    const { cluster } = record;
    const count = (by: number) => this.#counts.set(cluster, this.count(cluster) + by);
    count(1);
    const uncount = () => count(-1);
    handle.ended.then(uncount, uncount);
    // It may have changed since it was read.
    this.#look([record.id]);
    return handle;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#callOff();
    this.#unlisten();
    await this.#reading;
  }

  #look(ids: Iterable<string>): void {
    for (const id of ids) if (this.#handles.has(id)) this.#due.add(id);
    if (this.#due.size > 0 && !this.#stop.aborted) this.#reading ??= this.#read().finally(() => (this.#reading = null));
  }

  async #read(): Promise<void> {
    while (this.#due.size > 0 && !this.#stop.aborted) {
      const ids = [...this.#due];
      this.#due.clear();
      try {
        for (const record of await this.#store.findSubmissions(ids)) {
          const handle = this.#handles.get(record.id);
          if (handle === undefined) continue;
          const { state, cause, appId } = handle.record;
          if (record.state !== state || record.cause !== cause || record.appId !== appId) this.#onChange(record);
          await handle.see(record);
        }
      } catch {
        // The database is away, which its writer and the look at the surroundings tell; the next look is soon.
        return;
      }
    }
  }
}

class Handle implements Followed {
  readonly #clock: Clock;
  readonly #store: SubmissionStore;
  readonly #ended = Promise.withResolvers<Ended>();
  readonly #gone = Promise.withResolvers<void>();
  readonly #listeners = new Set<(line: string) => void>();
  #record: SubmissionRecord;
  #tail: readonly string[] = [];
  #settled = false;

  constructor(clock: Clock, store: SubmissionStore, stop: AbortSignal, record: SubmissionRecord) {
    this.#clock = clock;
    this.#store = store;
    this.#record = record;
    const leave = () => {
      this.#gone.resolve();
      this.#ended.reject(
        new FiresteelError(
          Code.aborted,
          `orchestrator stops; submission ${record.id} goes on in the one that keeps it`,
        ),
      );
    };
    this.#ended.promise.catch(() => {});
    if (stop.aborted) leave();
    stop.addEventListener("abort", leave, { once: true });
    void this.#gone.promise.finally(() => stop.removeEventListener("abort", leave));
  }

  get record(): SubmissionRecord {
    return this.#record;
  }

  get logTail(): readonly string[] {
    return this.#tail;
  }

  get ended(): Promise<Ended> {
    return this.#ended.promise;
  }

  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  get cancelled(): boolean {
    return isLeaving(this.#record);
  }

  listen(listener: (line: string) => void): () => void {
    this.#listeners.add(listener);
    const { note } = this.#record;
    if (note !== "") listener(note);
    return () => this.#listeners.delete(listener);
  }

  cancel(reason: string): void {
    if (this.#settled) return;
    // A failed store ends the orchestrator by itself.
    this.#store.updateSubmission(this.#record.id, { cancelRequested: reason }).catch(() => {});
  }

  /** Takes in what the row says now. */
  async see(record: SubmissionRecord): Promise<void> {
    const { note } = this.#record;
    this.#record = record;
    if (record.note !== note) for (const listener of this.#listeners) listener(record.note);
    if (!this.#settled) {
      const ended = await this.#endOf(record);
      if (ended === null) return;
      this.#settled = true;
      if (ended instanceof FiresteelError) {
        this.#ended.reject(ended);
        this.#gone.resolve();
        return;
      }
      this.#ended.resolve(ended);
      if (ended.state !== "failed" && ended.state !== "killed") this.#gone.resolve();
      else void this.#gone.promise.then(this.#clock.after(GONE_MS, () => this.#gone.resolve()));
    }
    if (record.goneAt !== null) this.#gone.resolve();
  }

  async #endOf(record: SubmissionRecord): Promise<Ended | FiresteelError | null> {
    switch (record.state) {
      case "succeeded": {
        const result = await this.#store.findResult(record.work);
        if (result !== null) return { state: "succeeded", result };
        return new FiresteelError(Code.dataLoss, `submission ${record.id} succeeded and its result is not there`);
      }
      case "failed":
      case "killed": {
        const failure = record.failure ?? { class: "cluster", type: "Unknown", message: record.cause };
        this.#tail = (await this.#store.readLog(record.id)).slice(-TAIL);
        return { state: record.state, failure, error: errorOf(failure) };
      }
      case "cancelled":
        return { state: "cancelled", cause: record.cause };
      default:
        return null;
    }
  }
}

/** Whether a submission's end was asked for. */
export function isLeaving({ state, cancelRequested }: SubmissionRecord): boolean {
  return cancelRequested !== null || state === "cancelling";
}

/** The error that the keeper had, as far as somebody goes by it. */
function errorOf({ class: kind, type, message }: NonNullable<SubmissionRecord["failure"]>): FiresteelError | null {
  if (type === "InputChanged") return new FiresteelError(Code.aborted, message, { details: { kind: "inputChanged" } });
  const codes: readonly string[] = Object.values(Code);
  return kind === "submit" && codes.includes(type) ? new FiresteelError(type as Code, message) : null;
}
