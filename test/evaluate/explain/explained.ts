/** A project that can be explained. */
import { Bodies } from "../../../src/evaluate/bodies.ts";
import { Explainer, type Explanation } from "../../../src/evaluate/explain/explainer.ts";
import type { Reason } from "../../../src/evaluate/explain/reasons.ts";
import { Limits } from "../../../src/evaluate/limits.ts";
import { encodeProgram } from "../../../src/hash/program.ts";
import type { RecordStore } from "../../../src/record/store.ts";
import { createFileStorage } from "../../../src/route/storage/file-storage.ts";
import { Engine, type Files, type Run } from "../engine.ts";

/** What a dry run says of a task, in short. */
export interface Short {
  readonly task: string;
  readonly calls: number;
  readonly reasons: readonly Reason["kind"][];
}

export class Explained implements AsyncDisposable {
  readonly store: RecordStore;
  readonly engine: Engine;
  readonly explainer: Explainer;

  private constructor(store: RecordStore, engine: Engine) {
    this.store = store;
    this.engine = engine;
    const storage = createFileStorage();
    const inputs = {
      root: engine.root,
      storages: new Map([["file:", storage]]),
      store,
      environment: process.env,
    };
    this.explainer = new Explainer({
      store,
      history: store,
      bodies: new Bodies(store, new Limits({}), inputs),
      inputs,
      code: () => engine.code,
    });
  }

  static async start(store: RecordStore, files: Files | string): Promise<Explained> {
    const engine = await Engine.start(store, files);
    await store.recordTaskVersions(engine.code.versions);
    return new Explained(store, engine);
  }

  async edit(files: Files | string): Promise<void> {
    await this.engine.edit(files);
    await this.store.recordTaskVersions(this.engine.code.versions);
  }

  run(task: string, ...args: readonly unknown[]): Promise<Run> {
    return this.engine.run(task, ...args);
  }

  /** A dry run; names of tasks without the project's prefix. */
  async dryRun(task: string, ...args: readonly unknown[]): Promise<Explanation> {
    const request = { task: this.engine.name(task), args: encodeProgram(args), user: "tester", examples: 10_000 };
    return this.#plain(await this.explainer.dryRun(request, AbortSignal.timeout(60_000)));
  }

  async execution(id: string): Promise<Explanation> {
    return this.#plain(await this.explainer.execution(id, 10));
  }

  #plain(explanation: Explanation): Explanation {
    const prefix = this.engine.name("");
    return JSON.parse(JSON.stringify(explanation).replaceAll(prefix, "")) as Explanation;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine[Symbol.asyncDispose]();
  }
}

/** Task, number and reasons of each group. */
export function short(explanation: Explanation): readonly Short[] {
  return explanation.groups.map(({ task, calls, reasons }) => ({
    task,
    calls,
    reasons: reasons.map(({ kind }) => kind),
  }));
}
