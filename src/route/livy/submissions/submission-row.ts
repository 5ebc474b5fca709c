/**
 * The durable row of a submission and what is told of it: changes are written before they are acted on.
 */

import { Code, FiresteelError } from "../../../errors.ts";
import {
  LogSource,
  type SubmissionRecord,
  type SubmissionState,
  type SubmissionStore,
} from "../../../evaluate/ports.ts";
import type { Cluster } from "../clusters/cluster.ts";
import { type HeldRecord, observeChange } from "../clusters/observer.ts";
import type { LivyBatch } from "../http/client.ts";
import { LogTail, type TailNews } from "../witness/log-tail.ts";

/** What may change of a row. */
export type RowChange = Parameters<SubmissionStore["updateSubmission"]>[1];

/** What does not change is written as confirmed so often, where it is looked at. */
const REFRESH_MS = 10_000;
/** Livy keeps this many lines. */
const WHOLE_LOG = 200;
/** What is told is stored so much later: reasons to wait can change quickly. */
const NOTE_MS = 300;
const DONE = Promise.resolve();

/** One submission's row. */
export class SubmissionRow {
  readonly #store: SubmissionStore;
  readonly #cluster: Cluster;
  #tail = new LogTail();
  /** Another process may have copied some of the log. */
  #adopted: boolean;
  readonly #listeners = new Set<(line: string) => void>();
  #record: HeldRecord;
  #told = "";
  /** When the POST began that is under way or was taken; null where this process did not send it. */
  #postedAt: number | null = null;
  readonly #followed: boolean;
  #callOffNote: (() => void) | null = null;
  #closed = false;

  /** What Livy showed last is being taken over. */
  #seeing: Promise<void> = DONE;

  /** @param followed what is told is stored too, for other processes */
  constructor(store: SubmissionStore, cluster: Cluster, record: HeldRecord, followed: boolean) {
    this.#store = store;
    this.#cluster = cluster;
    this.#record = record;
    this.#followed = followed;
    this.#adopted = record.batchId !== null;
  }

  get record(): HeldRecord {
    return this.#record;
  }

  /** The row as it is stored, with what Livy was asked for. */
  async read(): Promise<SubmissionRecord> {
    const { id } = this.#record;
    const stored = await this.#store.findSubmission(id);
    if (stored === null) throw new FiresteelError(Code.dataLoss, `submission is not in the store any more: ${id}`);
    return stored;
  }

