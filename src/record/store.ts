/** Opens a store: embedded (PGlite in a folder, one process) or shared (Postgres), the same tables and promises on both. */

import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import { CompiledQuery } from "kysely";
import type { ValueFolder } from "../data/value-folder.ts";
import type { FiresteelError } from "../errors.ts";
import type { ExplainStore } from "../evaluate/explain/ports.ts";
import { LogSource, type Store } from "../evaluate/ports.ts";
import { type CallWrites, callBytes, createCallWrites, findCallRecord, findCalls } from "./calls.ts";
import { CLAIM, isClaimed, RELEASE } from "./claims.ts";
import { keeperClaim, lookAround, TELL_CLUSTER } from "./clusters.ts";
import type { Ask, Db } from "./database.ts";
import { findDataset, findFileStats, RECORD_DATASET, RECORD_FILE_STAT } from "./datasets.ts";
import { DRAIN_CLUSTER, RESUME_CLUSTER, readDrains } from "./drains.ts";
import { fromDatabase } from "./errors.ts";
import { ADOPT_EXECUTIONS, CREATE_EXECUTION, findExecution, listExecutions, UPDATE_EXECUTION } from "./executions.ts";
import { lockFolder } from "./folder-lock.ts";
import { Gathered } from "./gathered.ts";
import { createJobWrites, jobBytes, listJobs, pageJobs, readJobs } from "./jobs.ts";
import { type Lease, takeLease } from "./lease.ts";
import { migrate } from "./migrate.ts";
import { Listener } from "./notices.ts";
import { callsBefore, callsOfExecution, executionsBefore, findRecordedCalls, unfinishedCalls } from "./past-calls.ts";
import { openPGlite } from "./pglite/client.ts";
import { openPostgres } from "./postgres.ts";
import { previousCalls } from "./previous-calls.ts";
import { COMMIT_RESULT, findResults } from "./results.ts";
import { findShallow, RECORD_SHALLOW } from "./shallow.ts";
import { appendLogKind, LOG_ENDS, LOG_LINES, logKey, readLog, readLogEnds, readLogs } from "./submission-logs.ts";
import {
  CONFIRM_SUBMISSIONS,
  CREATE_SUBMISSION,
  findAttempts,
  findSubmission,
  findSubmissions,
  listSubmissions,
  listTransitions,
  TAKE_SUBMISSIONS,
  UPDATE_SUBMISSION,
} from "./submissions.ts";
import { findTaskVersion, RECORD_TASK_VERSIONS } from "./task-versions.ts";
import { openValueFiles } from "./value-files.ts";
import { findValue, joinChunks, openValue, RECORD_VALUE, storedValues, valuePlaces } from "./values.ts";
import type { Lane, WriteKind } from "./write-kind.ts";
import { Writer } from "./writer.ts";

/** Where the store is. */
export type StoreLocation =
  /** A folder of this machine, made when missing; one process at a time. */
  | { readonly kind: "embedded"; readonly directory: string }
  /** A Postgres database, 15 or newer (tried: 18); any number of processes. `values` is the folder of large values, which all these processes should see; without one they are in the database. */
  | { readonly kind: "postgres"; readonly url: string; readonly values?: string };

/** What may be set about a store; every default fits. */
export interface StoreSettings {
  /** How long this process counts as alive without renewing its lease; renewed three times in that span. @default 10,000 */
  readonly leaseMs?: number;
  /** Lines kept of each source of a submission's log. @default 2,000 */
  readonly logLines?: number;
  /** Values of more bytes are files: below `values` in an embedded database's folder, or in the folder named for Postgres. At least 1: `undefined`, a single byte, has to be seen. @default 65,536 */
  readonly fileBytes?: number;
  /** Told in one line when the database cannot be reached and when it can again. @default nobody */
  readonly onNotice?: (line: string) => void;
}

export type StoreOptions = StoreLocation & StoreSettings;

/** A store with what only its owner asks. Reads see all earlier writes of this process: they wait for those that are not durable yet, and `findCalls` answers without waiting. */
export interface RecordStore extends Store, ExplainStore {
  /** Writes asked for and not settled. */
  readonly waitingWrites: number;
  /** Where workers may put large values; null where there is no folder for them. */
  readonly valueFolder: ValueFolder | null;
}

const FILE_BYTES = 64 * 1024;
/** Records in one request at most: longer lists are divided, so that a batch stays short. */
const REQUEST_RECORDS = 1_000;

interface Opened extends AsyncDisposable {
  readonly db: Db;
  readonly ask: Ask;
}

