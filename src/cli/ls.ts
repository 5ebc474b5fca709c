/**
 * `firesteel ls`: the newest executions.
 */

import { toJson } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Execution, ExecutionSchema, ExecutionState } from "../gen/firesteel/v1/execution_pb.ts";
import { ExitCode } from "./exit-code.ts";
import { formatAge, formatDuration, formatTime, shortId } from "./format.ts";
import { openSession } from "./session.ts";
import { paintState } from "./state-color.ts";
import { executionStateWord } from "./state-word.ts";
import { type Column, formatTable } from "./table.ts";
import { outputWidth, print, say } from "./terminal.ts";

/** What the command line says. */
export interface LsOptions {
  readonly limit: number;
  /** Prints a list of the messages of `ListExecutions`. */
  readonly json: boolean;
  readonly state?: string;
  readonly task?: string;
}

/** States that `--state` takes. */
export const EXECUTION_STATES: readonly string[] = ["running", "succeeded", "failed", "cancelled"];

/** Lists executions, newest first. */
export async function ls({ limit, json, state, task }: LsOptions): Promise<ExitCode> {
  await using session = await openSession();
  const rows: Execution[] = [];
  for (let pageToken = ""; rows.length < limit; ) {
    const page = await session.client.executions.listExecutions({
      pageSize: Math.min(1000, limit - rows.length),
      pageToken,
      task: task ?? "",
      ...(state === undefined ? {} : { state: ExecutionState[state.toUpperCase() as keyof typeof ExecutionState] }),
    });
    rows.push(...page.executions);
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  if (json) print(JSON.stringify(rows.map((row) => toJson(ExecutionSchema, row))));
  else if (rows.length === 0) say(state || task ? "no such executions" : "nothing has run yet");
  else print(formatTable(columns(Date.now(), session.server !== null), rows));
  return ExitCode.ok;
}

/** An execution's state in a word; one that no server evaluates now is `interrupted`. */
export function executionWord({ state }: Execution, served: boolean): string {
  return state === ExecutionState.RUNNING && !served ? "interrupted" : executionStateWord(state);
}

function columns(now: number, served: boolean): Column<Execution>[] {
  // Whole ids and times for programs, short ones for people.
  const people = outputWidth() !== undefined;
  return [
    { title: "ID", text: ({ id }) => (people ? shortId(id) : id) },
    { title: "TASK", text: ({ task }) => task, shrinks: true },
    {
      title: "STATE",
      text: (one) => executionWord(one, served),
      paint: (text, one) => paintState(text, executionWord(one, served)),
    },
    {
      title: "STARTED",
      text: ({ startedAt }) => {
        if (!startedAt) return "";
        const at = timestampMs(startedAt);
        return people ? `${formatTime(at, now)} (${formatAge(at, now)})` : new Date(at).toISOString();
      },
    },
    {
      title: "TOOK",
      align: "right",
      text: ({ startedAt, endedAt }) => {
        if (!startedAt || (!endedAt && !served)) return "";
        return formatDuration((endedAt ? timestampMs(endedAt) : now) - timestampMs(startedAt));
      },
    },
    { title: "USER", text: ({ user }) => user },
    { title: "REASON", text: ({ reason }) => reason, shrinks: true },
  ];
}
