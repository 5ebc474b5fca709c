/**
 * An executor that runs each body by a command: a process of its own on this machine, or with
 * `{ command: ["ssh", "worker-7", "node", "/opt/firesteel/run-body.js"] }` one somewhere else.
 */

import { spawn } from "node:child_process";
import {
  bodyRunner,
  Code,
  createPlaces,
  decodeAnswer,
  type Executor,
  type ExecutorFactory,
  encodeCall,
  FiresteelError,
  type FlowSource,
  type Invocation,
  type Outcome,
  withTimeout,
} from "firesteel/executor";

const createCommandExecutor: ExecutorFactory = ({ name, flow, workers, options }): Executor => {
  const command = (options["command"] as readonly string[] | undefined) ?? [process.execPath, bodyRunner];
  const takePlace = createPlaces(workers);
  const closing = new AbortController();
  return {
    name,
    async run(invocation, signal): Promise<Outcome> {
      const stop = AbortSignal.any([signal, closing.signal]);
      const leave = await takePlace(stop);
      // The time runs from here: waiting for a place is none of the body's.
      return withTimeout(invocation.task, invocation.options.timeoutMs, stop, (inner) =>
        runCommand(command, flow, invocation, inner),
      ).finally(leave);
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new FiresteelError(Code.cancelled, `executor ${name} was closed`));
    },
  };
};
export default createCommandExecutor;

function runCommand(
  [program, ...args]: readonly string[],
  flow: FlowSource,
  invocation: Invocation,
  signal: AbortSignal,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program as string, args, { stdio: ["pipe", "pipe", "pipe"] });
    const answer: Buffer[] = [];
    let printed = "";
    const kill = () => child.kill("SIGKILL");
    signal.addEventListener("abort", kill, { once: true });
    child.stdout.on("data", (bytes: Buffer) => answer.push(bytes));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      printed = (printed + text).slice(-2000);
    });
    // A child that has ended does not read: its exit says why.
    child.stdin.on("error", () => undefined).end(encodeCall(flow, invocation));
    child.on("error", (error) => {
      reject(new FiresteelError(Code.unavailable, `${program} cannot be started: ${error.message}`, { cause: error }));
    });
    child.on("close", (exitCode, by) => {
      signal.removeEventListener("abort", kill);
      if (signal.aborted) return reject(signal.reason);
      if (exitCode === 0 && answer.length > 0) {
        try {
          return resolve(decodeAnswer(Buffer.concat(answer)));
        } catch (error) {
          return reject(error);
        }
      }
      const how = by === null ? `exit code ${exitCode}` : `signal ${by}`;
      const message = `task ${invocation.task} ended its process: ${how}\n${printed.trimEnd()}`;
      reject(new FiresteelError(Code.unknown, message, { details: { name: "Exit", exitCode, signal: by } }));
    });
  });
}