/**
 * Opens the store, brings its tables up to date and takes the lease.
 *
 * Throws `failed_precondition` when an embedded database is in use by another process (named in the message) or was made by a newer version, `unavailable` when Postgres cannot be reached.
 */
export async function openStore(options: StoreOptions): Promise<RecordStore> {
  const onNotice = options.onNotice ?? (() => undefined);
  const opened = await openDatabase(options, onNotice);
  try {
    await migrate(opened.db);
    const storeId = await nameStore(opened.db);
    const lost = Promise.withResolvers<Error>();
    let writer: Writer | null = null;
    const lease = await takeLease({
      db: opened.db,
      exclusive: options.kind === "embedded",
      ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }),
      onNotice,
      onLost: (error) => writer?.fail(error),
    });
    writer = new Writer({ db: opened.db, lease, onNotice, onFailed: (error: FiresteelError) => lost.resolve(error) });
    return assemble({
      opened,
      lease,
      listener: options.kind === "postgres" ? new Listener(options.url, onNotice) : null,
      writer,
      storeId,
      lost: lost.promise,
      logLines: options.logLines ?? LOG_LINES,
      calls: callWrites(options, onNotice),
      fileBytes: options.fileBytes ?? FILE_BYTES,
      onNotice,
    });
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw fromDatabase(error, "database cannot be opened");
  }
}

function callWrites(options: StoreOptions, onNotice: (line: string) => void): CallWrites {
  const directory = options.kind === "embedded" ? join(options.directory, "values") : options.values;
  const files = directory === undefined ? null : openValueFiles(directory, onNotice);
  return createCallWrites(files, valuePlaces(files, options.fileBytes ?? FILE_BYTES));
}

