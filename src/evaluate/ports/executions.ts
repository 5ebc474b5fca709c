/** Executions and their jobs. */

import type { Digest } from "../../hash/digest.ts";
import type { Page, PageRequest } from "./paging.ts";
import type { EpochMs } from "./time.ts";

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
  /** Its call had a recorded result that was not valid any more: what had changed, in words (`file data/x.csv is gone`). Of ended jobs only. */
  readonly invalid?: readonly string[];
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

/** Some of an execution's jobs: `limit` at most, after the first `from`. */
export interface JobPageRequest {
  readonly from: number;
  readonly limit: number;
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
  /** Inserts or updates jobs by id; many at once cost a fraction. One promise for all. An end is final: a record of the same job as running or waiting that comes after it does not count. */
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
