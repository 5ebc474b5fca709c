/**
 * Bodies: runs the body of one call to its one-step result and records it.
 *
 * Around the executor, in this order: a call that does not run in place is claimed, so that no other orchestrator on the same store runs it at once; the limits are taken; the body runs, and both again
 * where retries allow; the files and datasets that it was given are compared with what was fingerprinted; the call is recorded.
 */

import { type Clock, machineClock, pause } from "../clock.ts";
import { Code, FiresteelError } from "../errors.ts";
import { type Externals, findExternals } from "../hash/scan.ts";
import { Tag } from "../hash/tags.ts";
import type { FlowCode, TaskInfo } from "./code.ts";
import { inputChanged } from "./file-identity.ts";
import { Inputs, type InputsContext } from "./inputs.ts";
import { invalidPlaces } from "./invalid-result.ts";
import type { Job } from "./job.ts";
import type { Limits } from "./limits.ts";
import type { CallRecord, DatasetRecord, DirectExecutor, Invocation, Outcome, Progress, Store } from "./ports.ts";
import { readsDigest } from "./reads.ts";
import { mayRetry, retryPause, retryPolicy } from "./retries.ts";
import { type Run, Running, type RunResult, type Waiter } from "./running.ts";
import { StoredReader } from "./stored-values.ts";

/** One call to be run, and who waits for its one-step result. */
export interface BodyRequest extends Waiter<Outcome> {
  readonly job: Job;
  readonly code: FlowCode;
  readonly executionId: string;
  readonly user: string;
  /** How the execution sees files and datasets. */
  readonly inputs: Inputs;
  /** The stored result is invalid and is overwritten. */
  readonly replace: boolean;
  /** The result is recorded and shared. */
  readonly keep: boolean;
}

const CLAIM_POLL_MS = 250;
/** Files and datasets that made a result invalid which are recorded, at most. */
const MOST_PLACES = 20;

/** The first two bytes of the tags' heads, and the third ones. */
const EXTERNAL_HEAD = Uint8Array.of(0xd9, Tag.file >> 8);
const EXTERNAL_TAGS: ReadonlySet<number> = new Set([Tag.file, Tag.dataset, Tag.directory].map((tag) => tag & 0xff));

/** Shorter encodings are searched by hand: a Buffer costs more than that. */
const BY_HAND_BYTES = 64;

/** Whether an encoding may name files, directories or datasets: a quick search, sure only when it says no. */
export function mentionsExternals(bytes: Uint8Array): boolean {
  if (bytes.length <= BY_HAND_BYTES) {
    for (let at = bytes.indexOf(EXTERNAL_HEAD[0]!); at >= 0; at = bytes.indexOf(EXTERNAL_HEAD[0]!, at + 1)) {
      if (bytes[at + 1] === EXTERNAL_HEAD[1] && EXTERNAL_TAGS.has(bytes[at + 2] ?? -1)) return true;
    }
    return false;
  }
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = buffer.indexOf(EXTERNAL_HEAD); at >= 0; at = buffer.indexOf(EXTERNAL_HEAD, at + 1)) {
    if (EXTERNAL_TAGS.has(buffer[at + 2] ?? -1)) return true;
  }
  return false;
}

/** Runs bodies for all executions of one orchestrator. */
export class Bodies {
  readonly #store: Store;
  readonly #limits: Limits;
  readonly #inputs: InputsContext;
  readonly #stored: StoredReader;
  readonly #clock: Clock;
  readonly #running = new Running<Outcome>();
  #finished: CallRecord[] = [];

  constructor(store: Store, limits: Limits, inputs: InputsContext, clock: Clock = machineClock) {
    this.#clock = clock;
    this.#store = store;
    this.#limits = limits;
    this.#inputs = inputs;
    this.#stored = new StoredReader(store.stored);
  }

  /** Number of bodies that run. */
  get size(): number {
    return this.#running.size;
  }

  /** Whether the files and datasets that a stored result names still exist unchanged. */
  async stillValid(bytes: Uint8Array, inputs: Inputs): Promise<boolean> {
    if (!mentionsExternals(bytes)) return true;
    const externals = findExternals(bytes);
    if ((await inputs.files.findChanged(externals.files, externals.directories)) !== null) return false;
    for (const dataset of externals.datasets) if ((await inputs.locate(dataset.identity)) === null) return false;
    return true;
  }

