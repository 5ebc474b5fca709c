/**
 * The handlers of `firesteel.v1.SubmissionService`.
 */

import { Code, FiresteelError } from "../errors.ts";
import type { SubmissionService } from "../gen/firesteel/v1/submission_pb.ts";
import type { Handlers } from "./handlers.ts";
import type { Orchestrator } from "./orchestrator.ts";
import { pageRequest, required } from "./paging.ts";
import {
  clusterMessage,
  sourceLogMessage,
  submissionMessage,
  submissionStateFrom,
  transitionMessage,
} from "./submission-message.ts";

/** Handlers that show submissions and clusters. */
export function submissionHandlers(orchestrator: Orchestrator): Handlers<typeof SubmissionService> {
  const { submissions } = orchestrator;
  return {
    async listSubmissions(request) {
      const { cluster, executionId, work } = request;
      const state = submissionStateFrom(request.state);
      const filter = {
        ...(cluster === "" ? {} : { cluster }),
        ...(executionId === "" ? {} : { executionId }),
        ...(work === "" ? {} : { work }),
        ...(state === undefined ? {} : { state }),
        ...(request.live ? { live: true } : {}),
      };
      const { rows, nextCursor } = await submissions.listSubmissions(filter, pageRequest(request));
      return { submissions: rows.map(submissionMessage), nextPageToken: nextCursor ?? "" };
    },

    async getSubmission(request) {
      const submission = await submissions.findSubmission(required(request.id, "id"));
      if (submission === null) throw new FiresteelError(Code.notFound, `submission is not known: ${request.id}`);
      const [transitions, logs] = await Promise.all([
        submissions.listTransitions(request.id),
        submissions.readLogs(request.id),
      ]);
      return {
        submission: submissionMessage(submission),
        transitions: transitions.map(transitionMessage),
        log: [...(logs.find(({ source }) => source === "submit")?.lines ?? [])],
        logs: logs.map(sourceLogMessage),
      };
    },

    async listClusters() {
      return { clusters: orchestrator.clusters().map(clusterMessage) };
    },
  };
}
