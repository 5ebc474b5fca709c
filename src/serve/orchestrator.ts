/**
 * The port to the orchestrator: all that the front doors ask of it. They hold no state of their own.
 */

import type { Registry } from "prom-client";
import type { TaskInfo as CodeTaskInfo, CodeWarning } from "../evaluate/code.ts";
import type { ExecutionEvent, StartRequest } from "../evaluate/executions.ts";
import type { DryRunRequest, Explanation } from "../evaluate/explain/explainer.ts";
import type {
  ClusterDrain,
  EpochMs,
  ExecutionRecord,
  ExecutionState,
  ExecutionStore,
  Page,
  PageRequest,
  SubmissionRecord,
  SubmissionStore,
} from "../evaluate/ports.ts";

/** One thing that happened to an execution. */
export type WatchEvent = ExecutionEvent;

/** A task as callers may know it; its options are plain JSON. */
export type TaskInfo = Omit<CodeTaskInfo, "options" | "line"> & { readonly options: Readonly<Record<string, unknown>> };

/** A cluster and how it is. */
export interface ClusterStatus {
  readonly name: string;
  readonly url: string;
  readonly labels: Readonly<Record<string, string>>;
  /** `unknown` until it was asked for the first time. */
  readonly state: "up" | "down" | "recovering" | "unknown";
  readonly since: EpochMs | null;
  /** When its server last answered. */
  readonly confirmedAt: EpochMs | null;
  /** Null where it takes new submissions. */
  readonly drained: ClusterDrain | null;
  /** False for one that was taken out of the configuration and still has submissions. */
  readonly isConfigured: boolean;
  readonly limits: {
    readonly maxLive: number;
    readonly maxPerSecond?: number | undefined;
    readonly perQueue?: number | Readonly<Record<string, number>> | undefined;
    readonly perUser?: number | Readonly<Record<string, number>> | undefined;
  };
  /** Why submissions wait, with how many do. */
  readonly waits: readonly { readonly reason: string; readonly count: number }[];
  /** Livy's version; null before the first answer. */
  readonly version: string | null;
  /** Submissions of ours that live there. */
  readonly live: number;
  /** Submissions that wait to be sent. */
  readonly waiting: number;
  /** Its warm sessions; null where it keeps none. */
  readonly sessions: {
    readonly min: number;
    readonly max: number;
    readonly starting: number;
    readonly idle: number;
    readonly busy: number;
    readonly waiting: number;
    readonly lastError: string | null;
  } | null;
  readonly lastError: string | null;
}

/** Whether work can be taken, and if not, why. */
export interface Health {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

/** What the front doors call. Every method rejects with a FiresteelError. */
export interface Orchestrator {
  /** Resolves when the execution is durable. Rejects with `not_found` for an unknown task, `invalid_argument` for arguments that do not fit it. */
  start(request: StartRequest): Promise<ExecutionRecord>;
  /** The execution; null when there is none of this id. */
  get(id: string): Promise<ExecutionRecord | null>;
  /** Jobs of an execution: how many there are, some of them, or all of them part by part. */
  readonly jobs: Pick<ExecutionStore, "pageJobs" | "readJobs">;
  /** Resolves when the execution has ended, or with the record as it then is when `timeoutMs` has run out. Rejects with `not_found`; aborting the signal gives up waiting and nothing else. */
  wait(id: string, timeoutMs: number | undefined, signal: AbortSignal): Promise<ExecutionRecord>;
  /**
   * What happens to an execution from the first `next()` on: events that come after that call are never missed, also while the consumer is slow. Its last event is the execution in a final
   * state; it ends at once for one that has ended. Throws `not_found`.
   */
  watch(id: string, signal: AbortSignal): AsyncIterable<WatchEvent>;
  /** Newest first. */
  list(
    filter: { readonly state?: ExecutionState; readonly task?: string },
    page: PageRequest,
  ): Promise<Page<ExecutionRecord>>;
  /** Resolves when the wish to cancel is durable; an execution that has ended is returned as it is. Rejects with `not_found`. */
  cancel(id: string, reason: string): Promise<ExecutionRecord>;
  /** What would run if a task were started now, and why; nothing is run. Rejects as `start` does. */
  dryRun(request: DryRunRequest, signal: AbortSignal): Promise<Explanation>;
  /** Why the jobs of an execution ran; of each reason `examples` calls are told at most. Rejects with `not_found`. */
  explain(id: string, examples: number): Promise<Explanation>;
  tasks(): readonly TaskInfo[];
  /** Places in the project's code that are most likely wrong. */
  warnings(): readonly CodeWarning[];
  clusters(): readonly ClusterStatus[];
  /** Takes a cluster out of use for all processes of the store; gives what is in force. Rejects with `invalid_argument` for a cluster that is not configured. */
  drain(cluster: string, by: string, reason: string): Promise<ClusterDrain>;
  /** Gives it back; tells what was in force. Rejects as `drain` does. */
  resume(cluster: string, by: string): Promise<ClusterDrain | null>;
  /** Ends a submission; resolves when that is confirmed, or after some seconds. Rejects with `not_found`. */
  cancelSubmission(id: string, by: string, reason: string): Promise<SubmissionRecord>;
  /** What a submission that is kept here waits for or does, in words. */
  note(submission: string): string | undefined;
  readonly submissions: Pick<SubmissionStore, "listSubmissions" | "findSubmission" | "listTransitions" | "readLogs">;
  health(): Promise<Health>;
  /** Adds the orchestrator's own metrics to those that `/metrics` shows. */
  readonly metrics?: (registry: Registry) => void;
}
