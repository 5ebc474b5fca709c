/**
 * The one FIFO writer of a store.
 *
 * Requests queue up; whatever is queued (up to a bound) becomes one transaction with one statement per table, and the requests' promises settle after its commit. While a transaction is under way the next batch
 * gathers, so batches grow with the load. A few requests that nobody waits for gather until {@link GATHER_MS} after the last transaction began; a lone write waits for nothing.
 *
 * A batch ends in one of these ways:
 *
 * - committed: its promises resolve;
 * - transient failure (lost connection, restart of the server, deadlock): the same batch is sent again, with backoff, before anything younger. The batch's number, stored in the owner row by the same transaction,
 *   tells whether a commit whose answer was lost took place, so that nothing is written twice;
 * - refused data: the halves of the batch are sent apart, and so on, until only the requests at fault reject;
 * - permanent failure or lost lease: this and every later request rejects, and the store says so once.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { Code, FiresteelError } from "../errors.ts";
import type { Db } from "./database.ts";
import { classify, fromDatabase } from "./errors.ts";
import { LANES, type Lane, type Prepared, type WriteKind, type Writing } from "./write-kind.ts";

/**
 * Records in one transaction at most (one request of more goes alone). Tried with 500, 1,000, 2,000 and 4,000, calls and jobs in equal parts on two busy cores: throughput differs by less than the runs do, but a reader of
 * an embedded database waits for the transaction under way (median 8, 24, 91 and 92 ms under full load).
 */
const BATCH_RECORDS = 1_000;
/** Payload bytes in one transaction at most (one larger request goes alone). */
const BATCH_BYTES = 4 * 1024 * 1024;
/**
 * A transaction costs 1.2 ms of CPU here and 0.9 in the server, however little it writes (measured on a busy machine), so a chain of calls that each wait for the one before must not be written two at a
 * time. What a crash then costs more is the work of this time; an execution's end waits for nothing.
 */
const GATHER_MS = 50;
/** More records than this do not wait. */
const GATHER_RECORDS = 200;
/** Above this much in the queue, `room` waits. */
const ROOM_RECORDS = 50_000;
const ROOM_BYTES = 64 * 1024 * 1024;
const BACKOFF_FIRST_MS = 50;
const BACKOFF_LAST_MS = 2_000;
/** How long closing waits for a database that cannot be reached. */
const CLOSE_MS = 10_000;

type AnyKind = WriteKind<unknown, unknown>;

interface Entry {
  readonly kind: AnyKind;
  readonly payload: unknown;
  readonly bytes: number;
  /** Records in the payload. */
  readonly records: number;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: FiresteelError) => void;
}

interface Group {
  readonly kind: AnyKind;
  readonly entries: Entry[];
}

/** Requests of one transaction, ready to be sent. */
interface Batch {
  readonly entries: readonly Entry[];
  readonly groups: readonly (Group & { readonly run: Prepared<unknown> })[];
}

/** What the writer needs of the lease. */
export interface WriterLease extends Writing {
  /** Locks and renews the owner row and stores the batch's number; throws `aborted` when the epoch is stale. */
  fence(db: Db, batch: number): Promise<void>;
  /** The number of the last committed batch, or throws `aborted`. */
  lastBatch(db: Db): Promise<number>;
}

export interface WriterOptions {
  readonly db: Db;
  readonly lease: WriterLease;
  /** A line for the log when writing stalls and when it goes on. */
  readonly onNotice: (line: string) => void;
  /** Told once when nothing can be written any more. */
  readonly onFailed: (error: FiresteelError) => void;
}

