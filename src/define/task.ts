/**
 * Tasks: named functions whose calls give lazy expressions and run nothing.
 */

import { inspect } from "node:util";
import { Code, FiresteelError } from "../errors.ts";
import { type CallSite, callSite } from "./call-site.ts";
import { type Arg, type Lazy, lazy, type Resolved } from "./lazy.ts";

/** Where the body of a task runs. Tasks tagged `bulk-data` run their body in place and the Spark work it returns on a cluster. */
export type ExecutorName = "inline" | "thread" | "process";

/** Options of a task. Only `version` is part of its identity. */
export interface TaskOptions {
  /** `bulk-data` sends the Spark work that the body returns to a cluster; other tags are for people and routing. */
  readonly tags?: readonly string[];
  /** @default "inline" */
  readonly executor?: ExecutorName;
  /** Replaces the code in the task's identity: the task is new when this string changes, and only then. */
  readonly version?: string;
  /** Names of limits (from the configuration) of which one unit each is held while the body runs. */
  readonly limits?: readonly string[];
  /** `store`: results are kept and reused; `execution`: shared within one execution only; `none`: each call runs. @default "store" */
  readonly cache?: "store" | "execution" | "none";
  /**
   * `full`: a stored result is evaluated again step by step, so that every call below checks itself; `shallow`: the final value is taken as long as the code of every task below is unchanged, without a look at
   * the files and datasets that were read on the way. @default "full"
   */
  readonly checkValid?: "full" | "shallow";
  /** How often a failed body is run again. @default 0 */
  readonly retries?: number;
  /** Time for one run of the body in ms. Without it there is none. */
  readonly timeoutMs?: number;
  /** Ask for a cluster by name. */
  readonly cluster?: string;
  /** Keys that the body reads with `contextValue`; their values, set by any caller above with `withContext`, count like arguments. */
  readonly context?: readonly string[];
  readonly description?: string;
}

/** What `task(...)` defined. */
export interface TaskDefinition {
  readonly name: string;
  readonly options: TaskOptions;
  readonly body: (...args: never[]) => unknown;
  readonly site: CallSite;
}

/** A task: call it to get a lazy of its result. Arguments may be lazies, or hold lazies at any depth. */
export interface Task<A extends readonly unknown[] = never[], R = unknown> {
  (...args: { readonly [K in keyof A]: Arg<A[K]> }): Lazy<R>;
  readonly taskName: string;
}

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

const NAME = /^[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*$/;
const texts = (value: unknown) => Array.isArray(value) && value.every((item) => typeof item === "string");
const text = (value: unknown) => typeof value === "string" && value !== "";

/** What each option must be. */
const OPTIONS: Readonly<
  Record<keyof TaskOptions, { readonly wanted: string; readonly test: (value: unknown) => boolean }>
> = {
  tags: { wanted: "a list of texts", test: texts },
  executor: {
    wanted: '"inline", "thread" or "process"',
    test: (value) => value === "inline" || value === "thread" || value === "process",
  },
  version: { wanted: "a text that is not empty", test: text },
  limits: { wanted: "a list of texts", test: texts },
  cache: {
    wanted: '"store", "execution" or "none"',
    test: (value) => value === "store" || value === "execution" || value === "none",
  },
  checkValid: {
    wanted: '"full" or "shallow"',
    test: (value) => value === "full" || value === "shallow",
  },
  retries: { wanted: "a whole number from 0", test: (value) => Number.isSafeInteger(value) && (value as number) >= 0 },
  // Node's timers count no further; a longer one would fire at once.
  timeoutMs: {
    wanted: "a number of ms above 0 and below 2^31",
    test: (value) => typeof value === "number" && value > 0 && value < 2 ** 31,
  },
  cluster: { wanted: "a text that is not empty", test: text },
  context: { wanted: "a list of texts", test: texts },
  description: { wanted: "a text", test: (value) => typeof value === "string" },
};

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
 * @throws FiresteelError `invalid_argument` for a bad name or option, `already_exists` when another task has the name.
 */
export function task<A extends readonly unknown[], R>(name: string, body: (...args: A) => R): Task<A, Resolved<R>>;
export function task<A extends readonly unknown[], R>(
  name: string,
  options: TaskOptions,
  body: (...args: A) => R,
): Task<A, Resolved<R>>;
export function task(name: string, second: unknown, third?: unknown): Task {
  const body = third ?? second;
  const options = ((third === undefined ? undefined : second) ?? {}) as TaskOptions;
  const site = callSite() ?? { url: "unknown:", line: 0, column: 0 };
  const where = `${site.url}:${site.line}:${site.column}`;
  if (typeof name !== "string" || !NAME.test(name)) {
    throw new FiresteelError(
      Code.invalidArgument,
      `task name must be words joined by dots (sales.revenue), at ${where}: ${JSON.stringify(name)}`,
    );
  }
  if (typeof body !== "function")
    throw new FiresteelError(
      Code.invalidArgument,
      `task ${name} has no body at ${where}; write task("${name}", (...) => ...)`,
    );
  checkOptions(name, options, where);
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
    Object.freeze({ name, options: Object.freeze(defined(options)), body: body as TaskDefinition["body"], site }),
  );
  const callable = taskCallable(name);
  callables.set(name, callable);
  return callable;
}

function checkOptions(name: string, options: TaskOptions, where: string): void {
  const wrong = (what: string) =>
    new FiresteelError(Code.invalidArgument, `task ${name} has ${what}`, { details: { task: name } });
  if (typeof options !== "object" || Array.isArray(options)) throw wrong(`options that are no object at ${where}`);
  for (const [key, value] of Object.entries(options)) {
    if (!Object.hasOwn(OPTIONS, key))
      throw wrong(`an unknown option at ${where}: ${key} (known: ${Object.keys(OPTIONS).join(", ")})`);
    const { wanted, test } = OPTIONS[key as keyof TaskOptions];
    if (value !== undefined && !test(value))
      throw wrong(`a wrong option at ${where}: ${key} must be ${wanted}, not ${inspect(value)}`);
  }
}

function taskCallable(name: string): Task {
  const callable = (...args: readonly unknown[]) =>
    lazy<unknown>({ kind: "call", task: name, args: Object.freeze([...args]) });
  names.set(callable, name);
  return Object.assign(callable, { taskName: name }) as Task;
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

/** The options without those that are undefined. */
function defined(options: TaskOptions): TaskOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
