/**
 * The flow host: one version of a project's code, loaded in a worker thread of its own, where `inline` bodies run.
 *
 * Work goes over in batches (whatever one turn of the event loop asks for) and comes back encoded and hashed. A body can cost this thread, never the serving one:
 *
 * - it ends the thread (`process.exit`, an uncaught error in a callback): the body that ran fails, the thread starts again from the same texts, and the other bodies run there;
 * - it does not come back within its time-out, or after it was cancelled: its caller is answered at once; when it keeps the thread from answering a ping, then or once it comes to its turn, the thread is ended
 *   and started again as above.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Code, FiresteelError } from "../../errors.ts";
import type { TaskInfo } from "../../evaluate/code.ts";
import { errorFromRecord } from "../../evaluate/failure.ts";
import type { DirectExecutor, Invocation, Outcome } from "../../evaluate/ports.ts";
import { codeExtension } from "../../package-info.ts";
import type { FromWorker, LoadedCode, LoadRequest, PinnedCode, RunItem, ToWorker } from "./messages.ts";
import { packItems, unpackResults } from "./packing.ts";

/** How long a thread may take to answer a ping before it counts as hung. */
const HUNG_AFTER_MS = 1000;
/** How long a front door waits for the check of arguments. */
const CHECK_WITHIN_MS = 1000;
/** How often an innocent body is run again because others ended its thread. */
const MAX_RERUNS = 3;

interface Pending {
  readonly item: RunItem;
  readonly done: Done;
  readonly timer: NodeJS.Timeout | undefined;
  reruns: number;
}

type Done = Parameters<DirectExecutor["start"]>[1];

interface Asked {
  readonly message: ToWorker;
  readonly resolve: (value: number) => void;
  readonly reject: (error: unknown) => void;
}

/** The thread behind one version of the code. */
export class FlowHost implements DirectExecutor {
  readonly name = "inline";
  readonly takesStored = true;
  readonly #request: LoadRequest;
  #code: LoadedCode | undefined;
  /** Where each task is in the list of codes. */
  #places: ReadonlyMap<string, number> = new Map();
  #worker: Worker | undefined;
  #shared = new Int32Array(new SharedArrayBuffer(12));
  #pending = new Map<number, Pending>();
  #unsent: RunItem[] = [];
  #asked = new Map<number, Asked>();
  /** Sent bodies that nobody waits for any more, and that may keep the thread once they begin. */
  #givenUp = new Set<number>();
  #watching = false;
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

