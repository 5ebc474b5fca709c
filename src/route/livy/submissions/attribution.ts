/**
 * What a cluster's own tools show of where an application came from: Livy's batch name, Spark's application name and configuration, YARN's tags, Kubernetes' labels, and the job group of every Spark job.
 *
 * None of it is part of an identity. The way back is by execution id (`firesteel show`), which the application name, a tag, a label and the job group carry.
 */

import type { Digest, SubmissionRecord } from "../../../evaluate/ports.ts";
import type { LivyBatchRequest } from "../http/client.ts";

/** Whose work an application does. */
export interface Origin {
  readonly task: string;
  readonly executionId: string;
  readonly jobId: string;
  readonly user: string;
  /** Those of the task and of its callers' `withTags`. */
  readonly tags: readonly string[];
  readonly evalHash: Digest;
}

/** Spark's job group: its id and description are columns of Spark's own pages. */
export interface JobGroup {
  readonly id: string;
  readonly description: string;
}

/** YARN refuses tags longer than this, and an application with more than ten; Livy adds one of its own. */
const MOST_TAG = 100;
const MOST_TAGS = 9;
/** Kubernetes' limit for the value of a label. */
const MOST_LABEL = 63;
const MOST_TASK = 36;

/** The name of a batch: `<task>-<store>-<attempt>` in lower case, which makes it a YARN tag as it is. Unique by its end; the task is shortened for people. */
export function livyNameOf(task: string, storeId: string, attempt: string): string {
  return `${plain(task, MOST_TASK)}-${storeId}-${attempt}`.toLowerCase();
}

/** The request with its origin in it. What the author set himself stays. */
export function attributed(request: LivyBatchRequest, livyName: string, origin: Origin): LivyBatchRequest {
  const { task, executionId, jobId, user, tags, evalHash } = origin;
  const own = [...new Set(request.conf?.["spark.yarn.tags"]?.split(",").filter((tag) => tag !== ""))];
  const known = [
    livyName,
    "firesteel",
    `execution:${executionId}`,
    `user:${plain(user, 60)}`,
    `task:${plain(task, 90)}`,
  ];
  const yarn = [...new Set([...own, ...known.map((tag) => tag.toLowerCase().slice(0, MOST_TAG))])];
  // The name finds the application again: it is never among those that are one too many.
  const kept = [livyName, ...yarn.filter((tag) => tag !== livyName)].slice(0, Math.max(MOST_TAGS, own.length + 1));
  const labels: Record<string, string> = {};
  for (const [key, text] of Object.entries({
    execution: executionId,
    user,
    task,
    attempt: livyName.slice(-MOST_LABEL),
  }))
    for (const role of ["driver", "executor"])
      labels[`spark.kubernetes.${role}.label.firesteel-${key}`] = labelOf(text);
  return {
    ...request,
    name: livyName,
    conf: {
      "spark.app.name": `${task} ${executionId}`,
      "spark.firesteel.task": task,
      "spark.firesteel.execution": executionId,
      "spark.firesteel.job": jobId,
      "spark.firesteel.user": user,
      "spark.firesteel.tags": tags.join(","),
      "spark.firesteel.evalHash": evalHash,
      ...labels,
      ...request.conf,
      "spark.yarn.tags": kept.join(","),
      // A second start of the driver would only race with an attempt of ours.
      "spark.yarn.maxAppAttempts": "1",
    },
  };
}

/** Whose work a submission does, read back from its row. */
export function originOf({ task, executionId, jobId, user, request }: SubmissionRecord): Origin {
  const { conf = {} } = request as Pick<LivyBatchRequest, "conf">;
  const tags = conf["spark.firesteel.tags"]?.split(",").filter((tag) => tag !== "") ?? [];
  return { task, executionId, jobId, user, tags, evalHash: conf["spark.firesteel.evalHash"] ?? "" };
}

/** The group of all Spark jobs of an attempt. */
export function jobGroupOf({ task, executionId, user }: Origin): JobGroup {
  return { id: executionId, description: `firesteel: ${task} for ${user}, execution ${executionId}` };
}

/** Letters, digits, `.`, `_` and `-` only; other characters become `-`. */
function plain(text: string, most: number): string {
  return text.replace(/[^A-Za-z0-9._-]+/g, "-").slice(0, most);
}

/** A label's value begins and ends with a letter or digit. */
function labelOf(text: string): string {
  return plain(text, MOST_LABEL).replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, "");
}
