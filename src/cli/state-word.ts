/** The words of states: the names that the wire contract gives them, in lower case. */

import { ExecutionState, JobState } from "../gen/firesteel/v1/execution_pb.ts";
import {
  ClusterState,
  FailureClass,
  LogSource,
  SubmissionMode,
  SubmissionState,
} from "../gen/firesteel/v1/submission_pb.ts";

function words(states: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(states).map(([name, number]) => [number, name.toLowerCase()]));
}

const EXECUTIONS = words(ExecutionState);
const JOBS = words(JobState);
const SUBMISSIONS = words(SubmissionState);
const MODES = words(SubmissionMode);
const CLASSES = words(FailureClass);
const CLUSTERS = words(ClusterState);
const SOURCES = words(LogSource);

/** An execution's state in a word. A server of a newer version may know states that this command does not. */
export function executionStateWord(state: ExecutionState): string {
  return EXECUTIONS.get(state) ?? `state ${state}`;
}

/** A job's state in a word. */
export function jobStateWord(state: JobState): string {
  return JOBS.get(state) ?? `state ${state}`;
}

/** A submission's state in a word. */
export function submissionStateWord(state: SubmissionState): string {
  return SUBMISSIONS.get(state) ?? `state ${state}`;
}

/** How a submission is carried, in a word; none for a server that does not say. */
export function submissionModeWord(mode: SubmissionMode): string {
  return mode === SubmissionMode.UNSPECIFIED ? "" : (MODES.get(mode) ?? `mode ${mode}`);
}

/** Where lines of a log come from, in a word. */
export function logSourceWord(source: LogSource): string {
  return SOURCES.get(source) ?? `source ${source}`;
}

/** A cluster's state in a word. */
export function clusterStateWord(state: ClusterState): string {
  return CLUSTERS.get(state) ?? `state ${state}`;
}

/** A failure's class in a word. */
export function failureClassWord(of: FailureClass): string {
  return CLASSES.get(of) ?? `class ${of}`;
}
