/**
 * The ports of the evaluator: everything it needs from the world, as short interfaces.
 *
 * Words: a *call* is a task applied to concrete argument values, named by its *eval hash*; a *job* is one evaluation of a call inside one *execution*; a *submission* is one Livy
 * batch that we own, an *attempt* at some bulk *work*; *work* is named by its digest. Values travel as canonical CBOR (`hash/value.ts`), never as live objects.
 *
 * Every method that writes returns a promise that settles when the write is durable. Writes become durable in the order in which they were asked for (one FIFO writer), so awaiting
 * the last one awaits them all.
 */

import type { StructType } from "../define/schema.ts";
import type { Resources } from "../define/task-options.ts";
import type { Digest } from "../hash/digest.ts";

export type { Digest } from "../hash/digest.ts";

/** Milliseconds since the Unix epoch. */
export type EpochMs = number;

// ---------------------------------------------------------------------------------------------- values and calls

/** What one run of a body gave: a value, or an expression that still has to be evaluated. */
export interface Outcome {
  readonly kind: "value" | "expression";
  /** Canonical CBOR; an expression is a program (`hash/program.ts`). */
  readonly bytes: Uint8Array;
  readonly digest: Digest;
}

/** Where a dataset of known identity can be read right now, and what is in it. */
export interface DatasetRecord {
  readonly identity: Digest;
  /** URI of the folder (or file) that holds the files; no trailing slash. */
  readonly location: string;
  readonly format: string;
  /** Spark reader options. */
  readonly options: Readonly<Record<string, string>>;
  /** Recorded schema; null where Spark infers it (files that we did not write). */
  readonly schema: StructType | null;
  readonly partitionBy: readonly string[];
  /** Number of rows; null where nobody counted. */
  readonly rows: number | null;
  readonly files: readonly DatasetFile[];
}

/** One file of a dataset as it was when the dataset was fingerprinted. */
export interface DatasetFile {
  /** URI reference relative to the dataset's location (escaped, so that `location/path` is the file's URI), `key=value` directories included; "" when the location is the file itself. */
  readonly path: string;
  readonly bytes: number;
  /** Modification time in ns since the epoch as a decimal string, where the storage has one. */
  readonly modified?: string;
  readonly rows?: number;
}

/** Told what some work does or waits for, in words for people ("waiting: cluster local is down"), and the submission that does it. */
export type Progress = (note: string, submissionId?: string) => void;

/** One invocation of a task's body. */
export interface Invocation {
  readonly jobId: string;
  readonly executionId: string;
  readonly task: string;
  /** Identity of the task's code; a worker that holds another version refuses. */
  readonly code: Digest;
  readonly evalHash: Digest;
  /** Each argument's canonical encoding. */
  readonly args: readonly Uint8Array[];
  /** The keys that the task declares as its context, with the encodings of their values; null where nobody set one. */
  readonly context?: readonly (readonly [key: string, value: Uint8Array | null])[];
  /** The datasets that occur in the arguments. */
  readonly datasets: readonly DatasetRecord[];
  readonly options: InvocationOptions;
  /** Who asked, for attribution on the cluster. */
  readonly user: string;
  /** Told as the work goes on. */
  readonly onProgress?: Progress;
}

/** The options of a task that concern its executor. */
export interface InvocationOptions {
  readonly tags: readonly string[];
  readonly timeoutMs?: number;
  /** Ask for a cluster of this name. */
  readonly cluster?: string;
  /** What the body needs; executors take what they understand. */
  readonly resources?: Resources;
}

/** What running a body would come to. */
export interface Plan {
  /** Identity of the work that the body describes. */
  readonly work: Digest;
  /** The body's result where that work is done already; null where it would have to be done. */
  readonly outcome: Outcome | null;
}

/** Runs bodies. Returns promises and knows nothing of the scheduler. */
export interface Executor extends AsyncDisposable {
  readonly name: string;
  /** Runs one body to its end; rejects with a FiresteelError. Aborting the signal stops the work and rejects with code `cancelled`. */
  run(invocation: Invocation, signal: AbortSignal): Promise<Outcome>;
  /** For executors whose bodies only describe work: finds out what running one would come to, without doing the work or leaving a trace. Rejects as `run` does. Others have no such method. */
  plan?(invocation: Invocation, signal: AbortSignal): Promise<Plan>;
}

