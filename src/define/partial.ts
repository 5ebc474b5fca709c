/**
 * Partial tasks: a task with its first arguments given. A value like any other: it can be called, given to forms, stored, returned from tasks and sent to any executor.
 */

import { Code, FiresteelError } from "../errors.ts";
import { Form } from "./expression.ts";
import { type Arg, isLazy, type LazyOf, lazy } from "./lazy.ts";
import { type Task, taskNameOf, withOptions } from "./task.ts";
import type { CallOptions } from "./task-options.ts";

/** A task, a partial task, or a lazy of one: what forms apply. */
export type Callee<A extends readonly unknown[], R> = Task<A, R> | LazyOf<Task<A, R>>;

/** What a partial task holds. */
export interface PartialParts {
  readonly task: string;
  /** The first arguments; lazies may be in them. */
  readonly args: readonly unknown[];
}

const partials = new WeakMap<object, PartialParts>();

/**
 * A task with its first arguments given; what is left is a task of the others. The arguments may be lazies. Of a lazy task it gives a lazy partial task.
 *
 * @example
 * ```ts
 * import { map, partial, task } from "firesteel";
 *
 * export const scale = task("partials.scale", (by: number, n: number) => by * n);
 * export const main = task("partials.main", () => map(partial(scale, 10), [1, 2, 3])); // [10, 20, 30]
 * ```
 *
 * @throws FiresteelError `invalid_argument` for what is no task
 */
export function partial<T1, A extends readonly unknown[], R>(
  task: Task<readonly [T1, ...A], R>,
  first: Arg<NoInfer<T1>>,
): Task<A, R>;
export function partial<T1, T2, A extends readonly unknown[], R>(
  task: Task<readonly [T1, T2, ...A], R>,
  first: Arg<NoInfer<T1>>,
  second: Arg<NoInfer<T2>>,
): Task<A, R>;
export function partial<T1, T2, T3, A extends readonly unknown[], R>(
  task: Task<readonly [T1, T2, T3, ...A], R>,
  first: Arg<NoInfer<T1>>,
  second: Arg<NoInfer<T2>>,
  third: Arg<NoInfer<T3>>,
): Task<A, R>;
export function partial<T1, T2, T3, T4, A extends readonly unknown[], R>(
  task: Task<readonly [T1, T2, T3, T4, ...A], R>,
  first: Arg<NoInfer<T1>>,
  second: Arg<NoInfer<T2>>,
  third: Arg<NoInfer<T3>>,
  fourth: Arg<NoInfer<T4>>,
): Task<A, R>;
export function partial<T1, A extends readonly unknown[], R>(
  task: LazyOf<Task<readonly [T1, ...A], R>>,
  first: Arg<NoInfer<T1>>,
): LazyOf<Task<A, R>>;
export function partial<T1, T2, A extends readonly unknown[], R>(
  task: LazyOf<Task<readonly [T1, T2, ...A], R>>,
  first: Arg<NoInfer<T1>>,
  second: Arg<NoInfer<T2>>,
): LazyOf<Task<A, R>>;
export function partial(task: unknown, ...args: readonly unknown[]): unknown {
  if (isLazy(task)) return lazy({ kind: "form", form: Form.partial, args: [task, ...args] });
  requireCallee("partial", task);
  if (args.length === 0) return task;
  const name = taskNameOf(task);
  if (name !== undefined) return makePartial({ task: name, args });
  const parts = partialOf(task) as PartialParts;
  return makePartial({ task: parts.task, args: [...parts.args, ...args] });
}

/** The partial task of these parts. @internal */
export function makePartial({ task, args }: PartialParts): Task {
  const parts: PartialParts = Object.freeze({ task, args: Object.freeze([...args]) });
  const callable = (...rest: readonly unknown[]) =>
    lazy<unknown>({ kind: "call", task, args: Object.freeze([...parts.args, ...rest]) });
  partials.set(callable, parts);
  return Object.assign(callable, {
    taskName: task,
    with: (options: CallOptions) => withOptions(task, options, parts.args),
  }) as Task;
}

/** What a partial task holds; undefined for anything else. @internal */
export function partialOf(value: unknown): PartialParts | undefined {
  return typeof value === "function" ? partials.get(value) : undefined;
}

/** Refuses what a form cannot apply. @internal */
export function requireCallee(form: string, value: unknown): void {
  if (taskNameOf(value) !== undefined || partialOf(value) !== undefined || isLazy(value)) return;
  if (typeof value === "function" && value.name.endsWith(".with(...)"))
    throw new FiresteelError(
      Code.invalidArgument,
      `${form}(...) wants a task here; ${value.name} is for one call that is written out, so give the task itself, and options in its definition or with withTags, withLimits`,
    );
  throw new FiresteelError(
    Code.invalidArgument,
    typeof value === "function"
      ? `${form}(...) wants a task here; a plain function has no identity, so define it with task("name", ...), and give it what it captures with partial(task, ...)`
      : `${form}(...) wants a task here, not ${value === null ? "null" : Array.isArray(value) ? "a list" : typeof value}`,
  );
}
