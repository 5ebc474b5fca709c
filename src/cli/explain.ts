/**
 * `firesteel run --dry-run` and `firesteel explain`: what would run, or ran, and why.
 */

import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { ListValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, FiresteelError } from "../errors.ts";
import { type Explanation, ExplanationSchema } from "../gen/firesteel/v1/explain_pb.ts";
import { findProject, loadConfig } from "../project.ts";
import { createClient, type FiresteelClient } from "../serve/client.ts";
import { ExitCode } from "./exit-code.ts";
import { explanationLines } from "./explanation-text.ts";
import { findExecutionId } from "./find.ts";
import { onInterrupt } from "./interrupt.ts";
import { openProjectLog } from "./log-file.ts";
import { findServer } from "./server-state.ts";
import { connect } from "./session.ts";
import { parseArguments } from "./task-arguments.ts";
import { outputWidth, paint, print, redirectOutput, say } from "./terminal.ts";
import { ToldWarnings } from "./told-warnings.ts";

/** What the command line says. */
export interface ExplainOptions {
  /** A task, or the start of an execution's id. */
  readonly what: string;
  readonly words: readonly string[];
  readonly args?: string;
  readonly json: boolean;
  /** Every call rather than a few examples, and what is cached. */
  readonly all: boolean;
  /** End with 1 when something would run. */
  readonly exitCode: boolean;
  /** Only a task is meant. */
  readonly onlyTask: boolean;
}

/** Calls of each reason that are asked for. */
const EXAMPLES = 3;
const ALL_EXAMPLES = 10_000;

/** Explains a task that would be run, or an execution. */
export async function explain(options: ExplainOptions): Promise<ExitCode> {
  const json = parseArguments(options.words, options.args);
  await using place = await openPlace();
  const interrupted = new AbortController();
  using _ = onInterrupt(() => interrupted.abort());
  try {
    const { explanation, past } = await ask(place.client, options, json, interrupted.signal);
    if (options.json) print(JSON.stringify(toJson(ExplanationSchema, explanation)));
    else {
      const view = { past, all: options.all, width: outputWidth(), paint };
      for (const line of explanationLines(explanation, view)) print(line);
    }
    if (past) return ExitCode.ok;
    return explanation.failure || (options.exitCode && explanation.groups.length > 0) ? ExitCode.failed : ExitCode.ok;
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    return ExitCode.interrupted;
  }
}

async function ask(
  client: FiresteelClient,
  { what, words, args, all, onlyTask }: ExplainOptions,
  json: readonly JsonValue[],
  signal: AbortSignal,
): Promise<{ readonly explanation: Explanation; readonly past: boolean }> {
  const maxExamples = all ? ALL_EXAMPLES : EXAMPLES;
  const id = onlyTask || words.length > 0 || args !== undefined ? null : await executionId(client, what);
  if (id !== null) {
    const { explanation } = await client.executions.explainExecution({ id, maxExamples }, { signal });
    return { explanation: explanation!, past: true };
  }
  const jsonArguments = fromJson(ListValueSchema, [...json]);
  const { explanation } = await client.executions.dryRun({ task: what, jsonArguments, maxExamples }, { signal });
  return { explanation: explanation!, past: false };
}

/** The execution that a word means; null when it is the name of a task, or cannot be an id. */
async function executionId(client: FiresteelClient, word: string): Promise<string | null> {
  if (!/^[0-9a-f-]+$/.test(word)) return null;
  const { tasks } = await client.tasks.listTasks({ prefix: word });
  if (tasks.some(({ name }) => name === word)) return null;
  try {
    return await findExecutionId(client, word);
  } catch (error) {
    if (FiresteelError.from(error).code !== Code.notFound) throw error;
    throw new FiresteelError(
      Code.notFound,
      `no task has this name, and no execution an id that starts with it: ${word}`,
    );
  }
}

/** The project's server, else an orchestrator of our own that takes nothing over. */
async function openPlace(): Promise<{ readonly client: FiresteelClient } & AsyncDisposable> {
  const root = findProject(process.cwd());
  const server = await findServer(root);
  if (server) return connect(root, server);
  const [config, { startExplainer }] = await Promise.all([loadConfig(root), import("./own-server.ts")]);
  const told = new ToldWarnings(root);
  const log = await openProjectLog(root, say, "warn", told);
  redirectOutput((text) => process.stderr.write(text));
  const own = await startExplainer({ root, config, log: log.logger });
  told.keep();
  const client = createClient(own.grpcAddress);
  return {
    client,
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await own[Symbol.asyncDispose]();
      log[Symbol.dispose]();
    },
  };
}