/** An executor that takes thousands of short bodies a second: no promise and no signal for each. */
export interface DirectExecutor extends Executor {
  /** Starts one body; `done` is called once, in a later turn. Gives the function that stops it, after which `done` is called with `cancelled`. */
  start(
    invocation: Invocation,
    done: (
      result: { readonly ok: true; readonly value: Outcome } | { readonly ok: false; readonly error: unknown },
    ) => void,
  ): () => void;
}

// ---------------------------------------------------------------------------------------------- what is recorded

/** A finished call: the one-step result of a body. */
export interface CallRecord {
  readonly evalHash: Digest;
  readonly task: string;
  readonly code: Digest;
  /** Digest and encoding of each argument. */
  readonly args: readonly { readonly digest: Digest; readonly bytes: Uint8Array }[];
  readonly outcome: Outcome;
  readonly executor: string;
  readonly startedAt: EpochMs;
  readonly endedAt: EpochMs;
}

/** A call found in the store. */
export interface CachedCall {
  readonly evalHash: Digest;
  readonly outcome: Outcome;
}

/** The final value of a call, and the code that it went through: valid as long as that is unchanged. */
export interface ShallowRecord {
  readonly evalHash: Digest;
  /** Canonical CBOR. */
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  /** Name and code of every task below the call, and of the codecs (`codec:...`) of the instances that were given there. */
  readonly tasks: readonly (readonly [string, Digest])[];
}

/** An error as it is stored and sent. */
export interface ErrorRecord {
  readonly code: string;
  /** The class that was thrown (`TypeError`, `FiresteelError`, ...). */
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  /** Names of the tasks from the root to the one that failed. */
  readonly path?: readonly string[];
  readonly details?: Readonly<Record<string, unknown>>;
}

export const JobState = {
  waiting: "waiting",
  running: "running",
  succeeded: "succeeded",
  failed: "failed",
  cancelled: "cancelled",
} as const;
/** `waiting`: for a limit, a claim or a cluster; `running`: its body runs or its result is being evaluated. */
export type JobState = (typeof JobState)[keyof typeof JobState];

/** One evaluation of a call in one execution. */
export interface JobRecord {
  readonly id: string;
  readonly executionId: string;
  /** The job whose body asked first for this one; null for the root. */
  readonly parentId: string | null;
  readonly task: string;
  readonly evalHash: Digest;
  readonly state: JobState;
  readonly executor: string;
  /** The result came from the store; no body ran. */
  readonly cached: boolean;
  readonly startedAt: EpochMs;
  readonly endedAt: EpochMs | null;
  readonly error: ErrorRecord | null;
  /** Bulk jobs: the submission that produced (or once produced) the result. */
  readonly submissionId: string | null;
  /** What it waits for or does right now, for people. */
  readonly note: string | null;
}

export const ExecutionState = {
  running: "running",
  succeeded: "succeeded",
  failed: "failed",
  cancelled: "cancelled",
} as const;
export type ExecutionState = (typeof ExecutionState)[keyof typeof ExecutionState];

/** One run of a root call. */
export interface ExecutionRecord {
  readonly id: string;
  /** The client's idempotency key; null when it gave none. */
  readonly requestId: string | null;
  readonly task: string;
  /** Canonical encoding of the list of arguments; may be a program (datasets and files to be looked at). */
  readonly args: Uint8Array;
  readonly reason: string;
  readonly user: string;
  readonly state: ExecutionState;
  readonly startedAt: EpochMs;
  readonly endedAt: EpochMs | null;
  readonly result: Uint8Array | null;
  readonly error: ErrorRecord | null;
  /** Digest over all task code at the (last) start. */
  readonly codeVersion: string;
  /** How often it was started again after a crash. */
  readonly resumes: number;
  readonly cancelRequested: boolean;
}

/** A page of rows, newest first. */
export interface Page<T> {
  readonly rows: readonly T[];
  /** Pass it back for the next page; null at the end. */
  readonly nextCursor: string | null;
}
export interface PageRequest {
  readonly limit: number;
  readonly cursor?: string;
}

/** Some of an execution's jobs: `limit` at most, after the first `from`. */
export interface JobPageRequest {
  readonly from: number;
  readonly limit: number;
}