  /** The files and datasets that make a stored result invalid, in words; for people, so empty rather than a failure where that cannot be told. */
  async invalidPlaces(bytes: Uint8Array, inputs: Inputs): Promise<readonly string[]> {
    try {
      const places = await invalidPlaces(bytes, { inputs, context: this.#inputs, store: this.#store });
      return places.slice(0, MOST_PLACES);
    } catch {
      return [];
    }
  }

  /** Runs a call to its one-step result, or joins who runs it. Gives the function that leaves. Fails with the body's failure, or `aborted` with details `{ kind: "inputChanged" }`. */
  start(request: BodyRequest): () => void {
    const key = request.keep ? request.job.evalHash : request.job.id;
    return this.#running.join(key, request, (run) => this.#begin(request, run));
  }

  #begin(request: BodyRequest, run: Run<Outcome>): void {
    const { job, code } = request;
    const end = (result: RunResult<Outcome>) => {
      code.release();
      run.end(result);
    };
    code.retain();
    const executor = direct(request);
    if (!executor) {
      this.#execute(request, run.signal, run.tell).then(
        (value) => end({ ok: true, value }),
        (error: unknown) => end({ ok: false, error }),
      );
      return;
    }
    const startedAt = this.#clock.now();
    run.cancel = executor.start(invocationOf(request, [], run.tell), (result) => {
      if (result.ok) this.#record(request, result.value, executor.name, startedAt);
      end(result);
    });
    job.executor = executor.name;
  }

  async #execute(request: BodyRequest, signal: AbortSignal, onProgress: Progress): Promise<Outcome> {
    const { job } = request;
    const executor = request.code.executor(job.task);
    job.executor = executor.name;
    const claims = request.keep && executor.name !== "inline";
    if (claims) {
      const other = await this.#claim(request, signal, onProgress);
      if (other) return other;
    }
    try {
      const externals = argumentExternals(job.args);
      const datasets = await this.#datasets(externals, request.inputs);
      const startedAt = this.#clock.now();
      const invocation = invocationOf(request, datasets, onProgress);
      const outcome = await this.#attempts(job, signal, onProgress, async () =>
        executor.run(executor.takesStored ? invocation : { ...invocation, args: await this.#read(job.args) }, signal),
      );
      await this.#checkInputs(externals, datasets);
      await this.#checkReads(job.task, request.inputs);
      this.#record(request, outcome, executor.name, startedAt);
      return outcome;
    } finally {
      if (claims) void this.#store.releaseCall(job.evalHash).catch(() => undefined);
    }
  }

