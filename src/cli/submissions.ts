/**
 * `firesteel submissions`: what was sent to clusters.
 */

import { toJson } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, FiresteelError } from "../errors.ts";
import { ClusterState, type Submission, SubmissionSchema } from "../gen/firesteel/v1/submission_pb.ts";
import { ExitCode } from "./exit-code.ts";
import { findRecord } from "./find.ts";
import { formatAge, formatDuration, formatTime, oneLine, shortId } from "./format.ts";
import { onInterrupt } from "./interrupt.ts";
import { openServerSession, openSession, type Session } from "./session.ts";
import { paintState } from "./state-color.ts";
import { submissionModeWord, submissionStateWord } from "./state-word.ts";
import { type Column, formatTable } from "./table.ts";
import { outputWidth, paintError, print, say } from "./terminal.ts";
import { userName } from "./user-name.ts";

/** What the command line says. */
export interface SubmissionsOptions {
  readonly live: boolean;
  readonly cluster?: string;
  readonly limit: number;
  /** Prints a list of the messages of `ListSubmissions`. */
  readonly json: boolean;
}

/** Lists submissions, newest first, and says which clusters are down. */
export async function submissions({ live, cluster, limit, json }: SubmissionsOptions): Promise<ExitCode> {
  await using session = await openSession();
  await tellClusters(session, cluster);
  const rows: Submission[] = [];
  for (let pageToken = ""; rows.length < limit; ) {
    const page = await session.client.submissions.listSubmissions({
      live,
      cluster: cluster ?? "",
      pageSize: Math.min(1000, limit - rows.length),
      pageToken,
    });
    rows.push(...page.submissions);
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  if (json) print(JSON.stringify(rows.map((row) => toJson(SubmissionSchema, row))));
  else if (rows.length === 0) say(live ? "nothing is on a cluster now" : "nothing was sent to a cluster yet");
  else print(formatTable(columns(Date.now()), rows));
  return ExitCode.ok;
}

/** What the command line says of the end of one. */
export interface CancelSubmissionOptions {
  readonly id: string;
  readonly reason: string;
}

/** Ends a submission and waits until that is confirmed. */
export async function cancelSubmission({ id: word, reason }: CancelSubmissionOptions): Promise<ExitCode> {
  await using session = await openServerSession("cancelling");
  const { client } = session;
  const found = await findRecord(client, word);
  if (found.kind !== "submission")
    throw new FiresteelError(
      Code.invalidArgument,
      `this is the id of an execution; end it with \`firesteel cancel ${word}\`: ${word}`,
    );
  const { id } = found.answer.submission!;
  const enough = new AbortController();
  using _interrupts = onInterrupt(() => enough.abort());
  for (let told = ""; ; ) {
    // Asking again is what waits: the end is being seen to since the first time.
    const { submission } = await client.submissions.cancelSubmission({ id, reason, user: userName() });
    const { state, cause } = submission!;
    const word = submissionStateWord(state);
    if (submission!.endedAt !== undefined) {
      say(`submission ${shortId(id)}: ${word}: ${oneLine(cause)}`);
      return ExitCode.ok;
    }
    const line = `submission ${shortId(id)} is ${word}; its end is not confirmed yet: ${oneLine(cause)}`;
    if (line !== told) say(line);
    told = line;
    if (enough.signal.aborted) {
      say("it is being stopped also without this command");
      return ExitCode.interrupted;
    }
  }
}

async function tellClusters({ client }: Session, only: string | undefined): Promise<void> {
  const { clusters } = await client.submissions.listClusters({});
  if (only !== undefined && !clusters.some(({ name }) => name === only))
    say(`${paintError("yellow", "warning:")} no cluster of this name is configured: ${only}`);
  for (const { name, state, since, lastError, drained } of clusters) {
    if (only !== undefined && name !== only) continue;
    if (drained !== undefined)
      say(
        `${paintError("yellow", "warning:")} cluster ${name} is drained by ${drained.by}: ${oneLine(drained.reason)}`,
      );
    if (state !== ClusterState.DOWN) continue;
    const from = since ? ` since ${formatTime(timestampMs(since), Date.now())}` : "";
    say(`${paintError("yellow", "warning:")} cluster ${name} is down${from}: ${oneLine(lastError ?? "")}`);
  }
}

function columns(now: number): Column<Submission>[] {
  const people = outputWidth() !== undefined;
  return [
    { title: "ID", text: ({ id }) => (people ? shortId(id) : id) },
    { title: "TASK", text: ({ task }) => task, shrinks: true },
    { title: "CLUSTER", text: ({ cluster }) => cluster },
    {
      title: "STATE",
      text: ({ state }) => submissionStateWord(state),
      paint: (text, { state }) => paintState(text, submissionStateWord(state)),
    },
    { title: "AS", text: ({ mode }) => submissionModeWord(mode) },
    { title: "APPLICATION", text: ({ appId }) => appId ?? "" },
    {
      title: "CREATED",
      text: ({ createdAt }) => {
        if (!createdAt) return "";
        const at = timestampMs(createdAt);
        return people ? `${formatTime(at, now)} (${formatAge(at, now)})` : new Date(at).toISOString();
      },
    },
    {
      title: "TOOK",
      align: "right",
      text: ({ createdAt, endedAt }) =>
        createdAt ? formatDuration((endedAt ? timestampMs(endedAt) : now) - timestampMs(createdAt)) : "",
    },
    { title: "EXECUTION", text: ({ executionId }) => (people ? shortId(executionId) : executionId) },
    {
      title: "CAUSE",
      text: ({ cause, note, endedAt }) => (endedAt === undefined && note !== "" ? note : cause),
      shrinks: true,
    },
  ];
}
