/** Opens a store: embedded (PGlite in a folder, one process) or shared (Postgres), the same tables and promises on both. */

import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import type { FiresteelError } from "../errors.ts";
import type { Store } from "../evaluate/ports.ts";
import { callBytes, createCallWrites, findCalls, findValue } from "./calls.ts";
import { CLAIM, RELEASE } from "./claims.ts";
import type { Db } from "./database.ts";
import { findDataset, findFileStats, RECORD_DATASET, RECORD_FILE_STAT } from "./datasets.ts";
import { fromDatabase } from "./errors.ts";
import { ADOPT_EXECUTIONS, CREATE_EXECUTION, findExecution, listExecutions, UPDATE_EXECUTION } from "./executions.ts";
import { lockFolder } from "./folder-lock.ts";
import { listJobs, RECORD_JOB } from "./jobs.ts";
import { endExpired, type Lease, takeLease } from "./lease.ts";
import { migrate } from "./migrate.ts";
import { openPGlite } from "./pglite/client.ts";
import { openPostgres } from "./postgres.ts";
import { COMMIT_RESULT, findResult } from "./results.ts";
import { findShallow, RECORD_SHALLOW } from "./shallow.ts";
import { appendLogKind, LOG_LINES, readLog } from "./submission-logs.ts";
import {
  ADOPT_SUBMISSIONS,
  CREATE_SUBMISSION,
  findSubmission,
  listSubmissions,
  listTransitions,
  UPDATE_SUBMISSION,
} from "./submissions.ts";
import type { Lane, WriteKind } from "./write-kind.ts";
import { Writer } from "./writer.ts";

/** Where the store is. */
export type StoreLocation =
  /** A folder of this machine, made when missing; one process at a time. */
  | { readonly kind: "embedded"; readonly directory: string }
  /** A Postgres database, 15 or newer (tried: 18); any number of processes. */
  | { readonly kind: "postgres"; readonly url: string };

/** What may be set about a store; every default fits. */
export interface StoreSettings {
  /** How long this process counts as alive without renewing its lease; renewed three times in that span. @default 15,000 */
  readonly leaseMs?: number;
  /** Lines kept of each submission's log. @default 2,000 */
  readonly logLines?: number;
  /** Told in one line when the database cannot be reached and when it can again. @default nobody */
  readonly onNotice?: (line: string) => void;
}

export type StoreOptions = StoreLocation & StoreSettings;

/** A store with what only its owner asks. Reads see all earlier writes of this process: they wait for those that are not durable yet, and `findCalls` answers without waiting. */
export interface RecordStore extends Store {
  /** Writes asked for and not settled. */
  readonly waitingWrites: number;
}

interface Opened extends AsyncDisposable {
  readonly db: Db;
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
      writer,
      storeId,
      lost: lost.promise,
      logLines: options.logLines ?? LOG_LINES,
      onNotice,
    });
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw fromDatabase(error, "database cannot be opened");
  }
}

