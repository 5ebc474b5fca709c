/** A whole evaluator on a real store, with the flow modules of a temporary project: everything between the store and the gRPC handlers, without clusters. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { Bodies } from "../../src/evaluate/bodies.ts";
import { Executions } from "../../src/evaluate/executions.ts";
import type { Storages } from "../../src/evaluate/file-identity.ts";
import type { InputsContext } from "../../src/evaluate/inputs.ts";
import { Limits } from "../../src/evaluate/limits.ts";
import type { ErrorRecord, ExecutionRecord, Executor, JobRecord, Store } from "../../src/evaluate/ports.ts";
import { Tally } from "../../src/evaluate/tally.ts";
import { decodeValue } from "../../src/hash/decode.ts";
import { encodeProgram } from "../../src/hash/program.ts";
import type { RecordStore } from "../../src/record/store.ts";
import { type LoadedFlowCode, loadFlowCode } from "../../src/route/flow/flow-code.ts";
import { createStorages } from "../../src/route/storage/storages.ts";

/** What became of one execution. */
export interface Run {
  readonly execution: ExecutionRecord;
  /** The result; undefined when it failed. */
  readonly value: unknown;
  readonly error: ErrorRecord | null;
  readonly jobs: readonly JobRecord[];
  /** Tasks whose bodies ran, sorted, once a body. */
  readonly ran: readonly string[];
}

/** A store, and where workers put large values; without that they hand them over. */
type EngineStore = Store & Partial<Pick<RecordStore, "valueFolder">>;

/** Files by name, relative to the project's root. */
export type Files = Readonly<Record<string, string>>;

export interface EngineOptions {
  readonly limits?: Readonly<Record<string, number>>;
  /** Folder of the project; a temporary one when not given. */
  readonly root?: string;
  /** Beside the usual ones, by scheme. */
  readonly storages?: Storages;
  /** Makes the executor of bulk tasks. */
  readonly spark?: (host: Executor, root: string) => Executor;
}

let projects = 0;

/** A project and its evaluator. In the texts of `.ts` files `$` at the beginning of a task's name is replaced, so that projects on one store share nothing. */
export class Engine implements AsyncDisposable {
  readonly root: string;
  readonly #prefix = `p${++projects}_${process.pid}`;
  readonly #store: EngineStore;
  readonly #limits: Readonly<Record<string, number>>;
  readonly #owned: boolean;
  readonly #spark: EngineOptions["spark"];
  #code: LoadedFlowCode | undefined;
  readonly executions: Executions;
  readonly failures: Error[] = [];
  readonly tally: Tally = new Tally();

  private constructor(
    root: string,
    owned: boolean,
    store: EngineStore,
    { limits = {}, spark, storages = new Map() }: EngineOptions,
  ) {
    this.root = root;
    this.#owned = owned;
    this.#store = store;
    this.#limits = limits;
    this.#spark = spark;
    const inputs: InputsContext = {
      root,
      storages: new Map([...createStorages(), ...storages]),
      environment: process.env,
      store,
    };
    this.executions = new Executions({
      store,
      bodies: new Bodies(store, new Limits(this.#limits), inputs),
      inputs,
      literals: `${pathToFileURL(root).href}/rows`,
      code: () => this.#code!,
      tally: this.tally,
      onError: (error) => this.failures.push(error),
    });
  }

  /** The first flow module is `flow.ts`; each `.ts` file that is named `*.flow.ts` is one too. */
  static async start(store: EngineStore, files: Files | string, options: EngineOptions = {}): Promise<Engine> {
    const root = options.root ?? (await mkdtemp(join(tmpdir(), "firesteel-flow-")));
    const engine = new Engine(root, options.root === undefined, store, options);
    try {
      await engine.edit({
        "package.json": '{"type": "module"}',
        ...(typeof files === "string" ? { "flow.ts": files } : files),
      });
    } catch (error) {
      // Code that is refused leaves nothing behind.
      if (options.root === undefined) await rm(root, { recursive: true, force: true });
      throw error;
    }
    return engine;
  }

  /** Writes files and loads the code as it is then. */
  async edit(files: Files | string): Promise<void> {
    for (const [name, text] of Object.entries(typeof files === "string" ? { "flow.ts": files } : files))
      await this.write(name, text);
    const next = await loadFlowCode({
      root: this.root,
      modules: [join(this.root, "flow.ts")],
      workers: 2,
      limits: Object.keys(this.#limits),
      values: this.#store.valueFolder ?? null,
      spark: (host) => this.#spark?.(host, this.root) ?? null,
      ...(this.#code ? { before: this.#code } : {}),
    });
    const old = this.#code;
    this.#code = next;
    void old?.retire();
  }

  /** Writes one file; names of tasks in it get the project's prefix. */
  async write(name: string, text: string): Promise<void> {
    const path = join(this.root, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, name.endsWith(".ts") ? text.replaceAll("$.", `${this.#prefix}.`) : text);
  }

  get code(): LoadedFlowCode {
    return this.#code!;
  }

  /** The full name of a task. */
  name(task: string): string {
    return `${this.#prefix}.${task}`;
  }

  async start(task: string, args: readonly unknown[] = [], requestId?: string): Promise<ExecutionRecord> {
    return this.executions.start({
      task: this.name(task),
      args: encodeProgram(args),
      user: "tester",
      reason: "test",
      ...(requestId === undefined ? {} : { requestId }),
    });
  }

  /** Waits for an execution's end. */
  async end(id: string): Promise<Run> {
    const execution = await this.executions.wait(id, undefined, AbortSignal.timeout(60_000)).catch(async (error) => {
      const jobs = await this.#store.listJobs(id);
      const open = jobs
        .filter(({ endedAt }) => endedAt === null)
        .map((job) => `${job.task} ${job.state} by ${job.executor} (${job.note})`);
      throw new Error(
        `execution ${id} did not end in 60 s; of its ${jobs.length} jobs these are open: ${open.join(", ")}`,
        {
          cause: error,
        },
      );
    });
    const jobs = await this.#store.listJobs(id);
    const short = (name: string) => name.replace(`${this.#prefix}.`, "");
    return {
      execution,
      value: execution.result ? decodeValue(execution.result) : undefined,
      error: execution.error && { ...execution.error, path: (execution.error.path ?? []).map(short) },
      jobs: jobs.map((job) => ({ ...job, task: short(job.task) })),
      ran: jobs
        .filter((job) => !job.cached && job.state !== "cancelled")
        .map((job) => short(job.task))
        .sort(),
    };
  }

  /** Runs a task to its end. */
  async run(task: string, ...args: readonly unknown[]): Promise<Run> {
    return this.end((await this.start(task, args)).id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.executions.close();
    await this.#code?.[Symbol.asyncDispose]();
    if (this.#owned) await rm(this.root, { recursive: true, force: true });
  }
}
