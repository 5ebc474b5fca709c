/**
 * The calls of one execution: each becomes a job, is looked up, and where nothing is known its body is run.
 *
 * Equal calls are one job. Look-ups of one turn are one query, and so are the bodies that are started and the jobs that are recorded.
 */

import type { CallOptions } from "../define/task-options.ts";
import { type Digest, digestOf, rememberDigest } from "../hash/digest.ts";
import { findExternals } from "../hash/scan.ts";
import { bindArguments } from "./arguments.ts";
import { Below, codecBelow } from "./below.ts";
import { type BodyRequest, mentionsExternals } from "./bodies.ts";
import { callCode, givenCodecs, hashCall } from "./call-identity.ts";
import { missingTask, type TaskInfo, withCallOptions } from "./code.ts";
import type { EvaluationContext, Frame } from "./evaluation.ts";
import { errorRecord, isInputChanged } from "./failure.ts";
import { FINGERPRINT_TASK } from "./fingerprint.ts";
import type { Inputs } from "./inputs.ts";
import { Cell, Ended, findCycle, Job, jobPath, type Settled } from "./job.ts";
import { Journal } from "./journal.ts";
import { Lookups, type LookupsOwner, type PreviousCalls } from "./lookups.ts";
import type { CachedCall, Outcome } from "./ports.ts";
import type { RunResult } from "./running.ts";
import { declaredContext } from "./scope.ts";
import { all, type StoredReader } from "./stored-values.ts";
import type { Tally } from "./tally.ts";
import type { WorkList } from "./work-list.ts";

/** How a body ends that a dry run does not run: the call stays unsettled, and with it all that waits for it. */
export const UNKNOWN: unique symbol = Symbol("unknown");

/** What the calls need of the evaluation that they belong to. */
export interface CallsOwner {
  readonly context: EvaluationContext;
  readonly work: WorkList;
  readonly stored: StoredReader;
  /** How the execution sees files and datasets now. */
  readonly inputs: Inputs;
  /** Reduces what a body gave. */
  evaluate(job: Job, outcome: Outcome, then: (settled: Settled) => void): void;
  settle(cell: Cell, settled: Settled): void;
  /** Lets a cell have the result of another. */
  join(from: Cell, to: Cell): void;
  /** Asks to start over because an input changed; false when that was done too often. */
  restart(): boolean;
}

/** See the head of this file. */
export class Calls implements LookupsOwner {
  readonly #owner: CallsOwner;
  readonly #nothing = new Below();
  /** By eval hash; under a context by that and the identity of the context, which the results of calls below may depend on. */
  #jobs = new Map<string, Job | Ended>();
  #unshared = new Set<Job>();
  readonly #lookups: Lookups;
  #shallow: Job[] = [];
  #over = false;
  readonly #journal: Journal;
  /** Leaves the bodies that this execution waits for. */
  readonly #leave = new Set<() => void>();

  constructor(owner: CallsOwner) {
    this.#owner = owner;
    this.#lookups = new Lookups(owner.context.store, this);
    this.#journal = new Journal(owner.context);
  }

  get work(): WorkList {
    return this.#owner.work;
  }

  /** Expects the calls of the last execution of the same root again. */
  expect(previous: PreviousCalls): void {
    this.#lookups.readAhead(previous);
  }

