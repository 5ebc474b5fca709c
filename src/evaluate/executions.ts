/**
 * Executions: starts, resumes, watches and cancels them.
 *
 * An execution is durable before it is answered for; its end is told after it is durable. Closing leaves running executions as they are in the store: the next orchestrator that adopts them
 * evaluates their root again with the code of then, where finished calls are found and running submissions are joined.
 *
 * On a shared store any process answers for any execution: it cancels through the store, and waits for and watches what another evaluates by reading the rows, woken by that one's notices.
 */

import { Code, FiresteelError } from "../errors.ts";
import { compareBytes, readHead } from "../hash/cbor.ts";
import { decodeValue } from "../hash/decode.ts";
import { isProgram, listItems, parseProgram } from "../hash/program.ts";
import { holdsStored } from "../hash/stored.ts";
import { bindArguments, checkArguments } from "./arguments.ts";
import type { Bodies } from "./bodies.ts";
import type { FlowCode, TaskInfo } from "./code.ts";
import { EVALUATION_WORLD, Evaluation, type EvaluationWorld } from "./evaluation.ts";
import { errorRecord } from "./failure.ts";
import type { InputsContext } from "./inputs.ts";
import type { Settled } from "./job.ts";
import { beginReading, type PreviousCalls, stopReading } from "./lookups.ts";
import type { ExecutionRecord, JobRecord, Store, SubmissionRecord } from "./ports.ts";
import { leaveOn } from "./running.ts";
import type { Tally } from "./tally.ts";

/** A list of arguments as `encodeProgram` gives it: a value, or an expression where datasets and files still have to be looked at. */
export interface EncodedArguments {
  readonly kind: "value" | "expression";
  readonly bytes: Uint8Array;
}

/** What starts an execution. */
export interface StartRequest {
  readonly task: string;
  readonly args: EncodedArguments;
  /** Idempotency key: a second request with the same one gets the execution of the first. */
  readonly requestId?: string;
  readonly user: string;
  readonly reason: string;
}

/** One thing that happened to an execution, told as the new state of what changed. */
export type ExecutionEvent =
  | { readonly kind: "job"; readonly job: JobRecord }
  | { readonly kind: "execution"; readonly execution: ExecutionRecord }
  | { readonly kind: "submission"; readonly submission: SubmissionRecord }
  | { readonly kind: "code"; readonly version: string; readonly message: string };

/** What {@link Executions} needs. */
export interface ExecutionsContext {
  readonly store: Store;
  readonly bodies: Bodies;
  readonly inputs: InputsContext;
  /** Folder for datasets made of rows, as a URI. */
  readonly literals: string;
  /** The code of now. */
  readonly code: () => FlowCode;
  /** Counts what its executions find and how they end. */
  readonly tally?: Tally;
  /** Told of an execution whose end could not be recorded. */
  readonly onError: (error: FiresteelError) => void;
  /** Time and names from elsewhere, for tests. */
  readonly world?: EvaluationWorld;
}

interface Active {
  record: ExecutionRecord;
  readonly stop: AbortController;
  /** What whoever begins to watch is told first: it happened before anybody could. */
  readonly notice: ExecutionEvent | null;
  readonly ended: Promise<ExecutionRecord>;
}

/** Between two looks at an execution that another process evaluates. */
const LOOK_MS = 1_000;
/** Jobs of an execution of another process that are told one by one; of a larger one only submissions and the end are. */
const MOST_JOBS = 10_000;

/** All executions of one orchestrator. */
export class Executions {
  readonly #context: ExecutionsContext;
  readonly #world: EvaluationWorld;
  readonly #active = new Map<string, Active>();
  readonly #watchers = new Map<string, Set<(event: ExecutionEvent) => void>>();
  readonly #evaluations = new Set<Evaluation>();
  /** Called when something of an execution that another process evaluates may have changed. */
  readonly #wakers = new Map<string, Set<() => void>>();
  readonly #unlisten: () => void;
  #closed = false;

  constructor(context: ExecutionsContext) {
    this.#context = context;
    this.#world = context.world ?? EVALUATION_WORLD;
    this.#unlisten = context.store.onChange((change) => {
      if (change.kind !== "execution") return;
      for (const wake of this.#wakers.get(change.id) ?? []) wake();
      if (this.#active.has(change.id)) void this.#checkCancelled(change.id);
    });
  }

  /** Number of executions that run. */
  get size(): number {
    return this.#active.size;
  }

