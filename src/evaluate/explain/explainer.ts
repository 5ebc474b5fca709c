/**
 * Tells why calls would run now (a dry run), and why those of a past execution ran.
 */

import { Code, FiresteelError } from "../../errors.ts";
import type { Bodies } from "../bodies.ts";
import type { FlowCode } from "../code.ts";
import { requestedTask, type StartRequest } from "../executions.ts";
import type { InputsContext } from "../inputs.ts";
import type { Digest, EpochMs, ErrorRecord, ExecutionRecord, JobRecord, Store } from "../ports.ts";
import { datasetNames } from "./dataset-names.ts";
import { dryRun, withoutCache } from "./dry-run.ts";
import type { ExplainStore, RecordedCall } from "./ports.ts";
import { type CallGroup, type ComparedWith, explainCalls, type UnexplainedCall } from "./reasons.ts";
import type { WaitingCalls } from "./waiting.ts";

/** Executions among which one with the same arguments is looked for. */
const RECENT_EXECUTIONS = 50;
/** Clocks of processes on one store may differ by less than this, in ms. */
const CLOCKS_MS = 86_400_000;

/** What {@link Explainer} needs. */
export interface ExplainerContext {
  readonly store: Store;
  readonly history: ExplainStore;
  readonly bodies: Pick<Bodies, "stillValid" | "invalidPlaces">;
  readonly inputs: InputsContext;
  /** The code of now. */
  readonly code: () => FlowCode;
}

/** How many calls of a task take a recorded result. */
export interface CachedCalls {
  readonly task: string;
  readonly calls: number;
}

/** Why calls run. */
export interface Explanation {
  /** The root's task. */
  readonly task: string;
  /** Calls that would run (or did), by task and reason, in the order in which they were met. */
  readonly groups: readonly CallGroup[];
  /** Calls whose recorded results are (or were) taken. */
  readonly cached: readonly CachedCalls[];
  /** Dry runs: calls that cannot be looked up before others have run. */
  readonly waiting: readonly WaitingCalls[];
  /** Dry runs: why the execution would fail as far as can be seen; null where it would not. */
  readonly failure: ErrorRecord | null;
  /** The earlier execution that was preferred for comparing; null where there is none. */
  readonly comparedWith: ExecutionRecord | null;
}

/** What a dry run is asked for. */
export interface DryRunRequest extends Pick<StartRequest, "task" | "args" | "user"> {
  /** Calls of each group that are told one by one, at most. */
  readonly examples: number;
}

/** Explains, and changes nothing. */
export class Explainer {
  readonly #context: ExplainerContext;

  constructor(context: ExplainerContext) {
    this.#context = context;
  }

  /**
   * What would run if a task were started now, and why.
   *
   * @throws FiresteelError `not_found` for an unknown task, `invalid_argument` for arguments that do not fit it, `cancelled` when the signal aborts
   */
  async dryRun(request: DryRunRequest, signal: AbortSignal): Promise<Explanation> {
    const { store, bodies, inputs } = this.#context;
    const code = this.#context.code();
    await requestedTask(request, code);
    const now = Date.now() + CLOCKS_MS;
    const comparedWith = await this.#earlier(request.task, request.args.bytes, now);
    const found = await dryRun(
      { store, bodies, inputs, code, user: request.user },
      request.task,
      request.args.bytes,
      signal,
    );
    const inUse = new Set(found.hits.map(({ evalHash }) => evalHash));
    return {
      task: request.task,
      groups: await explainCalls(found.missed, this.#past(comparedWith, now, inUse, request.examples)),
      cached: countByTask(found.hits),
      waiting: found.waiting,
      failure: found.failure,
      comparedWith,
    };
  }

  /**
   * Why the jobs of a past execution ran, as far as what is recorded tells.
   *
   * A job without a recorded result (it failed, or its task keeps none) has left no arguments: its reason is told only by the task as it is now.
   *
   * @throws FiresteelError `not_found` when there is none of this id
   */
  async execution(id: string, examples: number): Promise<Explanation> {
    const { store, history } = this.#context;
    const execution = await store.findExecution(id);
    if (!execution) throw new FiresteelError(Code.notFound, `execution is not known: ${id}`);
    const jobs = await store.listJobs(id);
    const ran = jobs.filter(({ cached, state }) => !cached && state !== "cancelled");
    const recorded = await history.findRecordedCalls(ran.map(({ evalHash }) => evalHash));
    const cached = jobs.filter((job) => job.cached);
    const comparedWith = await this.#earlier(execution.task, execution.args, execution.startedAt);
    const past = this.#past(
      comparedWith,
      execution.startedAt,
      new Set(cached.map(({ evalHash }) => evalHash)),
      examples,
    );
    return {
      task: execution.task,
      groups: await explainCalls(
        ran.map((job) => this.#pastCall(job, recorded.get(job.evalHash))),
        past,
      ),
      cached: countByTask(cached),
      waiting: [],
      failure: null,
      comparedWith,
    };
  }

  /** The execution whose calls are the best to compare with: the newest with the same arguments, else the newest. */
  async #earlier(task: string, args: Uint8Array, before: EpochMs): Promise<ExecutionRecord | null> {
    const recent = await this.#context.history.executionsBefore(task, before, RECENT_EXECUTIONS);
    return recent.find((execution) => Buffer.compare(execution.args, args) === 0) ?? recent[0] ?? null;
  }

  #past(
    execution: ExecutionRecord | null,
    before: EpochMs,
    inUse: ReadonlySet<Digest>,
    examples: number,
  ): ComparedWith {
    const { store, history, inputs } = this.#context;
    return {
      history,
      executionId: execution?.id ?? null,
      before,
      inUse,
      examples,
      datasetNames: (encodings) => datasetNames(encodings, store, inputs.root),
    };
  }

  #pastCall(job: JobRecord, call: RecordedCall | undefined): UnexplainedCall {
    const task = this.#context.code().tasks.get(job.task);
    const current = task !== undefined && (call === undefined || call.code === task.code);
    return {
      task: job.task,
      code: call?.code ?? "",
      evalHash: job.evalHash,
      argDigests: call?.args ?? [],
      parameters: task?.parameters ?? [],
      reads: task?.options.reads ?? [],
      context: task?.options.context ?? [],
      args: async () => (call ? await this.#context.history.findArguments(job.evalHash) : null),
      reason: job.invalid
        ? { kind: "invalidResult", places: job.invalid }
        : call
          ? null
          : (current && withoutCache(task)) || { kind: "notKept" },
      work: null,
      failure: job.error,
    };
  }
}

function countByTask(jobs: readonly JobRecord[]): CachedCalls[] {
  const counts = new Map<string, number>();
  for (const { task } of jobs) counts.set(task, (counts.get(task) ?? 0) + 1);
  return [...counts].map(([task, calls]) => ({ task, calls })).sort((a, b) => b.calls - a.calls);
}
