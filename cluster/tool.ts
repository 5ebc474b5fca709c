/** Runs other people's programs with their output kept in a log: nothing of it reaches the terminal unless they fail. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { Code, FiresteelError } from "../src/errors.ts";
import { descendants, identify, signalAll } from "./processes.ts";

/** One run of a program. */
export interface ToolRun {
  /** What it is for, as the subject of an error message. */
  readonly what: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Gets everything that the program prints; made anew. */
  readonly log: string;
  readonly signal?: AbortSignal | undefined;
}

/** The last lines of a log that say something, without colours, each cut to 300 characters; empty when there is no log. */
export async function logTail(path: string, lines = 12): Promise<string> {
  const handle = await open(path).catch(() => undefined);
  if (handle === undefined) return "";
  try {
    const { size } = await handle.stat();
    const length = Math.min(size, 64 * 1024);
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    const text = stripVTControlCharacters(buffer.toString("utf8"));
    const said = text.split(/\r?\n|\r/).filter((line) => line.trim() !== "" && !/^\s+at /.test(line));
    return said
      .slice(-lines)
      .map((line) => `  ${line.slice(0, 300)}`)
      .join("\n");
  } finally {
    await handle.close();
  }
}

/**
 * Runs a program to its end.
 *
 * @throws FiresteelError `unavailable` with the log's tail and path when it fails; the signal's reason when it was aborted,
 * after the program and everything below it was killed.
 */
export async function runTool(run: ToolRun): Promise<void> {
  run.signal?.throwIfAborted();
  await mkdir(dirname(run.log), { recursive: true });
  const log = openSync(run.log, "w");
  const child = spawn(run.command, run.args, { stdio: ["ignore", log, log], env: run.env ?? process.env });
  closeSync(log);
  const stop = (): void => {
    const self = child.pid === undefined ? undefined : identify(child.pid);
    if (self) signalAll([...descendants([self]), self], "SIGKILL");
  };
  run.signal?.addEventListener("abort", stop, { once: true });
  let end: string;
  try {
    const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
    end = code === null ? `was killed by ${signal}` : code === 0 ? "" : `failed with exit code ${code}`;
  } catch (error) {
    throw new FiresteelError(Code.failedPrecondition, `${run.what} could not start ${run.command}`, { cause: error });
  } finally {
    run.signal?.removeEventListener("abort", stop);
  }
  run.signal?.throwIfAborted();
  if (end !== "") {
    const tail = await logTail(run.log);
    throw new FiresteelError(Code.unavailable, `${run.what} ${end}:\n${tail}\n  (all of it: ${run.log})`, {
      details: { log: run.log },
    });
  }
}
