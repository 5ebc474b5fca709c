/**
 * The evaluation of one execution: reduces the root expression to a value.
 *
 * It is a loop over an explicit work list; nothing recurses over the graph, so neither depth nor width can overflow the stack. A step either settles a cell or starts something that will (a look-up, a body).
 * Look-ups of one turn of the loop are one query. The loop gives way to the event loop every {@link SLICE_MS}, so that serving and polling go on beside it.
 *
 * Failures travel up cell by cell to the nearest `catchError`, as soon as they are known. When the root has failed, what was asked for already goes on to its end (its results are kept), and then the
 * execution ends. When the root has its value, the execution ends at once, and with it what still runs for it alone (the rest of a list of which one item failed and was caught).
 *
 * A call that waits on itself leaves the loop idle with cells unsettled; only then is the cycle looked for.
 */

import { randomUUID } from "node:crypto";
import type { CallOptions } from "../define/task-options.ts";
import { Code, FiresteelError } from "../errors.ts";
import { type Digest, digestOf, digestValue } from "../hash/digest.ts";
import {
  fillTemplate,
  listItems,
  type Program,
  type ProgramNode,
  parseProgram,
  selectField,
  type Template,
} from "../hash/program.ts";
import { decodeValue, encodeValue } from "../hash/value.ts";
import { bindArguments } from "./arguments.ts";
import { type Bodies, type BodyRun, mentionsExternals } from "./bodies.ts";
import { callCode } from "./call-identity.ts";
import { type FlowCode, type TaskInfo, withCallOptions } from "./code.ts";
import { errorRecord, isInputChanged } from "./failure.ts";
import { FINGERPRINT_TASK } from "./fingerprint.ts";
import { reduceForm } from "./forms.ts";
import { Inputs, type InputsContext } from "./inputs.ts";
import { Cell, findCycle, type Job, jobPath, type Settled } from "./job.ts";
import type { CachedCall, ErrorRecord, JobRecord, JobState, Outcome, Store } from "./ports.ts";

/** How long the loop runs before others get a turn, in ms. */
const SLICE_MS = 8;
/** A query of this many look-ups is sent without waiting for the turn to end. */
const LOOKUP_BATCH = 1000;
/** Steps that were done are dropped from the front of the work list in blocks of this many. */
const COMPACT_AT = 4096;
/** Jobs that end sooner are recorded once, at their end. */
const RECORD_RUNNING_AFTER_MS = 250;
/** How often an execution starts over because its inputs changed under it. */
const MAX_RESTARTS = 3;

/** What an evaluation needs. */
export interface EvaluationContext {
  readonly executionId: string;
  readonly user: string;
  readonly code: FlowCode;
  readonly store: Store;
  readonly bodies: Bodies;
  readonly inputs: InputsContext;
  /** Folder for datasets made of rows, as a URI. */
  readonly literals: string;
  /** Told when a job's record is durable. */
  readonly onJob: (job: JobRecord) => void;
}

/** A program being evaluated: one cell a node, made when it is asked for. */
export interface Frame {
  readonly program: Program;
  readonly cells: (Cell | undefined)[];
  /** The job whose body gave the program; null for the root expression. */
  readonly job: Job | null;
}

/** One execution's graph. */
export class Evaluation {
  readonly context: EvaluationContext;
  readonly signal: AbortSignal;
  inputs: Inputs;
  #work: (() => void)[] = [];
  #next = 0;
  #lookups: Job[] = [];
  #jobs = new Map<Digest, Job>();
  #unshared = new Set<Job>();
  /** Jobs of which nothing is recorded yet, oldest first. */
  readonly #fresh = new Set<Job>();
  #outstanding = 0;
  #scheduled = false;
  #restarts = 0;
  #generation = 0;
  #root: Cell = new Cell();
  #rootProgram: Program | undefined;
  #rootTask = "";
  #end: { readonly settle: (settled: Settled) => void; readonly fail: (error: FiresteelError) => void } | undefined;
  #sweep: NodeJS.Timeout | undefined;
  /** Aborts when the execution ends, however it does: whoever runs a body for it alone stops then. */
  readonly #left = new AbortController();

