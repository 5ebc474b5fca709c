/** A process under test (`lane-process.ts`) as the test sees it; a new one is started where the last was killed. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { StoreLocation } from "../../src/record/store.ts";

/** A line between what resumed executions did and what new ones did. */
export const PHASE = "--";
/** A task that every project has, run last in each step. */
export const LAST_TASK = "property.last";

/** Texts of files by path from the root; null where there is to be none. */
export type Change = Readonly<Record<string, string | null>>;

export type Runs = readonly { readonly task: string; readonly args: readonly number[] }[];

/** One version of a project: what is run of it. The files are on disk already, unless they change in a race. */
export interface StepRequest {
  readonly root: string;
  readonly runs: Runs;
  /** Runs these with the code before, and changes the files after so many calls were recorded. */
  readonly race?: { readonly runs: Runs; readonly after: number; readonly change: Change };
  /** Goes on with the executions of the process before, first. */
  readonly resume: boolean;
  /** Dies after this many calls were recorded or became durable; undefined: not at all. */
  readonly killAfter?: number;
}

/** How an execution ended. */
export interface End {
  readonly task: string;
  readonly given: number;
  readonly result:
    | { readonly ok: true; readonly value: string }
    | { readonly ok: false; readonly code: string; readonly name: string; readonly message: string };
  /** Task and state of each job whose result did not come from the store. */
  readonly jobs: readonly (readonly [string, string])[];
}

export interface StepReply {
  /** Of executions of the process before, or of those that raced with the change. */
  readonly resumed: readonly End[];
  readonly ends: readonly End[];
  /** Executions whose end could not be recorded. */
  readonly failures: readonly string[];
}

/** What was done in one phase of a step, as lists of calls. */
export interface Phase {
  readonly ran: readonly string[];
  readonly asked: readonly string[];
  readonly durable: readonly string[];
}

/** What came of a step; `reply` is null when the process was killed. */
export interface StepEnd {
  readonly reply: StepReply | null;
  readonly resumed: Phase;
  readonly fresh: Phase;
}

const LOGS = ["ran", "asked", "durable"] as const;

export class Lane implements AsyncDisposable {
  readonly #directory: string;
  readonly #store: StoreLocation;
  #child: ChildProcess | undefined;
  #projects = 0;
  #killed = false;

  /** `directory` is for the projects, and for the store where none is given. */
  constructor(directory: string, store: StoreLocation = { kind: "embedded", directory: join(directory, "store") }) {
    this.#directory = directory;
    this.#store = store;
  }

  /** An empty folder for a project. */
  newProject(): string {
    const root = join(this.#directory, `project${++this.#projects}`);
    mkdirSync(join(root, "out"), { recursive: true });
    return root;
  }

  async step(request: Omit<StepRequest, "resume">): Promise<StepEnd> {
    const { root } = request;
    for (const log of LOGS) writeFileSync(join(root, `${log}.txt`), "");
    const child = await this.#started();
    const resume = this.#killed;
    this.#killed = false;
    const ended = nextMessage(child);
    child.send({ ...request, resume } satisfies StepRequest);
    const answer = await ended;
    if (answer === null) {
      this.#child = undefined;
      this.#killed = true;
      if (request.killAfter === undefined) throw new Error("the process under test ended by itself");
    } else if ("error" in answer) throw new Error(`the process under test failed: ${answer.error}`);
    return { reply: answer === null ? null : answer.reply, ...this.#phases(root) };
  }

  /** Kills the process where it is. */
  async kill(): Promise<void> {
    await this.#end();
    this.#killed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #end(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    process.kill(-child.pid!, "SIGKILL");
    await exit;
  }

  async #started(): Promise<ChildProcess> {
    if (this.#child) return this.#child;
    const child = fork(fileURLToPath(new URL("./lane-process.ts", import.meta.url)), [JSON.stringify(this.#store)], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      execArgv: [],
      // A group of its own: the kill also takes the processes in which bodies run, which would tell of a body after the next step has begun.
      detached: true,
      // Each version is a thread of its own that loads firesteel: what was compiled for the first one serves the others.
      env: { ...process.env, NODE_COMPILE_CACHE: join(dirname(this.#directory), "firesteel-property-compiled") },
    });
    this.#child = child;
    if ((await nextMessage(child)) === null) throw new Error("the process under test did not start");
    return child;
  }

  #phases(root: string): { readonly resumed: Phase; readonly fresh: Phase } {
    const logs = LOGS.map((log) => {
      const lines = readFileSync(join(root, `${log}.txt`), "utf8").split("\n");
      // What was being written at the kill has no line end; nobody can have read it.
      lines.pop();
      const at = lines.indexOf(PHASE);
      const kept = at < 0 ? [lines, []] : [lines.slice(0, at), lines.slice(at + 1)];
      return kept.map((part) => part.filter((line) => !line.startsWith(LAST_TASK))) as [string[], string[]];
    });
    const phase = (which: 0 | 1): Phase => ({ ran: logs[0]![which], asked: logs[1]![which], durable: logs[2]![which] });
    return { resumed: phase(0), fresh: phase(1) };
  }
}

type Answer = { readonly error: string } | { readonly reply: StepReply };

/** The next thing that a process says; null when it ends before. */
async function nextMessage(child: ChildProcess): Promise<Answer | null> {
  const stop = new AbortController();
  try {
    return await Promise.race([
      once(child, "message", stop).then(([message]) => message as Answer),
      once(child, "exit", stop).then(() => null),
    ]);
  } finally {
    stop.abort();
  }
}
