/**
 * Partial tasks: a task with its first arguments given. A value like any other: it can be called, given to forms, stored, returned from tasks and sent to any executor.
 */

import { Code, FiresteelError } from "../errors.ts";
import { arrowTask } from "./arrow.ts";
import { Form } from "./expression.ts";
import { type Arg, isLazy, type LazyOf, lazy, type Resolved } from "./lazy.ts";
import { callOf, type Task, taskNameOf, withOptions } from "./task.ts";
import type { CallOptions } from "./task-options.ts";

/** A task, a partial task, or a lazy of one: what forms apply. */
export type Callee<A extends readonly unknown[], R> = Task<A, R> | LazyOf<Task<A, R>>;

/**
 * A plain function in the place of a task: an arrow that is written in the call, or the name of a function of the same module. It captures no local; what it needs beside its arguments is of its module or
 * imported there, or is given with {@link partial}. It runs as a task of its own, with default options.
 */
export type Arrow<A extends readonly unknown[], R> = ((...args: A) => R) & { readonly taskName?: never };

/** What a partial task holds. */
export interface PartialParts {
  readonly task: string;
  /** The first arguments; lazies may be in them. */
  readonly args: readonly unknown[];
}

const partials = new WeakMap<object, PartialParts>();

/**
 * A task with its first arguments given; what is left is a task of the others. The arguments may be lazies. Of a lazy task it gives a lazy partial task. Of an {@link Arrow} it makes a task: so it gets what is
 * known only where it is written.
 *
 * @example
 * ```ts
 * import { map, partial, task } from "firesteel";
 *
 * export const scale = task("partials.scale", (by: number, n: number) => by * n);
 * export const scaled = task("partials.scaled", (by: number) => map(partial((b: number, n: number) => b * n, by), [1, 2]));
 * export const main = task("partials.main", () => [map(partial(scale, 10), [1, 2, 3]), scaled(5)]); // [[10, 20, 30], [5, 10]]
 * ```
 *
 * @throws FiresteelError `invalid_argument` for what is no task, and an arrow that captures a local
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
export function partial<T1, A extends readonly unknown[], R>(
  arrow: Arrow<readonly [T1, ...A], R>,
  first: Arg<NoInfer<T1>>,
): Task<A, Resolved<R>>;
export function partial<T1, T2, A extends readonly unknown[], R>(
  arrow: Arrow<readonly [T1, T2, ...A], R>,
  first: Arg<NoInfer<T1>>,
  second: Arg<NoInfer<T2>>,
): Task<A, Resolved<R>>;
export function partial<T1, T2, T3, A extends readonly unknown[], R>(
  arrow: Arrow<readonly [T1, T2, T3, ...A], R>,
  first: Arg<NoInfer<T1>>,
  second: Arg<NoInfer<T2>>,
  third: Arg<NoInfer<T3>>,
): Task<A, Resolved<R>>;
export function partial(given: unknown, ...args: readonly unknown[]): unknown {
  if (isLazy(given)) return lazy({ kind: "form", form: Form.partial, args: [given, ...args] });
  const task = calleeOf("partial", given);
  if (args.length === 0) return task;
  const name = taskNameOf(task);
  if (name !== undefined) return makePartial({ task: name, args });
  const parts = partialOf(task) as PartialParts;
  return makePartial({ task: parts.task, args: [...parts.args, ...args] });
}

/** The partial task of these parts. @internal */
export function makePartial({ task, args }: PartialParts): Task {
  const parts: PartialParts = Object.freeze({ task, args: Object.freeze([...args]) });
  const callable = (...rest: readonly unknown[]) => callOf(task, [...parts.args, ...rest]);
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

/** What a form applies: the task, partial task or lazy that it was given, or the task of the arrow. To be called by the form itself, since an arrow is known by the place of the form's call. @internal */
export function calleeOf(form: string, value: unknown): unknown {
  if (taskNameOf(value) !== undefined || partialOf(value) !== undefined || isLazy(value)) return value;
  if (typeof value === "function" && value.name.endsWith(".with(...)"))
    throw new FiresteelError(
      Code.invalidArgument,
      `${form}(...) wants a task here; ${value.name} is for one call that is written out, so give the task itself, and options in its definition or with withTags, withLimits`,
    );
  if (typeof value === "function") return arrowTask(form, 2);
  throw new FiresteelError(
    Code.invalidArgument,
    `${form}(...) wants a task here, not ${value === null ? "null" : Array.isArray(value) ? "a list" : typeof value}`,
  );
}
