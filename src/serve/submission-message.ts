/**
 * Submissions and clusters as messages.
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type ClusterDrain,
  type FailureClass,
  type LogSource,
  type SourceLog,
  type SubmissionFailure,
  type SubmissionMode,
  type SubmissionRecord,
  SubmissionState,
  type SubmissionTransition,
} from "../evaluate/ports.ts";
import {
  type ClusterDrainSchema,
  type ClusterLimitsSchema,
  type ClusterSchema,
  ClusterState,
  type SessionPoolSchema,
  type SourceLogSchema,
  type SubmissionFailureSchema,
  type SubmissionSchema,
  type SubmissionTransitionSchema,
  FailureClass as WireFailureClass,
  LogSource as WireLogSource,
  SubmissionMode as WireSubmissionMode,
  SubmissionState as WireSubmissionState,
} from "../gen/firesteel/v1/submission_pb.ts";
import { jsonObject } from "./failure-message.ts";
import type { ClusterStatus } from "./orchestrator.ts";
import { present, timestamp } from "./paging.ts";

const STATES: Readonly<Record<SubmissionState, WireSubmissionState>> = {
  planned: WireSubmissionState.PLANNED,
  submitting: WireSubmissionState.SUBMITTING,
  starting: WireSubmissionState.STARTING,
  running: WireSubmissionState.RUNNING,
  finishing: WireSubmissionState.FINISHING,
  succeeded: WireSubmissionState.SUCCEEDED,
  failed: WireSubmissionState.FAILED,
  killed: WireSubmissionState.KILLED,
  cancelling: WireSubmissionState.CANCELLING,
  cancelled: WireSubmissionState.CANCELLED,
  lost: WireSubmissionState.LOST,
};
const CLASSES: Readonly<Record<FailureClass, WireFailureClass>> = {
  user: WireFailureClass.USER,
  cluster: WireFailureClass.CLUSTER,
  submit: WireFailureClass.SUBMIT,
};
const MODES: Readonly<Record<SubmissionMode, WireSubmissionMode>> = {
  batch: WireSubmissionMode.BATCH,
  statement: WireSubmissionMode.STATEMENT,
};
const SOURCES: Readonly<Record<LogSource, WireLogSource>> = {
  submit: WireLogSource.SUBMIT,
  yarn: WireLogSource.YARN,
  stdout: WireLogSource.STDOUT,
  stderr: WireLogSource.STDERR,
  statement: WireLogSource.STATEMENT,
};
const CLUSTER_STATES: Readonly<Record<ClusterStatus["state"], ClusterState>> = {
  unknown: ClusterState.UNKNOWN,
  up: ClusterState.UP,
  down: ClusterState.DOWN,
  recovering: ClusterState.RECOVERING,
};

/** The state that a filter names; undefined when it names none. */
export function submissionStateFrom(state: WireSubmissionState): SubmissionState | undefined {
  return Object.values(SubmissionState).find((known) => STATES[known] === state);
}

/** A submission. */
export function submissionMessage(submission: SubmissionRecord): MessageInitShape<typeof SubmissionSchema> {
  const { id, work, attempt, task, executionId, jobId, user, cluster, livyName, cause, location, note } = submission;
  return {
    id,
    work,
    attempt,
    task,
    executionId,
    jobId,
    user,
    cluster,
    livyName,
    cause,
    location,
    note,
    state: STATES[submission.state],
    mode: MODES[submission.mode],
    request: jsonObject(submission.request),
    ...present({
      batchId: submission.batchId,
      session: submission.session,
      statementId: submission.statementId,
      appId: submission.appId,
      sparkUiUrl: submission.sparkUiUrl,
      driverLogUrl: submission.driverLogUrl,
      historyUrl: submission.historyUrl,
      failure: submission.failure && failureMessage(submission.failure),
      createdAt: timestamp(submission.createdAt),
      submittedAt: timestamp(submission.submittedAt),
      startedAt: timestamp(submission.startedAt),
      endedAt: timestamp(submission.endedAt),
      goneAt: timestamp(submission.goneAt),
      confirmedAt: timestamp(submission.confirmedAt),
      cancelRequested: submission.cancelRequested,
    }),
  };
}

function failureMessage(failure: SubmissionFailure): MessageInitShape<typeof SubmissionFailureSchema> {
  const { type, message, position, traceback } = failure;
  return { class: CLASSES[failure.class], type, message, ...present({ position, traceback }) };
}

/** What one source printed. */
export function sourceLogMessage({ source, lines }: SourceLog): MessageInitShape<typeof SourceLogSchema> {
  return { source: SOURCES[source], lines: [...lines] };
}

/** A change of state. */
export function transitionMessage({
  at,
  from,
  to,
  cause,
}: SubmissionTransition): MessageInitShape<typeof SubmissionTransitionSchema> {
  return {
    cause,
    from: from === null ? WireSubmissionState.UNSPECIFIED : STATES[from],
    to: STATES[to],
    ...present({ at: timestamp(at) }),
  };
}

function sessionsMessage(sessions: NonNullable<ClusterStatus["sessions"]>): MessageInitShape<typeof SessionPoolSchema> {
  const { lastError, ...counts } = sessions;
  return { ...counts, ...present({ lastError }) };
}

/** Who took a cluster out of use. */
export function drainMessage({ at, by, reason }: ClusterDrain): MessageInitShape<typeof ClusterDrainSchema> {
  return { by, reason, ...present({ at: timestamp(at) }) };
}

function limitsMessage(limits: ClusterStatus["limits"]): MessageInitShape<typeof ClusterLimitsSchema> {
  const byName = (limit: number | Readonly<Record<string, number>> | undefined): Record<string, number> =>
    typeof limit === "number" ? { "*": limit } : { ...limit };
  return {
    maxLive: limits.maxLive,
    perQueue: byName(limits.perQueue),
    perUser: byName(limits.perUser),
    ...present({ maxPerSecond: limits.maxPerSecond }),
  };
}

/** A cluster. */
export function clusterMessage(cluster: ClusterStatus): MessageInitShape<typeof ClusterSchema> {
  const { name, url, live, waiting } = cluster;
  return {
    name,
    url,
    live,
    waiting,
    labels: { ...cluster.labels },
    state: CLUSTER_STATES[cluster.state],
    removed: !cluster.isConfigured,
    limits: limitsMessage(cluster.limits),
    waits: cluster.waits.map(({ reason, count }) => ({ reason, count })),
    ...present({
      confirmedAt: timestamp(cluster.confirmedAt),
      drained: cluster.drained && drainMessage(cluster.drained),
      since: timestamp(cluster.since),
      livyVersion: cluster.version,
      lastError: cluster.lastError,
      sessions: cluster.sessions && sessionsMessage(cluster.sessions),
    }),
  };
}
