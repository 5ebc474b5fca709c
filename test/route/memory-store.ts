/**
 * The parts of the store that bulk work needs, in memory: one database, any number of owners. A write is durable a turn of the event loop after it was asked for, in the order asked for, and an owner that
 * was killed writes nothing more.
 */

import { setImmediate as turn } from "node:timers/promises";
import { FiresteelError } from "../../src/errors.ts";
import {
  type BulkResult,
  type DatasetRecord,
  type DatasetStore,
  LogSource,
  type StoreChange,
  type SubmissionRecord,
  type SubmissionStore,
  type SubmissionTransition,
  type TakenSubmission,
} from "../../src/evaluate/ports.ts";

const ENDS = new Set(["succeeded", "failed", "killed", "cancelled"]);

/** What is durable. */
export class MemoryDatabase {
  readonly submissions = new Map<string, SubmissionRecord>();
  readonly owners = new Map<string, MemoryStore | null>();
  readonly transitions: SubmissionTransition[] = [];
  readonly logs = new Map<string, readonly { readonly source: LogSource; readonly line: string }[]>();
  readonly results = new Map<string, BulkResult>();
  readonly claims = new Map<string, MemoryStore>();
  readonly keepers = new Map<string, MemoryStore>();
  readonly listeners = new Set<(change: StoreChange) => void>();
  readonly datasets: DatasetRecord[] = [];
}

/** One process's view of the database. */
export class MemoryStore implements SubmissionStore, DatasetStore {
  readonly storeId = "mem";
  readonly database: MemoryDatabase;
  #last: Promise<unknown> = Promise.resolve();
  alive = true;
  readonly shared: boolean;

  /** @param shared other owners may live at the same time */
  constructor(database: MemoryDatabase = new MemoryDatabase(), shared = false) {
    this.database = database;
    this.shared = shared;
  }

