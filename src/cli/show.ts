/**
 * `firesteel show`: everything about an execution, a submission or a task.
 */

import { toJson } from "@bufbuild/protobuf";
import { ListValueSchema, type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, FiresteelError } from "../errors.ts";
import type { Execution, GetExecutionResponse, Job } from "../gen/firesteel/v1/execution_pb.ts";
import { type GetSubmissionResponse, type Submission, SubmissionMode } from "../gen/firesteel/v1/submission_pb.ts";
import type { Task } from "../gen/firesteel/v1/task_pb.ts";
import type { FiresteelClient } from "../serve/client.ts";
import { valueFromMessage } from "../serve/value-message.ts";
import { ExitCode } from "./exit-code.ts";
import { failureLines } from "./failure-text.ts";
import { type Found, findRecord } from "./find.ts";
import { clipText, formatAge, formatCount, formatDuration, formatTime, oneLine, plainText } from "./format.ts";
import { jobTreeLines } from "./job-tree.ts";
import { executionWord } from "./ls.ts";
import { formatResult } from "./result-text.ts";
import { openSession, type Session } from "./session.ts";
import { paintState } from "./state-color.ts";
import { failureClassWord, logSourceWord, submissionStateWord } from "./state-word.ts";
import { formatSignature } from "./tasks.ts";
import { outputWidth, paint, print } from "./terminal.ts";

/** What the command line says. */
export interface ShowOptions {
  readonly id: string;
  readonly all: boolean;
  readonly verbose: boolean;
}

/** Shows whatever the id or name means. */
export async function show(options: ShowOptions): Promise<ExitCode> {
  const found = await lookUp(options.id, async (session, record) => {
    if (record.kind === "execution") await showExecution(session, record.answer, options);
    else showSubmission(record.answer);
  });
  if (found) return ExitCode.ok;
  await using session = await openSession("tasks");
  const { tasks } = await session.client.tasks.listTasks({ prefix: options.id });
  const task = tasks.find(({ name }) => name === options.id);
  if (!task)
    throw new FiresteelError(Code.notFound, `no execution, submission or task has this id or name: ${options.id}`);
  showTask(task);
  return ExitCode.ok;
}

/** Finds a record and shows it; false when there is none. */
async function lookUp(word: string, use: (session: Session, record: Found) => Promise<void>): Promise<boolean> {
  await using session = await openSession();
  let record: Found;
  try {
    record = await findRecord(session.client, word);
  } catch (error) {
    if (FiresteelError.from(error).code === Code.notFound) return false;
    throw error;
  }
  await use(session, record);
  return true;
}

type Field = readonly [name: string, value: string];

function printFields(fields: readonly Field[]): void {
  const shown = fields.filter(([, value]) => value !== "");
  const width = Math.max(...shown.map(([name]) => name.length));
  for (const [name, value] of shown) print(`${paint("dim", name.padEnd(width))}  ${value}`);
}

function when(at: Timestamp | undefined): string {
  if (!at) return "";
  const ms = timestampMs(at);
  return `${formatTime(ms, Date.now())} (${formatAge(ms, Date.now())})`;
}

function span(from: Timestamp | undefined, to: Timestamp | undefined): string {
  return from && to ? formatDuration(timestampMs(to) - timestampMs(from)) : "";
}

async function showExecution(session: Session, answer: GetExecutionResponse, options: ShowOptions): Promise<void> {
  const execution = answer.execution!;
  const word = executionWord(execution, session.server !== null);
  printFields([
    ["execution", execution.id],
    ["task", execution.task],
    ["arguments", execution.jsonArguments ? argumentsText(execution) : ""],
    ["state", paintState(word, word) + stateNote(execution, word)],
    ["started", when(execution.startedAt)],
    ["took", span(execution.startedAt, execution.endedAt)],
    ["user", oneLine(execution.user)],
    ["reason", oneLine(execution.reason)],
    ["request id", execution.requestId ?? ""],
    ["code", execution.codeVersion.slice(0, 16)],
    ["resumed", execution.resumes > 0 ? formatCount(execution.resumes, "time") : ""],
  ]);
  const jobs = await allJobs(session.client, answer);
  print(`\n${paint("bold", formatCount(Number(answer.jobCount), "job"))}`);
  const tree = jobTreeLines(jobs, { now: Date.now(), all: options.all, width: outputWidth(), paint: paintState });
  for (const line of tree) print(line);
  if (execution.error) {
    const { message } = execution.error;
    const [first = "", ...more] = failureLines(execution.error, {
      root: session.root,
      verbose: options.verbose,
      task: originOf(jobs, message),
    });
    print(`\n${paint("red", "error:")} ${first}`);
    for (const line of more) print(line);
  } else if (execution.result) {
    const colors = process.stdout.isTTY && process.stdout.hasColors();
    print(`\n${paint("bold", "result")}\n${formatResult(valueFromMessage(execution.result), outputWidth(), colors)}`);
  }
}

