/**
 * The flow host: one version of a project's code, loaded in a worker thread of its own, where `inline` bodies run.
 *
 * Work goes over in batches (whatever one turn of the event loop asks for) and comes back encoded and hashed. A body can cost this thread, never the serving one:
 *
 * - it ends the thread (`process.exit`, an uncaught error in a callback): the body that ran fails, the thread starts again from the same texts, and the other bodies run there;
 * - it does not come back within its time-out, or after it was cancelled: its caller is answered at once; when it keeps the thread from answering a ping, the thread is ended and started again as above.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Code, FiresteelError } from "../../errors.ts";
import type { TaskInfo } from "../../evaluate/code.ts";
import { errorFromRecord } from "../../evaluate/failure.ts";
import type { Executor, Invocation, Outcome } from "../../evaluate/ports.ts";
import { codeExtension } from "../../package-info.ts";
import type { FromWorker, LoadedCode, LoadRequest, PinnedCode, RunItem, ToWorker } from "./messages.ts";

/** How long a thread may take to answer a ping before it counts as hung. */
const HUNG_AFTER_MS = 1000;
/** How long a front door waits for the check of arguments. */
const CHECK_WITHIN_MS = 1000;
/** How often an innocent body is run again because others ended its thread. */
const MAX_RERUNS = 3;

interface Pending {
  readonly item: RunItem;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
  reruns: number;
}

interface Asked {
  readonly message: ToWorker;
  readonly resolve: (value: number) => void;
  readonly reject: (error: unknown) => void;
}

/** The thread behind one version of the code. */
export class FlowHost implements Executor {
  readonly name = "inline";
  readonly #request: LoadRequest;
  #code: LoadedCode | undefined;
  #worker: Worker | undefined;
  #shared = new Int32Array(new SharedArrayBuffer(8));
  #pending = new Map<number, Pending>();
  #unsent: RunItem[] = [];
  #asked = new Map<number, Asked>();
  #nextId = 1;
  #closing = false;
  /** The thread is ended because of an item that nobody waits for any more. */
  #hung = false;
  #restarting: Promise<void> | undefined;

  private constructor(request: LoadRequest) {
    this.#request = request;
  }

  /** Loads and identifies the flow modules. Rejects with what is wrong with them. */
  static async start(request: LoadRequest): Promise<FlowHost> {
    const host = new FlowHost(request);
    await host.#startWorker(request);
    return host;
  }

  /** Tasks by name. */
  get tasks(): readonly TaskInfo[] {
    return this.#code!.tasks;
  }

  /** The loaded code, to be loaded again exactly. */
  get pinned(): PinnedCode {
    return this.#code!.pinned;
  }

  /** Parsed modules, for the next version. */
  get index(): LoadedCode["index"] {
    return this.#code!.index;
  }

  run(invocation: Invocation, signal: AbortSignal): Promise<Outcome> {
    const { timeoutMs } = invocation.options;
    return new Promise<Outcome>((resolve, reject) => {
      const id = this.#nextId++;
      let timer: NodeJS.Timeout | undefined;
      const giveUp = (error: FiresteelError) => {
        if (!this.#pending.has(id)) return;
        end();
        this.#pending.delete(id);
        reject(error);
        void this.#checkAlive(id);
      };
      const cancelled = () => giveUp(FiresteelError.from(signal.reason, Code.cancelled));
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", cancelled);
      };
      const item: RunItem = {
        id,
        task: invocation.task,
        code: invocation.code,
        args: invocation.args,
        datasets: invocation.datasets,
      };
      this.#pending.set(id, {
        item,
        reruns: 0,
        resolve: (outcome) => {
          end();
          resolve(outcome);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      });
      if (this.#closing) return giveUp(closed());
      if (signal.aborted) return cancelled();
      signal.addEventListener("abort", cancelled, { once: true });
      if (timeoutMs !== undefined) {
        timer = setTimeout(
          () =>
            giveUp(
              new FiresteelError(Code.deadlineExceeded, `task ${invocation.task} ran longer than ${timeoutMs} ms`),
            ),
          timeoutMs,
        );
      }
      this.#send(item);
    });
  }

  /** Writes rows as a Parquet file, on this thread rather than on the serving one. */
  writeParquet(rows: Uint8Array, columns: Readonly<Record<string, string>>, uri: string): Promise<number> {
    return this.#ask((id) => ({ kind: "parquet", id, rows, columns, uri }));
  }