/** See the head of this file. */
export class Writer implements AsyncDisposable {
  readonly #options: WriterOptions;
  #queue: Entry[] = [];
  #head = 0;
  #queuedBytes = 0;
  #queuedRecords = 0;
  #batch = 0;
  #running: Promise<void> | null = null;
  /** When the last batch was begun. */
  #began = 0;
  /** Somebody waits for something in the queue. */
  #urgent = false;
  #hurry: (() => void) | null = null;
  #failed: FiresteelError | null = null;
  #unreported: FiresteelError | null = null;
  readonly #closing = new AbortController();
  readonly #tails = new Map<Lane, Promise<unknown>>();
  #roomWaiters: (() => void)[] = [];
  #idleWaiters: { readonly after: number; readonly wake: () => void }[] = [];
  #asked = 0;
  #settled = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /**
   * Puts one request into the queue; resolves with its answer when it is durable.
   *
   * A caller may drop the promise: a rejection then shows in the next `flushed()` and, when it is permanent, in the store's `lost`.
   */
  push<P, R>(kind: WriteKind<P, R>, payload: P, bytes: number, records = 1): Promise<R> {
    if (this.#failed !== null) return handled(Promise.reject(this.#failed));
    if (this.#closing.signal.aborted) return handled(Promise.reject(closedError()));
    const promise = new Promise<R>((resolve, reject) => {
      this.#queue.push({
        kind: kind as AnyKind,
        payload,
        bytes,
        records,
        resolve: resolve as (answer: unknown) => void,
        reject,
      });
    });
    kind.queued?.(payload);
    this.#asked += 1;
    this.#queuedBytes += bytes;
    this.#queuedRecords += records;
    this.#tails.set(kind.lane, promise);
    if (kind.patient !== true || this.#queuedRecords > GATHER_RECORDS) this.#hasten();
    // The rest of this turn of the event loop still gets into the first batch.
    this.#running ??= nextTurn().then(() => this.#run());
    return handled(promise);
  }

  /** Settles when the newest request of a lane is settled: a read after it sees this process's own writes. */
  async settled(lane: Lane): Promise<void> {
    if (this.#queuedRecords <= GATHER_RECORDS && this.#queue.some((entry) => entry.kind.lane === lane)) this.#hasten();
    await this.#tails.get(lane)?.catch(() => undefined);
  }

  /** Resolves when everything asked for so far is durable; rejects when a write failed since the last `flushed()`. */
  async flushed(): Promise<void> {
    if (this.#settled < this.#asked) {
      this.#hasten();
      await new Promise<void>((wake) => this.#idleWaiters.push({ after: this.#asked, wake }));
    }
    const error = this.#failed ?? this.#unreported;
    this.#unreported = null;
    if (error !== null) throw error;
  }

  /** Null while the queue is short enough to add to; otherwise resolves when it is again. A caller that does not await its writes awaits this, and memory stays bounded. */
  room(): Promise<void> | null {
    return this.#crowded ? this.#hasRoom() : null;
  }

  get #crowded(): boolean {
    return this.#failed === null && (this.#queuedRecords > ROOM_RECORDS || this.#queuedBytes > ROOM_BYTES);
  }

  async #hasRoom(): Promise<void> {
    while (this.#crowded) await new Promise<void>((wake) => this.#roomWaiters.push(wake));
  }

  /** Makes this and every later request reject. */
  fail(error: FiresteelError): void {
    if (this.#failed !== null) return;
    this.#failed = error;
    this.#options.onFailed(error);
  }

  /** Writes what is queued, or gives up after 10 s without a database, and refuses more. */
  async [Symbol.asyncDispose](): Promise<void> {
    const giveUp = setTimeout(() => this.#closing.abort(), CLOSE_MS);
    try {
      this.#hasten();
      while (this.#running !== null) await this.#running;
    } finally {
      clearTimeout(giveUp);
      this.#closing.abort();
    }
  }

  async #run(): Promise<void> {
    let next: Batch | null = null;
    while (next !== null || this.#head < this.#queue.length) {
      if (next === null) await this.#gather();
      const batch: Batch = next ?? prepareBatch(this.#take());
      const written = this.#writeBatch(batch);
      // While the database works the next batch is made ready, if it is full already; otherwise it goes on gathering.
      await nextTurn();
      next = this.#queuedRecords >= BATCH_RECORDS ? prepareBatch(this.#take()) : null;
      await written;
      this.#wake();
    }
    this.#running = null;
  }

  /** Waits while what is queued may wait for more. */
  async #gather(): Promise<void> {
    const left = this.#began + GATHER_MS - performance.now();
    if (left > 0 && !this.#urgent && this.#queuedRecords <= GATHER_RECORDS)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#hurry = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    this.#hurry = null;
  }

  #hasten(): void {
    this.#urgent = true;
    this.#hurry?.();
  }

  #take(): Entry[] {
    const start = this.#head;
    let bytes = 0;
    let records = 0;
    while (this.#head < this.#queue.length) {
      const next = this.#queue[this.#head] as Entry;
      if (records > 0 && (bytes + next.bytes > BATCH_BYTES || records + next.records > BATCH_RECORDS)) break;
      bytes += next.bytes;
      records += next.records;
      this.#head += 1;
    }
    const batch = this.#queue.slice(start, this.#head);
    this.#queuedBytes -= bytes;
    this.#queuedRecords -= records;
    this.#began = performance.now();
    if (this.#head === this.#queue.length) this.#urgent = false;
    // Moving the rest forward costs as much as it is long: do it when at least half of the array is dead.
    if (this.#head * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return batch;
  }

  #wake(): void {
    for (const wake of this.#roomWaiters.splice(0)) wake();
    this.#idleWaiters = this.#idleWaiters.filter(({ after, wake }) => {
      if (this.#settled < after) return true;
      wake();
      return false;
    });
  }

  async #writeBatch(batch: Batch): Promise<void> {
    if (this.#failed !== null) return this.#reject(batch, this.#failed);
    this.#batch += 1;
    try {
      const answers = await this.#commit(batch, this.#batch);
      for (const { kind, entries } of batch.groups) kind.settled?.(entries.map(payloadOf), true);
      this.#count(batch);
      for (const entry of batch.entries) entry.resolve(answers.get(entry));
    } catch (error) {
      const failure = classify(error);
      const halves = failure === "data" ? halve(batch.entries) : null;
      if (halves !== null) {
        for (const half of halves) await this.#writeBatch(prepareBatch(half));
        return;
      }
      const translated =
        this.#failed ??
        fromDatabase(error, `${batch.groups.map((group) => group.kind.name).join(", ")} could not be recorded`);
      if (failure === "permanent") this.fail(translated);
      this.#reject(batch, translated);
    }
  }

  #reject(batch: Batch, error: FiresteelError): void {
    this.#unreported ??= error;
    for (const { kind, entries } of batch.groups) kind.settled?.(entries.map(payloadOf), false);
    this.#count(batch);
    for (const entry of batch.entries) entry.reject(error);
  }

  /** The first part of a divided request does not count: the last one ends it. */
  #count(batch: Batch): void {
    for (const entry of batch.entries) if (!PARTS.has(entry)) this.#settled += 1;
  }

  /** Runs one transaction until it is known to be committed or failed for another reason than the connection. */
  async #commit(batch: Batch, number: number): Promise<ReadonlyMap<Entry, unknown>> {
    const { db, lease, onNotice } = this.#options;
    for (const { kind, entries } of batch.groups) await kind.before?.(entries.map(payloadOf));
    let backoffMs = BACKOFF_FIRST_MS;
    for (let attempt = 1; ; attempt++) {
      try {
        const again = attempt > 1;
        const answers = await db.transaction().execute(async (trx) => {
          const committed = again && (await lease.lastBatch(trx)) >= number;
          await lease.fence(trx, number);
          return await runBatch(trx, batch, lease, committed);
        });
        if (again) onNotice(`database answers again; writing goes on after ${attempt - 1} failed tries`);
        return answers;
      } catch (error) {
        if (classify(error) !== "transient") throw error;
        if (this.#closing.signal.aborted)
          throw fromDatabase(error, "store was closed while the database could not be reached");
        if (this.#failed !== null) throw this.#failed;
        if (attempt === 1) onNotice(`${fromDatabase(error, "database cannot be written; trying again").message}`);
        await sleep(backoffMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
        backoffMs = Math.min(backoffMs * 2, BACKOFF_LAST_MS);
      }
    }
  }

  /** How much waits, for metrics. */
  get waiting(): number {
    return this.#asked - this.#settled;
  }
}

/** First parts of requests that were divided. */
const PARTS = new WeakSet<Entry>();

/** The two halves of what was refused, by requests or else within the only one; null where it is a single record. */
function halve(entries: readonly Entry[]): readonly (readonly Entry[])[] | null {
  if (entries.length > 1) {
    const half = entries.length >> 1;
    return [entries.slice(0, half), entries.slice(half)];
  }
  const [entry] = entries;
  const payloads = entry?.kind.halve?.(entry.payload) ?? null;
  if (entry === undefined || payloads === null) return null;
  let refused: FiresteelError | null = null;
  const first: Entry = {
    ...entry,
    payload: payloads[0],
    resolve: () => undefined,
    reject: (error) => {
      refused = error;
    },
  };
  const second: Entry = {
    ...entry,
    payload: payloads[1],
    resolve: (answer) => (refused === null ? entry.resolve(answer) : entry.reject(refused)),
    reject: (error) => entry.reject(refused ?? error),
  };
  PARTS.add(first);
  if (PARTS.has(entry)) PARTS.add(second);
  return [[first], [second]];
}

async function runBatch(
  db: Db,
  batch: Batch,
  writing: Writing,
  committed: boolean,
): Promise<ReadonlyMap<Entry, unknown>> {
  const answers = new Map<Entry, unknown>();
  for (const { kind, entries, run } of batch.groups) {
    const given = committed && !kind.repeatable ? [] : await run(db, writing);
    entries.forEach((entry, at) => {
      answers.set(entry, given[at]);
    });
  }
  return answers;
}

/** A request that cannot even be prepared fails when the batch is run, as refused data. */
function prepareBatch(entries: readonly Entry[]): Batch {
  const prepare = ({ kind, entries }: Group): Prepared<unknown> => {
    try {
      return kind.prepare(entries.map(payloadOf));
    } catch (error) {
      return () => Promise.reject(error);
    }
  };
  return { entries, groups: groupEntries(entries).map((group) => ({ ...group, run: prepare(group) })) };
}

/** Requests of one kind that follow each other within their lane become one group; groups come in the order of the lanes, then of the requests, where they depend on others. */
function groupEntries(batch: readonly Entry[]): readonly Group[] {
  const lanes = new Map<Lane, Group[]>();
  const isFirst = ({ kind }: Entry) => kind.first === true;
  for (const entry of [...batch.filter(isFirst), ...batch.filter((one) => !isFirst(one))]) {
    const lane = lanes.get(entry.kind.lane);
    const last = lane?.at(-1);
    if (lane === undefined) lanes.set(entry.kind.lane, [{ kind: entry.kind, entries: [entry] }]);
    else if (last?.kind === entry.kind) last.entries.push(entry);
    else lane.push({ kind: entry.kind, entries: [entry] });
  }
  return LANES.flatMap((lane) => lanes.get(lane) ?? []);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function payloadOf(entry: Entry): unknown {
  return entry.payload;
}

function closedError(): FiresteelError {
  return new FiresteelError(Code.failedPrecondition, "store is closed");
}

/** Marks a promise as handled: the same failure is told by `flushed()`, so dropping it must not end the process. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
