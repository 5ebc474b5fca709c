/**
 * The ports of the evaluator: everything it needs from the world, as short interfaces.
 *
 * Words: a *call* is a task applied to concrete argument values, named by its *eval hash*; a *job* is one evaluation of a call inside one *execution*; a *submission* is one Livy
 * batch that we own, an *attempt* at some bulk *work*; *work* is named by its digest. Values travel as canonical CBOR (`hash/value.ts`), never as live objects.
 *
 * Every method that writes returns a promise that settles when the write is durable. Writes become durable in the order in which they were asked for (one FIFO writer), so awaiting
 * the last one awaits them all.
 */

import type { CallStore } from "./ports/calls.ts";
import type { ClusterStore } from "./ports/clusters.ts";
import type { DatasetStore, FileStatStore } from "./ports/datasets.ts";
import type { ExecutionStore } from "./ports/executions.ts";
import type { Surroundings } from "./ports/sharing.ts";
import type { SubmissionStore } from "./ports/submissions.ts";

export type { Digest } from "../hash/digest.ts";
export * from "./ports/calls.ts";
export * from "./ports/clusters.ts";
export * from "./ports/datasets.ts";
export * from "./ports/executions.ts";
export * from "./ports/executor.ts";
export * from "./ports/paging.ts";
export * from "./ports/sharing.ts";
export * from "./ports/storage.ts";
export * from "./ports/submissions.ts";
export * from "./ports/time.ts";

/** Everything that is recorded; one owner lease per process, renewed by the store itself. */
export interface Store
  extends CallStore,
    ExecutionStore,
    DatasetStore,
    FileStatStore,
    SubmissionStore,
    ClusterStore,
    AsyncDisposable {
  /** Settles when everything asked for so far is durable. */
  flushed(): Promise<void>;
  /** Null while more may be written; otherwise settles when there is room again. Who does not await its writes awaits this, and memory stays bounded. */
  room(): Promise<void> | null;
  /** Ends owners that are dead, and looks what there is to do. */
  lookAround(): Promise<Surroundings>;
  /** Ends owners that are dead, and looks what there is to do. */
  lookAround(): Promise<Surroundings>;
  /** Rejects when the database cannot be reached. */
  ping(): Promise<void>;
  /** Settles (with the reason) when this process lost its lease and must stop writing. */
  readonly lost: Promise<Error>;
}