async function openDatabase(location: StoreLocation, onNotice: (line: string) => void): Promise<Opened> {
  if (location.kind === "postgres") {
    const db = openPostgres({ url: location.url, onNotice });
    return { db, [Symbol.asyncDispose]: () => db.destroy() };
  }
  const lock = await lockFolder(location.directory);
  try {
    const db = await openPGlite(join(location.directory, "data"));
    return {
      db,
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
  readonly writer: Writer;
  readonly storeId: string;
  readonly lost: Promise<Error>;
  readonly logLines: number;
  readonly onNotice: (line: string) => void;
}

function assemble({ opened, lease, writer, storeId, lost, logLines, onNotice }: Parts): RecordStore {
  const { db } = opened;
  const calls = createCallWrites();
  const APPEND_LOG = appendLogKind(logLines);
  /** Reads after this process's writes to a lane, with the database's errors translated. */
  const read = async <T>(lane: Lane, what: string, run: () => Promise<T>): Promise<T> => {
    await writer.settled(lane);
    return await translated(what, run);
  };
  /** Ends dead owners first, so that what they held can be taken. */
  const adopt = async <R>(kind: WriteKind<string, R>): Promise<R> => {
    await translated("owners cannot be read", () => endExpired(db, lease));
    return await writer.push(kind, randomUUID(), 100);
  };
  const close = async (): Promise<void> => {
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
  return {
    storeId,
    lost,
    findCalls: (evalHashes) => translated("calls cannot be read", () => findCalls(db, calls, evalHashes)),
    recordCall: (call, replace = false) => writer.push(calls.kind, { call, replace }, callBytes(call)),
    // The last one tells for all: the writer is first in, first out.
    recordCalls: (records, replace = false) =>
      records.reduce(
        (_, call) => writer.push(calls.kind, { call, replace }, callBytes(call)),
        Promise.resolve() as Promise<void>,
      ),
    findShallow: (evalHashes) => read("shallow", "shallow results cannot be read", () => findShallow(db, evalHashes)),
    recordShallow: (record) => writer.push(RECORD_SHALLOW, record, record.bytes.length + 200),
    claimCall: (evalHash) => writer.push(CLAIM, { kind: "call", key: evalHash }, 200),
    releaseCall: (evalHash) => writer.push(RELEASE, { kind: "call", key: evalHash }, 200),
    findValue: (digest) => read("call", "value cannot be read", () => findValue(db, digest)),

    createExecution: (execution) => writer.push(CREATE_EXECUTION, execution, execution.args.length + 500),
    updateExecution: (id, change) => writer.push(UPDATE_EXECUTION, { id, change }, (change.result?.length ?? 0) + 300),
    findExecution: (id) => read("execution", "execution cannot be read", () => findExecution(db, id)),
    listExecutions: (filter, page) =>
      read("execution", "executions cannot be read", () => listExecutions(db, filter, page)),
    adoptExecutions: () => adopt(ADOPT_EXECUTIONS),
    recordJob: (job) => writer.push(RECORD_JOB, job, 500 + (job.error?.stack?.length ?? 0)),
    recordJobs: (jobs) =>
      jobs.reduce(
        (_, job) => writer.push(RECORD_JOB, job, 500 + (job.error?.stack?.length ?? 0)),
        Promise.resolve() as Promise<void>,
      ),
    listJobs: (executionId) => read("job", "jobs cannot be read", () => listJobs(db, executionId)),

    recordDataset: (dataset) => writer.push(RECORD_DATASET, dataset, 500 + dataset.files.length * 150),
    findDataset: (identity) => read("dataset", "dataset cannot be read", () => findDataset(db, identity)),
    recordFileStat: (stat) => writer.push(RECORD_FILE_STAT, stat, 300),
    findFileStats: (paths) => read("file-stat", "file stats cannot be read", () => findFileStats(db, paths)),

    createSubmission: (submission) => writer.push(CREATE_SUBMISSION, { submission, at: Date.now() }, 3_000),
    updateSubmission: (id, change) =>
      writer.push(UPDATE_SUBMISSION, { id, change, at: Date.now() }, 500 + (change.failure?.traceback?.length ?? 0)),
    findSubmission: (id) => read("submission", "submission cannot be read", () => findSubmission(db, id)),
    listSubmissions: (filter, page) =>
      read("submission", "submissions cannot be read", () => listSubmissions(db, filter, page)),
    listTransitions: (id) => read("submission", "transitions cannot be read", () => listTransitions(db, id)),
    adoptSubmissions: () => adopt(ADOPT_SUBMISSIONS),
    claimWork: (work) => writer.push(CLAIM, { kind: "work", key: work }, 200),
    releaseWork: (work) => writer.push(RELEASE, { kind: "work", key: work }, 200),
    findResult: (work) => read("result", "result cannot be read", () => findResult(db, work)),
    commitResult: (result, replaces) => writer.push(COMMIT_RESULT, { result, replaces }, 2_000),
    appendLog: (submissionId, lines) =>
      writer.push(
        APPEND_LOG,
        { submissionId, lines },
        lines.reduce((sum, line) => sum + line.length + 50, 100),
      ),
    readLog: (submissionId) => read("log", "log cannot be read", () => readLog(db, submissionId)),

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

async function translated<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw fromDatabase(error, what);
  }
}
