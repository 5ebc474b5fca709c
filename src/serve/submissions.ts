/**
 * The handlers of `firesteel.v1.SubmissionService`.
 */

import { Code, FiresteelError } from "../errors.ts";
import type { SubmissionRecord } from "../evaluate/ports.ts";
import type { SubmissionService } from "../gen/firesteel/v1/submission_pb.ts";
import type { Handlers } from "./handlers.ts";
import type { Orchestrator } from "./orchestrator.ts";
import { pageRequest, present, required } from "./paging.ts";
import {
  clusterMessage,
  drainMessage,
  sourceLogMessage,
  submissionMessage,
  submissionStateFrom,
  transitionMessage,
} from "./submission-message.ts";

const ANONYMOUS = "anonymous";

/** Handlers that show submissions and clusters. */
export function submissionHandlers(orchestrator: Orchestrator): Handlers<typeof SubmissionService> {
  const { submissions } = orchestrator;
  // What is kept here is told here first, and elsewhere it may be told nowhere else.
  const message = (row: SubmissionRecord) =>
    submissionMessage({ ...row, note: row.endedAt === null ? (orchestrator.note(row.id) ?? row.note) : "" });
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
      return { submissions: rows.map(message), nextPageToken: nextCursor ?? "" };
    },

    async getSubmission(request) {
      const submission = await submissions.findSubmission(required(request.id, "id"));
      if (submission === null) throw new FiresteelError(Code.notFound, `submission is not known: ${request.id}`);
      const [transitions, logs] = await Promise.all([
        submissions.listTransitions(request.id),
        submissions.readLogs(request.id),
      ]);
      return {
        submission: message(submission),
        transitions: transitions.map(transitionMessage),
        log: [...(logs.find(({ source }) => source === "submit")?.lines ?? [])],
        logs: logs.map(sourceLogMessage),
      };
    },

    async cancelSubmission({ id, reason, user }) {
      const why = reason || "no reason was given";
      return { submission: message(await orchestrator.cancelSubmission(required(id, "id"), user || ANONYMOUS, why)) };
    },

    async drainCluster({ cluster, reason, user }) {
      const why = required(reason, "reason");
      const drained = await orchestrator.drain(required(cluster, "cluster"), user || ANONYMOUS, why);
      return { drained: drainMessage(drained) };
    },

    async resumeCluster({ cluster, user }) {
      const drained = await orchestrator.resume(required(cluster, "cluster"), user || ANONYMOUS);
      return present({ drained: drained && drainMessage(drained) });
    },

    async listClusters() {
      return { clusters: orchestrator.clusters().map(clusterMessage) };
    },
  };
}
