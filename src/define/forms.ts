/**
 * Forms: built-in expressions with a rule of evaluation of their own. Each gives a lazy and runs nothing.
 */

import { Code, FiresteelError } from "../errors.ts";
import { Form } from "./expression.ts";
import type { DatasetValue } from "./external.ts";
import { type Arg, expressionOf, type Lazy, type LazyOf, lazy, type Resolved } from "./lazy.ts";
import { type Arrow, type Callee, calleeOf } from "./partial.ts";

/** An error as a recovery task sees it: what a second run would see too, so not the way to the task that failed. */
export interface CaughtError {
  /** A code of `FiresteelError`; `unknown` for whatever a body threw. */
  readonly code: string;
  /** The class that was thrown. */
  readonly name: string;
  readonly message: string;
}

/**
 * Chooses a branch: the one after the first condition that holds, else the last. Only the chosen branch is evaluated, and no condition after the one that held.
 *
 * @example
 * ```ts
 * import { cond, gt, task } from "firesteel";
 *
 * export const size = task("sizes.size", () => 5);
 * export const main = task("sizes.main", () => cond(gt(size(), 100), "large", gt(size(), 3), "medium", "small")); // "medium"
 * ```
 */
export function cond<A, Z>(condition: Arg<boolean>, then: A, otherwise: Z): Lazy<Resolved<A> | Resolved<Z>>;
export function cond<A, B, Z>(
  condition: Arg<boolean>,
  then: A,
  condition2: Arg<boolean>,
  then2: B,
  otherwise: Z,
): Lazy<Resolved<A> | Resolved<B> | Resolved<Z>>;
export function cond<A, B, C, Z>(
  condition: Arg<boolean>,
  then: A,
  condition2: Arg<boolean>,
  then2: B,
  condition3: Arg<boolean>,
  then3: C,
  otherwise: Z,
): Lazy<Resolved<A> | Resolved<B> | Resolved<C> | Resolved<Z>>;
export function cond<A, B, C, D, Z>(
  condition: Arg<boolean>,
  then: A,
  condition2: Arg<boolean>,
  then2: B,
  condition3: Arg<boolean>,
  then3: C,
  condition4: Arg<boolean>,
  then4: D,
  otherwise: Z,
): Lazy<Resolved<A> | Resolved<B> | Resolved<C> | Resolved<D> | Resolved<Z>>;
export function cond(...args: readonly unknown[]): Lazy<unknown> {
  if (args.length < 3 || args.length % 2 === 0)
    throw new FiresteelError(
      Code.invalidArgument,
      `cond(condition, then, ..., otherwise) wants a branch for each condition and one for the case that none holds; arguments given: ${args.length}`,
    );
  return lazy({ kind: "form", form: Form.cond, args });
}

/** What `catchError` catches: a code, the name of a class, or the class. */
export type ErrorChoice = string | (abstract new (...args: never[]) => Error);

/**
 * Evaluates `body`; when it fails, the task `recover` gets the error as a value and its result takes the place.
 *
 * `only` limits it to some codes or classes, for example `["not_found", TypeError]`; a class is told by its own name, not by those above it. Everything independent of the failure goes on meanwhile.
 *
 * @example
 * ```ts
 * import { type CaughtError, catchError, task } from "firesteel";
 *
 * export const parse = task("catching.parse", (text: string) => JSON.parse(text) as number);
 * export const none = task("catching.none", (error: CaughtError) => (error.message === "" ? 0 : -1));
 * export const main = task("catching.main", () => [
 *   catchError(parse("{"), none, [SyntaxError]),
 *   catchError(parse("{"), (error) => error.name),
 * ]); // [-1, "SyntaxError"]
 * ```
 *
 * @throws FiresteelError `invalid_argument` when `recover` is no task or arrow or `only` no list of codes and classes
 */
export function catchError<A, R>(
  body: A,
  recover: Callee<[CaughtError], R>,
  only?: readonly ErrorChoice[],
): Lazy<Resolved<A> | R>;
export function catchError<A, R>(
  body: A,
  recover: Arrow<[error: CaughtError], R>,
  only?: readonly ErrorChoice[],
): Lazy<Resolved<A> | Resolved<R>>;
export function catchError(body: unknown, recover: unknown, only: readonly ErrorChoice[] = []): Lazy<unknown> {
  const task = calleeOf("catchError", recover);
  if (!Array.isArray(only)) throw wrongOnly();
  return lazy({ kind: "form", form: Form.catchError, args: [body, only.map(errorName), task] });
}