  /** Checks arguments against the task's schemas; lets them pass when the thread has no time for it. */
  async checkArguments(task: string, args: readonly (Uint8Array | null)[]): Promise<void> {
    const id = this.#nextId;
    const answer = this.#ask((asked) => ({ kind: "check", id: asked, task, args }));
    const timer = setTimeout(() => {
      this.#pass(id);
      if (Atomics.load(this.#shared, 0) !== id) return;
      // It is the check itself that does not come back.
      this.#hung = true;
      void this.#worker?.terminate();
    }, CHECK_WITHIN_MS);
    await answer.finally(() => clearTimeout(timer));
  }

  /** Answers for a thread that cannot. */
  #pass(id: number): void {
    this.#asked.get(id)?.resolve(0);
    this.#asked.delete(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    await this.#restarting;
    for (const pending of this.#pending.values()) pending.reject(closed());
    for (const asked of this.#asked.values()) asked.reject(closed());
    this.#pending.clear();
    this.#asked.clear();
    await this.#worker?.terminate();
  }

  #send(item: RunItem): void {
    this.#unsent.push(item);
    if (this.#unsent.length > 1 || this.#restarting) return;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    if (this.#restarting || this.#unsent.length === 0) return;
    // It could not be started again when it died last; whoever comes now gets another try.
    if (!this.#worker) return this.#restart();
    const items = this.#unsent.filter((item) => this.#pending.has(item.id));
    this.#unsent = [];
    if (items.length > 0) this.#post({ kind: "run", items });
  }

  #post(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  #ask(question: (id: number) => ToWorker): Promise<number> {
    if (this.#closing) return Promise.reject(closed());
    return new Promise<number>((resolve, reject) => {
      const id = this.#nextId++;
      const message = question(id);
      this.#asked.set(id, { message, resolve, reject });
      if (this.#worker) this.#post(message);
      else if (!this.#restarting) this.#restart();
    });
  }

  /** Ends the thread when it hangs, after somebody gave up on an item that may be the cause: that was started, and while no other one computes. */
  async #checkAlive(id: number): Promise<void> {
    if (this.#closing || this.#restarting || id > Atomics.load(this.#shared, 1)) return;
    const worker = this.#worker;
    const innocent = () => {
      const computing = Atomics.load(this.#shared, 0);
      return computing !== 0 && computing !== id;
    };
    if (innocent()) return;
    const alive = await Promise.race([
      this.#ask((ping) => ({ kind: "ping", id: ping })).then(
        () => true,
        () => true,
      ),
      sleep(HUNG_AFTER_MS, false, { ref: false }),
    ]);
    if (alive || innocent() || this.#worker !== worker || this.#closing) return;
    this.#hung = true;
    await worker?.terminate();
  }

  async #startWorker(request: LoadRequest): Promise<void> {
    this.#shared = new Int32Array(new SharedArrayBuffer(8));
    const worker = new Worker(new URL(`./flow-worker${codeExtension}`, import.meta.url), {
      workerData: { request, shared: this.#shared },
      name: "firesteel flow host",
    });
    let lastError: Error | undefined;
    await new Promise<void>((resolve, reject) => {
      worker.on("message", (message: FromWorker) => {
        if (message.kind === "loaded") {
          this.#code ??= message.code ?? undefined;
          resolve();
        } else if (message.kind === "failed") {
          void worker.terminate();
          reject(errorFromRecord(message.error));
        } else this.#received(message);
      });
      worker.on("error", (error: Error) => {
        lastError = error;
        reject(
          new FiresteelError(Code.invalidArgument, `flow code failed while it was loaded: ${error.message}`, {
            cause: error,
          }),
        );
      });
      worker.on("exit", (exitCode) => {
        reject(
          new FiresteelError(
            Code.invalidArgument,
            `flow code ended its thread while it was loaded (exit code ${exitCode})`,
          ),
        );
        if (this.#worker === worker) this.#died(exitCode, lastError);
      });
    });
    this.#worker = worker;
  }

  #received(message: Exclude<FromWorker, { kind: "loaded" | "failed" }>): void {
    if (message.kind === "results") {
      for (const result of message.results) {
        const pending = this.#pending.get(result.id);
        // Nobody waits for it any more: cancelled or timed out.
        if (!pending) continue;
        this.#pending.delete(result.id);
        if (result.ok) pending.resolve(result.outcome);
        else pending.reject(errorFromRecord(result.error));
      }
      return;
    }
    const asked = this.#asked.get(message.id);
    if (!asked) return;
    this.#asked.delete(message.id);
    if (message.kind !== "pong" && message.error) asked.reject(errorFromRecord(message.error));
    else asked.resolve(message.kind === "parquet" ? (message.count ?? 0) : 0);
  }

  /** The thread ended: fails who did it, and starts the thread again for the others. */
  #died(exitCode: number, error: Error | undefined): void {
    if (this.#closing) return;
    const current = this.#hung ? 0 : Atomics.load(this.#shared, 0);
    const started = this.#hung ? 0 : Atomics.load(this.#shared, 1);
    this.#hung = false;
    this.#worker = undefined;
    // It was the check of some arguments: those are not given to the next thread.
    this.#pass(current);
    const how = error ? `an error that nobody caught: ${error.message}` : `process.exit(${exitCode})`;
    for (const [id, pending] of this.#pending) {
      const guilty = current > 0 ? id === current : id <= started;
      if (!guilty && pending.reruns++ < MAX_RERUNS) continue;
      this.#pending.delete(id);
      pending.reject(
        new FiresteelError(Code.unknown, `task ${pending.item.task} ended its thread by ${how}`, {
          details: { name: error?.name ?? "Exit", exitCode, ...(error?.stack ? { stack: error.stack } : {}) },
        }),
      );
    }
    this.#restart();
  }

  /** Starts the thread again, and gives it all that was asked of the old one. */
  #restart(): void {
    this.#unsent = [];
    this.#restarting = this.#startWorker({
      root: this.#request.root,
      modules: this.#request.modules,
      pinned: this.pinned,
    }).then(
      () => {
        this.#restarting = undefined;
        this.#unsent = [...this.#pending.values()].map((pending) => pending.item);
        this.#flush();
        for (const { message } of this.#asked.values()) this.#post(message);
      },
      (reason: unknown) => {
        this.#restarting = undefined;
        for (const pending of this.#pending.values()) pending.reject(reason);
        for (const asked of this.#asked.values()) asked.reject(reason);
        this.#pending.clear();
        this.#asked.clear();
      },
    );
  }
}

function closed(): FiresteelError {
  return new FiresteelError(Code.cancelled, "this version of the code was closed");
}