  #write<T>(action: () => T): Promise<T> {
    const written = this.#last.then(async () => {
      await turn();
      if (!this.alive) throw new FiresteelError("aborted", "lease was lost");
      return action();
    });
    this.#last = written.catch(() => {});
    return written;
  }

  #tell(kind: "wish" | "submission", id: string): void {
    if (this.shared) for (const listener of this.database.listeners) listener({ kind, id });
  }

  createSubmission(record: SubmissionRecord, kept = true): Promise<void> {
    return this.#write(() => {
      this.database.submissions.set(record.id, record);
      this.database.owners.set(record.id, kept ? this : null);
      if (!kept) this.#tell("wish", record.id);
      this.database.transitions.push({
        submissionId: record.id,
        at: record.createdAt,
        from: null,
        to: record.state,
        cause: record.cause,
      });
    });
  }

  updateSubmission(id: string, change: Partial<SubmissionRecord>): Promise<void> {
    return this.#write(() => {
      const before = this.database.submissions.get(id);
      if (before === undefined) throw new FiresteelError("not_found", `no such submission: ${id}`);
      if (change.state !== undefined && change.state !== before.state) {
        this.database.transitions.push({
          submissionId: id,
          at: Date.now(),
          from: before.state,
          to: change.state,
          cause: change.cause ?? "",
        });
      }
      this.database.submissions.set(id, { ...before, ...change });
      this.#tell(change.cancelRequested != null && change.state === undefined ? "wish" : "submission", id);
    });
  }

  confirmSubmissions(ids: readonly string[], confirmedAt: number): Promise<void> {
    return this.#write(() => {
      const { submissions } = this.database;
      for (const id of ids) {
        const before = submissions.get(id);
        if (before !== undefined && !ENDS.has(before.state) && (before.confirmedAt ?? 0) < confirmedAt)
          submissions.set(id, { ...before, confirmedAt });
      }
    });
  }

  async findSubmission(id: string) {
    return this.database.submissions.get(id) ?? null;
  }

  async findSubmissions(ids: readonly string[]) {
    return [...this.database.submissions.values()].filter(({ id }) => ids.includes(id));
  }

  async listSubmissions({ work, state, cluster, live }: Parameters<SubmissionStore["listSubmissions"]>[0]) {
    const rows = [...this.database.submissions.values()].filter(
      (one) =>
        (work === undefined || one.work === work) &&
        (state === undefined || one.state === state) &&
        (cluster === undefined || one.cluster === cluster) &&
        (live === undefined || live !== ENDS.has(one.state)),
    );
    return { rows: rows.reverse(), nextCursor: null };
  }

  async listTransitions(id: string) {
    return this.database.transitions.filter((one) => one.submissionId === id);
  }

  takeSubmissions(clusters: readonly string[]): Promise<readonly TakenSubmission[]> {
    return this.#write(() => {
      const { submissions, owners, keepers } = this.database;
      const free = [...submissions.values()].filter(
        (one) =>
          !ENDS.has(one.state) &&
          !owners.get(one.id)?.alive &&
          (keepers.get(one.cluster) === this || !clusters.includes(one.cluster)),
      );
      for (const { id } of free) owners.set(id, this);
      return free.map((submission) => ({ submission, asked: this.#isClaimed(submission.work) }));
    });
  }

  claimCluster(cluster: string): Promise<boolean> {
    return this.#write(() => {
      const keeper = this.database.keepers.get(cluster);
      if (keeper !== undefined && keeper !== this && keeper.alive) return false;
      this.database.keepers.set(cluster, this);
      return true;
    });
  }

  async tellCluster() {}

  #isClaimed(work: string): boolean {
    return this.database.claims.get(work)?.alive === true;
  }

  async isWorkClaimed(work: string) {
    return this.#isClaimed(work);
  }

  async confirmLease() {
    if (!this.alive) throw new FiresteelError("aborted", "lease was lost");
  }

  onChange(listener: (change: StoreChange) => void): () => void {
    this.database.listeners.add(listener);
    return () => this.database.listeners.delete(listener);
  }

  claimWork(work: string): Promise<boolean> {
    return this.#write(() => {
      const owner = this.database.claims.get(work);
      if (owner !== undefined && owner !== this && owner.alive) return false;
      this.database.claims.set(work, this);
      return true;
    });
  }

  releaseWork(work: string): Promise<void> {
    return this.#write(() => {
      if (this.database.claims.get(work) === this) this.database.claims.delete(work);
    });
  }

  async findResult(work: string) {
    return this.database.results.get(work) ?? null;
  }

  commitResult(result: BulkResult, replaces?: string): Promise<boolean> {
    return this.#write(() => {
      const before = this.database.results.get(result.work);
      if (before !== undefined && before.submissionId !== replaces && before.submissionId !== result.submissionId)
        return false;
      this.database.results.set(result.work, result);
      return true;
    });
  }

  appendLog(id: string, lines: readonly string[], source: LogSource = "submit", replace = false): Promise<void> {
    return this.#write(() => {
      const known = this.database.logs.get(id) ?? [];
      const others = known.filter((one) => !replace || one.source !== source);
      this.database.logs.set(id, [...others, ...lines.map((line) => ({ source, line }))].slice(-10_000));
    });
  }

  async readLog(id: string, source?: LogSource) {
    const known = this.database.logs.get(id) ?? [];
    return known.filter((one) => source === undefined || one.source === source).map(({ line }) => line);
  }

  async readLogs(id: string) {
    const logs = await Promise.all(
      Object.values(LogSource).map(async (source) => ({ source, lines: await this.readLog(id, source) })),
    );
    return logs.filter(({ lines }) => lines.length > 0);
  }

  recordDataset(dataset: DatasetRecord): Promise<void> {
    return this.#write(() => void this.database.datasets.unshift(dataset));
  }

  async findDataset(identity: string) {
    return this.database.datasets.filter((one) => one.identity === identity);
  }
}