/** How one member of {@link catchAll} ended. */
export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: CaughtError };

type Results<T> = { -readonly [K in keyof T]: Result<Resolved<T[K]>> };

/**
 * Evaluates every member of a list or record to its end, whatever fails: each comes out as `{ ok: true, value }` or `{ ok: false, error }`.
 * With a task `recover`: when nothing failed the result is that of {@link all}, else `recover` gets the list or record of results, and its result takes the place.
 *
 * In place of a list it takes `map(task, items)`, also over a lazy list.
 *
 * @example
 * ```ts
 * import { catchAll, map, type Result, task } from "firesteel";
 *
 * export const parse = task("catching.parse", (text: string) => JSON.parse(text) as number);
 * export const sum = task("catching.sum", (results: Result<number>[]) =>
 *   results.reduce((total, result) => total + (result.ok ? result.value : 0), 0));
 * export const main = task("catching.main", () => sum(catchAll(map(parse, ["1", "{", "3"])))); // 4
 * ```
 *
 * @throws FiresteelError `invalid_argument` for any other lazy, and when `recover` is no task
 */
export function catchAll<T>(mapped: LazyOf<readonly T[]>): Lazy<Result<T>[]>;
export function catchAll<T, R>(mapped: LazyOf<readonly T[]>, recover: Callee<[Result<T>[]], R>): Lazy<T[] | R>;
export function catchAll<T extends Members>(members: T): Lazy<Results<T>>;
export function catchAll<T extends Members, R>(members: T, recover: Callee<[Results<T>], R>): Lazy<Resolved<T> | R>;
export function catchAll<T, R>(
  mapped: LazyOf<readonly T[]>,
  recover: Arrow<[results: Result<T>[]], R>,
): Lazy<T[] | Resolved<R>>;
export function catchAll<T extends Members, R>(
  members: T,
  recover: Arrow<[results: Results<T>], R>,
): Lazy<Resolved<T> | Resolved<R>>;
export function catchAll(members: unknown, given: unknown = null): Lazy<unknown> {
  const recover = given === null ? null : calleeOf("catchAll", given);
  const expression = expressionOf(members);
  if (expression?.kind === "form" && expression.form === Form.map)
    return lazy({ kind: "form", form: Form.catchAll, args: [true, recover, ...expression.args] });
  if (typeof members !== "object" || members === null || expression)
    throw new FiresteelError(
      Code.invalidArgument,
      "catchAll(members) wants a list or an object whose members are the expressions to be evaluated, or map(task, items)",
    );
  return Array.isArray(members)
    ? lazy({ kind: "form", form: Form.catchAll, args: [null, recover, ...members] })
    : lazy({ kind: "form", form: Form.catchAll, args: [Object.keys(members), recover, ...Object.values(members)] });
}

/** What makes the compiler see a tuple in a list that is written out. */
type Members = readonly unknown[] | readonly [] | Readonly<Record<string, unknown>>;

/**
 * The list, tuple, record or Map when everything in it is evaluated.
 *
 * @example
 * ```ts
 * import { all, task } from "firesteel";
 *
 * export const inc = task("all.inc", (n: number) => n + 1);
 * export const main = task("all.main", () => all({ pair: [inc(1), "x"], more: { n: inc(2) } })); // { pair: [2, "x"], more: { n: 3 } }
 * ```
 */
export function all<T extends Members>(value: T): Lazy<Resolved<T>>;
export function all<T>(value: T): Lazy<Resolved<T>>;
export function all(value: unknown): Lazy<unknown> {
  return lazy({ kind: "form", form: Form.all, args: [value] });
}

/**
 * The list with its items evaluated one after the other; the first failure stops it. For side effects that have an order: each task that has one says `cache: "none"`.
 *
 * @example
 * ```ts
 * import { seq, task } from "firesteel";
 *
 * export const step = task("seq.step", { cache: "none" }, (name: string) => name.toUpperCase());
 * export const main = task("seq.main", () => seq([step("first"), step("second")])); // ["FIRST", "SECOND"]
 * ```
 */
export function seq<const T extends readonly unknown[]>(items: T): Lazy<Resolved<T>> {
  return lazy({ kind: "form", form: Form.seq, args: [...items] });
}

