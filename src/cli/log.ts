/**
 * `firesteel log`: what a submission printed, or all submissions of an execution: spark-submit, YARN, and the driver.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, FiresteelError } from "../errors.ts";
import { ExecutionState } from "../gen/firesteel/v1/execution_pb.ts";
import type { LogSource, Submission } from "../gen/firesteel/v1/submission_pb.ts";
import { ExitCode } from "./exit-code.ts";
import { findRecord } from "./find.ts";
import { plainText, shortId } from "./format.ts";
import { onInterrupt } from "./interrupt.ts";
import { openSession, type Session } from "./session.ts";
import { logSourceWord, submissionStateWord } from "./state-word.ts";
import { paintError, print, say } from "./terminal.ts";

/** How often a followed log is asked for, in ms. */
const FOLLOW_MS = 1000;
/** An application whose end nobody confirms so long after the result is not waited for. */
const LATE_MS = 120_000;

/** What the command line says. */
export interface LogOptions {
  readonly id: string;
  readonly follow: boolean;
  /** Of this source only. */
  readonly source?: string;
}

/** Prints a log; follows it until the work has ended and its driver's last lines are there. */
export async function log({ id, follow, source: only }: LogOptions): Promise<ExitCode> {
  await using session = await openSession();
  const found = await findRecord(session.client, id);
  const chosen =
    found.kind === "submission"
      ? submissionSource(session, found.answer.submission!.id)
      : executionSource(session, found.answer.execution!.id);
  if (follow && session.server === null)
    throw new FiresteelError(
      Code.failedPrecondition,
      "no server is up for this project, so no log grows; leave --follow out, or start `firesteel serve`",
    );
  const enough = new AbortController();
  using _interrupts = onInterrupt(() => enough.abort());
  const printed: Printed = new Map();
  for (let round = 0; ; round++) {
    const { submissions, ended } = await chosen();
    for (const submission of submissions)
      await printNew(session, submission, printed, { several: submissions.length > 1, only });
    if (round === 0 && submissions.length === 0)
      say("this execution has sent nothing to a cluster yet; what its other tasks print is in the server's output");
    if (!follow || ended) return ExitCode.ok;
    await sleep(FOLLOW_MS, undefined, { signal: enough.signal }).catch(() => undefined);
    if (enough.signal.aborted) return ExitCode.interrupted;
  }
}

/** The submissions whose logs are wanted now, and whether that was all. */
type Source = () => Promise<{ readonly submissions: readonly Submission[]; readonly ended: boolean }>;

function submissionSource({ client }: Session, id: string): Source {
  return async () => {
    const { submission } = await client.submissions.getSubmission({ id });
    return { submissions: [submission!], ended: isWhole(submission!) };
  };
}

function executionSource({ client }: Session, executionId: string): Source {
  return async () => {
    const { execution } = await client.executions.getExecution({ id: executionId, jobPageSize: 1 });
    const submissions: Submission[] = [];
    for (let pageToken = ""; ; ) {
      const page = await client.submissions.listSubmissions({ executionId, pageSize: 1000, pageToken });
      submissions.push(...page.submissions);
      pageToken = page.nextPageToken;
      if (pageToken === "") break;
    }
    const ended = execution!.state !== ExecutionState.RUNNING && submissions.every(isWhole);
    return { submissions: submissions.reverse(), ended };
  };
}

/** Whether a submission's log grows no more: what its driver printed last is copied when its application is gone, a while after its end. */
function isWhole({ endedAt, goneAt }: Submission): boolean {
  if (endedAt === undefined) return false;
  return goneAt !== undefined || Date.now() - timestampMs(endedAt) > LATE_MS;
}

/** What was printed of each submission: its lines by source, and whether that was all. */
type Printed = Map<string, { readonly logs: ReadonlyMap<LogSource, readonly string[]>; readonly whole: boolean }>;

async function printNew(
  { client }: Session,
  submission: Submission,
  printed: Printed,
  { several, only }: { readonly several: boolean; readonly only: string | undefined },
): Promise<void> {
  const { id, task, cluster, state } = submission;
  const before = printed.get(id);
  if (before?.whole) return;
  const { logs } = await client.submissions.getSubmission({ id });
  if (before === undefined)
    say(paintError("bold", `--- submission ${id}: ${task} on ${cluster}, ${submissionStateWord(state)}`));
  const wanted = logs.filter(({ source }) => only === undefined || logSourceWord(source) === only);
  for (const { source, lines } of wanted) {
    const labels = [several ? shortId(id) : "", only === undefined ? logSourceWord(source).padEnd(LABEL) : ""];
    const label = labels
      .filter((text) => text !== "")
      .map((text) => `${text}  `)
      .join("");
    for (const line of newLines(before?.logs.get(source) ?? [], lines)) print(`${label}${plainText(line)}`);
  }
  printed.set(id, {
    logs: new Map(wanted.map(({ source, lines }) => [source, lines])),
    whole: isWhole(submission),
  });
}

/** Width of the name of a source. */
const LABEL = 6;

/** The lines that came since: a log is a window that moves, so where the old one ends in the new one has to be found. */
export function newLines(before: readonly string[], now: readonly string[]): readonly string[] {
  const last = before.at(-1);
  if (last === undefined) return now;
  for (let end = now.length - 1; end >= 0; end--) {
    if (now[end] !== last) continue;
    const length = Math.min(before.length, end + 1);
    if (now.slice(end + 1 - length, end + 1).every((line, i) => line === before[before.length - length + i]))
      return now.slice(end + 1);
  }
  return now;
}
