/**
 * The crash points: every moment in the life of a submission, and of the evaluation around it, at which the loss of a process can leave something half done.
 *
 * A point is a step that leaves a trace outside of the process: a durable write, a request with an effect, the manifest that proves success. It has two sides, *before* the step is asked for and *after* its effect is there,
 * when nobody acted on it yet. Nothing of this is in the product: what is put around its ports (`watched-ports.ts`) names the step of each call, and the double of Livy holds the requests.
 *
 * That no write is without a point is checked by the compiler ({@link STORE} names what every method of the store does, {@link OF_STATE} has every state of a submission) and by the matrix, which fails for a point that no cell
 * reaches.
 */

import type { Store, SubmissionRecord, SubmissionState } from "../../src/evaluate/ports.ts";

export const SIDES = ["before", "after"] as const;
export type Side = (typeof SIDES)[number];

/** Steps that the orchestrator's own process can be stopped at. */
export const WRITES = [
  "execution created",
  "executions adopted",
  "execution resumed",
  "cancellation asked for",
  "execution ended",
  "call claimed",
  "call recorded",
  "call released",
  "shallow result recorded",
  "jobs recorded",
  "work claimed",
  "work released",
  "cluster claimed",
  "cluster told",
  "submissions taken",
  "specification staged",
  "harness staged",
  "planned",
  "planned again",
  "lease confirmed",
  "submitting",
  "starting",
  "running",
  "finishing",
  "manifest written",
  "lost",
  "seen",
  "noted",
  "log copied",
  "manifest read",
  "dataset recorded",
  "result committed",
  "succeeded",
  "failed",
  "killed",
  "cancellation of a submission asked for",
  "cancelling",
  "cancelled",
  "withdrawn",
  "gone",
] as const;

/** Requests with an effect, held by who gets them: before they have it, or after it and before the answer. */
export const REQUESTS = [
  "batch posted",
  "batch deleted",
  "application killed",
  "session posted",
  "statement posted",
  "statement cancelled",
  "session deleted",
] as const;

export type Write = (typeof WRITES)[number];
export type Point = Write | (typeof REQUESTS)[number];
export const POINTS: readonly Point[] = [...WRITES, ...REQUESTS];

/** The point at which a submission goes over to a state. */
export const OF_STATE: Readonly<Record<SubmissionState, Write>> = {
  planned: "planned again",
  submitting: "submitting",
  starting: "starting",
  running: "running",
  finishing: "finishing",
  lost: "lost",
  succeeded: "succeeded",
  failed: "failed",
  killed: "killed",
  cancelling: "cancelling",
  cancelled: "cancelled",
};

/** What this process knows of the submissions that it writes: states by id. */
type States = Map<string, SubmissionState>;

/** The point of one call, for methods that write. */
type Namer<K extends keyof Store> = Store[K] extends (...args: infer A) => unknown
  ? (args: A, states: States) => Write
  : never;

/** A method that changes nothing that is durable. */
const READS = "reads";
/** It writes, but nothing that a submission or who waits for it goes by: caches, values that are found or made again, times at which nothing changed, an operator's own wishes. */
const ELSEWHERE = "elsewhere";

/** What each method of the store is. */
export const STORE: { readonly [K in keyof Store]: typeof READS | typeof ELSEWHERE | Namer<K> } = {
  storeId: READS,
  shared: READS,
  stored: READS,
  lost: READS,
  ping: READS,
  room: READS,
  flushed: READS,
  onChange: READS,
  lookAround: READS,
  isWorkClaimed: READS,
  findCalls: READS,
  previousCalls: READS,
  findShallow: READS,
  findCallRecord: READS,
  findValue: READS,
  openValue: READS,
  findDataset: READS,
  findFileStats: READS,
  findExecution: READS,
  listExecutions: READS,
  listJobs: READS,
  pageJobs: READS,
  readJobs: READS,
  findSubmission: READS,
  findSubmissions: READS,
  listSubmissions: READS,
  findAttempts: READS,
  listTransitions: READS,
  findResult: READS,
  readLog: READS,
  readLogEnd: READS,
  readLogs: READS,
  listDrains: READS,
  [Symbol.asyncDispose]: READS,
  putValue: ELSEWHERE,
  recordFileStat: ELSEWHERE,
  confirmSubmissions: ELSEWHERE,
  drainCluster: ELSEWHERE,
  resumeCluster: ELSEWHERE,

  createExecution: () => "execution created",
  adoptExecutions: () => "executions adopted",
  updateExecution: ([, change]) =>
    change.state !== undefined
      ? "execution ended"
      : change.cancelRequested === true
        ? "cancellation asked for"
        : "execution resumed",
  claimCall: () => "call claimed",
  recordCalls: () => "call recorded",
  releaseCall: () => "call released",
  recordShallow: () => "shallow result recorded",
  recordJobs: () => "jobs recorded",
  claimWork: () => "work claimed",
  releaseWork: () => "work released",
  claimCluster: () => "cluster claimed",
  tellCluster: () => "cluster told",
  takeSubmissions: () => "submissions taken",
  createSubmission: ([{ id, state }], states) => {
    states.set(id, state);
    return "planned";
  },
  confirmLease: () => "lease confirmed",
  updateSubmission: ([id, change], states) => {
    const before = states.get(id);
    if (change.state !== undefined) states.set(id, change.state);
    return pointOf(change, before);
  },
  appendLog: () => "log copied",
  recordDataset: () => "dataset recorded",
  commitResult: () => "result committed",
};

function pointOf(change: Partial<SubmissionRecord>, before: SubmissionState | undefined): Write {
  if (change.state !== undefined && change.state !== before)
    return change.state === "cancelled" && before === "planned" ? "withdrawn" : OF_STATE[change.state];
  if (change.goneAt != null) return "gone";
  if (change.cancelRequested != null && change.state === undefined) return "cancellation of a submission asked for";
  return Object.keys(change).every((key) => key === "note") ? "noted" : "seen";
}