/**
 * Applies a task that is itself a value or a result.
 *
 * @example
 * ```ts
 * import { apply, partial, type Task, task } from "firesteel";
 *
 * export const add = task("higher.add", (a: number, b: number) => a + b);
 * export const adder = task("higher.adder", (n: number) => partial(add, n));
 * export const twice = task("higher.twice", (f: Task<[number], number>, n: number) => f(f(n)));
 * export const main = task("higher.main", () => [apply(adder(1), 2), twice(adder(10), 3)]); // [3, 23]
 * ```
 */
export function apply<A extends readonly unknown[], R>(
  task: Callee<A, R>,
  ...args: { readonly [K in keyof A]: Arg<A[K]> }
): Lazy<R>;
export function apply<A extends readonly unknown[], R>(
  arrow: Arrow<A, R>,
  ...args: { readonly [K in keyof A]: Arg<A[K]> }
): Lazy<Resolved<R>>;
export function apply(task: unknown, ...args: readonly unknown[]): Lazy<unknown> {
  return lazy({ kind: "form", form: Form.apply, args: [calleeOf("apply", task), ...args] });
}

/**
 * Fails with this message when it is evaluated, as an error of class `Raised` or of the name given.
 *
 * @example
 * ```ts
 * import { type CaughtError, catchError, cond, gt, raise, task } from "firesteel";
 *
 * export const count = task("raising.count", () => 0);
 * export const name = task("raising.name", (error: CaughtError) => `${error.name}: ${error.message}`);
 * export const main = task("raising.main", () =>
 *   catchError(cond(gt(count(), 0), count(), raise("nothing to do", "Empty")), name, ["Empty"])); // "Empty: nothing to do"
 * ```
 */
export function raise(message: Arg<string>, name?: string): LazyOf<never> {
  const args = name === undefined ? [message] : [message, name];
  return lazy<unknown>({ kind: "form", form: Form.raise, args }) as unknown as LazyOf<never>;
}

/** How a dataset is read and fingerprinted. */
export interface DatasetOptions {
  /** @default "parquet" */
  readonly format?: "parquet" | "csv" | "json" | "orc";
  /** Spark reader options, for example `{ header: "true" }`. Part of the identity. */
  readonly options?: Readonly<Record<string, string>>;
  /** `checksums`: content digests of the files (file names do not count, `key=value` directories do); `rows`: schema and rows, by one Spark job (refused when it is evaluated: not there yet). @default "checksums" */
  readonly fingerprint?: "checksums" | "rows";
}

const FORMATS: ReadonlySet<string> = new Set(["parquet", "csv", "json", "orc"]);

/** Files under a location, fingerprinted when the expression is evaluated. A relative location is meant from the project's root. */
export function dataset(location: Arg<string>, options: DatasetOptions = {}): Lazy<DatasetValue> {
  for (const key of Object.keys(options)) {
    if (key !== "format" && key !== "options" && key !== "fingerprint")
      throw new FiresteelError(
        Code.invalidArgument,
        `dataset(location, options): unknown option (known: format, options, fingerprint): ${key}`,
      );
  }
  const { format = "parquet" } = options;
  if (!FORMATS.has(format))
    throw new FiresteelError(
      Code.invalidArgument,
      `dataset(location, options): format must be ${[...FORMATS].join(", ")}, not ${format}`,
    );
  return lazy({ kind: "form", form: Form.dataset, args: [location, options] });
}

/** Column names and their Spark types (`string`, `boolean`, `int`, `bigint`, `float`, `double`, `date`, `timestamp`, `binary`). */
export type ColumnTypes = Readonly<Record<string, string>>;

/**
 * A small dataset of rows made in TypeScript: written as Parquet, seen by Spark like any other.
 *
 * @example
 * ```ts
 * const regions = createDataset([{ code: "JFK", region: "east" }], { code: "string", region: "string" });
 * ```
 */
export function createDataset(
  rows: Arg<readonly Readonly<Record<string, unknown>>[]>,
  columns: ColumnTypes,
): Lazy<DatasetValue> {
  return lazy({ kind: "form", form: Form.createDataset, args: [rows, columns] });
}

function errorName(choice: ErrorChoice): string {
  const name: unknown = typeof choice === "function" ? choice.name : choice;
  if (typeof name === "string" && name !== "") return name;
  throw wrongOnly();
}

function wrongOnly(): FiresteelError {
  return new FiresteelError(
    Code.invalidArgument,
    'catchError(body, recover, only): only is a list of codes ("not_found"), names of classes and classes (TypeError)',
  );
}