  constructor(context: EvaluationContext, signal: AbortSignal) {
    this.context = context;
    this.signal = signal;
    this.inputs = new Inputs(context.inputs);
  }

  /** Evaluates the call of a task with arguments given as an encoded list, which may be a program. Settles once; rejects with `cancelled` when the signal aborts. */
  run(task: string, args: Uint8Array): Promise<Settled> {
    const { promise, resolve, reject } = Promise.withResolvers<Settled>();
    const cancel = () => this.#end?.fail(FiresteelError.from(this.signal.reason, Code.cancelled));
    const stop = (why: FiresteelError) => {
      this.abandon();
      this.signal.removeEventListener("abort", cancel);
      for (const job of this.#pendingJobs()) this.#record(job, "cancelled", null);
      // A body of this execution that nobody else waits for is of no use any more.
      this.#left.abort(why);
    };
    this.#end = {
      settle: (settled) => {
        stop(new FiresteelError(Code.cancelled, "the execution has its result without this"));
        resolve(settled);
      },
      fail: (error) => {
        stop(error);
        reject(error);
      },
    };
    if (this.signal.aborted) cancel();
    else {
      this.signal.addEventListener("abort", cancel, { once: true });
      this.#sweep = setInterval(() => this.#recordRunning(), RECORD_RUNNING_AFTER_MS);
      try {
        this.#rootProgram = parseProgram(args);
        this.#rootTask = task;
        this.#startRoot();
      } catch (error) {
        this.#end?.fail(FiresteelError.from(error));
      }
    }
    return promise;
  }