  #read(args: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
    return Promise.all(args.map((bytes) => this.#stored.whole(bytes)));
  }

  /** Records a finished call, together with the others of this turn. */
  #record({ job, keep, replace }: BodyRequest, outcome: Outcome, executor: string, startedAt: number): void {
    if (!keep) return;
    const call: CallRecord = {
      evalHash: job.evalHash,
      task: job.task.name,
      code: job.task.code,
      args: job.args.map((bytes, i) => ({ digest: job.argDigests[i]!, bytes })),
      outcome,
      executor,
      startedAt,
      endedAt: this.#clock.now(),
    };
    // The writer is first in, first out: whatever must be durable after this waits for it. A failed store ends the orchestrator by itself.
    if (replace) {
      this.#store.recordCalls([call], true).catch(() => undefined);
      return;
    }
    // Before any step that follows from it: those wait for the next turn of the event loop.
    if (this.#finished.push(call) === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const calls = this.#finished;
    this.#finished = [];
    this.#store.recordCalls(calls).catch(() => undefined);
  }

  /** Waits until the call is ours; the result when another orchestrator recorded it meanwhile. */
  async #claim({ job, inputs }: BodyRequest, signal: AbortSignal, onProgress: Progress): Promise<Outcome | null> {
    for (let waited = false; !(await this.#store.claimCall(job.evalHash)); waited = true) {
      if (!waited) onProgress("waiting: another orchestrator runs this call");
      await pause(this.#clock, CLAIM_POLL_MS, signal);
      const found = (await this.#store.findCalls([job.evalHash])).get(job.evalHash);
      // The record may be the invalid one that the other is about to replace.
      if (found && (await this.stillValid(found.outcome.bytes, inputs))) return found.outcome;
    }
    return null;
  }

  async #attempts(
    job: Job,
    signal: AbortSignal,
    onProgress: Progress,
    attempt: () => Promise<Outcome>,
  ): Promise<Outcome> {
    const { task, scope } = job;
    const policy = retryPolicy(task.options.retries);
    const limits = [...(task.options.limits ?? []), ...scope.limits];
    for (let tried = 0; ; tried++) {
      const giveBack = limits.length > 0 ? await this.#limits.acquire(limits, signal) : undefined;
      if (giveBack && tried === 0) job.startedAt = this.#clock.now();
      try {
        return await attempt();
      } catch (error) {
        giveBack?.();
        if (tried >= policy.max || signal.aborted || !mayRetry(policy, error)) throw error;
        const pauseMs = retryPause(policy, tried, () => this.#clock.random());
        onProgress(`retry ${tried + 1} of ${policy.max} in ${pauseMs} ms after: ${error.message}`);
        await pause(this.#clock, pauseMs, signal);
      } finally {
        giveBack?.();
      }
    }
  }

  async #datasets(externals: Externals, inputs: Inputs): Promise<readonly DatasetRecord[]> {
    return Promise.all(
      externals.datasets.map(async ({ identity }) => {
        const record = await inputs.locate(identity);
        if (record) return record;
        throw new FiresteelError(Code.aborted, `dataset is no longer at any of its recorded locations: ${identity}`, {
          details: { kind: "inputChanged", identity },
        });
      }),
    );
  }

  /** Compares what the body read by itself with what the call was identified by. */
  async #checkReads({ name, options: { reads } }: TaskInfo, inputs: Inputs): Promise<void> {
    if (!reads || reads.length === 0) return;
    if ((await readsDigest(new Inputs(this.#inputs), reads)) === (await readsDigest(inputs, reads))) return;
    throw new FiresteelError(Code.aborted, `what task ${name} reads (${reads.join(", ")}) changed while its body ran`, {
      details: { kind: "inputChanged", reads },
    });
  }

  /** Compares what the body was given with what is there now. */
  async #checkInputs(externals: Externals, datasets: readonly DatasetRecord[]): Promise<void> {
    if (externals.files.length === 0 && externals.directories.length === 0 && datasets.length === 0) return;
    const now = new Inputs(this.#inputs);
    const changed = await now.files.findChanged(externals.files, externals.directories);
    if (changed !== null) throw inputChanged(`input changed while the body ran: ${changed}`, changed);
    for (const dataset of datasets) {
      if (await now.unchanged(dataset)) continue;
      throw inputChanged(`input changed while the body ran: ${dataset.location}`, dataset.location);
    }
  }
}

function argumentExternals(args: readonly Uint8Array[]): Externals {
  const found = args.filter(mentionsExternals).map(findExternals);
  const datasets = new Map(
    found.flatMap((externals) => externals.datasets.map((dataset) => [dataset.identity, dataset] as const)),
  );
  return {
    files: found.flatMap((externals) => externals.files),
    directories: found.flatMap((externals) => externals.directories),
    datasets: [...datasets.values()],
  };
}

/** The executor, where the body can be handed to it at once: it takes many at little cost, and nothing has to be claimed, waited for, looked at or tried again. */
function direct({ job, code }: BodyRequest): DirectExecutor | null {
  const { limits, retries = 0, reads } = job.task.options;
  if (limits?.length || job.scope.limits.length > 0 || retries !== 0 || reads?.length) return null;
  if (job.args.some(mentionsExternals)) return null;
  try {
    const executor = code.executor(job.task);
    return "start" in executor ? (executor as DirectExecutor) : null;
  } catch {
    // The other way tells what is wrong.
    return null;
  }
}

/** How a call is handed to an executor. */
export function invocationOf(
  { job, executionId, user }: BodyRequest,
  datasets: readonly DatasetRecord[],
  onProgress: Progress,
): Invocation {
  const { tags: own = [], timeoutMs, cluster, labels, resources } = job.task.options;
  const tags = job.scope.tags.length === 0 ? own : [...new Set([...own, ...job.scope.tags])];
  return {
    jobId: job.id,
    executionId,
    task: job.task.name,
    code: job.task.code,
    evalHash: job.evalHash,
    args: job.args,
    ...(job.context.length === 0
      ? {}
      : { context: job.context.map(([key, value]) => [key, value?.bytes ?? null] as const) }),
    datasets,
    options: {
      tags,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(cluster === undefined ? {} : { cluster }),
      ...(labels === undefined ? {} : { labels }),
      ...(resources === undefined ? {} : { resources }),
    },
    user,
    onProgress,
  };
}