async function openDatabase(location: StoreLocation, onNotice: (line: string) => void): Promise<Opened> {
  if (location.kind === "postgres") {
    const { db, ask } = openPostgres({ url: location.url, onNotice });
    return { db, ask, [Symbol.asyncDispose]: () => db.destroy() };
  }
  const lock = await lockFolder(location.directory);
  try {
    const db = await openPGlite(join(location.directory, "data"));
    return {
      db,
      ask: async <R>(text: string, parameters: readonly unknown[]) =>
        (await db.executeQuery<R>(CompiledQuery.raw(text, [...parameters]))).rows,
      [Symbol.asyncDispose]: async () => {
        await db.destroy();
        await lock[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

/** The store's short id: made by whoever comes first, then the same for ever. */
async function nameStore(db: Db): Promise<string> {
  await db
    .insertInto("store")
    .values({ id: randomBytes(4).toString("hex") })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return (await db.selectFrom("store").select("id").executeTakeFirstOrThrow()).id;
}

interface Parts {
  readonly opened: Opened;
  readonly lease: Lease;
  /** Hears of other processes; null where there can be none. */
  readonly listener: Listener | null;
  readonly writer: Writer;
  readonly storeId: string;
  readonly lost: Promise<Error>;
  readonly logLines: number;
  readonly calls: CallWrites;
  readonly fileBytes: number;
  readonly onNotice: (line: string) => void;
}

function assemble(parts: Parts): RecordStore {
  const { opened, lease, listener, writer, storeId, lost, logLines, calls, fileBytes, onNotice } = parts;
  const { db, ask } = opened;
  const jobs = createJobWrites();
  const APPEND_LOG = appendLogKind(logLines);
  /** Reads after this process's writes to a lane, with the database's errors translated. */
  const read = async <T>(lane: Lane, what: string, run: () => Promise<T>): Promise<T> => {
    await writer.settled(lane);
    return await translated(what, run);
  };
  const readCalls = async <T>(run: () => Promise<T>): Promise<T> => {
    await writer.settled("job");
    return await read("call", "earlier calls cannot be read", run);
  };
  /** Ends dead owners first, so that what they held can be taken. */
  const take = async <P, R>(kind: WriteKind<P, R>, request: (token: string) => P): Promise<R> => {
    await translated("owners cannot be read", () => lease.endDead());
    return await writer.push(kind, request(randomUUID()), 1_000);
  };
  const results = new Gathered((works) => read("result", "result cannot be read", () => findResults(db, works)));
  const attempts = new Gathered((works) =>
    read("submission", "submissions cannot be read", () => findAttempts(db, works)),
  );
  const logEnds = new Gathered((keys) => read("log", "log cannot be read", () => readLogEnds(db, keys)), LOG_ENDS);
  const close = async (): Promise<void> => {
    await listener?.[Symbol.asyncDispose]();
    await writer[Symbol.asyncDispose]();
    try {
      await lease[Symbol.asyncDispose]();
    } catch (error) {
      // The lease then ends by itself; what matters is that the connections go.
      onNotice(fromDatabase(error, "lease could not be given back").message);
    } finally {
      await opened[Symbol.asyncDispose]();
    }
  };
  let closed: Promise<void> | null = null;
  const { files } = calls;
  const stored = storedValues(files);
  return {
    storeId,
    lost,
    valueFolder: files && { directory: files.directory, fileBytes },
    stored,
    findCalls: (evalHashes) => translated("calls cannot be read", () => findCalls(db, ask, calls, evalHashes)),
    previousCalls: (task, args) =>
      readEach(writer, "job", "previous calls cannot be read", () => previousCalls(db, calls, task, args)),
    recordCalls: (records, replace = false) =>
      inParts(records, (part) => writer.push(calls.kind, calls.requests(part, replace), callBytes(part), part.length)),
    findCallRecord: (evalHash) => read("call", "call cannot be read", () => findCallRecord(db, calls, evalHash)),
    findShallow: (evalHashes) =>
      read("shallow", "shallow results cannot be read", () => findShallow(db, files, evalHashes)),
    recordShallow: (record) => writer.push(RECORD_SHALLOW, record, record.bytes.length + 200),
    claimCall: (evalHash) => writer.push(CLAIM, { kind: "call", key: evalHash }, 200),
    releaseCall: (evalHash) => writer.push(RELEASE, { kind: "call", key: evalHash }, 200),
    findValue: (digest) => read("call", "value cannot be read", () => findValue(db, calls.files, digest)),
    putValue: async (digest, chunks) => {
      if (calls.files !== null) return await calls.files.put(digest, chunks);
      const bytes = await joinChunks(chunks);
      await writer.push(RECORD_VALUE, { digest, bytes }, bytes.length);
    },
    openValue: (digest, verify = false) =>
      read("call", "value cannot be read", () => openValue(db, calls.files, digest, verify)),

    createExecution: (execution) => writer.push(CREATE_EXECUTION, execution, execution.args.length + 500),
    updateExecution: (id, change) => writer.push(UPDATE_EXECUTION, { id, change }, (change.result?.length ?? 0) + 300),
    findExecution: (id) => read("execution", "execution cannot be read", () => findExecution(db, id)),
    listExecutions: (filter, page) =>
      read("execution", "executions cannot be read", () => listExecutions(db, filter, page)),
    adoptExecutions: (tasks) => take(ADOPT_EXECUTIONS, (token) => ({ token, tasks: tasks ?? null })),
    recordJobs: (records) => inParts(records, (part) => writer.push(jobs, part, jobBytes(part), part.length)),
    pageJobs: (executionId, page) => read("job", "jobs cannot be read", () => pageJobs(db, executionId, page)),
    readJobs: (executionId) => readEach(writer, "job", "jobs cannot be read", () => readJobs(db, executionId)),
    listJobs: (executionId) => read("job", "jobs cannot be read", () => listJobs(db, executionId)),

    recordDataset: (dataset) => writer.push(RECORD_DATASET, dataset, 500 + dataset.files.length * 150),
    findDataset: (identity) => read("dataset", "dataset cannot be read", () => findDataset(db, identity)),
    recordFileStat: (stat) => writer.push(RECORD_FILE_STAT, stat, 300),
    findFileStats: (paths) => read("file-stat", "file stats cannot be read", () => findFileStats(db, paths)),

    createSubmission: (submission, kept = true) =>
      writer.push(CREATE_SUBMISSION, { submission, at: Date.now(), kept }, 3_000),
    updateSubmission: (id, change) =>
      writer.push(UPDATE_SUBMISSION, { id, change, at: Date.now() }, 500 + (change.failure?.traceback?.length ?? 0)),
    confirmSubmissions: (ids, confirmedAt) =>
      inParts(ids, (part) =>
        writer.push(CONFIRM_SUBMISSIONS, { ids: part, confirmedAt }, 50 * part.length, part.length),
      ),
    findSubmission: (id) => read("submission", "submission cannot be read", () => findSubmission(db, id)),
    listSubmissions: (filter, page) =>
      read("submission", "submissions cannot be read", () => listSubmissions(db, filter, page)),
    findAttempts: async (work) => (await attempts.read(work)) ?? [],
    listTransitions: (id) => read("submission", "transitions cannot be read", () => listTransitions(db, id)),
    takeSubmissions: (clusters) => take(TAKE_SUBMISSIONS, (token) => ({ token, clusters })),
    findSubmissions: (ids) => read("submission", "submissions cannot be read", () => findSubmissions(db, ids)),
    claimCluster: (cluster) => writer.push(CLAIM, keeperClaim(cluster), 200),
    tellCluster: (note) => writer.push(TELL_CLUSTER, note, 1_000),
    drainCluster: (cluster, by, reason) => writer.push(DRAIN_CLUSTER, { cluster, by, reason }, 200 + reason.length),
    resumeCluster: (cluster, by) => writer.push(RESUME_CLUSTER, { cluster, by }, 200),
    listDrains: () => read("cluster", "drained clusters cannot be read", () => readDrains(db)),
    isWorkClaimed: (work) => read("claim", "claims cannot be read", () => isClaimed(db, { kind: "work", key: work })),
    confirmLease: () => translated("lease cannot be confirmed", () => lease.confirm()),
    claimWork: (work) => writer.push(CLAIM, { kind: "work", key: work }, 200),
    releaseWork: (work) => writer.push(RELEASE, { kind: "work", key: work }, 200),
    findResult: async (work) => (await results.read(work)) ?? null,
    commitResult: (result, replaces) => writer.push(COMMIT_RESULT, { result, replaces }, 2_000),
    appendLog: (submissionId, lines, source = LogSource.submit, replace = false) =>
      writer.push(
        APPEND_LOG,
        { submissionId, source, lines, replace },
        lines.reduce((sum, line) => sum + line.length + 50, 100),
      ),
    readLog: (submissionId, source) => read("log", "log cannot be read", () => readLog(db, submissionId, source)),
    readLogEnd: async (submissionId, source) => (await logEnds.read(logKey(submissionId, source))) ?? [],
    readLogs: (submissionId) => read("log", "log cannot be read", () => readLogs(db, submissionId)),

    recordTaskVersions: (versions) =>
      writer.push(
        RECORD_TASK_VERSIONS,
        versions,
        200 + versions.reduce((sum, { parts }) => sum + parts.length * 500, 0),
      ),
    findTaskVersion: (task, code) => read("code", "code cannot be read", () => findTaskVersion(db, task, code)),
    executionsBefore: (task, before, limit) =>
      read("execution", "executions cannot be read", () => executionsBefore(db, task, before, limit)),
    callsOfExecution: (id, tasks, limit) => readCalls(() => callsOfExecution(db, id, tasks, limit)),
    unfinishedCalls: (id) => readCalls(() => unfinishedCalls(db, id)),
    findRecordedCalls: (evalHashes) => readCalls(() => findRecordedCalls(db, evalHashes)),
    callsBefore: (task, before, limit) => readCalls(() => callsBefore(db, task, before, limit)),
    findArguments: (evalHash) =>
      readCalls(async () => (await findCallRecord(db, calls, evalHash))?.args.map(({ bytes }) => bytes) ?? null),

    shared: lease.shared,
    onChange: (told) => listener?.add(told) ?? (() => false),
    lookAround: async () => {
      await translated("owners cannot be read", () => lease.endDead());
      return await read("submission", "store cannot be looked at", () => lookAround(db, lease));
    },
    flushed: () => writer.flushed(),
    room: () => writer.room(),
    get waitingWrites() {
      return writer.waiting;
    },
    ping: async () => {
      await translated("database cannot be reached", () => db.selectFrom("store").select("id").execute());
    },
    [Symbol.asyncDispose]: () => {
      closed ??= close();
      return closed;
    },
  };
}

/** Asks for a long list in parts; one promise for all. */
function inParts<T>(records: readonly T[], ask: (part: readonly T[]) => Promise<void>): Promise<void> {
  if (records.length === 0) return Promise.resolve();
  if (records.length <= REQUEST_RECORDS) return ask(records);
  const parts: Promise<void>[] = [];
  for (let at = 0; at < records.length; at += REQUEST_RECORDS) parts.push(ask(records.slice(at, at + REQUEST_RECORDS)));
  const all = Promise.all(parts).then(() => undefined);
  // The same failure is told by `flushed()`.
  all.catch(() => undefined);
  return all;
}

/** Reads piece by piece after this process's writes to a lane. */
async function* readEach<T>(writer: Writer, lane: Lane, what: string, run: () => AsyncGenerator<T>): AsyncGenerator<T> {
  await writer.settled(lane);
  try {
    yield* run();
  } catch (error) {
    throw fromDatabase(error, what);
  }
}

async function translated<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw fromDatabase(error, what);
  }
}
