/**
 * The port to the orchestrator: all that the front doors ask of it. They hold no state of their own.
 */

import type { Registry } from "prom-client";
import type {
  Digest,
  EpochMs,
  ExecutionRecord,
  ExecutionState,
  JobRecord,
  Page,
  PageRequest,
  SubmissionRecord,
  SubmissionStore,
} from "../evaluate/ports.ts";

/** A list of arguments as `encodeProgram` gives it: a value, or an expression where datasets and files still have to be looked at. */
export interface EncodedArguments {
  readonly kind: "value" | "expression";
  readonly bytes: Uint8Array;
}

/** What starts an execution. */
export interface StartRequest {
  readonly task: string;
  readonly args: EncodedArguments;
  /** Idempotency key: a second request with the same one gets the execution of the first. */
  readonly requestId?: string;
  readonly user: string;
  readonly reason: string;
}

/** One thing that happened to an execution, told as the new state of what changed. */
export type WatchEvent =
  | { readonly kind: "job"; readonly job: JobRecord }
  | { readonly kind: "execution"; readonly execution: ExecutionRecord }
  | { readonly kind: "submission"; readonly submission: SubmissionRecord }
  | { readonly kind: "code"; readonly version: string; readonly message: string };

/** A parameter of a task, as the syntax of its function says. */
export interface ParameterInfo {
  readonly name: string;
  readonly optional: boolean;
  readonly rest: boolean;
  readonly hasDefault: boolean;
  /** The default where that is a constant. */
  readonly constantDefault?: unknown;
}

/** A place in the code of a task whose effect cannot be decided; line and column count from 1. */
export interface UndecidedPlace {
  readonly reason: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A task as callers may know it. */
export interface TaskInfo {
  readonly name: string;
  readonly description: string;
  /** The file that exports it, from the project's root. */
  readonly module: string;
  readonly code: Digest;
  /** JSON only. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly parameters: readonly ParameterInfo[];
  readonly undecided: readonly UndecidedPlace[];
}

/** A cluster and how it is. */
export interface ClusterStatus {
  readonly name: string;
  readonly url: string;
  readonly labels: Readonly<Record<string, string>>;
  /** `unknown` until it was asked for the first time. */
  readonly state: "up" | "down" | "unknown";
  readonly since: EpochMs | null;
  /** Livy's version; null before the first answer. */
  readonly version: string | null;
  /** Submissions of ours that live there. */
  readonly live: number;
  /** Submissions that wait to be sent. */
  readonly waiting: number;
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
  /** The execution and its jobs; null when there is none of this id. */
  get(id: string): Promise<{ readonly execution: ExecutionRecord; readonly jobs: readonly JobRecord[] } | null>;
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
  tasks(): readonly TaskInfo[];
  clusters(): readonly ClusterStatus[];
  readonly submissions: Pick<SubmissionStore, "listSubmissions" | "findSubmission" | "listTransitions" | "readLog">;
  health(): Promise<Health>;
  /** Adds the orchestrator's own metrics to those that `/metrics` shows. */
  readonly metrics?: (registry: Registry) => void;
}
