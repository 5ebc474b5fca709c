/**
 * The handlers of `firesteel.v1.ExecutionService`.
 */

import { toJson } from "@bufbuild/protobuf";
import { ListValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, FiresteelError } from "../errors.ts";
import type { EncodedArguments } from "../evaluate/executions.ts";
import type { ExecutionService, StartExecutionRequest } from "../gen/firesteel/v1/execution_pb.ts";
import { encodeProgram } from "../hash/program.ts";
import { executionMessage, executionStateFrom, executionSummary, jobMessage } from "./execution-message.ts";
import { explanationMessage } from "./explanation-message.ts";
import type { Handlers } from "./handlers.ts";
import { valueFromJson } from "./json-value.ts";
import type { Orchestrator } from "./orchestrator.ts";
import { millisecondsOf, pageRequest, pageSize, required } from "./paging.ts";
import { valueFromMessage } from "./value-message.ts";
import { watchExecution } from "./watch.ts";

const MAX_REQUEST_ID = 200;
/** Calls of one reason that are told one by one. */
const EXAMPLES = 3;
const MAX_EXAMPLES = 10_000;

/** Handlers that start, show, watch and cancel executions. */
export function executionHandlers(orchestrator: Orchestrator): Handlers<typeof ExecutionService> {
  return {
    async startExecution(request) {
      const task = required(request.task, "task");
      const { requestId, reason } = request;
      if (requestId.length > MAX_REQUEST_ID)
        throw new FiresteelError(
          Code.invalidArgument,
          `request id has more than ${MAX_REQUEST_ID} characters: ${requestId.length}`,
        );
      const args = encodeArguments(request);
      const execution = await orchestrator.start({
        task,
        args,
        user: request.user || "anonymous",
        reason,
        ...(requestId === "" ? {} : { requestId }),
      });
      return { execution: executionMessage(execution) };
    },

    async getExecution(request) {
      const execution = await orchestrator.get(required(request.id, "id"));
      if (execution === null) throw new FiresteelError(Code.notFound, `execution is not known: ${request.id}`);
      const limit = pageSize(request.jobPageSize, 1000, 10_000);
      const from = jobsBefore(request.jobPageToken);
      const { jobs, count } = await orchestrator.jobs.pageJobs(execution.id, { from, limit });
      return {
        execution: executionMessage(execution),
        jobs: jobs.map(jobMessage),
        nextJobPageToken: from + limit < count ? String(from + limit) : "",
        jobCount: BigInt(count),
      };
    },

    async waitExecution(request, { signal }) {
      const execution = await orchestrator.wait(
        required(request.id, "id"),
        millisecondsOf(request.timeout, "time-out"),
        signal,
      );
      return { execution: executionMessage(execution) };
    },

    watchExecution: (request, { signal }) => watchExecution(orchestrator, required(request.id, "id"), signal),

    async listExecutions(request) {
      const state = executionStateFrom(request.state);
      const filter = {
        ...(state === undefined ? {} : { state }),
        ...(request.task === "" ? {} : { task: request.task }),
      };
      const { rows, nextCursor } = await orchestrator.list(filter, pageRequest(request));
      return { executions: rows.map(executionSummary), nextPageToken: nextCursor ?? "" };
    },

    async cancelExecution(request) {
      const execution = await orchestrator.cancel(required(request.id, "id"), request.reason);
      return { execution: executionMessage(execution) };
    },

    async dryRun(request, { signal }) {
      const explanation = await orchestrator.dryRun(
        {
          task: required(request.task, "task"),
          args: encodeArguments(request),
          user: "anonymous",
          examples: pageSize(request.maxExamples, EXAMPLES, MAX_EXAMPLES),
        },
        signal,
      );
      return { explanation: explanationMessage(explanation) };
    },

    async explainExecution(request) {
      const examples = pageSize(request.maxExamples, EXAMPLES, MAX_EXAMPLES);
      return { explanation: explanationMessage(await orchestrator.explain(required(request.id, "id"), examples)) };
    },
  };
}

function encodeArguments(
  request: Pick<StartExecutionRequest, "task" | "arguments" | "jsonArguments">,
): EncodedArguments {
  const subject = (i: number): string => `argument ${i + 1} of ${request.task}`;
  if (request.jsonArguments === undefined) {
    return encodeProgram(
      request.arguments.map((argument, i) => valueFromMessage(argument, subject(i))),
      `arguments of ${request.task}`,
    );
  }
  if (request.arguments.length > 0)
    throw new FiresteelError(Code.invalidArgument, "request has both arguments and json_arguments; send one of them");
  const json = toJson(ListValueSchema, request.jsonArguments);
  return encodeProgram(
    json.map((argument, i) => valueFromJson(argument, subject(i))),
    `arguments of ${request.task}`,
  );
}

/** The token of a page is the number of jobs before it. */
function jobsBefore(token: string): number {
  if (!/^\d{0,15}$/.test(token))
    throw new FiresteelError(
      Code.invalidArgument,
      `job page token was not given by this service: ${JSON.stringify(token)}`,
    );
  return Number(token);
}
