/**
 * Tasks: named functions whose calls give lazy expressions and run nothing.
 */

import { Code, FiresteelError } from "../errors.ts";
import { type ArgumentSchemas, isArgumentSchemas, type SchemaInputs, type SchemaOutputs } from "./argument-schemas.ts";
import { type CallSite, callSite } from "./call-site.ts";
import { type Arg, type Lazy, lazy, type Resolved } from "./lazy.ts";
import {
  type CallOptions,
  checkCallOptions,
  checkTaskOptions,
  definedOptions,
  isName,
  type TaskOptions,
} from "./task-options.ts";

/** What `task(...)` defined. */
export interface TaskDefinition {
  readonly name: string;
  readonly options: TaskOptions;
  /** Schemas of the arguments, where the task has some. */
  readonly args?: ArgumentSchemas;
  readonly body: (...args: never[]) => unknown;
  readonly site: CallSite;
  /** It is a function that a form was given, not one that `task(...)` was. */
  readonly arrow?: true;
}

/** A task: call it to get a lazy of its result. Arguments may be lazies, or hold lazies at any depth. */
export interface Task<A extends readonly unknown[] = never[], R = unknown> {
  (...args: { readonly [K in keyof A]: Arg<A[K]> }): Lazy<R>;
  readonly taskName: string;
  /**
   * The task with other options for the calls that are made by what this returns. They are no part of any identity: a result that is there already is found, and two equal calls of one execution are one job,
   * which has the options of the first one that is evaluated (but each call with `cache: "none"` is a job of its own).
   *
   * @example
   * ```ts
   * import { task } from "firesteel";
   *
   * const revenue = task("sales.revenue", (year: number) => year * 2);
   * export const main = task("sales.main", () => revenue.with({ retries: 3, executor: "process" })(2024));
   * ```
   *
   * @throws FiresteelError `invalid_argument` for options that belong to the task itself: `version`, `namespace`, `reads`, `context`, ...
   */
  with(options: CallOptions): (...args: { readonly [K in keyof A]: Arg<A[K]> }) => Lazy<R>;
}

/**
 * Any function. It says nothing of the parameters, so that the compiler takes their types from where they are written: one with a default (`by = 1`) would be `unknown` where a type of the parameters is expected.
 */
// biome-ignore lint/complexity/noBannedTypes: a type with a call signature would be such an expectation
type AnyFunction = Function;

/** The task that a function is the body of. */
type TaskOf<F> = F extends (...args: infer A) => infer R ? Task<A, Resolved<R>> : never;

/** A task seen where its code is not loaded (the serving thread): just its name. */
export class TaskReference {
  readonly kind = "task";
  readonly taskName: string;

  constructor(taskName: string) {
    this.taskName = taskName;
    Object.freeze(this);
  }
}

const registry = new Map<string, TaskDefinition>();
const callables = new Map<string, Task>();
const names = new WeakMap<object, string>();

/**
 * Defines a task.
 *
 * The body receives the evaluated arguments. It may be async, and may return lazies anywhere in its result; they are evaluated before its caller sees them.
 *
 * @example
 * ```ts
 * import { task } from "firesteel";
 *
 * export const add = task("sums.add", (a: number, b: number) => a + b);
 * export const main = task("sums.main", () => add(add(1, 2), 3)); // 6
 * ```
 *
 * With schemas in the option `args` (of zod, valibot, arktype or any other Standard Schema library: a list with one for each argument, or one for the whole list) the body gets what they make of what is given,
 * and its parameters have their types. Arguments that they refuse are refused where an execution is started, if that can be said at once, else before the body runs. The identity of a call counts the
 * arguments as they are given, and the code of the schemas as code of the task.
 *
 * @example
 * ```ts
 * import { task } from "firesteel";
 * import { z } from "zod";
 *
 * export const report = task("sales.report", { args: [z.int().min(2000), z.string().default("all")] }, (year, region) =>
 *   `${region} in ${year}`,
 * );
 * ```
 *
 * @throws FiresteelError `invalid_argument` for a bad name or option, `already_exists` when another task has the name.
 */
export function task<const S extends ArgumentSchemas, R>(
  name: string,
  options: TaskOptions & { readonly args: S },
  body: (...args: SchemaOutputs<S>) => R,
): Task<SchemaInputs<S>, Resolved<R>>;
export function task<F extends AnyFunction>(name: string, body: F): TaskOf<F>;
export function task<F extends AnyFunction>(name: string, options: TaskOptions, body: F): TaskOf<F>;
export function task(name: string, second: unknown, third?: unknown): Task {
  return define(undefined, name, second, third, callSite());
}

/** `task(...)` with a namespace in front of every name. */
export interface Namespace {
  readonly task: typeof task;
}

/**
 * A namespace for the tasks of a module.
 *
 * @example
 * ```ts
 * import { namespace } from "firesteel";
 *
 * const sales = namespace("sales");
 * export const revenue = sales.task("revenue", (year: number) => year); // sales.revenue
 * ```
 *
 * @throws FiresteelError `invalid_argument` for a name that is none
 */
