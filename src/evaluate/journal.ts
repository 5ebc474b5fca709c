/**
 * What is recorded of the jobs of one execution: many at a time, and each that ends soon just once.
 */

import type { Clock } from "../clock.ts";
import type { Job } from "./job.ts";
import type { ErrorRecord, ExecutionStore, JobRecord, JobState } from "./ports.ts";

/** Jobs that end sooner are recorded once, at their end. */
const RUNNING_AFTER_MS = 250;
/** Jobs recorded as running at a time: of many thousand that wait for their turn nobody wants to see each. */
const RUNNING_AT_MOST = 100;

/** What a {@link Journal} needs. */
export interface JournalContext {
  readonly clock: Clock;
  readonly executionId: string;
  readonly store: ExecutionStore;
  /** Told when a job's record is durable. */
  readonly onJob: (job: JobRecord) => void;
}

/** See the head of this file. */
export class Journal {
  readonly #context: JournalContext;
  /** Jobs of which nothing is recorded yet, oldest first. */
  readonly #fresh = new Set<Job>();
  #records: JobRecord[] = [];
  #callOff: (() => void) | null = null;
  #closed = false;
  #told: Promise<unknown> = Promise.resolve();

  constructor(context: JournalContext) {
    this.#context = context;
  }

  /** A job began. */
  add(job: Job): void {
    this.#fresh.add(job);
    this.#sweepLater();
  }

  /** Takes down the state of a job, to be sent off with others. */
  record(job: Job, state: JobState, error: ErrorRecord | null): void {
    this.#fresh.delete(job);
    const ended = state !== "running" && state !== "waiting";
    this.#records.push({
      id: job.id,
      executionId: this.#context.executionId,
      parentId: job.parent?.id ?? null,
      task: job.task.name,
      evalHash: job.evalHash,
      state,
      executor: job.executor,
      cached: job.cached,
      startedAt: job.startedAt,
      endedAt: ended ? this.#context.clock.now() : null,
      error,
      submissionId: job.submissionId,
      note: ended ? null : job.note,
      ...(ended && job.invalid ? { invalid: job.invalid } : {}),
    });
  }

  /** Sends off what was taken down. */
  flush(): void {
    if (this.#records.length === 0) return;
    const records = this.#records;
    this.#records = [];
    const { store, onJob } = this.#context;
    // A store that cannot write any more ends the execution through its own signal.
    const told = store.recordJobs(records).then(
      () => records.forEach(onJob),
      () => undefined,
    );
    this.#told = Promise.all([this.#told, told]);
  }

  /** Settles when all that was sent off so far is durable and told. */
  get told(): Promise<unknown> {
    return this.#told;
  }

  /** Drops what was not sent off. */
  clear(): void {
    this.#records = [];
    this.#fresh.clear();
  }

  /** No further job comes. */
  close(): void {
    this.#closed = true;
    this.#callOff?.();
  }

  /** An execution that waits for hours needs no timer: what it waits for is recorded as running. */
  #sweepLater(): void {
    if (this.#closed || this.#fresh.size === 0) return;
    this.#callOff ??= this.#context.clock.after(RUNNING_AFTER_MS, () => {
      this.#callOff = null;
      this.#recordRunning();
      this.#sweepLater();
    });
  }

  #recordRunning(): void {
    const before = this.#context.clock.now() - RUNNING_AFTER_MS;
    let count = 0;
    for (const job of this.#fresh) {
      if (job.askedAt > before || ++count > RUNNING_AT_MOST) break;
      this.record(job, "running", null);
    }
    this.flush();
  }
}
