/**
 * The `process` executor: bodies in child processes, each loaded with exactly the code that was identified.
 *
 * A process runs one body at a time and stays for the next one. Cancelling and time-outs kill it. When it ends by itself the body fails with the exit code or signal and the last lines that it printed.
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Code, FiresteelError } from "../../errors.ts";
import { errorFromRecord } from "../../evaluate/failure.ts";
import { Limits } from "../../evaluate/limits.ts";
import type { Executor } from "../../evaluate/ports.ts";
import { codeExtension } from "../../package-info.ts";
import type { LoadRequest, RunItem, RunResult } from "./messages.ts";
import { withTimeout } from "./time-out.ts";

/** Characters of output that an error shows. */
const OUTPUT_TAIL = 2000;
/** How long the last output of an ended process is waited for; a process of its own that it left behind may keep the pipes open. */
const OUTPUT_WAIT_MS = 1000;

class Child {
  readonly process: ChildProcess;
  output = "";

  constructor(request: LoadRequest) {
    this.process = fork(fileURLToPath(new URL(`./pool-process${codeExtension}`, import.meta.url)), {
      serialization: "advanced",
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output = (this.output + text).slice(-OUTPUT_TAIL);
        process.stderr.write(text);
      });
    }
    // One that fails while it is idle is found dead when it is wanted.
    this.process.on("error", () => undefined);
    this.process.send({ kind: "load", request });
  }

  run(item: RunItem, signal: AbortSignal): Promise<RunResult> {
    this.output = "";
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const end = () => {
        signal.removeEventListener("abort", kill);
        this.process.off("message", answered).off("exit", ended).off("error", failed);
      };
      const answered = (result: RunResult) => {
        end();
        resolve(result);
      };
      const ended = async (exitCode: number | null, by: NodeJS.Signals | null) => {
        end();
        if (signal.aborted) return reject(signal.reason);
        await once(this.process, "close", { signal: AbortSignal.timeout(OUTPUT_WAIT_MS) }).catch(() => undefined);
        const how = by === null ? `exit code ${exitCode}` : `signal ${by}`;
        reject(
          new FiresteelError(
            Code.unknown,
            `task ${item.task} ended its process: ${how}${this.output === "" ? "" : `\n${this.output.trimEnd()}`}`,
            { details: { name: "Exit", exitCode, signal: by, output: this.output } },
          ),
        );
      };
      const failed = (error: Error) => {
        end();
        reject(
          new FiresteelError(Code.unavailable, `process of task ${item.task} cannot be reached: ${error.message}`, {
            cause: error,
          }),
        );
      };
      const kill = () => this.process.kill("SIGKILL");
      this.process.on("message", answered).on("exit", ended).on("error", failed);
      signal.addEventListener("abort", kill, { once: true });
      this.process.send({ kind: "run", item });
    });
  }

  get alive(): boolean {
    return (
      this.process.connected &&
      this.process.exitCode === null &&
      this.process.signalCode === null &&
      !this.process.killed
    );
  }
}

/** Makes the executor for one version of the code; processes start when they are needed. */
export function createProcessExecutor(request: LoadRequest, workers: number): Executor {
  const places = new Limits({ process: workers });
  const children = new Set<Child>();
  const idle: Child[] = [];
  const closing = new AbortController();
  let nextId = 1;
  return {
    name: "process",
    takesStored: true,
    async run({ task, code, args, context, datasets, options }, signal) {
      const stop = AbortSignal.any([signal, closing.signal]);
      if (stop.aborted) throw FiresteelError.from(stop.reason, Code.cancelled);
      const leave = await places.acquire(["process"], stop);
      // The time runs from here: waiting for a free process is none of the body's.
      return withTimeout(task, options.timeoutMs, stop, async (inner) => {
        let child = idle.pop();
        while (child && !child.alive) child = idle.pop();
        if (!child) {
          const made = new Child(request);
          made.process.once("exit", () => children.delete(made));
          children.add(made);
          child = made;
        }
        try {
          const result = await child.run({ id: nextId++, task, code, args, context, datasets }, inner);
          if (result.ok) return result.outcome;
          throw errorFromRecord(result.error);
        } finally {
          if (child.alive) idle.push(child);
        }
      }).finally(leave);
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new FiresteelError(Code.cancelled, "this version of the code was closed"));
      const ends = [...children].map((child) =>
        child.process.exitCode === null && child.process.signalCode === null ? once(child.process, "exit") : undefined,
      );
      for (const child of children) child.process.kill("SIGKILL");
      await Promise.all(ends);
    },
  };
}