  /** Stops without an end: nothing more is run or recorded, what runs is left to itself, and `run` never settles. */
  abandon(): void {
    this.#end = undefined;
    this.#generation++;
    clearInterval(this.#sweep);
    this.#clear();
  }

  #startRoot(): void {
    const generation = this.#generation;
    this.#root = new Cell();
    this.#root.wait((settled) => {
      if (generation === this.#generation && settled.ok) this.#end?.settle(settled);
    });
    const frame: Frame = { program: this.#rootProgram!, cells: [], job: null };
    this.push(() =>
      this.fill(frame, frame.program.root, (list) => {
        if (!list.ok) return this.settle(this.#root, list);
        const args = listItems(list.bytes);
        if (!args) throw new FiresteelError(Code.invalidArgument, "arguments are not a list");
        this.join(this.call(this.#rootTask, args, null), this.#root);
      }),
    );
  }

  // ------------------------------------------------------------------------------------------- the loop

  /** Adds a step to the work list. */
  push(step: () => void): void {
    this.#work.push(step);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#drain());
  }

  /** Starts something asynchronous whose end adds steps; the execution is not idle while it runs. */
  async(start: () => Promise<() => void>, failed: (error: unknown) => void): void {
    const generation = this.#generation;
    this.#outstanding++;
    const finish = (step: () => void) => {
      if (generation !== this.#generation) return;
      this.#outstanding--;
      this.push(step);
    };
    start().then(finish, (error: unknown) => finish(() => failed(error)));
  }

  #drain(): void {
    try {
      this.#steps();
    } catch (error) {
      // A step that throws is a defect, or a stored expression of a form that this version does not know: it costs this execution, not the orchestrator.
      this.#scheduled = false;
      this.#end?.fail(FiresteelError.from(error));
    }
  }

  #steps(): void {
    const until = performance.now() + SLICE_MS;
    let steps = 0;
    while (this.#next < this.#work.length) {
      this.#work[this.#next++]!();
      if (this.#next === COMPACT_AT) {
        this.#work = this.#work.slice(COMPACT_AT);
        this.#next = 0;
      }
      if (this.#lookups.length >= LOOKUP_BATCH) this.#lookUp();
      if ((++steps & 63) === 0 && performance.now() > until) break;
    }
    if (this.#next < this.#work.length) {
      setImmediate(() => this.#drain());
      return;
    }
    this.#work = [];
    this.#next = 0;
    if (this.#lookups.length > 0) this.#lookUp();
    this.#scheduled = false;
    if (this.#outstanding === 0 && this.#work.length === 0) this.#idle();
  }

  /** Nothing runs and nothing is queued: the execution is over, the root has failed, or a call waits on itself. */
  #idle(): void {
    if (!this.#end) return;
    const { settled } = this.#root;
    if (settled) return this.#end.settle(settled);
    const cycle = findCycle([...this.#jobs.values(), ...this.#unshared]);
    const first = cycle?.[0];
    if (!first)
      throw new FiresteelError(Code.internal, `execution ${this.context.executionId} stands still without a reason`);
    const names = [...cycle, first].map((job) => job.task.name).join(" -> ");
    this.#endJob(first, {
      ok: false,
      error: errorRecord(new FiresteelError(Code.failedPrecondition, `call waits on itself: ${names}`), jobPath(first)),
    });
  }

  // ------------------------------------------------------------------------------------------- cells

  /** Settles a cell; those who wait for it get their turn. */
  settle(cell: Cell, settled: Settled): void {
    for (const waiter of cell.settle(settled)) this.push(() => waiter(settled));
  }

  /** Calls back with the cell's result, starting its evaluation where nobody asked before. */
  demand(cell: Cell, then: (settled: Settled) => void): void {
    if (cell.settled) {
      then(cell.settled);
      return;
    }
    cell.wait(then);
    const { start } = cell;
    if (!start) return;
    cell.start = undefined;
    this.push(start);
  }

  /** Lets a cell have the result of another. */
  join(from: Cell, to: Cell): void {
    this.demand(from, (settled) => this.settle(to, settled));
  }

  /** The value of a template: calls back when all its holes are known, or at the first failure. */
  fill(frame: Frame, template: Template, then: (settled: Settled) => void): void {
    const { holes } = template;
    if (holes.length === 0) {
      then({ ok: true, bytes: template.bytes });
      return;
    }
    let open = holes.length;
    let failed = false;
    for (const hole of holes) {
      this.demand(this.#cell(frame, hole.node), (settled) => {
        if (failed) return;
        if (!settled.ok) {
          failed = true;
          then(settled);
        } else if (--open === 0) {
          then({
            ok: true,
            bytes: fillTemplate(template, (node) => {
              const known = frame.cells[node]?.settled;
              if (!known?.ok)
                throw new FiresteelError(Code.internal, "a template was filled before its parts were known");
              return known.bytes;
            }),
          });
        }
      });
    }
  }

  /** Several templates at once. */
  fillAll(
    frame: Frame,
    templates: readonly Template[],
    then: (values: readonly Uint8Array[]) => void,
    failed: (settled: Settled) => void,
  ): void {
    const values: Uint8Array[] = new Array(templates.length);
    let open = templates.length;
    let stopped = false;
    if (open === 0) then(values);
    templates.forEach((template, i) => {
      this.fill(frame, template, (settled) => {
        if (stopped) return;
        if (!settled.ok) {
          stopped = true;
          failed(settled);
          return;
        }
        values[i] = settled.bytes;
        if (--open === 0) then(values);
      });
    });
  }

  #cell(frame: Frame, index: number): Cell {
    let cell = frame.cells[index];
    if (!cell) {
      const made = new Cell(() => this.#reduce(frame, frame.program.nodes[index]!, made));
      cell = made;
      frame.cells[index] = cell;
    }
    return cell;
  }

  /** Settles a cell with an error, told from the frame's place in the graph. */
  fail(cell: Cell, frame: Frame, error: unknown): void {
    this.settle(cell, { ok: false, error: errorRecord(error, jobPath(frame.job)) });
  }

  #reduce(frame: Frame, node: ProgramNode, cell: Cell): void {
    switch (node.kind) {
      case "call":
        this.fillAll(
          frame,
          node.args,
          (args) => this.join(this.call(node.task, args, frame.job, node.options), cell),
          (settled) => this.settle(cell, settled),
        );
        return;
      case "field":
        this.fill(frame, node.of, (settled) => {
          if (!settled.ok) return this.settle(cell, settled);
          this.#select(frame, settled.bytes, node.key, cell);
        });
        return;
      case "form":
        reduceForm(this, frame, node, cell);
        return;
    }
  }

  #select(frame: Frame, bytes: Uint8Array, key: string | number, cell: Cell): void {
    const value = selectField(bytes, key);
    if (value) return this.settle(cell, { ok: true, bytes: value });
    const of = decodeValue(bytes);
    if (typeof of === "object" && of !== null && "identity" in of && key === "location") {
      this.async(
        async () => {
          const record = await this.inputs.locate((of as { identity: Digest }).identity);
          if (!record)
            throw new FiresteelError(
              Code.notFound,
              `dataset is no longer at any of its recorded locations: ${(of as { identity: Digest }).identity}`,
            );
          return () => this.settle(cell, { ok: true, bytes: encodeValue(record.location) });
        },
        (error) => this.fail(cell, frame, error),
      );
      return;
    }
    if (of === null || typeof of !== "object")
      return this.fail(
        cell,
        frame,
        new FiresteelError(Code.invalidArgument, `cannot read field "${key}" of ${of === null ? "null" : typeof of}`),
      );
    this.settle(cell, { ok: true, bytes: encodeValue(undefined) });
  }

  // ------------------------------------------------------------------------------------------- calls

  /** The result of a call with these encoded arguments. Equal calls of one execution are one job. */
  call(name: string, given: readonly Uint8Array[], parent: Job | null, options?: CallOptions): Cell {
    const failed = new Cell();
    let task: TaskInfo | undefined;
    let args: readonly Uint8Array[];
    try {
      task = name === FINGERPRINT_TASK.name ? FINGERPRINT_TASK : this.context.code.tasks.get(name);
      if (!task) throw new FiresteelError(Code.notFound, `task is not known: ${name}`);
      if (options) task = withCallOptions(task, options);
      args = bindArguments(task, given);
    } catch (error) {
      failed.settle({ ok: false, error: errorRecord(error, jobPath(parent)) });
      return failed;
    }
    // A view of a large list would pin all of it, and be sent to a worker with all of it.
    args = args.map((bytes) => (bytes.byteLength * 2 < bytes.buffer.byteLength ? bytes.slice() : bytes));
    const argDigests = args.map(digestValue);
    const code = callCode(task, this.inputs);
    if (typeof code !== "string") {
      const later = new Cell();
      this.async(
        () => code.then(() => () => this.join(this.call(name, given, parent, options), later)),
        (error) => this.settle(later, { ok: false, error: errorRecord(error, jobPath(parent)) }),
      );
      return later;
    }
    const evalHash = digestOf("call", name, code, argDigests);
    const shared = task.options.cache !== "none";
    const known = shared ? this.#jobs.get(evalHash) : undefined;
    if (known) {
      if (parent && !known.cell.settled) {
        parent.waitsOn ??= [];
        parent.waitsOn.push(known);
      }
      return known.cell;
    }
    const job: Job = {
      id: randomUUID(),
      parent,
      task,
      evalHash,
      args,
      argDigests,
      cell: new Cell(),
      startedAt: Date.now(),
      executor: task.options.tags?.includes("bulk-data") ? "spark" : (task.options.executor ?? "inline"),
      cached: false,
      submissionId: null,
      note: null,
      waitsOn: undefined,
    };
    if (shared) this.#jobs.set(evalHash, job);
    else this.#unshared.add(job);
    this.#fresh.add(job);
    if (keepsResult(task)) this.#lookups.push(job);
    else this.push(() => this.#runBody(job, false));
    return job.cell;
  }

  #lookUp(): void {
    const jobs = this.#lookups;
    this.#lookups = [];
    this.async(
      async () => {
        const found = await this.context.store.findCalls(jobs.map((job) => job.evalHash));
        return () => {
          for (const job of jobs) this.push(() => this.#looked(job, found.get(job.evalHash)));
        };
      },
      (error) => {
        for (const job of jobs) this.#endJob(job, { ok: false, error: errorRecord(error, jobPath(job)) });
      },
    );
  }

  #looked(job: Job, hit: CachedCall | undefined): void {
    if (!hit) return this.#runBody(job, false);
    // Most results name no files: those need no asynchronous look.
    if (!mentionsExternals(hit.outcome.bytes)) return this.#hit(job, hit.outcome);
    this.async(
      async () => {
        const valid = await this.context.bodies.stillValid(hit.outcome.bytes, this.inputs);
        return () => (valid ? this.#hit(job, hit.outcome) : this.#runBody(job, true));
      },
      (error) => this.#endJob(job, { ok: false, error: errorRecord(error, jobPath(job)) }),
    );
  }

  #hit(job: Job, outcome: Outcome): void {
    job.cached = true;
    this.#evaluate(job, outcome);
  }

  #runBody(job: Job, replace: boolean): void {
    const generation = this.#generation;
    const run: BodyRun = {
      job,
      code: this.context.code,
      executionId: this.context.executionId,
      user: this.context.user,
      inputs: this.inputs,
      signal: this.#left.signal,
      replace,
      keep: keepsResult(job.task),
      onNote: (note, submissionId) => {
        // A job that was given up has its last record.
        if (generation !== this.#generation || job.cell.settled) return;
        job.note = note;
        if (submissionId !== undefined) job.submissionId = submissionId;
        this.#fresh.delete(job);
        this.#record(job, note.startsWith("waiting") ? "waiting" : "running", null);
      },
    };
    this.async(
      async () => {
        const outcome = await this.context.bodies.run(run);
        return () => {
          job.note = null;
          this.#evaluate(job, outcome);
        };
      },
      (error) => {
        if (isInputChanged(error) && this.#restarts < MAX_RESTARTS) return this.#restart();
        this.#endJob(job, { ok: false, error: errorRecord(error, jobPath(job)) });
      },
    );
  }

  /** Reduces what a body gave, in a frame of its own. */
  #evaluate(job: Job, outcome: Outcome): void {
    if (outcome.kind === "value") return this.#endJob(job, { ok: true, bytes: outcome.bytes });
    let program: Program;
    try {
      program = parseProgram(outcome.bytes);
    } catch (error) {
      return this.#endJob(job, { ok: false, error: errorRecord(error, jobPath(job)) });
    }
    this.fill({ program, cells: [], job }, program.root, (settled) => this.#endJob(job, settled));
  }

  #endJob(job: Job, settled: Settled): void {
    if (job.cell.settled) return;
    this.#unshared.delete(job);
    this.#fresh.delete(job);
    this.settle(job.cell, settled);
    this.#record(job, settled.ok ? "succeeded" : "failed", settled.ok ? null : settled.error);
  }

  /** Starts over with a fresh look at the inputs; finished calls hit the cache, running bodies that are still wanted go on. */
  #restart(): void {
    this.#restarts++;
    this.#generation++;
    for (const job of this.#pendingJobs()) this.#record(job, "cancelled", null);
    this.#clear();
    this.#jobs = new Map();
    this.#unshared = new Set();
    this.inputs = new Inputs(this.context.inputs);
    this.#startRoot();
  }

  #clear(): void {
    this.#outstanding = 0;
    this.#work = [];
    this.#next = 0;
    this.#lookups = [];
    this.#fresh.clear();
  }

  /** Records jobs that take long as running; those that end before are recorded once. */
  #recordRunning(): void {
    const before = Date.now() - RECORD_RUNNING_AFTER_MS;
    for (const job of this.#fresh) {
      if (job.startedAt > before) return;
      this.#fresh.delete(job);
      this.#record(job, "running", null);
    }
  }

  #pendingJobs(): Job[] {
    return [...this.#jobs.values(), ...this.#unshared].filter((job) => !job.cell.settled);
  }

  #record(job: Job, state: JobState, error: ErrorRecord | null): void {
    const ended = state !== "running" && state !== "waiting";
    const record: JobRecord = {
      id: job.id,
      executionId: this.context.executionId,
      parentId: job.parent?.id ?? null,
      task: job.task.name,
      evalHash: job.evalHash,
      state,
      executor: job.executor,
      cached: job.cached,
      startedAt: job.startedAt,
      endedAt: ended ? Date.now() : null,
      error,
      submissionId: job.submissionId,
      note: ended ? null : job.note,
    };
    // A store that cannot write any more ends the execution through its own signal.
    this.context.store.recordJob(record).then(
      () => this.context.onJob(record),
      () => undefined,
    );
  }
}

/** Whether results of a task are looked up and kept. */
export function keepsResult(task: TaskInfo): boolean {
  return (task.options.cache ?? "store") === "store" && task.undecided.length === 0;
}