  /** What is known of spark-submit's log: as much as Livy keeps, with what YARN said at its end. */
  async readLog(): Promise<readonly string[]> {
    await this.#seeing;
    const sources = [LogSource.submit, LogSource.yarn];
    return (await Promise.all(sources.map((source) => this.#store.readLogEnd(this.#record.id, source)))).flat();
  }

  /** The line told last. */
  get told(): string {
    return this.#told;
  }

  /** Tells a listener the last line and all that follow; returns what ends that. */
  listen(listener: (line: string) => void): () => void {
    this.#listeners.add(listener);
    if (this.#told !== "") listener(this.#told);
    return () => this.#listeners.delete(listener);
  }

  /** Tells a line to whoever listens. */
  tell(line: string): void {
    if (line === this.#told) return;
    this.#told = line;
    for (const listener of this.#listeners) listener(line);
    if (this.#followed && !this.#closed) this.#callOffNote ??= this.#cluster.clock.after(NOTE_MS, () => this.#note());
  }

  /** Stores nothing more of what is told. */
  close(): void {
    this.#closed = true;
    this.#callOffNote?.();
    this.#callOffNote = null;
  }

  #note(): void {
    this.#callOffNote = null;
    // A failed store ends the orchestrator by itself.
    if (this.#told !== this.#record.note) this.change({ note: this.#told }).catch(() => {});
  }

  /** Changes fields; settles when that is durable. */
  async change(change: RowChange): Promise<void> {
    const before = this.#record;
    const after = { ...before, ...change };
    this.#record = after;
    if (change.state === "submitting") this.#postedAt = this.#cluster.clock.now();
    await this.#store.updateSubmission(after.id, change);
    observeChange(this.#cluster.observer, before, after, this.#postedAt);
  }

  /** Takes over a confirmation that was written with those of others. */
  confirmed(at: number): void {
    this.#record = { ...this.#record, confirmedAt: at };
  }

  /** Goes over to a state. */
  async to(state: SubmissionState, cause: string, change: RowChange = {}): Promise<void> {
    await this.change({ ...change, state, cause });
  }

  /** Takes over what Livy shows of the batch: id, application, links, state and log. Only what is new is written, one look after the other. */
  see(batch: LivyBatch): Promise<void> {
    this.#seeing = this.#seeing.then(() => this.#see(batch));
    // Whoever does not wait for it waits for what comes after; a failed store ends the orchestrator by itself.
    this.#seeing.catch(() => {});
    return this.#seeing;
  }

  async #see(batch: LivyBatch): Promise<void> {
    const now = this.#cluster.clock.now();
    const before = this.#record;
    const change: { -readonly [K in keyof RowChange]: RowChange[K] } = {};
    if (batch.id !== before.batchId) change.batchId = batch.id;
    if (batch.appId !== null && batch.appId !== before.appId) change.appId = batch.appId;
    // 0.9.0 takes the driver log's link back at the end; what was seen is kept.
    if (batch.sparkUiUrl !== null && batch.sparkUiUrl !== before.sparkUiUrl) change.sparkUiUrl = batch.sparkUiUrl;
    if (batch.driverLogUrl !== null && batch.driverLogUrl !== before.driverLogUrl)
      change.driverLogUrl = batch.driverLogUrl;
    const state = stateOf(batch, before);
    if (state !== null) {
      change.state = state;
      change.cause = `Livy says ${batch.state}`;
      if (state === "running" && before.startedAt === null) change.startedAt = now;
    }
    const changed = Object.keys(change).length > 0;
    if (changed || now - (before.confirmedAt ?? 0) > REFRESH_MS) await this.change({ ...change, confirmedAt: now });
    await this.#copyLog(batch);
    if (changed) this.#tellPlace(batch);
  }

  /** Copies all that Livy still holds of the log; what cannot be had any more is left. */
  async copyWholeLog(signal: AbortSignal): Promise<void> {
    await this.#seeing;
    const log = await this.#cluster.client
      .batchLog(this.#record.livyName, WHOLE_LOG, undefined, signal)
      .catch(() => null);
    if (log !== null) await this.#takeLog(log.lines);
  }

  /** Appends lines of one source to the stored log; with `replace` those that are there go first. */
  async append(
    lines: readonly string[],
    source: LogSource = LogSource.submit,
    replace: boolean = false,
  ): Promise<void> {
    if (lines.length > 0) await this.#store.appendLog(this.#record.id, lines, source, replace);
  }

  async #copyLog(batch: LivyBatch): Promise<void> {
    if (this.#adopted) await this.#knowLog();
    const news = this.#tail.take(batch.log, false);
    if (!news.gap) return this.#append(news);
    const log = await this.#cluster.client.batchLog(this.#record.livyName, WHOLE_LOG).catch(() => null);
    return this.#takeLog(log?.lines ?? batch.log);
  }

  async #takeLog(lines: readonly string[]): Promise<void> {
    if (this.#adopted) await this.#knowLog();
    return this.#append(this.#tail.take(lines, true));
  }

  /** Goes on after the lines that were copied before this process kept it. */
  async #knowLog(): Promise<void> {
    const known = await this.#store.readLogEnd(this.#record.id, LogSource.submit);
    if (this.#adopted) this.#tail = new LogTail(known);
    this.#adopted = false;
  }

  async #append({ lines, diagnostics }: TailNews): Promise<void> {
    await this.append(lines);
    await this.append(diagnostics, LogSource.yarn, true);
  }

  #tellPlace(batch: LivyBatch): void {
    const { appId, batchId, cluster, state } = this.#record;
    if (appId !== null)
      this.tell(state === "running" ? `running as ${appId} on ${cluster}` : `submitted as ${appId} on ${cluster}`);
    else this.tell(`submitted as batch ${batchId} on ${cluster} (${batch.state})`);
  }
}

/** Whether Livy calls a batch ended. Any state not listed here, also one of the future, is none. */
export function endOf(batch: LivyBatch): "success" | "dead" | "killed" | null {
  switch (batch.state) {
    case "success":
      return "success";
    case "dead":
    case "error":
      return "dead";
    case "killed":
      return "killed";
    default:
      return null;
  }
}

/** The state a batch moves its row to; null where it stays. Ends are not taken from Livy alone. */
function stateOf(batch: LivyBatch, { state }: HeldRecord): SubmissionState | null {
  if (state === "cancelling" || endOf(batch) !== null) return null;
  const next =
    batch.state === "running" || batch.state === "busy" || batch.state === "idle"
      ? "running"
      : batch.state === "starting" || state !== "running"
        ? "starting"
        : "running";
  return next === state || (next === "starting" && state === "running") ? null : next;
}