  /** The result of a call with these encoded arguments. */
  call(name: string, given: readonly Uint8Array[], frame: Frame, fresh: boolean, options?: CallOptions): Cell {
    const { job: parent, scope } = frame;
    let task: TaskInfo | undefined;
    let args: readonly Uint8Array[];
    try {
      task = name === FINGERPRINT_TASK.name ? FINGERPRINT_TASK : this.#owner.context.code.tasks.get(name);
      if (!task) throw missingTask(name);
      if (options) task = withCallOptions(task, options);
      args = bindArguments(task, given);
    } catch (error) {
      const failed = new Cell();
      failed.settle({ ok: false, error: errorRecord(error, jobPath(parent)) });
      return failed;
    }
    args = args.map(own);
    const argDigests = all(args.map((bytes) => this.#owner.stored.digest(bytes)));
    // Asked again with the same encodings, whose digests are known then.
    if (argDigests instanceof Promise)
      return this.#callLater(argDigests, () => this.call(name, args, frame, fresh, options), parent);
    const context = declaredContext(task, scope.context);
    const seen =
      context.length === 0 ? args : [...args, ...context.flatMap(([, value]) => (value ? [value.bytes] : []))];
    const codecs = givenCodecs(seen, this.#owner.context.code.codecs);
    const code = callCode(task, codecs, this.#owner.inputs);
    if (typeof code !== "string")
      return this.#callLater(code, () => this.call(name, given, frame, fresh, options), parent);
    const evalHash = hashCall(name, code, argDigests, context);
    const { cache = "store", executor = "inline", tags } = task.options;
    const shared = scope.context.id === "" ? evalHash : `${evalHash} ${scope.context.id}`;
    const key = cache === "none" ? null : shared;
    const known = key === null ? undefined : this.#jobs.get(key);
    if (known) {
      join(parent, known);
      return known.cell;
    }
    const keeps = keepsResult(task);
    const { clock, newId } = this.#owner.context;
    const job = new Job({
      id: newId(),
      askedAt: clock.now(),
      parent,
      task,
      evalHash,
      key,
      args,
      argDigests,
      scope,
      context,
      executor: tags?.includes("bulk-data") ? "spark" : executor,
      below: this.#nothing.withCodecs(codecs),
      fresh,
    });
    if (key === null) this.#unshared.add(job);
    else this.#jobs.set(key, job);
    this.#journal.add(job);
    if (!keeps) this.#owner.work.push(() => this.#runBody(job, false));
    else if (task.options.checkValid === "shallow") this.#shallow.push(job);
    else this.#lookups.ask(job);
    return job.cell;
  }

  /** A call whose identity is known only after a look at what its body reads, or at the files of stored values that are parts of its arguments. */
  #callLater(known: Promise<unknown>, call: () => Cell, parent: Job | null): Cell {
    const later = new Cell();
    this.#owner.work.async(
      () => known.then(() => () => this.#owner.join(call(), later)),
      (error) => this.#owner.settle(later, { ok: false, error: errorRecord(error, jobPath(parent)) }),
    );
    return later;
  }

  /** Sends off what was gathered. */
  flush(): void {
    if (this.#shallow.length > 0) this.#lookUpShallow();
    this.#lookups.flush();
    this.#journal.flush();
  }

  /** Settles when all records of jobs so far are durable and told. */
  get told(): Promise<unknown> {
    return this.#journal.told;
  }

  /** The jobs along which a call waits on itself; null when there are none. */
  cycle(): readonly Job[] | null {
    return findCycle(this.#pending());
  }

  /** Gives up on all jobs that have not ended; what runs for them goes on. */
  clear(): void {
    for (const job of this.#pending()) this.#journal.record(job, "cancelled", null);
    this.flush();
    this.#forget();
  }

  /** The execution is over: a body that nobody else waits for is of no use any more. */
  end(): void {
    this.#over = true;
    this.#journal.close();
    this.clear();
    for (const leave of this.#leave) leave();
    this.#leave.clear();
  }

  /** Stops without an end: nothing more is recorded, and what runs is left to itself. */
  abandon(): void {
    this.#over = true;
    this.#journal.close();
    this.#forget();
  }

  *#pending(): Iterable<Job> {
    for (const jobs of [this.#jobs.values(), this.#unshared])
      for (const job of jobs) if (job instanceof Job && !job.cell.settled) yield job;
  }

  #forget(): void {
    this.#lookups.clear();
    this.#shallow = [];
    this.#journal.clear();
    this.#jobs = new Map();
    this.#unshared = new Set();
  }

  /** Ends a job; `known` when its final value is the one that is stored. */
  endJob(job: Job, settled: Settled, known = false): void {
    if (job.cell.settled) return;
    this.#unshared.delete(job);
    for (const other of job.waitsOn ?? []) job.absorb(other);
    if (!keepsResult(job.task)) job.below = null;
    if (settled.ok && !known && job.task.options.checkValid === "shallow") this.#keepShallow(job, settled.bytes);
    job.parent?.absorb(job);
    // Whatever ran for it or below it.
    if (!job.cached || (settled.ok && settled.fresh)) job.cell.fresh = true;
    this.#owner.settle(job.cell, settled);
    if (job.key !== null) this.#jobs.set(job.key, new Ended(job.cell.settled ?? settled, job.through));
    this.#journal.record(job, settled.ok ? "succeeded" : "failed", settled.ok ? null : settled.error);
  }

  failed(job: Job, error: unknown): void {
    this.endJob(job, { ok: false, error: errorRecord(error, jobPath(job)) });
  }

  // ------------------------------------------------------------------------------------------- look-ups

  /** Goes on with what is stored of a job's call. */
  found(job: Job, hit: CachedCall | undefined): void {
    const { tally } = this.#owner.context;
    if (!hit) {
      if (tally) tally.call.miss++;
      return this.#runBody(job, false);
    }
    this.#whenValid(
      job,
      hit.outcome.bytes,
      () => {
        job.cached = true;
        if (tally) countHit(tally, "call", job);
        this.#evaluate(job, hit.outcome);
      },
      (places) => {
        job.invalid = places;
        if (tally) tally.call.invalid++;
        this.#runBody(job, true);
      },
    );
  }

  /** Goes on in one way or the other: whether the files and datasets that a stored result names are still there, or else what is not. */
  #whenValid(job: Job, bytes: Uint8Array, valid: () => void, invalid: (places: readonly string[]) => void): void {
    // Most results name no files: those need no asynchronous look.
    if (!mentionsExternals(bytes)) return valid();
    const { context, inputs, work } = this.#owner;
    work.async(
      async () => {
        if (await context.bodies.stillValid(bytes, inputs)) return valid;
        const places = await context.bodies.invalidPlaces(bytes, inputs);
        return () => invalid(places);
      },
      (error) => this.failed(job, error),
    );
  }

  // ------------------------------------------------------------------------------------------- shallow results

  #lookUpShallow(): void {
    const jobs = this.#shallow;
    this.#shallow = [];
    this.#owner.work.async(
      async () => {
        const found = await this.#owner.context.store.findShallow(jobs.map(shallowKey));
        return () => {
          for (const job of jobs) {
            const hit = found.get(shallowKey(job));
            const { tally } = this.#owner.context;
            const deep = (why: "miss" | "invalid") => {
              if (tally) tally.shallow[why]++;
              this.#lookups.ask(job);
            };
            if (!hit || !this.#sameCode(hit.tasks)) deep("miss");
            else
              this.#whenValid(
                job,
                hit.bytes,
                () => {
                  job.cached = true;
                  if (tally) countHit(tally, "shallow", job);
                  job.below = new Below(new Map(hit.tasks));
                  this.endJob(job, { ok: true, bytes: hit.bytes }, true);
                },
                () => deep("invalid"),
              );
          }
        };
      },
      (error) => {
        for (const job of jobs) this.failed(job, error);
      },
    );
  }

  #sameCode(tasks: readonly (readonly [string, Digest])[]): boolean {
    const { tasks: now, codecs } = this.#owner.context.code;
    return tasks.every(([name, code]) => {
      const codec = codecBelow(name);
      if (codec !== null) return code === codecs.get(codec);
      const task = name === FINGERPRINT_TASK.name ? FINGERPRINT_TASK : now.get(name);
      return task !== undefined && task.code === code && keepsResult(task);
    });
  }

  #keepShallow(job: Job, bytes: Uint8Array): void {
    const { below } = job;
    if (below === null) return;
    const { context, stored } = this.#owner;
    const record = (digest: Digest) =>
      context.store.recordShallow({ evalHash: shallowKey(job), bytes, digest, tasks: [...below.tasks] });
    const digest = stored.digest(bytes);
    // What cannot be kept is evaluated again the next time.
    (digest instanceof Promise ? digest.then(record) : record(digest)).catch(() => undefined);
  }

  // ------------------------------------------------------------------------------------------- bodies

  #runBody(job: Job, replace: boolean): void {
    // The step that settled the root may have more to do: a body that began now would be nobody's, and never be cancelled.
    if (this.#over) return;
    const { context, inputs, work } = this.#owner;
    const { generation } = work;
    const ended = work.begin();
    const request: BodyRequest = {
      job,
      code: context.code,
      executionId: context.executionId,
      user: context.user,
      inputs,
      replace,
      keep: keepsResult(job.task),
      noted: (note, submissionId) => {
        // A job that was given up has its last record.
        if (generation === work.generation && !job.cell.settled) this.#noted(job, note, submissionId);
      },
      ended: (result) => {
        this.#leave.delete(leave);
        ended(() => this.#ended(job, result));
      },
    };
    const leave = context.bodies.start(request);
    this.#leave.add(leave);
  }

  #ended(job: Job, result: RunResult<Outcome>): void {
    if (!result.ok && result.error === UNKNOWN) return;
    if (result.ok) {
      job.note = null;
      if (mentionsExternals(result.value.bytes)) this.#learn(job, result.value);
      else this.#evaluate(job, result.value);
    } else if (!isInputChanged(result.error) || !this.#owner.restart()) this.failed(job, result.error);
  }

  /** Files that a body names in its result may be those that it wrote. */
  #learn(job: Job, outcome: Outcome): void {
    const { inputs, work } = this.#owner;
    const { files, directories } = findExternals(outcome.bytes);
    work.async(
      async () => {
        await inputs.files.learn(files, directories);
        return () => this.#evaluate(job, outcome);
      },
      (error) => this.failed(job, error),
    );
  }

  #evaluate(job: Job, outcome: Outcome): void {
    if (outcome.kind === "value") {
      rememberDigest(outcome.bytes, outcome.digest);
      this.endJob(job, { ok: true, bytes: outcome.bytes });
    } else this.#owner.evaluate(job, outcome, (settled) => this.endJob(job, settled));
  }

