/**
 * The parts of the store that bulk work needs, in memory: one database, any number of owners.
 *
 * Writes become durable in the order asked for, all that wait at once together, a turn of the event loop after they were asked for (or when `reach` says). An owner that was silent for longer than its lease is ended by
 * whoever looks, and writes nothing more. `test/record/store.suite.ts` runs on this and on the real ones.
 */

import { setImmediate as turn } from "node:timers/promises";
import { Code, FiresteelError } from "../../src/errors.ts";
import {
  type BulkResult,
  type ClusterDrain,
  type ClusterNote,
  type ClusterStore,
  type DatasetRecord,
  type DatasetStore,
  LogSource,
  type Page,
  type PageRequest,
  type SourceLog,
  type StoreChange,
  type SubmissionRecord,
  type SubmissionStore,
  type Surroundings,
  type TakenSubmission,
} from "../../src/evaluate/ports.ts";
import { ENDS, MemoryDatabase, type Owner } from "./memory-database.ts";

export { MemoryDatabase };

/** How long a submission of a dead owner waits for a process that has its cluster. */
const STRAY_MS = 60_000;
const LEASE_MS = 10_000;
const LOG_LINES = 2_000;
const LOG_BYTES = 512 * 1024;
const LINE_LENGTH = 8_000;

export interface MemoryStoreOptions {
  /** Other owners may live at the same time. @default false */
  readonly shared?: boolean;
  /** @default 10,000 */
  readonly leaseMs?: number;
  readonly logLines?: number;
  /** How a request gets to the database: resolves there, or rejects with `unavailable` for a read while it is away. @default a turn of the event loop for writes, at once for reads */
  readonly reach?: (kind: "read" | "write") => Promise<void>;
}

interface Queued {
  readonly action: () => unknown;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** One process's view of the database. */
export class MemoryStore implements SubmissionStore, DatasetStore, ClusterStore {
  readonly storeId = "mem";
  readonly database: MemoryDatabase;
  readonly shared: boolean;
  readonly owner: Owner;
  readonly lost: Promise<Error>;
  readonly #lose: (error: Error) => void;
  readonly #reach: (kind: "read" | "write") => Promise<void>;
  readonly #logLines: number;
  #queue: Queued[] = [];
  #writing: Promise<void> | null = null;
  #last: Promise<unknown> = Promise.resolve();
  /** What a write was refused with that nobody has heard of by `flushed`. */
  #refused: FiresteelError | null = null;
  #renewedAt: number;
  /** When renewing began to succeed after it had failed; null while it fails. */
  #steadySince: number | null = Number.NEGATIVE_INFINITY;
  #closed = false;
  #callOff: () => void = () => {};

  constructor(database: MemoryDatabase = new MemoryDatabase(), options: MemoryStoreOptions = {}) {
    this.database = database;
    this.shared = options.shared ?? false;
    this.#reach = options.reach ?? (async (kind) => (kind === "write" ? await turn() : undefined));
    this.#logLines = options.logLines ?? LOG_LINES;
    const lost = Promise.withResolvers<Error>();
    this.lost = lost.promise;
    this.#lose = lost.resolve;
    this.owner = database.own(options.leaseMs ?? LEASE_MS);
    if (this.shared) database.endExpired(this.owner);
    else for (const one of database.processes) if (one !== this.owner) database.end(one);
    this.#renewedAt = database.clock.elapsed();
  }

  /** False from the end of its lease on. */
  get alive(): boolean {
    return this.owner.alive;
  }

  set alive(alive: boolean) {
    if (!alive) this.database.end(this.owner);
  }