export function namespace(name: string): Namespace {
  if (!isName(name))
    throw new FiresteelError(Code.invalidArgument, `namespace must be words joined by dots: ${JSON.stringify(name)}`);
  const within = (short: string, second: unknown, third?: unknown) => define(name, short, second, third, callSite());
  return Object.freeze({ task: within as typeof task });
}

function define(
  outer: string | undefined,
  short: string,
  second: unknown,
  third: unknown,
  site: CallSite = { url: "unknown:", line: 0, column: 0 },
): Task {
  const body = third ?? second;
  const given = ((third === undefined ? undefined : second) ?? {}) as TaskOptions & { readonly args?: unknown };
  const where = `${site.url}:${site.line}:${site.column}`;
  const name = [outer, isName(given.namespace) ? given.namespace : undefined, short]
    .filter((part) => part !== undefined)
    .join(".");
  if (typeof short !== "string" || !isName(name)) {
    throw new FiresteelError(
      Code.invalidArgument,
      `task name must be words joined by dots (sales.revenue), at ${where}: ${JSON.stringify(short)}`,
    );
  }
  if (typeof body !== "function")
    throw new FiresteelError(
      Code.invalidArgument,
      `task ${name} has no body at ${where}; write task("${name}", (...) => ...)`,
    );
  checkTaskOptions(name, given, where, ["args"]);
  const { args, ...options } = given;
  if (args !== undefined && !isArgumentSchemas(args))
    throw new FiresteelError(
      Code.invalidArgument,
      `task ${name} has a wrong option at ${where}: args must be a list of schemas, one for each argument, or one schema for the whole list; schemas are of a Standard Schema library such as zod, valibot or arktype`,
      { details: { task: name } },
    );
  const earlier = registry.get(name);
  if (earlier) {
    throw new FiresteelError(
      Code.alreadyExists,
      `two tasks have one name: ${name}, at ${earlier.site.url}:${earlier.site.line}:${earlier.site.column} and at ${where}`,
      {
        details: { task: name, places: [earlier.site, site] },
      },
    );
  }
  registry.set(
    name,
    Object.freeze({
      name,
      options: definedOptions(options),
      ...(args === undefined ? {} : { args }),
      body: body as TaskDefinition["body"],
      site,
    }),
  );
  return addCallable(name);
}

/** Defines the task of a function that forms are given; its options are the defaults. @internal */
export function defineArrow(name: string, body: TaskDefinition["body"], site: CallSite): void {
  registry.set(name, Object.freeze({ name, options: Object.freeze({}), body, site, arrow: true }));
  arrowByName(name);
}

/** The task of an arrow, which may be there before its definition: forms are called while a module loads. @internal */
export function arrowByName(name: string): Task {
  return callables.get(name) ?? addCallable(name);
}

function addCallable(name: string): Task {
  const callable = taskCallable(name);
  callables.set(name, callable);
  return callable;
}

function taskCallable(name: string): Task {
  const callable = (...args: readonly unknown[]) => callOf(name, args);
  names.set(callable, name);
  return Object.assign(callable, {
    taskName: name,
    with: (options: CallOptions) => withOptions(name, options),
  }) as Task;
}

/**
 * The lazy of a call.
 *
 * Plain functions are refused at once and not when the call is encoded: JavaScript itself calls a task that is the member `then` of an awaited value, with two functions of which one would have to be called.
 *
 * @internal
 */
export function callOf(task: string, args: readonly unknown[], options?: CallOptions): Lazy<unknown> {
  const at = args.findIndex((arg) => typeof arg === "function" && !("taskName" in arg));
  if (at >= 0)
    throw new FiresteelError(
      Code.invalidArgument,
      `argument ${at + 1} of ${task} is a function (${(args[at] as { readonly name: string }).name || "anonymous"}), which is no value; define a task. (JavaScript calls the member \`then\` of what an async function gives; let the body give a lazy, or name the member otherwise.)`,
    );
  return lazy<unknown>({
    kind: "call",
    task,
    args: Object.freeze([...args]),
    ...(options === undefined ? {} : { options }),
  });
}

/** What `task.with(options)` gives, and of a partial task with its first arguments. @internal */
export function withOptions(
  name: string,
  given: CallOptions,
  bound: readonly unknown[] = [],
): (...args: readonly unknown[]) => Lazy<unknown> {
  checkCallOptions(name, given);
  const options = definedOptions(given);
  const configured = (...args: readonly unknown[]) => callOf(name, [...bound, ...args], options);
  // It is no task, so it can be no value; errors that refuse it show this name.
  return Object.defineProperty(configured, "name", { value: `${name}.with(...)` });
}

/** The name of a task or task reference; undefined for anything else. @internal */
export function taskNameOf(value: unknown): string | undefined {
  if (value instanceof TaskReference) return value.taskName;
  return typeof value === "function" ? names.get(value) : undefined;
}

/** The callable of a task that is defined on this thread, else a reference to it. @internal */
export function taskByName(name: string): Task | TaskReference {
  return callables.get(name) ?? new TaskReference(name);
}

/** All tasks defined on this thread so far. @internal */
export function definedTasks(): ReadonlyMap<string, TaskDefinition> {
  return registry;
}