  #noted(job: Job, note: string, submissionId: string | undefined): void {
    job.note = note;
    if (submissionId !== undefined) job.submissionId = submissionId;
    this.#journal.record(job, note.startsWith("waiting") ? "waiting" : "running", null);
    this.#journal.flush();
  }
}

/** Counts a hit of a job. */
function countHit(tally: Tally, kind: "call" | "shallow", { fresh }: Job): void {
  tally[kind].hit++;
  if (fresh) tally.cutoffs.call++;
}

/** Names the final value of a call, which depends on everything that calls below it may see. */
function shallowKey({ evalHash, scope }: Job): Digest {
  return scope.context.id === "" ? evalHash : digestOf("shallow", evalHash, scope.context.id);
}

/** Longer encodings are looked at twice before they are copied. */
const SHORT_BYTES = 4096;

/** An encoding that pins nothing else: a view of a large list would keep all of it. Short arrays live on the heap as long as nobody asks for their buffer, so that is asked for last. */
function own(bytes: Uint8Array): Uint8Array {
  if (bytes.byteOffset === 0) return bytes;
  return bytes.byteLength <= SHORT_BYTES || bytes.byteLength * 2 < bytes.buffer.byteLength ? bytes.slice() : bytes;
}

/** A job asks for the result of another one. */
function join(asking: Job | null, known: Job | Ended): void {
  if (!asking) return;
  if (known instanceof Ended || known.cell.settled) asking.absorb(known);
  else {
    asking.waitsOn ??= [];
    asking.waitsOn.push(known);
  }
}

/** Whether results of a task are looked up and kept. */
export function keepsResult(task: TaskInfo): boolean {
  return (task.options.cache ?? "store") === "store" && task.undecided.length === 0;
}
