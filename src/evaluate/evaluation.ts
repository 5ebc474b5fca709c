/**
 * The evaluation of one execution: reduces the root expression to a value.
 *
 * Steps are done one after the other from a work list (`work-list.ts`); nothing recurses over the graph. A step either settles a cell or starts something that will: a call (`calls.ts`), a look at a file.
 *
 * Failures travel up cell by cell to the nearest `catchError`, as soon as they are known. When the root has failed, what was asked for already goes on to its end (its results are kept), and then the
 * execution ends. When the root has its value, the execution ends at once, and with it what still runs for it alone (the rest of a list of which one item failed and was caught).
 *
 * A call that waits on itself leaves the loop idle with cells unsettled; only then is the cycle looked for.
 */

import { randomUUID } from "node:crypto";
import { type Clock, machineClock } from "../clock.ts";
import { InstanceValue } from "../define/codec.ts";
import type { CallOptions } from "../define/task-options.ts";
import { Code, FiresteelError } from "../errors.ts";
import type { Digest } from "../hash/digest.ts";
import {
  fillTemplate,
  listItems,
  type Program,
  type ProgramNode,
  parseProgram,
  selectField,
  type Template,
} from "../hash/program.ts";
import { encodeValue } from "../hash/value.ts";
import type { Bodies } from "./bodies.ts";
import { Calls, type CallsOwner } from "./calls.ts";
import type { FlowCode } from "./code.ts";
import { errorRecord } from "./failure.ts";
import { reduceForm } from "./forms.ts";
import { Inputs, type InputsContext } from "./inputs.ts";
import { Cell, type Job, jobPath, type Settled } from "./job.ts";
import type { PreviousCalls } from "./lookups.ts";
import type { JobRecord, Outcome, Store } from "./ports.ts";
import { outline } from "./rule.ts";
import { NO_SCOPE, type Scope, scopeBelow } from "./scope.ts";
import { StoredReader } from "./stored-values.ts";
import type { Tally } from "./tally.ts";
import { WorkList, type WorkListOwner } from "./work-list.ts";

/** How often an execution starts over because its inputs changed under it. */
const MAX_RESTARTS = 3;

/** The time that evaluations live by, and the names they give. */
export interface EvaluationWorld {
  readonly clock: Clock;
  /** A new id for an execution or a job. */
  readonly newId: () => string;
}

/** The machine's time, and random names. */
export const EVALUATION_WORLD: EvaluationWorld = { clock: machineClock, newId: randomUUID };

/** What an evaluation needs. */
export interface EvaluationContext extends EvaluationWorld {
  readonly executionId: string;
  readonly user: string;
  readonly code: FlowCode;
  readonly store: Store;
  readonly bodies: Pick<Bodies, "start" | "stillValid" | "invalidPlaces">;
  readonly inputs: InputsContext;
  /** Folder for datasets made of rows, as a URI. */
  readonly literals: string;
  /** Told when a job's record is durable. */
  readonly onJob: (job: JobRecord) => void;
  /** Counts look-ups; a dry run counts none. */
  readonly tally?: Tally;
  /** The calls of the last execution of the same root, where reading them has begun already. */
  readonly previous?: PreviousCalls;
  /** Set for a dry run, whose bodies may end with {@link UNKNOWN}: told of each program whose evaluation begins. */
  readonly entered?: (frame: Frame) => void;
}

/** A program being evaluated: one cell a node, made when it is asked for. */
export interface Frame {
  readonly program: Program;
  readonly cells: (Cell | undefined)[];
  /** The job whose body gave the program; null for the root expression. */
  readonly job: Job | null;
  /** What applies to the calls in it. */
  readonly scope: Scope;
  /** The frames of the same program under other scopes, by scope. */
  others?: Map<string, Frame>;
}

/** One execution's graph. */
export class Evaluation implements WorkListOwner, CallsOwner {
  readonly context: EvaluationContext;
  readonly signal: AbortSignal;
  readonly work: WorkList = new WorkList(this);
  readonly stored: StoredReader;
  readonly #calls: Calls;
  inputs: Inputs;
  #restarts = 0;
  #root: Cell = new Cell();
  #rootProgram: Program | undefined;
  #rootTask = "";
  #rootArgs: Uint8Array = new Uint8Array();
  #end: { readonly settle: (settled: Settled) => void; readonly fail: (error: FiresteelError) => void } | undefined;