  /** Code identities of codecs by name. */
  get codecs(): ReadonlyMap<string, string> {
    return new Map(this.#code!.codecs);
  }

  /** Uses of lazy results as if they were there already. */
  get warnings(): LoadedCode["warnings"] {
    return this.#code!.warnings;
  }

  /** The loaded code, to be loaded again exactly. */
  get pinned(): PinnedCode {
    return this.#code!.pinned;
  }

  /** Parsed modules, for the next version. */
  get index(): LoadedCode["index"] {
    return this.#code!.index;
  }

  /** What the code of new versions of tasks is made of. */
  get versions(): LoadedCode["versions"] {
    return this.#code!.versions;
  }

  run(invocation: Invocation, signal: AbortSignal): Promise<Outcome> {
    return new Promise<Outcome>((resolve, reject) => {
      if (signal.aborted) return reject(FiresteelError.from(signal.reason, Code.cancelled));
      const stop = this.start(invocation, (result) => {
        signal.removeEventListener("abort", aborted);
        if (result.ok) resolve(result.value);
        else reject(signal.aborted ? FiresteelError.from(signal.reason, Code.cancelled) : result.error);
      });
      const aborted = () => stop();
      signal.addEventListener("abort", aborted, { once: true });
    });
  }

  start({ task, code, args, context, datasets, options }: Invocation, done: Done): () => void {
    const item: RunItem = { id: this.#nextId++, task, code, args, context, datasets };
    const { timeoutMs } = options;
    const refused = this.#closing ? closed() : this.#otherVersion(item);
    if (refused) {
      queueMicrotask(() => done({ ok: false, error: refused }));
      return () => undefined;
    }
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(
            () =>
              this.#giveUp(
                item.id,
                new FiresteelError(Code.deadlineExceeded, `task ${task} ran longer than ${timeoutMs} ms`),
              ),
            timeoutMs,
          );
    this.#pending.set(item.id, { item, done, timer, reruns: 0 });
    this.#send(item);
    return () =>
      queueMicrotask(() => this.#giveUp(item.id, new FiresteelError(Code.cancelled, `task ${task} was cancelled`)));
  }

  #otherVersion({ task, code }: RunItem): FiresteelError | undefined {
    const held = this.#code!.pinned.codes[this.#places.get(task) ?? -1]?.[1] ?? null;
    if (held === code) return undefined;
    return new FiresteelError(Code.aborted, `this worker holds another version of task ${task}`, {
      details: { wanted: code, held },
    });
  }

  /** Answers whoever waits for an item, which may still run. */
  #giveUp(id: number, error: FiresteelError): void {
    if (!this.#pending.has(id)) return;
    this.#end(id, { ok: false, error });
    if (this.#restarting || this.#closing) return;
    this.#givenUp.add(id);
    if (!this.#watching) void this.#watch();
  }

  #end(id: number, result: Parameters<Done>[0]): void {
    const pending = this.#pending.get(id);
    // Nobody waits for it any more: cancelled or timed out.
    if (!pending) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    pending.done(result);
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
      // All have the same time, so that they are given up in their order. Either the thread sees this before it begins, or it is seen here that it has begun.
      Atomics.store(this.#shared, 2, id);
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
    this.#endAll(closed());
    await this.#worker?.terminate();
  }

  #endAll(error: unknown): void {
    for (const id of [...this.#pending.keys()]) this.#end(id, { ok: false, error });
    for (const asked of this.#asked.values()) asked.reject(error);
    this.#asked.clear();
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
    for (const { id } of this.#unsent) if (!this.#pending.has(id)) this.#givenUp.delete(id);
    this.#unsent = [];
    if (items.length === 0) return;
    const packed = packItems(items, this.#places);
    this.#post({ kind: "run", items: packed }, [packed.buffer.buffer as ArrayBuffer]);
  }

  #post(message: ToWorker, transfer: readonly ArrayBuffer[] = []): void {
    this.#worker?.postMessage(message, [...transfer]);
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

  /** Asks for signs of life until all that was given up has begun and lets the thread answer; ends the thread when it hangs, and no other body computes. */
  async #watch(): Promise<void> {
    this.#watching = true;
    while (this.#givenUp.size > 0 && this.#worker && !this.#closing) {
      const worker = this.#worker;
      const begun = [...this.#givenUp].filter((id) => id <= Atomics.load(this.#shared, 1));
      const suspected = () => {
        const computing = Atomics.load(this.#shared, 0);
        return begun.length > 0 && (computing === 0 || begun.includes(computing));
      };
      const tick = sleep(HUNG_AFTER_MS, "silent", { ref: false });
      const answer = suspected() ? await Promise.race([this.#ping(), tick]) : await tick.then(() => "not asked");
      if (this.#worker !== worker) continue;
      if (answer === "alive") for (const id of begun) this.#givenUp.delete(id);
      if (answer !== "silent" || !suspected()) continue;
      this.#hung = true;
      await worker.terminate();
    }
    this.#watching = false;
  }

  #ping(): Promise<string> {
    return this.#ask((id) => ({ kind: "ping", id })).then(
      () => "alive",
      () => "closed",
    );
  }

  async #startWorker(request: LoadRequest): Promise<void> {
    this.#shared = new Int32Array(new SharedArrayBuffer(12));
    const worker = new Worker(new URL(`./flow-worker${codeExtension}`, import.meta.url), {
      workerData: { request, shared: this.#shared },
      name: "firesteel flow host",
    });
    let lastError: Error | undefined;
    await new Promise<void>((resolve, reject) => {
      worker.on("message", (message: FromWorker) => {
        if (message.kind === "loaded") {
          if (message.code) {
            this.#code ??= message.code;
            this.#places = new Map(message.code.pinned.codes.map(([name], place) => [name, place]));
          }
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
      for (const result of unpackResults(message.results)) {
        if (result.ok) this.#end(result.id, { ok: true, value: result.outcome });
        else this.#end(result.id, { ok: false, error: errorFromRecord(result.error) });
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
      this.#end(id, {
        ok: false,
        error: new FiresteelError(Code.unknown, `task ${pending.item.task} ended its thread by ${how}`, {
          details: { name: error?.name ?? "Exit", exitCode, ...(error?.stack ? { stack: error.stack } : {}) },
        }),
      });
    }
    this.#restart();
  }

  /** Starts the thread again, and gives it all that was asked of the old one. */
  #restart(): void {
    this.#unsent = [];
    this.#givenUp.clear();
    const { root, modules, storage, values } = this.#request;
    const request = { root, modules, pinned: this.pinned };
    this.#restarting = this.#startWorker({
      ...request,
      ...(storage ? { storage } : {}),
      ...(values ? { values } : {}),
    }).then(
      () => {
        this.#restarting = undefined;
        this.#unsent = [...this.#pending.values()].map((pending) => pending.item);
        this.#flush();
        for (const { message } of this.#asked.values()) this.#post(message);
      },
      (reason: unknown) => {
        this.#restarting = undefined;
        this.#endAll(reason);
      },
    );
  }
}

function closed(): FiresteelError {
  return new FiresteelError(Code.cancelled, "this version of the code was closed");
}
