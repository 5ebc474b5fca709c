/** One run of a task through gRPC, watched to its end. */

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { failureLines } from "../src/cli/failure-text.ts";
import { formatDuration } from "../src/cli/format.ts";
import { openView } from "../src/cli/live-view.ts";
import { Progress, type ProgressLine } from "../src/cli/progress.ts";
import { formatTable } from "../src/cli/table.ts";
import { outputWidth } from "../src/cli/terminal.ts";
import { Code, FiresteelError } from "../src/errors.ts";
import { type Execution, ExecutionState, type Job } from "../src/gen/firesteel/v1/execution_pb.ts";
import type { Submission } from "../src/gen/firesteel/v1/submission_pb.ts";
import type { FiresteelClient } from "../src/serve/client.ts";

/** A run that succeeded. */
export interface DemoRun {
  readonly execution: Execution;
  readonly jobs: readonly Job[];
  /** What it sent to the cluster. */
  readonly submissions: readonly Submission[];
  readonly ms: number;
}

/** Runs a task and shows how it goes. Rejects when it fails. `root` is the project's, for messages. */
export async function runWatched(
  client: FiresteelClient,
  request: { readonly task: string; readonly reason: string },
  root: string,
  signal: AbortSignal,
): Promise<DemoRun> {
  const { execution } = await client.executions.startExecution({ ...request, user: "demo" }, { signal });
  const id = execution!.id;
  const began = execution?.startedAt ? timestampMs(execution.startedAt) : Date.now();
  const progress = new Progress();
  {
    using view = await openView(progress, request.task, began);
    for await (const message of client.executions.watchExecution({ id }, { signal }))
      view.tell(progress.apply(message).filter(isWorthALine));
  }
  signal.throwIfAborted();
  const ended = progress.execution;
  if (ended?.state !== ExecutionState.SUCCEEDED) {
    const lines = ended?.error ? failureLines(ended.error, { root, verbose: false }) : ["the execution did not end"];
    throw new FiresteelError(Code.aborted, lines.join("\n"));
  }
  // One page each: the example has a dozen jobs.
  const { jobs } = await client.executions.getExecution({ id }, { signal });
  const { submissions } = await client.submissions.listSubmissions({ executionId: id, pageSize: 1000 }, { signal });
  return { execution: ended, jobs, submissions, ms: timestampMs(ended.endedAt!) - began };
}

/** Of the states of a submission on its way only `running`, which names the application; its end is told as the job's. */
function isWorthALine({ text }: ProgressLine): boolean {
  return !/^submission \S+ \S+ (planned|submitting|starting|succeeded) /.test(text);
}

/** What ran where, as a table. */
export function whereItRan({ jobs, submissions }: DemoRun): string {
  const bySubmission = new Map(submissions.map((submission) => [submission.id, submission]));
  const own = (job: Job) => bySubmission.get(job.submissionId ?? "");
  const seconds = ({ startedAt, endedAt }: Job) =>
    startedAt && endedAt ? ((timestampMs(endedAt) - timestampMs(startedAt)) / 1000).toFixed(1) : "";
  return formatTable<Job>(
    [
      { title: "task", text: ({ task }) => task },
      { title: "executor", text: ({ executor }) => executor },
      { title: "cluster", text: (job) => own(job)?.cluster ?? "" },
      { title: "application", text: (job) => own(job)?.appId ?? "" },
      { title: "seconds", text: (job) => (job.cached ? "" : seconds(job)), align: "right" },
      { title: "cached", text: ({ cached }) => (cached ? "yes" : "") },
    ],
    jobs,
    outputWidth() ?? 120,
  );
}

/** The run in a line: `14 jobs, 9 of them on Spark, in 1 min 40 s`. */
export function summary({ jobs, submissions, ms }: DemoRun): string {
  const cached = jobs.filter((job) => job.cached).length;
  return `${jobs.length} jobs, ${cached} from the cache, ${submissions.length} sent to Spark, in ${formatDuration(ms)}`;
}

/** Names of the tasks that a run sent to the cluster, each once, sorted. */
export function submittedTasks({ submissions }: DemoRun): string[] {
  return [...new Set(submissions.map(({ task }) => task))].sort();
}