  /** Starts an execution; durable when this resolves. Rejects with `not_found` for an unknown task, `invalid_argument` for arguments that do not fit, `already_exists` for a request id that was used for another request. */
  async start(request: StartRequest): Promise<ExecutionRecord> {
    if (this.#closed) throw new FiresteelError(Code.unavailable, "orchestrator is stopping");
    const code = this.#context.code();
    await requestedTask(request, code);
    const { store } = this.#context;
    // Reading may begin before the execution is durable; running may not.
    const previous = beginReading(store.previousCalls(request.task, request.args.bytes));
    const record: ExecutionRecord = {
      id: this.#world.newId(),
      requestId: request.requestId ?? null,
      task: request.task,
      args: request.args.bytes,
      reason: request.reason,
      user: request.user,
      state: "running",
      startedAt: this.#world.clock.now(),
      endedAt: null,
      result: null,
      error: null,
      codeVersion: code.version,
      resumes: 0,
      cancelRequested: false,
    };
    const { execution, created } = await store.createExecution(record).catch((error: unknown) => {
      stopReading(previous);
      throw error;
    });
    if (created) {
      this.#launch(execution, code, { previous });
      return execution;
    }
    stopReading(previous);
    if (execution.task !== request.task || compareBytes(execution.args, request.args.bytes) !== 0) {
      throw new FiresteelError(
        Code.alreadyExists,
        `request id was used for another request (${execution.task}, execution ${execution.id}): ${request.requestId}`,
      );
    }
    return execution;
  }

  /** Goes on with the executions of owners that are dead, where their tasks are known here. Returns how many. */
  async resume(): Promise<number> {
    if (this.#closed) return 0;
    const adopted = await this.#context.store.adoptExecutions([...this.#context.code().tasks.keys()]);
    for (const execution of adopted) {
      const code = this.#context.code();
      const resumed: ExecutionRecord = { ...execution, resumes: execution.resumes + 1, codeVersion: code.version };
      await this.#context.store.updateExecution(execution.id, { resumes: resumed.resumes, codeVersion: code.version });
      this.#launch(resumed, code, { otherCode: execution.codeVersion !== code.version });
    }
    return adopted.length;
  }

  /** Resolves when the wish to cancel is durable. */
  async cancel(id: string, reason: string): Promise<ExecutionRecord> {
    const record = await this.#require(id);
    if (record.endedAt !== null) return record;
    await this.#context.store.updateExecution(id, { cancelRequested: true });
    this.#active
      .get(id)
      ?.stop.abort(new FiresteelError(Code.cancelled, reason === "" ? "cancelled on request" : `cancelled: ${reason}`));
    return this.#require(id);
  }

  /** Cancels those of which another process was asked to. */
  cancelAsked(ids: readonly string[]): void {
    for (const id of ids) this.#active.get(id)?.stop.abort(new FiresteelError(Code.cancelled, "cancelled on request"));
  }

  /** Resolves with the record when the execution has ended, or as it then is when the time is over. */
  async wait(id: string, timeoutMs: number | undefined, signal: AbortSignal): Promise<ExecutionRecord> {
    const { clock } = this.#world;
    const began = clock.elapsed();
    for (;;) {
      const leftMs = timeoutMs === undefined ? undefined : Math.max(0, timeoutMs - (clock.elapsed() - began));
      const active = this.#active.get(id);
      if (active) return this.#waitHere(active, leftMs, signal);
      const record = await this.#require(id);
      if (record.endedAt !== null || leftMs === 0) return record;
      await this.#changed(id, Math.min(LOOK_MS, leftMs ?? LOOK_MS), signal);
    }
  }

  async #waitHere(active: Active, timeoutMs: number | undefined, signal: AbortSignal): Promise<ExecutionRecord> {
    if (timeoutMs === undefined) return leaveOn(signal, active.ended);
    const timeUp = Promise.withResolvers<ExecutionRecord>();
    const callOff = this.#world.clock.after(timeoutMs, () => timeUp.resolve(active.record));
    try {
      return await leaveOn(signal, Promise.race([active.ended, timeUp.promise]));
    } finally {
      callOff();
    }
  }

  /** Events of an execution from the first `next()` on; the last one is its end. */
  async *watch(id: string, signal: AbortSignal): AsyncGenerator<ExecutionEvent> {
    const queue: ExecutionEvent[] = [];
    let wake = Promise.withResolvers<void>();
    const listener = (event: ExecutionEvent) => {
      queue.push(event);
      wake.resolve();
    };
    const watchers = this.#watchers.get(id) ?? new Set();
    this.#watchers.set(id, watchers.add(listener));
    try {
      const record = await this.#require(id);
      if (record.endedAt !== null) {
        yield { kind: "execution", execution: record };
        return;
      }
      const notice = this.#active.get(id)?.notice;
      if (notice) queue.unshift(notice);
      const seen = new Map<string, string>();
      for (;;) {
        for (let event = queue.shift(); event !== undefined; event = queue.shift()) {
          yield event;
          if (event.kind === "execution" && event.execution.endedAt !== null) return;
        }
        if (this.#active.has(id)) await leaveOn(signal, wake.promise);
        else {
          await this.#changed(id, LOOK_MS, signal, wake.promise);
          if (!this.#active.has(id) && queue.length === 0) queue.push(...(await this.#changesElsewhere(id, seen)));
        }
        wake = Promise.withResolvers<void>();
      }
    } finally {
      watchers.delete(listener);
      if (watchers.size === 0) this.#watchers.delete(id);
    }
  }

  /** What is new of an execution that another process evaluates: its jobs, its submissions, and last its end. */
  async #changesElsewhere(id: string, seen: Map<string, string>): Promise<ExecutionEvent[]> {
    const { store } = this.#context;
    // First, so that what is read after an end is all there is.
    const execution = await this.#require(id);
    const events: ExecutionEvent[] = [];
    const tell = (key: string, state: string, event: ExecutionEvent) => {
      if (seen.get(key) === state) return;
      seen.set(key, state);
      events.push(event);
    };
    const { jobs, count } = await store.pageJobs(id, { from: 0, limit: MOST_JOBS });
    if (count <= MOST_JOBS)
      for (const job of jobs) tell(job.id, `${job.state} ${job.note} ${job.submissionId}`, { kind: "job", job });
    const { rows } = await store.listSubmissions({ executionId: id }, { limit: 1_000 });
    for (const submission of rows.toReversed())
      tell(submission.id, `${submission.state} ${submission.cause}`, { kind: "submission", submission });
    if (execution.endedAt !== null) events.push({ kind: "execution", execution });
    return events;
  }

  /** Resolves when a notice tells of an execution, when `other` does, or after a time. */
  async #changed(id: string, withinMs: number, signal: AbortSignal, other?: Promise<void>): Promise<void> {
    if (!this.#context.store.shared) throw elsewhere(id);
    const { promise, resolve } = Promise.withResolvers<void>();
    const wakers = this.#wakers.get(id) ?? new Set();
    this.#wakers.set(id, wakers.add(resolve));
    void other?.then(resolve);
    const callOff = this.#world.clock.after(withinMs, resolve);
    try {
      await leaveOn(signal, promise);
    } finally {
      callOff();
      wakers.delete(resolve);
      if (wakers.size === 0) this.#wakers.delete(id);
    }
  }

  async #checkCancelled(id: string): Promise<void> {
    try {
      if ((await this.#context.store.findExecution(id))?.cancelRequested === true) this.cancelAsked([id]);
    } catch {
      // The database is away; the next look around finds it.
    }
  }

  /** Whether anybody watches an execution. */
  get watched(): boolean {
    return this.#watchers.size > 0;
  }

  /** Tells those who watch an execution. */
  emit(id: string, event: ExecutionEvent): void {
    for (const watcher of this.#watchers.get(id) ?? []) watcher(event);
  }

  /** Stops answering for executions; those that run stay `running` in the store. */
  close(): void {
    this.#closed = true;
    this.#unlisten();
    for (const evaluation of this.#evaluations) evaluation.abandon();
  }

  async #require(id: string): Promise<ExecutionRecord> {
    const record = await this.#context.store.findExecution(id);
    if (!record) throw new FiresteelError(Code.notFound, `execution is not known: ${id}`);
    return record;
  }

  #launch(
    execution: ExecutionRecord,
    code: FlowCode,
    { otherCode = false, previous }: { readonly otherCode?: boolean; readonly previous?: PreviousCalls },
  ): void {
    // Closed while it became durable: it is running in the store, for whoever comes next.
    if (this.#closed) {
      if (previous !== undefined) stopReading(previous);
      return;
    }
    const stop = new AbortController();
    if (execution.cancelRequested) stop.abort(new FiresteelError(Code.cancelled, "cancelled on request"));
    code.retain();
    const active: Active = {
      record: execution,
      stop,
      notice: otherCode
        ? { kind: "code", version: code.version, message: "resumed with other code than it was started with" }
        : null,
      ended: this.#run(execution, code, stop.signal, previous).finally(() => code.release()),
    };
    this.#active.set(execution.id, active);
    active.ended.then(
      () => this.#active.delete(execution.id),
      (error: unknown) => {
        this.#active.delete(execution.id);
        if (!this.#closed) this.#context.onError(FiresteelError.from(error));
      },
    );
  }

  async #run(
    execution: ExecutionRecord,
    code: FlowCode,
    signal: AbortSignal,
    previous: PreviousCalls | undefined,
  ): Promise<ExecutionRecord> {
    const { store, bodies, inputs, literals, tally } = this.#context;
    const evaluation = new Evaluation(
      {
        ...this.#world,
        executionId: execution.id,
        user: execution.user,
        code,
        store,
        bodies,
        inputs,
        literals,
        ...(previous ? { previous } : {}),
        onJob: (job) => this.emit(execution.id, { kind: "job", job }),
        ...(tally ? { tally } : {}),
      },
      signal,
    );
    this.#evaluations.add(evaluation);
    const settled: Settled = await evaluation
      .run(execution.task, execution.args)
      .then(async (end) => (end.ok ? { ...end, bytes: await evaluation.stored.whole(end.bytes) } : end))
      .catch((error: unknown) => ({ ok: false as const, error: errorRecord(error, [execution.task]) }));
    this.#evaluations.delete(evaluation);
    const state: keyof Tally["executions"] = settled.ok ? "succeeded" : signal.aborted ? "cancelled" : "failed";
    const end = {
      state,
      endedAt: this.#world.clock.now(),
      result: settled.ok ? settled.bytes : null,
      error: settled.ok ? null : settled.error,
    };
    // First in, first out: when this is durable, so are all calls and jobs of the execution.
    await store.updateExecution(execution.id, end);
    // The end is told after all of its jobs.
    await evaluation.told;
    if (tally) tally.executions[state]++;
    const record: ExecutionRecord = { ...execution, ...end, cancelRequested: signal.aborted };
    const active = this.#active.get(execution.id);
    if (active) active.record = record;
    this.emit(execution.id, { kind: "execution", execution: record });
    return record;
  }
}

/**
 * The task of a request.
 *
 * @throws FiresteelError `not_found` for an unknown task, `invalid_argument` for arguments that do not fit it
 */
export async function requestedTask(
  { task: name, args }: Pick<StartRequest, "task" | "args">,
  code: FlowCode,
): Promise<TaskInfo> {
  const task = code.tasks.get(name);
  if (!task) throw unknownTask(name, code);
  if (holdsStored(args.bytes))
    throw new FiresteelError(Code.invalidArgument, `arguments of ${name} hold a stored value, which only workers make`);
  checkRequest(task, args.bytes);
  if (task.schemas !== undefined) await code.checkArguments(task.name, knownArguments(args.bytes));
  return task;
}

/** Checks what can be checked before anything runs: the number of arguments, and their types where no data has to be looked at first. */
function checkRequest(task: TaskInfo, bytes: Uint8Array): void {
  if (isProgram(bytes)) {
    const list = readHead(bytes, readHead(bytes, readHead(bytes, 0).next).next);
    bindArguments(task, new Array<Uint8Array>(list.argument).fill(Uint8Array.of(0)));
    return;
  }
  bindArguments(task, listItems(bytes) ?? []);
  checkArguments(task, decodeValue(bytes) as readonly unknown[]);
}

/** The arguments that have a value already; null for those that data has to be looked at for. */
function knownArguments(bytes: Uint8Array): readonly (Uint8Array | null)[] {
  const { root } = parseProgram(bytes);
  const base = root.bytes.byteOffset;
  return (listItems(root.bytes) ?? []).map((item) => {
    const start = item.byteOffset - base;
    const lazy = root.holes.some((hole) => hole.start >= start && hole.start < start + item.length);
    return lazy ? null : item.slice();
  });
}

function elsewhere(id: string): FiresteelError {
  return new FiresteelError(Code.unavailable, `execution runs in another orchestrator; watch it there: ${id}`);
}

function unknownTask(name: string, code: FlowCode): FiresteelError {
  const near = [...code.tasks.keys()]
    .map((known) => ({ known, distance: editDistance(name, known) }))
    .sort((a, b) => a.distance - b.distance)[0];
  const hint =
    near && near.distance <= Math.max(2, name.length / 3)
      ? `; did you mean ${near.known}?`
      : `; there are ${code.tasks.size} tasks`;
  return new FiresteelError(Code.notFound, `task is not known: ${name}${hint}`, {
    details: { task: name, ...(near ? { near: near.known } : {}) },
  });
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length]!;
}
