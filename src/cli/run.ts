/**
 * `firesteel run`: runs a task and shows how it goes and what came of it.
 */

import { fromJson, toJson } from "@bufbuild/protobuf";
import { ValueSchema as JsonValueSchema, ListValueSchema, timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, FiresteelError } from "../errors.ts";
import { type Execution, ExecutionState } from "../gen/firesteel/v1/execution_pb.ts";
import { findProject, loadConfig } from "../project.ts";
import { valueFromMessage } from "../serve/value-message.ts";
import { ExitCode } from "./exit-code.ts";
import { failureLines } from "./failure-text.ts";
import { formatCount, formatDuration, formatTime, shortId } from "./format.ts";
import { onInterrupt } from "./interrupt.ts";
import { openView, type View } from "./live-view.ts";
import { openProjectLog } from "./log-file.ts";
import type { OwnServer } from "./own-server.ts";
import { Progress } from "./progress.ts";
import { formatResult } from "./result-text.ts";
import { findServer, type ServerState } from "./server-state.ts";
import { connect, openServerSession, type Session } from "./session.ts";
import { parseArguments } from "./task-arguments.ts";
import { outputWidth, paintError, print, redirectOutput, say } from "./terminal.ts";
import { ToldWarnings } from "./told-warnings.ts";
import { userName } from "./user-name.ts";

/** What the command line says. */
export interface RunOptions {
  readonly task: string;
  readonly words: readonly string[];
  readonly args?: string;
  readonly reason: string;
  readonly json: boolean;
  readonly detach: boolean;
  readonly requestId?: string;
  readonly verbose: boolean;
}

/** How long a `run` waits for another one's server that is starting, in ms. */
const OTHER_STARTS_MS = 15_000;

/** How long a server is asked how it is, in ms. */
const HEALTH_MS = 2_000;

/** Runs a task to its end; with `detach` only starts it. */
export async function run(options: RunOptions): Promise<ExitCode> {
  // Wrong arguments are told before anything is started.
  const json = parseArguments(options.words, options.args);
  const jsonArguments = fromJson(ListValueSchema, json);
  const request = {
    task: options.task,
    jsonArguments,
    user: userName(),
    reason: options.reason,
    requestId: options.requestId ?? "",
  };
  if (options.detach) {
    await using session = await openServerSession("--detach");
    const { execution } = await session.client.executions.startExecution(request);
    print(options.json ? JSON.stringify({ id: execution!.id }) : execution!.id);
    say(`runs on without this command; its end: firesteel show ${shortId(execution!.id)}`);
    return ExitCode.ok;
  }
  const interrupted = new AbortController();
  using _interrupts = onInterrupt(() => interrupted.abort());
  await using place = await openPlace();
  if (interrupted.signal.aborted) {
    say("stopped before the execution was started");
    return ExitCode.interrupted;
  }
  const { execution } = await place.session.client.executions.startExecution(request);
  const ended = await follow(place, execution!, interrupted.signal, options);
  if (place.own) await leaveOthersTime(place.session, place.own);
  return ended;
}

/** Where the execution runs. */
interface Place extends AsyncDisposable {
  readonly session: Session;
  /** Set when the server is this process's own. */
  readonly own: OwnServer | null;
  /** Where text goes that user code prints in this process. */
  readonly printed: { to: (text: string) => void };
}

const toStderr = (text: string): void => {
  process.stderr.write(text);
};

/** The project's server, else one of our own for as long as this command runs. */
async function openPlace(): Promise<Place> {
  const root = findProject(process.cwd());
  const server = await findServer(root);
  return server ? foreign(root, server) : openOwn(root);
}

async function foreign(root: string, server: ServerState): Promise<Place> {
  const session = connect(root, server);
  for (const reason of await reasonsOf(server)) say(`${paintError("yellow", "warning")} ${reason}`);
  return { session, own: null, printed: { to: toStderr }, [Symbol.asyncDispose]: () => session[Symbol.asyncDispose]() };
}

/** What a server says against itself: above all that the code as it is now does not load, so that an earlier version runs. */
async function reasonsOf({ httpAddress }: ServerState): Promise<readonly string[]> {
  try {
    const answer = await fetch(`http://${httpAddress}/readyz`, { signal: AbortSignal.timeout(HEALTH_MS) });
    return ((await answer.json()) as { readonly reasons: readonly string[] }).reasons;
  } catch {
    // Whether it works shows in a moment, by gRPC.
    return [];
  }
}

async function openOwn(root: string): Promise<Place> {
  // The configuration is evaluated in a thread; the orchestrator's modules load meanwhile.
  const [config, { startOwnServer }] = await Promise.all([loadConfig(root), import("./own-server.ts")]);
  const told = new ToldWarnings(root);
  const log = await openProjectLog(root, say, "warn", told);
  let own: OwnServer;
  const printed = { to: toStderr };
  redirectOutput((text) => printed.to(text));
  try {
    // Any ports: the configured ones belong to `serve`, perhaps of another project.
    own = await startOwnServer({
      root,
      config: { ...config, grpcPort: 0, httpPort: 0 },
      log: log.logger,
      command: "run",
    });
  } catch (error) {
    const other = await otherServer(root, error);
    log[Symbol.dispose]();
    if (other) return foreign(root, other);
    throw error;
  }
  told.keep();
  const session = connect(root, own.state);
  return {
    session,
    own,
    printed,
    async [Symbol.asyncDispose]() {
      await session[Symbol.asyncDispose]();
      await own[Symbol.asyncDispose]();
      log[Symbol.dispose]();
    },
  };
}