  constructor(context: EvaluationContext, signal: AbortSignal) {
    this.context = context;
    this.signal = signal;
    this.inputs = new Inputs(context.inputs);
    this.stored = new StoredReader(context.store.stored);
    this.#calls = new Calls(this);
  }

  /** Evaluates the call of a task with arguments given as an encoded list, which may be a program. Settles once; rejects with `cancelled` when the signal aborts. */
  run(task: string, args: Uint8Array): Promise<Settled> {
    const { promise, resolve, reject } = Promise.withResolvers<Settled>();
    const cancel = () => this.#end?.fail(FiresteelError.from(this.signal.reason, Code.cancelled));
    const stop = () => {
      this.#end = undefined;
      this.signal.removeEventListener("abort", cancel);
      this.work.clear();
      this.#calls.end();
    };
    this.#end = {
      settle: (settled) => {
        stop();
        resolve(settled);
      },
      fail: (error) => {
        stop();
        reject(error);
      },
    };
    if (this.signal.aborted) cancel();
    else {
      this.signal.addEventListener("abort", cancel, { once: true });
      try {
        this.#rootProgram = parseProgram(args);
        this.#rootTask = task;
        this.#rootArgs = args;
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
    this.work.clear();
    this.#calls.abandon();
  }

  /** Settles when all records of jobs so far are durable and told to `onJob`. */
  get told(): Promise<unknown> {
    return this.#calls.told;
  }

  #startRoot(): void {
    const { generation } = this.work;
    this.#root = new Cell();
    this.#root.wait((settled) => {
      if (generation === this.work.generation && settled.ok) this.#end?.settle(settled);
    });
    const frame: Frame = { program: this.#rootProgram!, cells: [], job: null, scope: NO_SCOPE };
    this.context.entered?.(frame);
    const { store, previous } = this.context;
    // What was begun early is good for the first start only.
    const known = this.#restarts === 0 ? previous : undefined;
    this.#calls.expect(known ?? store.previousCalls(this.#rootTask, this.#rootArgs)[Symbol.asyncIterator]());
    this.work.push(() =>
      this.fill(frame, frame.program.root, (list) => {
        if (!list.ok) return this.settle(this.#root, list);
        const args = listItems(list.bytes);
        if (!args) throw new FiresteelError(Code.invalidArgument, "arguments are not a list");
        this.join(this.call(this.#rootTask, args, frame, false), this.#root);
      }),
    );
  }

  /** Starts over with a fresh look at the inputs; finished calls hit the cache, running bodies that are still wanted go on. */
  restart(): boolean {
    if (this.#restarts === MAX_RESTARTS) return false;
    this.#restarts++;
    this.work.clear();
    this.#calls.clear();
    this.inputs = new Inputs(this.context.inputs);
    this.#startRoot();
    return true;
  }

  // ------------------------------------------------------------------------------------------- the work list

  pause(): Promise<void> | null {
    this.#calls.flush();
    return this.context.store.room();
  }

  /** Nothing runs and nothing is queued: the execution is over, the root has failed, or a call waits on itself. */
  idle(): void {
    if (!this.#end) return;
    const { settled } = this.#root;
    if (settled) return this.#end.settle(settled);
    const cycle = this.#calls.cycle();
    const first = cycle?.[0];
    // A dry run has come as far as it goes.
    if (!first && this.context.entered) return this.#end.settle({ ok: true, bytes: encodeValue(undefined) });
    if (!first)
      throw new FiresteelError(Code.internal, `execution ${this.context.executionId} stands still without a reason`);
    const names = [...cycle, first].map((job) => job.task.name).join(" -> ");
    this.#calls.endJob(first, {
      ok: false,
      error: errorRecord(new FiresteelError(Code.failedPrecondition, `call waits on itself: ${names}`), jobPath(first)),
    });
  }

  /** A step that throws is a defect, or a stored expression of a form that this version does not know: it costs this execution, not the orchestrator. */
  broken(error: unknown): void {
    this.#end?.fail(FiresteelError.from(error));
  }

  // ------------------------------------------------------------------------------------------- cells

  /** Settles a cell; those who wait for it get their turn. */
  settle(cell: Cell, given: Settled): void {
    const settled = cell.fresh && given.ok && !given.fresh ? { ...given, fresh: true } : given;
    for (const waiter of cell.settle(settled)) this.work.push(() => waiter(settled));
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
    this.work.push(start);
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
    let fresh = false;
    for (const hole of holes) {
      this.demand(this.#cell(frame, hole.node), (settled) => {
        if (failed) return;
        if (!settled.ok) {
          failed = true;
          then(settled);
          return;
        }
        if (settled.fresh) fresh = true;
        if (--open === 0) {
          then({
            ok: true,
            fresh,
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
    then: (values: readonly Uint8Array[], fresh: boolean) => void,
    failed: (settled: Settled) => void,
  ): void {
    const values: Uint8Array[] = new Array(templates.length);
    let open = templates.length;
    let stopped = false;
    let fresh = false;
    if (open === 0) then(values, false);
    templates.forEach((template, i) => {
      this.fill(frame, template, (settled) => {
        if (stopped) return;
        if (!settled.ok) {
          stopped = true;
          failed(settled);
          return;
        }
        values[i] = settled.bytes;
        if (settled.fresh) fresh = true;
        if (--open === 0) then(values, fresh);
      });
    });
  }

  /** Goes on with what was read of stored values: at once where nothing had to be read. */
  read<T>(value: T | Promise<T>, then: (value: T) => void, failed: (error: unknown) => void): void {
    if (value instanceof Promise) this.work.async(() => value.then((known) => () => then(known)), failed);
    else then(value);
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
          (args, fresh) => this.join(this.call(node.task, args, frame, fresh, node.options), cell),
          (settled) => this.settle(cell, settled),
        );
        return;
      case "field":
        this.fill(frame, node.of, (settled) => {
          if (!settled.ok) return this.settle(cell, settled);
          if (settled.fresh) cell.fresh = true;
          this.read(
            this.stored.outer(settled.bytes),
            (bytes) => this.#select(frame, bytes, node.key, cell),
            (error) => this.fail(cell, frame, error),
          );
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
    const of = outline(bytes);
    if (typeof of === "object" && of !== null && "identity" in of && key === "location") {
      this.work.async(
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
    if (of instanceof InstanceValue)
      return this.fail(
        cell,
        frame,
        new FiresteelError(
          Code.invalidArgument,
          `cannot read field "${key}" of an instance (codec ${of.codec}) outside of a body; give the instance to a task`,
        ),
      );
    if (of === null || typeof of !== "object")
      return this.fail(
        cell,
        frame,
        new FiresteelError(Code.invalidArgument, `cannot read field "${key}" of ${of === null ? "null" : typeof of}`),
      );
    this.settle(cell, { ok: true, bytes: encodeValue(undefined) });
  }

  /** The result of a call with these encoded arguments, of which one is {@link Settled.fresh} or not. Equal calls of one execution under one context are one job. */
  call(name: string, given: readonly Uint8Array[], frame: Frame, fresh: boolean, options?: CallOptions): Cell {
    return this.#calls.call(name, given, frame, fresh, options);
  }

  /** Reduces what a body gave, in a frame of its own. */
  evaluate(job: Job, outcome: Outcome, then: (settled: Settled) => void): void {
    let program: Program;
    try {
      program = parseProgram(outcome.bytes);
    } catch (error) {
      return then({ ok: false, error: errorRecord(error, jobPath(job)) });
    }
    const frame: Frame = { program, cells: [], job, scope: scopeBelow(job.scope) };
    this.context.entered?.(frame);
    this.fill(frame, program.root, then);
  }

  /** Notes that an error was caught on the way to a job's value: the value as a whole is then good for this execution only. */
  caught({ job }: Frame): void {
    if (job) job.below = null;
  }
}