/** Calls and their results. */
export interface CallStore {
  /** Looks many calls up in one query (1,000 to 4,000 at a time are cheapest); sees what was recorded in this process even before it is durable. A call whose result is lost (a large value's file is gone) is not found. */
  findCalls(evalHashes: readonly Digest[]): Promise<ReadonlyMap<Digest, CachedCall>>;
  /**
   * Reads ahead: the calls of the last execution of this root that recorded jobs, those first whose jobs started first, some thousand at a time.
   *
   * Their order is a hint and not a promise; what the code of now does not ask for is among them. Nothing is read before the first `next()`, and each block when it is asked for.
   *
   * @param args the root's arguments as its execution record has them
   */
  previousCalls(task: string, args: Uint8Array): AsyncIterable<readonly CachedCall[]>;
  /** Records a finished call with its arguments and result. The first record of an eval hash wins; `replace` (the old result is invalid) overwrites it. */
  recordCall(call: CallRecord, replace?: boolean): Promise<void>;
  /** Final values of calls of tasks that are checked shallowly. */
  findShallow(evalHashes: readonly Digest[]): Promise<ReadonlyMap<Digest, ShallowRecord>>;
  /** Records the final value of a call; the last record of an eval hash counts. */
  recordShallow(record: ShallowRecord): Promise<void>;
  /** Many at once, which costs a fraction: one promise for all, which rejects when one of them is refused (the others are recorded all the same). */
  recordCalls(calls: readonly CallRecord[], replace?: boolean): Promise<void>;
  /** The whole record of a call with its arguments; null when it is not known or some of it is lost. */
  findCallRecord(evalHash: Digest): Promise<CallRecord | null>;
  /** Takes or renews the lease on a call; false when another live owner holds it. */
  claimCall(evalHash: Digest): Promise<boolean>;
  /** Gives a lease back. */
  releaseCall(evalHash: Digest): Promise<void>;
  /** A value by its digest, or null. Only values that are too large for the row of their call (over 512 bytes) can be found so. */
  findValue(digest: Digest): Promise<Uint8Array | null>;
  /** Stores a large value piece by piece, once; durable when this resolves. A call that is recorded later with the same value finds it stored. */
  putValue(digest: Digest, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void>;
  /** Like `findValue`, piece by piece. With `verify` the digest is compared first; a value that differs is removed and not found. */
  openValue(
    digest: Digest,
    verify?: boolean,
  ): Promise<{ readonly length: number; readonly chunks: AsyncIterable<Uint8Array> } | null>;
}

/** Executions and their jobs. */
export interface ExecutionStore {
  /** Creates it; when its request id exists already, returns the existing one instead and `created: false`. */
  createExecution(
    execution: ExecutionRecord,
  ): Promise<{ readonly execution: ExecutionRecord; readonly created: boolean }>;
  updateExecution(
    id: string,
    change: Partial<
      Pick<ExecutionRecord, "state" | "endedAt" | "result" | "error" | "codeVersion" | "resumes" | "cancelRequested">
    >,
  ): Promise<void>;
  findExecution(id: string): Promise<ExecutionRecord | null>;
  listExecutions(
    filter: { readonly state?: ExecutionState; readonly task?: string },
    page: PageRequest,
  ): Promise<Page<ExecutionRecord>>;
  /**
   * Takes over running executions whose owner is dead (or this process's former self); each is returned to one caller only. With `tasks`, those of other tasks are left for a minute to a process that knows these.
   */
  adoptExecutions(tasks?: readonly string[]): Promise<readonly ExecutionRecord[]>;
  /** Inserts or updates a job by id, batched with everything else. An end is final: a record of the same job as running or waiting that comes after it does not count. */
  recordJob(job: JobRecord): Promise<void>;
  /** Many at once, which costs a fraction: one promise for all. */
  recordJobs(jobs: readonly JobRecord[]): Promise<void>;
  /** All jobs of an execution, oldest first. */
  listJobs(executionId: string): Promise<readonly JobRecord[]>;
  /** The number of jobs, and those from a place on: oldest first, or roughly so where there are more than 10,000 (then only the blocks that hold the page are read). */
  pageJobs(
    executionId: string,
    page: JobPageRequest,
  ): Promise<{ readonly jobs: readonly JobRecord[]; readonly count: number }>;
  /** The jobs of an execution some thousand at a time, roughly oldest first, those that have not ended last: for executions of which not all jobs should be in memory. */
  readJobs(executionId: string): AsyncIterable<readonly JobRecord[]>;
}

/** Datasets by identity, with the places where they were verified. */
export interface DatasetStore {
  recordDataset(dataset: DatasetRecord): Promise<void>;
  /** All recorded places of a dataset, newest first. */
  findDataset(identity: Digest): Promise<readonly DatasetRecord[]>;
}

/** What a file looked like when its content was digested. */
export interface FileStat {
  /** Absolute path of a local file, else the URI. */
  readonly path: string;
  readonly bytes: number;
  readonly modifiedNs: string;
  /** The storage's `stamp`: inode and change time, or an ETag. */
  readonly inode: string;
  readonly digest: Digest;
}

/** The stat cache: digests of files that need not be read again. */
export interface FileStatStore {
  findFileStats(paths: readonly string[]): Promise<ReadonlyMap<string, FileStat>>;
  recordFileStat(stat: FileStat): Promise<void>;
}

// ---------------------------------------------------------------------------------------------- submissions

export const SubmissionState = {
  planned: "planned",
  submitting: "submitting",
  starting: "starting",
  running: "running",
  succeeded: "succeeded",
  failed: "failed",
  killed: "killed",
  cancelling: "cancelling",
  cancelled: "cancelled",
  lost: "lost",
} as const;
/** `planned` (row exists) -> `submitting` (POST under way or its answer unknown) -> `starting` -> `running` -> an end; `lost` is provisional until manifest and ResourceManager were asked. */
export type SubmissionState = (typeof SubmissionState)[keyof typeof SubmissionState];

/** Whose fault a failed submission is: `user` and `submit` are not retried, `cluster` is. */
export type FailureClass = "user" | "cluster" | "submit";

export interface SubmissionFailure {
  readonly class: FailureClass;
  readonly type: string;
  readonly message: string;
  readonly position?: { readonly line: number; readonly column: number } | null;
  readonly traceback?: string;
}

/** One Livy batch that we own. */
export interface SubmissionRecord {
  /** The attempt id. */
  readonly id: string;
  readonly work: Digest;
  /** 1 for the first attempt at this work, then 2, ... */
  readonly attempt: number;
  readonly task: string;
  readonly executionId: string;
  readonly jobId: string;
  readonly user: string;
  readonly cluster: string;
  /** Unique Livy name: store id + attempt id. */
  readonly livyName: string;
  readonly state: SubmissionState;
  /** Why it is in this state, in words. */
  readonly cause: string;
  readonly batchId: number | null;
  readonly appId: string | null;
  /** URI of the attempt's folder, no trailing slash. */
  readonly location: string;
  /** The body POSTed to Livy, as JSON, for people. */
  readonly request: Readonly<Record<string, unknown>>;
  readonly sparkUiUrl: string | null;
  readonly driverLogUrl: string | null;
  readonly failure: SubmissionFailure | null;
  readonly createdAt: EpochMs;
  readonly submittedAt: EpochMs | null;
  readonly startedAt: EpochMs | null;
  readonly endedAt: EpochMs | null;
  /** When Livy, a manifest or the ResourceManager last confirmed the state. */
  readonly confirmedAt: EpochMs | null;
  /** What it waits for or does, in words; written only where another process may read it. */
  readonly note: string;
  /** Why its end was asked for by a process that does not keep it. */
  readonly cancelRequested: string | null;
  /** When its application was gone too, after its end; null also where nobody else needs to know. */
  readonly goneAt: EpochMs | null;
}

/** A submission that this process has just begun to keep. */
export interface TakenSubmission {
  readonly submission: SubmissionRecord;
  /** Somebody works on the piece of work right now, and so waits for it. */
  readonly asked: boolean;
}

/** How a cluster is, as its keeper tells it to the other processes: plain JSON. */
export interface ClusterNote {
  readonly name: string;
  readonly status: Readonly<Record<string, unknown>>;
}

export interface SubmissionTransition {
  readonly submissionId: string;
  readonly at: EpochMs;
  readonly from: SubmissionState | null;
  readonly to: SubmissionState;
  readonly cause: string;
}

/** The outputs of bulk work: output name to dataset. */
export interface BulkResult {
  readonly work: Digest;
  readonly submissionId: string;
  readonly outputs: Readonly<Record<string, DatasetRecord>>;
}

/** Submissions and the results of bulk work. Every write carries this process's lease epoch; a stale one is refused with code `aborted`. */
export interface SubmissionStore {
  /** Short id of this store, part of every Livy name. */
  readonly storeId: string;
  /** Other processes may have the store open. */
  readonly shared: boolean;
  /** Creates it; `kept: false` leaves it to the keeper of its cluster. */
  createSubmission(submission: SubmissionRecord, kept?: boolean): Promise<void>;
  /** Changes fields; where `state` changes, writes the transition too. */
  updateSubmission(
    id: string,
    change: Partial<Omit<SubmissionRecord, "id" | "work" | "attempt" | "livyName">>,
  ): Promise<void>;
  findSubmission(id: string): Promise<SubmissionRecord | null>;
  listSubmissions(
    filter: {
      readonly cluster?: string;
      readonly state?: SubmissionState;
      readonly executionId?: string;
      readonly work?: Digest;
      readonly live?: boolean;
    },
    page: PageRequest,
  ): Promise<Page<SubmissionRecord>>;
  listTransitions(submissionId: string): Promise<readonly SubmissionTransition[]>;
  findSubmissions(ids: readonly string[]): Promise<readonly SubmissionRecord[]>;
  /**
   * Takes the live submissions (planned ... cancelling, lost) on those of the clusters that this process keeps, where nobody keeps them or their owner is dead; each goes to one caller only. So do, after a minute, those of dead
   * owners on clusters that no process keeps.
   */
  takeSubmissions(clusters: readonly string[]): Promise<readonly TakenSubmission[]>;
  /** Becomes the keeper of a cluster, or stays it; false when another live owner is. Ends with this process's lease. */
  claimCluster(cluster: string): Promise<boolean>;
  /** Tells the other processes how a cluster is. */
  tellCluster(note: ClusterNote): Promise<void>;
  /** Whether anybody works on a piece of work. */
  isWorkClaimed(work: Digest): Promise<boolean>;
  /** Rejects with `aborted` where this process's lease may be over. Asked before what a database cannot refuse. */
  confirmLease(): Promise<void>;
  /** Tells what other processes changed (and this one), after it is durable; what is told may be missed. Returns what ends that. */
  onChange(listener: (change: StoreChange) => void): () => void;
  /** Takes or renews the lease on a piece of work; false when another live owner holds it. */
  claimWork(work: Digest): Promise<boolean>;
  releaseWork(work: Digest): Promise<void>;
  findResult(work: Digest): Promise<BulkResult | null>;
  /** Commits an attempt: one compare-and-set. False when another attempt's result is committed (and `replaces` does not name it). */
  commitResult(result: BulkResult, replaces?: string): Promise<boolean>;
  /** Appends log lines (bounded per submission, the newest are kept). */
  appendLog(submissionId: string, lines: readonly string[]): Promise<void>;
  readLog(submissionId: string): Promise<readonly string[]>;
}

/** A change of the store: what to look at again. */
export type StoreChange =
  /** An owner ended. */
  | { readonly kind: "owner"; readonly id: string }
  /** A submission waits for its keeper, or its end is asked for. */
  | { readonly kind: "wish"; readonly id: string }
  | { readonly kind: "submission"; readonly id: string }
  /** It ended, or its end is asked for. */
  | { readonly kind: "execution"; readonly id: string }
  /** Changes may have been missed. */
  | { readonly kind: "missed" };

/** What there is for a process to do beside its own work. */
export interface Surroundings {
  /** There are executions to adopt. */
  readonly executions: boolean;
  /** There are submissions that nobody keeps, on whatever cluster. */
  readonly submissions: boolean;
  /** Executions of this process whose end was asked for. */
  readonly cancelledExecutions: readonly string[];
  /** Submissions that this process keeps and whose end was asked for. */
  readonly cancelledSubmissions: readonly string[];
  /** Clusters that somebody keeps, with what the keeper told of them last. */
  readonly keptClusters: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
}

/** Everything that is recorded; one owner lease per process, renewed by the store itself. */
export interface Store
  extends CallStore,
    ExecutionStore,
    DatasetStore,
    FileStatStore,
    SubmissionStore,
    AsyncDisposable {
  /** Settles when everything asked for so far is durable. */
  flushed(): Promise<void>;
  /** Null while more may be written; otherwise settles when there is room again. Who does not await its writes awaits this, and memory stays bounded. */
  room(): Promise<void> | null;
  /** Ends owners that are dead, and looks what there is to do. */
  lookAround(): Promise<Surroundings>;
  /** Rejects when the database cannot be reached. */
  ping(): Promise<void>;
  /** Settles (with the reason) when this process lost its lease and must stop writing. */
  readonly lost: Promise<Error>;
}

// ---------------------------------------------------------------------------------------------- storage

/** One file as a storage sees it. */
export interface StoredFile {
  readonly uri: string;
  /** Its size; -1 where the storage does not tell (HTTP without Content-Length). */
  readonly bytes: number;
  /** Modification time in ns since the epoch, as a decimal string, in the resolution that the storage has; "" where it has none. */
  readonly modified: string;
  /** By what the storage itself tells one content of the file from another: a strong ETag, or what stands for it there. Absent where there is no such thing. */
  readonly etag?: string;
  /** What changes with every change of the file, as far as the storage can tell: inode and change time, an ETag. Absent where it cannot tell. */
  readonly stamp?: string;
  /** Another change would make another `stamp`: the last one lies further back than the clock that stamps is coarse. */
  readonly settled: boolean;
  /** It is a folder; only `stat` tells of one. */
  readonly folder?: true;
}

/** What is looked at below a folder. */
export interface ListOptions {
  /** Whether a file or folder is looked at, by its path below the listed folder, with `/`. By default all but those with a name on the way that starts with `_` or `.`, as Spark does. */
  readonly include?: (path: string, folder: boolean) => boolean;
  readonly signal?: AbortSignal | undefined;
}

/** What is read of a file. */
export interface ReadOptions {
  /** The first byte; 0 when it is not given. */
  readonly start?: number;
  /** The byte before which to stop; the file's end when it is not given or behind it. */
  readonly end?: number;
  /** Only the file as it was when it was looked at: code `aborted` with details `{ kind: "inputChanged" }`, at the latest when all is read, where the storage can tell that it is another by now. */
  readonly expected?: StoredFile;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Files by URI, to be looked at and read. A missing thing is code `not_found`; who may not read `permission_denied`; what cannot be reached now `unavailable`.
 *
 * A storage plugs in by the schemes of its URIs (`route/storage/storages.ts`), and `test/route/storage/storage.suite.ts` says of any whether it keeps to this.
 */
export interface ReadableStorage {
  /** All files below a folder, at any depth, sorted by URI; the file itself when the URI names a file. Absent where there are no folders (HTTP). */
  list?(uri: string, options?: ListOptions): Promise<readonly StoredFile[]>;
  /** The file, or folder, as it is now; null when there is none. */
  stat(uri: string, signal?: AbortSignal): Promise<StoredFile | null>;
  /** The content in memory. With `maxBytes`, code `resource_exhausted` as soon as there turn out to be more. */
  read(uri: string, options?: ReadOptions & { readonly maxBytes?: number }): Promise<Uint8Array>;
  /** The content piece by piece. Nothing is opened before the first piece is asked for; leaving early closes. */
  stream(uri: string, options?: ReadOptions): AsyncIterable<Uint8Array>;
  /** SHA-256 of the content, in memory that does not grow with it. */
  digest(uri: string, signal?: AbortSignal): Promise<Digest>;
}

/** Files by URI, also to be written. */
export interface Storage extends ReadableStorage {
  /** The scheme with colon, `file:`. */
  readonly scheme: string;
  list(uri: string, options?: ListOptions): Promise<readonly StoredFile[]>;
  /** Writes a whole file that is never seen half; false when it existed already (then nothing was written). */
  putIfAbsent(uri: string, bytes: Uint8Array): Promise<boolean>;
  /** Removes a file or a folder with all below it; a missing one is fine. */
  remove(uri: string): Promise<void>;
}