  /** Gives signs of life from time to time, by a process's own clock. */
  keepAlive(after: (ms: number, action: () => void) => () => void): void {
    this.#callOff = after(this.owner.leaseMs / 3, () => {
      void this.#renew().catch(() => undefined);
      this.keepAlive(after);
    });
  }

  // ------------------------------------------------------------------------------------------- reaching it

  protected write<T>(action: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(new FiresteelError(Code.failedPrecondition, "store is closed"));
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#queue.push({ action, resolve, reject });
    this.#last = promise.catch(() => undefined);
    this.#writing ??= this.#flush();
    return promise as Promise<T>;
  }

  protected async read<T>(action: () => T): Promise<T> {
    await this.#last;
    await this.#reach("read");
    return action();
  }

  /** Like `read`, without waiting for this process's own writes. */
  protected look(): Promise<void> {
    return this.#reach("read");
  }

  async #flush(): Promise<void> {
    while (this.#queue.length > 0) {
      await this.#reach("write");
      const batch = this.#queue;
      this.#queue = [];
      this.#renewed(this.database.clock.elapsed());
      for (const { action, resolve, reject } of batch) {
        try {
          if (!this.owner.alive) throw this.#lostLease();
          resolve(action());
        } catch (error) {
          this.#refused ??= FiresteelError.from(error);
          reject(error);
        }
      }
    }
    this.#writing = null;
  }

  #lostLease(): FiresteelError {
    const error = new FiresteelError(Code.aborted, `lease was lost (owner ${this.owner.id})`, { retryable: false });
    this.#lose(error);
    return error;
  }

  #renewed(asked: number): void {
    if (!this.owner.alive) return;
    const now = this.database.clock.elapsed();
    if (now - this.#renewedAt > this.owner.leaseMs) this.#steadySince = null;
    this.#steadySince ??= now;
    this.#renewedAt = asked;
    this.owner.heartbeat = this.database.clock.now();
  }

  async #renew(): Promise<void> {
    const asked = this.database.clock.elapsed();
    try {
      await this.#reach("read");
    } catch (error) {
      this.#steadySince = null;
      throw error;
    }
    if (!this.owner.alive) throw this.#lostLease();
    this.#renewed(asked);
  }

  /** Ends owners that are dead, where this one may judge: who could not reach the database itself gives others the time to. */
  protected endDead(): number {
    const { clock } = this.database;
    const steady = this.#steadySince !== null && clock.elapsed() - this.#steadySince >= this.owner.leaseMs;
    return this.shared && steady ? this.database.endExpired(this.owner) : 0;
  }

  protected claim<K>(claims: Map<K, Owner>, key: K): boolean {
    let holder = claims.get(key);
    if (holder?.alive && holder !== this.owner && this.endDead() > 0) holder = claims.get(key);
    if (holder?.alive && holder !== this.owner) return false;
    claims.set(key, this.owner);
    return true;
  }

  protected release<K>(claims: Map<K, Owner>, key: K): void {
    if (claims.get(key) === this.owner) claims.delete(key);
  }

  protected tell(kind: "wish" | "submission" | "execution", id: string): void {
    if (this.shared) this.database.tell({ kind, id });
  }

  async flushed(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
    const refused = this.#refused;
    this.#refused = null;
    if (refused !== null) throw refused;
  }

  room(): null {
    return null;
  }

  ping(): Promise<void> {
    return this.#reach("read");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#callOff();
    await this.flushed().catch(() => undefined);
    this.#closed = true;
    this.database.end(this.owner);
  }

  async confirmLease(): Promise<void> {
    if (!this.shared && this.owner.alive) return;
    if (this.owner.alive && this.database.clock.elapsed() - this.#renewedAt < this.owner.leaseMs / 2) return;
    // As long as the database is away nobody can take over, and nothing is confirmed.
    await this.#reach("write");
    if (!this.owner.alive) throw this.#lostLease();
    this.#renewed(this.database.clock.elapsed());
  }

  onChange(listener: (change: StoreChange) => void): () => void {
    const { listeners } = this.database;
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  lookAround(): Promise<Surroundings> {
    return this.read(() => {
      this.endDead();
      const { executions, owners, keepers, notes } = this.database;
      const running = [...executions.values()].filter(({ record }) => record.state === "running");
      const present = this.database.listPresent();
      return {
        executions: running.some(({ owner }) => !owner.alive),
        submissions: present.some((one) => !owners.get(one.id)?.alive),
        cancelledExecutions: running
          .filter(({ record, owner }) => record.cancelRequested && owner === this.owner)
          .map(({ record }) => record.id),
        cancelledSubmissions: present
          .filter((one) => owners.get(one.id) === this.owner && !ENDS.has(one.state))
          .filter((one) => one.state !== "cancelling" && one.cancelRequested !== null)
          .map(({ id }) => id),
        drains: [...this.database.drains.values()],
        keptClusters: new Map([...keepers.keys()].map((name) => [name, notes.get(name) ?? {}])),
      };
    });
  }

  // ------------------------------------------------------------------------------------------- submissions

  createSubmission(record: SubmissionRecord, kept = true): Promise<void> {
    return this.write(() => {
      const { submissions, owners, followed, transitions } = this.database;
      const { byName, byWork } = this.database;
      if (submissions.has(record.id) || byName.has(record.livyName))
        throw new FiresteelError(Code.alreadyExists, `submission exists already: ${record.livyName}`);
      this.database.save(record);
      byName.set(record.livyName, record.id);
      byWork.set(record.work, [...(byWork.get(record.work) ?? []), record.id]);
      owners.set(record.id, kept ? this.owner : null);
      if (!kept) followed.add(record.id);
      transitions.push({
        submissionId: record.id,
        at: this.database.clock.now(),
        from: null,
        to: record.state,
        cause: record.cause,
      });
      if (!kept) this.tell("wish", record.id);
    });
  }

  updateSubmission(id: string, change: Partial<SubmissionRecord>): Promise<void> {
    return this.write(() => {
      const before = this.database.submissions.get(id);
      if (before === undefined) throw new FiresteelError(Code.notFound, `submission is not known: ${id}`);
      if (change.state !== undefined && change.state !== before.state) {
        this.database.transitions.push({
          submissionId: id,
          at: this.database.clock.now(),
          from: before.state,
          to: change.state,
          cause: change.cause ?? before.cause,
        });
      }
      this.database.save({ ...before, ...change });
      if (!this.database.followed.has(id)) return;
      if (Object.keys(change).some((field) => field !== "confirmedAt")) this.tell("submission", id);
      if (change.cancelRequested != null && change.state === undefined) this.tell("wish", id);
    });
  }

  confirmSubmissions(ids: readonly string[], confirmedAt: number): Promise<void> {
    return this.write(() => {
      const { submissions } = this.database;
      for (const id of ids) {
        const before = submissions.get(id);
        if (before !== undefined && !ENDS.has(before.state) && (before.confirmedAt ?? 0) < confirmedAt)
          this.database.save({ ...before, confirmedAt });
      }
    });
  }

  findSubmission(id: string): Promise<SubmissionRecord | null> {
    return this.read(() => this.database.submissions.get(id) ?? null);
  }

  findSubmissions(ids: readonly string[]): Promise<readonly SubmissionRecord[]> {
    return this.read(() => ids.flatMap((id) => this.database.submissions.get(id) ?? []));
  }

  listSubmissions(
    { work, state, cluster, executionId, live }: Parameters<SubmissionStore["listSubmissions"]>[0],
    page: PageRequest,
  ): Promise<Page<SubmissionRecord>> {
    return this.read(() => {
      const { submissions, byWork } = this.database;
      const rows =
        work === undefined ? [...submissions.values()] : (byWork.get(work) ?? []).map((id) => submissions.get(id)!);
      return pageOf(
        rows.filter(
          (one) =>
            (state === undefined || one.state === state) &&
            (cluster === undefined || one.cluster === cluster) &&
            (executionId === undefined || one.executionId === executionId) &&
            (live === undefined || live !== ENDS.has(one.state)),
        ),
        page,
      );
    });
  }

  findAttempts(work: string): Promise<readonly SubmissionRecord[]> {
    return this.read(() => {
      const { submissions, byWork } = this.database;
      return (byWork.get(work) ?? [])
        .slice(-100)
        .reverse()
        .map((id) => submissions.get(id)!);
    });
  }

  listTransitions(id: string) {
    return this.read(() => this.database.transitions.filter((one) => one.submissionId === id));
  }

  takeSubmissions(clusters: readonly string[]): Promise<readonly TakenSubmission[]> {
    return this.write(() => {
      this.endDead();
      const { submissions, owners, keepers, followed, clock } = this.database;
      const strayMs = this.shared ? STRAY_MS : 0;
      const isStray = ({ id, cluster }: SubmissionRecord) =>
        !clusters.includes(cluster) &&
        !keepers.has(cluster) &&
        (owners.get(id)?.endedAt ?? Number.POSITIVE_INFINITY) <= clock.now() - strayMs;
      const free = this.database
        .listPresent()
        .filter(
          (one) =>
            !owners.get(one.id)?.alive &&
            ((keepers.get(one.cluster) === this.owner && clusters.includes(one.cluster)) || isStray(one)),
        );
      for (const { id } of free) {
        owners.set(id, this.owner);
        if (this.shared) followed.add(id);
        else followed.delete(id);
      }
      const taken = new Set(free.map(({ id }) => id));
      this.database.cancelAbandoned(({ id }) => taken.has(id));
      return free.map(({ id, work }) => ({ submission: submissions.get(id)!, asked: this.#isClaimed(work) }));
    });
  }

  claimCluster(cluster: string): Promise<boolean> {
    return this.write(() => this.claim(this.database.keepers, cluster));
  }

  tellCluster({ name, status }: ClusterNote): Promise<void> {
    return this.write(() => void this.database.notes.set(name, status));
  }

  drainCluster(cluster: string, by: string, reason: string): Promise<ClusterDrain> {
    return this.write(() => {
      const { drains, clock } = this.database;
      const drain = drains.get(cluster) ?? { cluster, at: clock.now(), by: storable(by), reason: storable(reason) };
      drains.set(cluster, drain);
      this.tell("wish", cluster);
      return drain;
    });
  }

  resumeCluster(cluster: string): Promise<ClusterDrain | null> {
    return this.write(() => {
      const drain = this.database.drains.get(cluster) ?? null;
      this.database.drains.delete(cluster);
      this.tell("wish", cluster);
      return drain;
    });
  }

  listDrains(): Promise<readonly ClusterDrain[]> {
    return this.read(() => [...this.database.drains.values()]);
  }

  #isClaimed(work: string): boolean {
    return this.database.claims.get(work)?.alive === true;
  }

  isWorkClaimed(work: string): Promise<boolean> {
    return this.read(() => this.#isClaimed(work));
  }

  claimWork(work: string): Promise<boolean> {
    return this.write(() => this.claim(this.database.claims, work));
  }

  releaseWork(work: string): Promise<void> {
    return this.write(() => this.release(this.database.claims, work));
  }

  findResult(work: string): Promise<BulkResult | null> {
    return this.read(() => this.database.results.get(work) ?? null);
  }

  commitResult(result: BulkResult, replaces?: string): Promise<boolean> {
    return this.write(() => {
      const before = this.database.results.get(result.work);
      if (before !== undefined && before.submissionId !== replaces && before.submissionId !== result.submissionId)
        return false;
      this.database.results.set(result.work, result);
      this.database.commits.push(result);
      return true;
    });
  }

  appendLog(id: string, lines: readonly string[], source: LogSource = "submit", replace = false): Promise<void> {
    return this.write(() => {
      const known = (this.database.logs.get(id) ?? []).filter((one) => !replace || one.source !== source);
      const all = [...known, ...lines.map((line) => ({ source, line: storable(shortened(line)) }))];
      let [left, bytes] = [this.#logLines, LOG_BYTES];
      const isKept = ({ source: of, line }: (typeof all)[number]) => {
        if (of !== source) return true;
        bytes -= Buffer.byteLength(line) + 1;
        return left-- > 0 && bytes >= 0;
      };
      this.database.logs.set(id, all.reverse().filter(isKept).reverse());
    });
  }

  readLog(id: string, source?: LogSource): Promise<readonly string[]> {
    return this.read(() => {
      const known = this.database.logs.get(id) ?? [];
      return known.filter((one) => source === undefined || one.source === source).map(({ line }) => line);
    });
  }

  async readLogEnd(id: string, source: LogSource): Promise<readonly string[]> {
    return (await this.readLog(id, source)).slice(-200);
  }

  async readLogs(id: string): Promise<readonly SourceLog[]> {
    const logs: SourceLog[] = [];
    for (const source of Object.values(LogSource)) logs.push({ source, lines: await this.readLog(id, source) });
    return logs.filter(({ lines }) => lines.length > 0);
  }

  // ------------------------------------------------------------------------------------------- datasets

  recordDataset(dataset: DatasetRecord): Promise<void> {
    return this.write(() => {
      const { datasets } = this.database;
      const isSame = (one: DatasetRecord) => one.identity === dataset.identity && one.location === dataset.location;
      const at = datasets.findIndex(isSame);
      if (at >= 0) datasets.splice(at, 1);
      datasets.unshift(dataset);
    });
  }

  findDataset(identity: string): Promise<readonly DatasetRecord[]> {
    return this.read(() => {
      const places = this.database.datasets.filter((one) => one.identity === identity);
      // How many rows there are and of what kind is the dataset's own, whoever found out.
      const rows = places.find((one) => one.rows !== null)?.rows ?? null;
      return places.map((one) => ({ ...one, rows: one.rows ?? rows }));
    });
  }
}

function shortened(line: string): string {
  return line.length <= LINE_LENGTH
    ? line
    : `${line.slice(0, LINE_LENGTH)} ... ${line.length - LINE_LENGTH} characters left out`;
}

/** Text as Postgres takes it. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\u2400");
}

/** A page of what was inserted in this order, newest first. */
export function pageOf<T>(rows: readonly T[], { limit, cursor }: PageRequest): Page<T> {
  const end = cursor === undefined ? rows.length : Number(cursor);
  if (limit < 1 || !Number.isSafeInteger(end))
    throw new FiresteelError(Code.invalidArgument, `page cannot be given: ${limit} from ${cursor}`);
  const start = Math.max(0, end - limit);
  return { rows: rows.slice(start, end).reverse(), nextCursor: start === 0 ? null : String(start) };
}
