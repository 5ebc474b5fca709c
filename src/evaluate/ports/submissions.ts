/** Submissions: bulk work on clusters. */

import type { Digest } from "../../hash/digest.ts";
import type { DatasetRecord } from "./datasets.ts";
import type { Page, PageRequest } from "./paging.ts";
import type { StoreChange } from "./sharing.ts";
import type { EpochMs } from "./time.ts";

export const SubmissionState = {
  planned: "planned",
  submitting: "submitting",
  starting: "starting",
  running: "running",
  finishing: "finishing",
  succeeded: "succeeded",
  failed: "failed",
  killed: "killed",
  cancelling: "cancelling",
  cancelled: "cancelled",
  lost: "lost",
} as const;
/** `planned` (row exists) -> `submitting` (POST under way or its answer unknown) -> `starting` -> `running` -> an end, of an unmodified application by `finishing`; `lost` is provisional until manifest and ResourceManager were asked. */
export type SubmissionState = (typeof SubmissionState)[keyof typeof SubmissionState];

export const SubmissionMode = { batch: "batch", statement: "statement" } as const;
/** How a submission is carried: as a Livy batch, which is an application of its own, or as a statement of a warm session. */
export type SubmissionMode = (typeof SubmissionMode)[keyof typeof SubmissionMode];

/** Whose fault a failed submission is: `user` and `submit` are not retried, `cluster` is. */
export type FailureClass = "user" | "cluster" | "submit";

/**
 * Where a line of a submission's log comes from: what spark-submit printed, what YARN says of the application, what the driver printed, what a statement of a session printed.
 */
export const LogSource = {
  submit: "submit",
  yarn: "yarn",
  stdout: "stdout",
  stderr: "stderr",
  statement: "statement",
} as const;
export type LogSource = (typeof LogSource)[keyof typeof LogSource];

/** The kept lines of one source, oldest first. */
export interface SourceLog {
  readonly source: LogSource;
  readonly lines: readonly string[];
}

export interface SubmissionFailure {
  readonly class: FailureClass;
  readonly type: string;
  readonly message: string;
  readonly position?: { readonly line: number; readonly column: number } | null;
  readonly traceback?: string;
  /** Not tried again, whatever its class: what was done would be done a second time. */
  readonly final?: boolean;
}

/** One Livy batch or statement that we own. */
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
  /** Unique name: store id + attempt id. Livy knows a batch by it. */
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
  /** Its page in the Spark History Server, where one is configured; from when its end was certain. */
  readonly historyUrl: string | null;
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
  readonly mode: SubmissionMode;
  /** Name of the Livy session that a statement is posted to, from before the POST; null for batches. */
  readonly session: string | null;
  /** Livy's id of the statement in its session, once it is known. */
  readonly statementId: number | null;
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
  /** Sets `confirmedAt` of live submissions, where it is earlier. */
  confirmSubmissions(ids: readonly string[], confirmedAt: EpochMs): Promise<void>;
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
  /** The submissions for a piece of work, the newest first, of many the newest hundred. */
  findAttempts(work: Digest): Promise<readonly SubmissionRecord[]>;
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
  /** Appends log lines of one source (bounded for each of them, the newest are kept). With `replace` those that are there go first. */
  appendLog(submissionId: string, lines: readonly string[], source?: LogSource, replace?: boolean): Promise<void>;
  /** The kept lines, oldest first: of one source, or of all as they came. */
  readLog(submissionId: string, source?: LogSource): Promise<readonly string[]>;
  /** The last lines of one source, as many as Livy keeps. */
  readLogEnd(submissionId: string, source: LogSource): Promise<readonly string[]>;
  /** The kept lines of each source that has some, in the order of {@link LogSource}. */
  readLogs(submissionId: string): Promise<readonly SourceLog[]>;
}
