/**
 * Watching an execution: a snapshot first, then every change, and nothing missed in between.
 *
 * The subscription starts before the snapshot is read. So a change in that time can be in both; one that the snapshot has overtaken (a job that runs, of which the snapshot says that it has
 * ended) is left out.
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, FiresteelError } from "../errors.ts";
import type { ExecutionRecord, JobRecord, SubmissionRecord } from "../evaluate/ports.ts";
import type { WatchExecutionResponseSchema } from "../gen/firesteel/v1/execution_pb.ts";
import { executionMessage, jobMessage } from "./execution-message.ts";
import type { Orchestrator, WatchEvent } from "./orchestrator.ts";
import { submissionMessage } from "./submission-message.ts";

type Update = MessageInitShape<typeof WatchExecutionResponseSchema>;

/** Jobs in one snapshot message, so that none comes near the 4 MiB that gRPC clients take by default. */
const SNAPSHOT_JOBS = 1000;
/** Submissions in one snapshot message: each carries its request to Livy, some kilobytes. */
const SNAPSHOT_SUBMISSIONS = 200;

/** The stream of updates of one execution; ends after its end. Throws `not_found`. */
export async function* watchExecution(
  orchestrator: Orchestrator,
  id: string,
  signal: AbortSignal,
): AsyncGenerator<Update> {
  const left = new AbortController();
  const events = orchestrator.watch(id, AbortSignal.any([signal, left.signal]))[Symbol.asyncIterator]();
  try {
    let next = events.next();
    // It is awaited after the snapshot; until then a rejection must not count as unhandled.
    next.catch(() => undefined);
    const execution = await orchestrator.get(id);
    if (execution === null) throw new FiresteelError(Code.notFound, `execution is not known: ${id}`);
    const ended = new Set<string>();
    yield* snapshot(orchestrator, execution, ended);
    if (execution.endedAt !== null) return;

    for (;;) {
      const { done, value: event } = await next;
      if (done) return;
      if (!isStale(event, ended)) yield updateOf(event);
      next = events.next();
    }
  } finally {
    // A generator that waits for the next event takes a `return` only after that event, so it is woken first.
    left.abort(new FiresteelError(Code.cancelled, "watcher has left"));
    await events.return?.();
  }
}

async function submissionsOf(orchestrator: Orchestrator, executionId: string): Promise<SubmissionRecord[]> {
  const all: SubmissionRecord[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<Orchestrator["submissions"]["listSubmissions"]>> =
      await orchestrator.submissions.listSubmissions(
        { executionId },
        cursor === null ? { limit: 1000 } : { limit: 1000, cursor },
      );
    all.push(...page.rows);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return all;
}

/** The state of now, part by part, and which jobs and submissions of it have ended. */
async function* snapshot(
  orchestrator: Orchestrator,
  execution: ExecutionRecord,
  ended: Set<string>,
): AsyncGenerator<Update> {
  const submissions = await submissionsOf(orchestrator, execution.id);
  for (const { id, endedAt } of submissions) if (endedAt !== null) ended.add(id);
  let first = true;
  const part = (jobs: readonly JobRecord[], complete: boolean): Update => {
    const value = {
      ...(first ? { execution: executionMessage(execution) } : {}),
      jobs: jobs.map(jobMessage),
      submissions: submissions.splice(0, SNAPSHOT_SUBMISSIONS).map(submissionMessage),
      complete,
    };
    first = false;
    return { event: { case: "snapshot", value } };
  };
  // One part is held back: the last one says that it is.
  let held: readonly JobRecord[] = [];
  for await (const jobs of orchestrator.jobs.readJobs(execution.id)) {
    for (const { id, endedAt } of jobs) if (endedAt !== null && execution.endedAt === null) ended.add(id);
    held = held.concat(jobs);
    for (; held.length > SNAPSHOT_JOBS; held = held.slice(SNAPSHOT_JOBS))
      yield part(held.slice(0, SNAPSHOT_JOBS), false);
  }
  for (; submissions.length > SNAPSHOT_SUBMISSIONS; held = []) yield part(held, false);
  yield part(held, true);
}

function isStale(event: WatchEvent, ended: ReadonlySet<string>): boolean {
  if (event.kind === "job") return event.job.endedAt === null && ended.has(event.job.id);
  if (event.kind === "submission") return event.submission.endedAt === null && ended.has(event.submission.id);
  return false;
}

function updateOf(event: WatchEvent): Update {
  switch (event.kind) {
    case "job":
      return { event: { case: "job", value: jobMessage(event.job) } };
    case "execution":
      return { event: { case: "execution", value: executionMessage(event.execution) } };
    case "submission":
      return { event: { case: "submission", value: submissionMessage(event.submission) } };
    case "code":
      return { event: { case: "code", value: { version: event.version, message: event.message } } };
  }
}
