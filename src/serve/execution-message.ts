/**
 * Executions and jobs as messages.
 */

import { fromJson, type JsonValue, type MessageInitShape } from "@bufbuild/protobuf";
import { ListValueSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import { type ExecutionRecord, ExecutionState, type JobRecord, type JobState } from "../evaluate/ports.ts";
import {
  type ExecutionSchema,
  type JobSchema,
  ExecutionState as WireExecutionState,
  JobState as WireJobState,
} from "../gen/firesteel/v1/execution_pb.ts";
import { decodeValue } from "../hash/decode.ts";
import { fillTemplate, parseProgram } from "../hash/program.ts";
import { encodeValue } from "../hash/value.ts";
import { failureFromRecord } from "./failure-message.ts";
import { MESSAGE_DEPTH } from "./grpc-codec.ts";
import { jsonFromValue } from "./json-value.ts";
import { present, timestamp } from "./paging.ts";
import { messageFromValue } from "./value-message.ts";

const EXECUTION_STATES: Readonly<Record<ExecutionState, WireExecutionState>> = {
  running: WireExecutionState.RUNNING,
  succeeded: WireExecutionState.SUCCEEDED,
  failed: WireExecutionState.FAILED,
  cancelled: WireExecutionState.CANCELLED,
};
const JOB_STATES: Readonly<Record<JobState, WireJobState>> = {
  waiting: WireJobState.WAITING,
  running: WireJobState.RUNNING,
  succeeded: WireJobState.SUCCEEDED,
  failed: WireJobState.FAILED,
  cancelled: WireJobState.CANCELLED,
};

/** The state that a filter names; undefined when it names none. */
export function executionStateFrom(state: WireExecutionState): ExecutionState | undefined {
  return Object.values(ExecutionState).find((known) => EXECUTION_STATES[known] === state);
}

/** An execution without its arguments and result. */
export function executionSummary(execution: ExecutionRecord): MessageInitShape<typeof ExecutionSchema> {
  const { id, task, user, reason, codeVersion, resumes, cancelRequested } = execution;
  return {
    id,
    task,
    user,
    reason,
    codeVersion,
    resumes,
    cancelRequested,
    state: EXECUTION_STATES[execution.state],
    ...present({
      requestId: execution.requestId,
      startedAt: timestamp(execution.startedAt),
      endedAt: timestamp(execution.endedAt),
      error: execution.error && failureFromRecord(execution.error),
    }),
  };
}

/** A whole execution. */
export function executionMessage(execution: ExecutionRecord): MessageInitShape<typeof ExecutionSchema> {
  const message = executionSummary(execution);
  const depth = { recursionLimit: MESSAGE_DEPTH };
  message.jsonArguments = fromJson(ListValueSchema, jsonArguments(execution.args), depth);
  if (execution.result !== null) {
    const result = decodeValue(execution.result);
    message.result = messageFromValue(result);
    message.jsonResult = fromJson(ValueSchema, jsonFromValue(result), depth);
  }
  return message;
}

/** Arguments as a request would have them: what is still to be looked at, datasets by location and files by path, stands in the program's nodes. */
function jsonArguments(encoded: Uint8Array): JsonValue {
  const { root, nodes } = parseProgram(encoded);
  const values = fillTemplate(root, (number) => {
    const node = nodes[number];
    if (node?.kind !== "form" || (node.form !== "dataset" && node.form !== "file"))
      return encodeValue({ $lazy: node?.kind === "form" ? node.form : (node?.kind ?? "nothing") });
    const [first, second] = node.args.map(({ bytes, holes }) =>
      holes.length === 0 ? decodeValue(bytes) : "(computed)",
    );
    return encodeValue(
      node.form === "file" ? { $file: first } : { $dataset: { location: first, ...(second as object) } },
    );
  });
  return jsonFromValue(decodeValue(values));
}

/** A job. */
export function jobMessage(job: JobRecord): MessageInitShape<typeof JobSchema> {
  const { id, executionId, task, evalHash, executor, cached } = job;
  return {
    id,
    executionId,
    task,
    evalHash,
    executor,
    cached,
    state: JOB_STATES[job.state],
    ...present({
      parentId: job.parentId,
      startedAt: timestamp(job.startedAt),
      endedAt: timestamp(job.endedAt),
      error: job.error && failureFromRecord(job.error),
      submissionId: job.submissionId,
      note: job.note,
    }),
  };
}
