/** Where bodies run. */

import type { Resources } from "../../define/task-options.ts";
import type { Digest } from "../../hash/digest.ts";
import type { Outcome } from "./calls.ts";
import type { DatasetRecord } from "./datasets.ts";

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
  /** Ask for a cluster with these labels. */
  readonly labels?: Readonly<Record<string, string>>;
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
  /** Whether arguments may hold stored values (`hash/stored.ts`); other executors get them with their bytes. */
  readonly takesStored?: true;
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
