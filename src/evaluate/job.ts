/**
 * Jobs and cells: the mutable state of one execution's graph.
 *
 * A *cell* holds the result of one node of the lazy graph: empty, then asked for, then settled with a value or an error, for ever. A *job* is the evaluation of one call:
 *
 * ```
 * looking up -> (hit)  -> checking -> reducing -> succeeded | failed
 *            -> (miss) -> waiting (limit, claim, cluster) -> running -> reducing -> succeeded | failed
 *                                                                  (any) -> cancelled
 * ```
 */

import type { Digest } from "../hash/digest.ts";
import type { Below } from "./below.ts";
import type { TaskInfo } from "./code.ts";
import type { EpochMs, ErrorRecord } from "./ports.ts";
import type { DeclaredContext, Scope } from "./scope.ts";

/** How a cell ended. */
export type Settled =
  /** `fresh`: a body that ran in this execution is behind it. */
  | { readonly ok: true; readonly bytes: Uint8Array; readonly fresh?: boolean }
  | { readonly ok: false; readonly error: ErrorRecord };

/** A place for one result. */
export class Cell {
  settled: Settled | undefined;
  #waiters: ((settled: Settled) => void)[] | undefined;
  /** What it is being made of is {@link Settled.fresh}. */
  fresh = false;
  /** Starts the evaluation; cleared when it was asked for. */
  start: (() => void) | undefined;

  constructor(start?: () => void) {
    this.start = start;
  }

  wait(waiter: (settled: Settled) => void): void {
    this.#waiters ??= [];
    this.#waiters.push(waiter);
  }

  /** Settles it once and hands back who waited; later results are ignored. */
  settle(settled: Settled): readonly ((settled: Settled) => void)[] {
    if (this.settled) return [];
    this.settled = settled;
    const waiters = this.#waiters ?? [];
    this.#waiters = undefined;
    return waiters;
  }
}

/** What a job is made of. */
type JobParts = Pick<
  Job,
  | "id"
  | "askedAt"
  | "parent"
  | "task"
  | "evalHash"
  | "key"
  | "args"
  | "argDigests"
  | "scope"
  | "context"
  | "executor"
  | "below"
  | "fresh"
>;

/** The evaluation of one call in one execution. */
export class Job {
  readonly id: string;
  readonly parent: Job | null;
  readonly task: TaskInfo;
  readonly evalHash: Digest;
  /** Names the calls of one execution that are one job; null for one that is merged with no other. */
  readonly key: string | null;
  readonly args: readonly Uint8Array[];
  readonly argDigests: readonly Digest[];
  /** That of whoever asked first. */
  readonly scope: Scope;
  /** The values of the context that the body may read. */
  readonly context: DeclaredContext;
  readonly cell: Cell = new Cell();
  /** When it was asked for. */
  readonly askedAt: EpochMs;
  /** The same, or where its body had to wait for a limit when it had it: the time of a job is that of its work. */
  startedAt: EpochMs;
  executor: string;
  cached = false;
  /** An argument is {@link Settled.fresh}; of whoever asked first. */
  readonly fresh: boolean;
  submissionId: string | null = null;
  note: string | null = null;
  /** What made the recorded result of its call invalid, in words. */
  invalid: readonly string[] | undefined = undefined;
  /** The tasks whose code its value went through so far, and the codecs of what it was given; null when it must not be reused as a whole. */
  below: Below | null;
  /** Other calls' jobs that this one joined; with `parent` these are the edges along which a call could wait on itself. */
  waitsOn: Job[] | undefined = undefined;

  constructor({
    id,
    askedAt,
    parent,
    task,
    evalHash,
    key,
    args,
    argDigests,
    scope,
    context,
    executor,
    below,
    fresh,
  }: JobParts) {
    this.id = id;
    this.askedAt = askedAt;
    this.startedAt = askedAt;
    this.parent = parent;
    this.task = task;
    this.evalHash = evalHash;
    this.key = key;
    this.args = args;
    this.argDigests = argDigests;
    this.scope = scope;
    this.context = context;
    this.executor = executor;
    this.below = below;
    this.fresh = fresh;
  }

  /** What lies below whoever has the result: this job's task too. */
  get through(): Below | null {
    return this.below === null ? null : this.below.with(this.task.name, this.task.code);
  }

  /** Notes what lies below a job of which this one has the result. */
  absorb({ through }: Job | Ended): void {
    if (this.below !== null) this.below = through === null ? null : this.below.join(through);
  }
}

/** What is kept of a job that has ended, for those who ask for the same call later: a large execution has many. */
export class Ended {
  readonly settled: Settled;
  readonly through: Below | null;

  constructor(settled: Settled, through: Below | null) {
    this.settled = settled;
    this.through = through;
  }

  get cell(): Cell {
    const cell = new Cell();
    cell.settle(this.settled);
    return cell;
  }
}

/** Names at either end of a path that errors carry. Each job on the way up records the error, so an unbounded path would cost the square of the depth. */
const PATH_END = 20;

/** Names of the tasks from the root to a job; of a long path the middle is left out. */
export function jobPath(job: Job | null): string[] {
  const path: string[] = [];
  for (let at = job; at !== null; at = at.parent) path.push(at.task.name);
  path.reverse();
  const left = path.length - 2 * PATH_END;
  return left <= 1 ? path : [...path.slice(0, PATH_END), `(${left} more)`, ...path.slice(-PATH_END)];
}

/** A cycle among unsettled jobs, as the jobs along it; null when there is none. Iterative depth-first search. */
export function findCycle(jobs: Iterable<Job>): readonly Job[] | null {
  const children = new Map<Job, Job[]>();
  const pending = new Set<Job>();
  for (const job of jobs) if (!job.cell.settled) pending.add(job);
  for (const job of pending) {
    if (job.parent) listOf(children, job.parent).push(job);
    if (job.waitsOn) for (const other of job.waitsOn) listOf(children, job).push(other);
  }
  const done = new Set<Job>();
  for (const start of pending) {
    if (done.has(start)) continue;
    const path: { readonly job: Job; next: number }[] = [{ job: start, next: 0 }];
    const onPath = new Set([start]);
    while (path.length > 0) {
      const top = path.at(-1)!;
      const child = children.get(top.job)?.[top.next++];
      if (!child) {
        done.add(top.job);
        onPath.delete(top.job);
        path.pop();
      } else if (onPath.has(child)) {
        return path.slice(path.findIndex((entry) => entry.job === child)).map((entry) => entry.job);
      } else if (pending.has(child) && !done.has(child)) {
        path.push({ job: child, next: 0 });
        onPath.add(child);
      }
    }
  }
  return null;
}

function listOf(lists: Map<Job, Job[]>, key: Job): Job[] {
  let list = lists.get(key);
  if (!list) {
    list = [];
    lists.set(key, list);
  }
  return list;
}