function argumentsText({ jsonArguments }: Execution): string {
  const values = toJson(ListValueSchema, jsonArguments!) as readonly unknown[];
  return clipText(values.map((value) => JSON.stringify(value)).join(", "), 1000);
}

function stateNote({ cancelRequested }: Execution, word: string): string {
  if (word === "interrupted") return " (no server evaluates it; the next `firesteel serve` or `run` goes on with it)";
  return cancelRequested && word === "running" ? " (is being cancelled)" : "";
}

/** The task where a failure came up: a job that failed with it while none below it did. */
function originOf(jobs: readonly Job[], message: string): string | undefined {
  const failed = jobs.filter(({ error }) => error?.message === message);
  const parents = new Set(failed.map(({ parentId }) => parentId));
  return failed.find(({ id }) => !parents.has(id))?.task;
}

async function allJobs(client: FiresteelClient, first: GetExecutionResponse): Promise<readonly Job[]> {
  const jobs = [...first.jobs];
  const { id } = first.execution!;
  for (let token = first.nextJobPageToken; token !== ""; ) {
    const page = await client.executions.getExecution({ id, jobPageSize: 10_000, jobPageToken: token });
    jobs.push(...page.jobs);
    token = page.nextJobPageToken;
  }
  return jobs;
}

function showSubmission({ submission, transitions, logs }: GetSubmissionResponse): void {
  const it = submission!;
  const word = submissionStateWord(it.state);
  printFields([
    ["submission", it.id],
    ["state", `${paintState(word, word)}${it.cause ? `: ${oneLine(it.cause)}` : ""}`],
    ["task", it.task],
    ["execution", it.executionId],
    ["work", `${it.work.slice(0, 16)}, attempt ${it.attempt}`],
    ["cluster", it.cluster],
    it.mode === SubmissionMode.STATEMENT
      ? [
          "Livy statement",
          `${it.statementId ?? ""}${it.session === undefined ? "" : ` of session ${it.session}`}`.trim(),
        ]
      : ["Livy batch", [it.batchId === undefined ? "" : String(it.batchId), it.livyName].filter(Boolean).join(", ")],
    ["application", it.appId ?? ""],
    ["Spark UI", it.sparkUiUrl ?? ""],
    ["driver log", it.driverLogUrl ?? ""],
    ["history", it.historyUrl ?? ""],
    ["output", it.location],
    ["user", oneLine(it.user)],
    ["created", when(it.createdAt)],
    ["took", span(it.createdAt, it.endedAt)],
    ["confirmed", when(it.confirmedAt)],
  ]);
  if (it.failure) printSubmissionFailure(it);
  print(`\n${paint("bold", "history")}`);
  for (const { at, to, cause } of transitions)
    print(
      `  ${at ? formatTime(timestampMs(at), Date.now()) : ""}  ${submissionStateWord(to)}${cause ? `: ${oneLine(cause)}` : ""}`,
    );
  const kept = logs.map(({ source, lines }) => `${logSourceWord(source)} ${lines.length}`).join(", ");
  if (kept !== "") print(`\nlines of log (${kept}): firesteel log ${it.id}`);
}

function printSubmissionFailure({ failure }: Submission): void {
  const { class: cls, type, message, position, traceback } = failure!;
  print(`\n${paint("red", `error (${failureClassWord(cls)}):`)} ${type}: ${plainText(message)}`);
  if (position) print(`  place in the SQL text: line ${position.line}, column ${position.column}`);
  if (traceback) print(plainText(traceback).replace(/^/gm, "    "));
}

function showTask(task: Task): void {
  printFields([
    ["task", formatSignature(task)],
    ["description", oneLine(task.description)],
    ["defined in", task.module],
    ["code", task.codeDigest.slice(0, 16)],
    ["options", task.options ? optionsText(task) : ""],
  ]);
  for (const { reason, file, line, column } of task.undecided)
    print(`${paint("yellow", "results are not kept:")} ${oneLine(reason)}, at ${file}:${line}:${column}`);
}

function optionsText({ options }: Task): string {
  return Object.entries(options!)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
    .join(", ");
}