/** The server of whoever has opened the database a moment before us; null when that is not why we failed, or it does not come up. */
async function otherServer(root: string, error: unknown): Promise<ServerState | null> {
  if (!(error instanceof FiresteelError) || !/^database .* is in use/.test(error.message)) return null;
  for (const end = Date.now() + OTHER_STARTS_MS; Date.now() < end; await pause(200)) {
    const server = await findServer(root);
    if (server) return server;
  }
  return null;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Watches an execution to its end and tells of it. */
async function follow(
  { session, own, printed }: Place,
  execution: Execution,
  interrupted: AbortSignal,
  { json, verbose }: RunOptions,
): Promise<ExitCode> {
  const { client, root } = session;
  const began = execution.startedAt ? timestampMs(execution.startedAt) : Date.now();
  const progress = new Progress();
  const view = await openView(progress, `${execution.task} ${shortId(execution.id)}`, began);
  printed.to = (text) => view.say(text.replace(/\n$/, ""));
  const cancel = () => {
    view.say(`cancelling execution ${shortId(execution.id)}; Ctrl-C again leaves at once`);
    client.executions
      .cancelExecution({ id: execution.id, reason: "Ctrl-C" })
      .catch((error: unknown) => view.say(`cannot be cancelled: ${FiresteelError.from(error).message}`));
  };
  if (!process.stderr.isTTY) view.say(`execution ${execution.id} of ${execution.task}`);
  if (interrupted.aborted) cancel();
  interrupted.addEventListener("abort", cancel);
  try {
    await watch(session, execution.id, progress, view);
  } catch (error) {
    const reason = own ? await Promise.race([own.stopped, pause(100).then(() => null)]) : null;
    throw reason ?? error;
  } finally {
    interrupted.removeEventListener("abort", cancel);
    view[Symbol.dispose]();
    printed.to = toStderr;
  }
  return tellEnd(progress, began, root, json, verbose);
}

async function watch({ client }: Session, id: string, progress: Progress, view: View): Promise<void> {
  const lost = (cause?: unknown) =>
    new FiresteelError(
      Code.unavailable,
      `connection to the server was lost; execution ${shortId(id)} goes on when a server of this project is up again`,
      { cause },
    );
  try {
    for await (const message of client.executions.watchExecution({ id })) view.tell(progress.apply(message));
  } catch (error) {
    const { code } = FiresteelError.from(error);
    throw code === Code.unavailable || code === Code.cancelled ? lost(error) : error;
  }
  if (progress.execution?.endedAt === undefined) throw lost();
}

function tellEnd(progress: Progress, began: number, root: string, json: boolean, verbose: boolean): ExitCode {
  const execution = progress.execution!;
  const { ran, cached, failed, cancelled, submitted } = progress.counts;
  const took = formatDuration(timestampMs(execution.endedAt!) - began);
  const counts = [
    `${formatCount(ran + cached + failed + cancelled, "job")}: ${ran} ran, ${cached} cached`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(cancelled > 0 ? [`${cancelled} cancelled`] : []),
    formatCount(submitted, "submission"),
  ].join(", ");
  const summary = (word: string) => say(`${word} in ${took} (${counts}); execution ${shortId(execution.id)}`);
  switch (execution.state) {
    case ExecutionState.SUCCEEDED: {
      if (json) print(JSON.stringify(execution.jsonResult ? toJson(JsonValueSchema, execution.jsonResult) : null));
      else {
        const value = execution.result ? valueFromMessage(execution.result) : undefined;
        print(formatResult(value, outputWidth(), process.stdout.isTTY && process.stdout.hasColors()));
      }
      summary(paintError("green", "succeeded"));
      return ExitCode.ok;
    }
    case ExecutionState.CANCELLED:
      summary(paintError("yellow", "cancelled"));
      return ExitCode.interrupted;
    default: {
      const [first = "no reason is recorded", ...more] = execution.error
        ? failureLines(execution.error, { root, verbose, task: progress.originOf(execution.error.message) })
        : [];
      say(`${paintError("red", "error:")} ${first}`);
      for (const line of more) say(line);
      summary(paintError("red", "failed"));
      return ExitCode.failed;
    }
  }
}

/** Others may have found our server meanwhile: what they started there ends before it does. */
async function leaveOthersTime({ client }: Session, own: OwnServer): Promise<void> {
  const enough = new AbortController();
  let listening: Disposable | undefined;
  using _ = { [Symbol.dispose]: () => listening?.[Symbol.dispose]() };
  for (let told = false; !enough.signal.aborted; told = true) {
    const { executions } = await client.executions.listExecutions({ state: ExecutionState.RUNNING, pageSize: 100 });
    // Those that an earlier server left are taken up again by the next one.
    const others = executions.filter(({ startedAt }) => startedAt && timestampMs(startedAt) >= own.state.startedAt);
    const [next] = others;
    if (!next) return;
    if (!told) {
      say(
        `${formatCount(others.length, "execution")} of other commands still ${others.length === 1 ? "runs" : "run"} here since ${formatTime(timestampMs(next.startedAt!), Date.now())}; Ctrl-C leaves it to the next server`,
      );
      listening = onInterrupt(() => enough.abort());
    }
    await client.executions.waitExecution({ id: next.id }, { signal: enough.signal }).catch((error: unknown) => {
      if (!enough.signal.aborted) throw error;
    });
  }
}
