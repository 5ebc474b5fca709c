/**
 * Forms: built-in expressions with a rule of evaluation of their own. Each gives a lazy and runs nothing.
 */

import { Code, FiresteelError } from "../errors.ts";
import { Form } from "./expression.ts";
import type { DatasetValue, FileValue } from "./external.ts";
import { type Arg, type Lazy, type LazyOf, lazy, type Resolved } from "./lazy.ts";
import { type Task, taskNameOf } from "./task.ts";

/** An error as a recovery task sees it. */
export interface CaughtError {
  /** A code of `FiresteelError`; `unknown` for whatever a body threw. */
  readonly code: string;
  /** The class that was thrown. */
  readonly name: string;
  readonly message: string;
  /** Names of the tasks from the root to the one that failed. */
  readonly path: readonly string[];
}

/**
 * Chooses between two branches; only the chosen one is evaluated.
 *
 * @example
 * ```ts
 * export const safe = task("safe", (n: number) => cond(isLarge(n), onSpark(n), inPlace(n)));
 * ```
 */
export function cond<A, B>(condition: Arg<boolean>, then: A, otherwise: B): Lazy<Resolved<A> | Resolved<B>> {
  return lazy({ kind: "form", form: Form.cond, args: [condition, then, otherwise] });
}

/**
 * Evaluates `body`; when it fails, the task `recover` gets the error as a value and its result takes the place.
 *
 * `only` limits it to some codes or class names, for example `["not_found", "TypeError"]`. Everything independent of the failure goes on meanwhile.
 */
export function catchError<A, R>(
  body: A,
  recover: Task<[CaughtError], R>,
  only: readonly string[] = [],
): Lazy<Resolved<A> | R> {
  requireTask("catchError", recover);
  return lazy({ kind: "form", form: Form.catchError, args: [body, only, recover] });
}

/** Applies a task to each item of a list that may itself be lazy. */
export function map<T, R>(task: Task<[T], R>, items: LazyOf<readonly T[]> | readonly Arg<T>[]): Lazy<R[]> {
  requireTask("map", task);
  return lazy({ kind: "form", form: Form.map, args: [task, items] });
}

/** The array, tuple or record when everything in it is evaluated. */
export function all<T>(value: T): Lazy<Resolved<T>> {
  return lazy({ kind: "form", form: Form.all, args: [value] });
}

/** The list with its items evaluated one after the other; the first failure stops it. */
export function seq<const T extends readonly unknown[]>(items: T): Lazy<Resolved<T>> {
  return lazy({ kind: "form", form: Form.seq, args: [...items] });
}

/** Applies a task that is itself a value or a result. */
export function apply<A extends readonly unknown[], R>(
  task: Arg<Task<A, R>> | LazyOf<Task<A, R>>,
  ...args: { readonly [K in keyof A]: Arg<A[K]> }
): Lazy<R> {
  return lazy({ kind: "form", form: Form.apply, args: [task, ...args] });
}

/** Fails with this message when it is evaluated. */
export function raise(message: Arg<string>): LazyOf<never> {
  return lazy<unknown>({ kind: "form", form: Form.raise, args: [message] }) as unknown as LazyOf<never>;
}

/** A file; its content is digested when the expression is evaluated. A relative path is meant from the project's root. */
export function file(path: Arg<string>): Lazy<FileValue> {
  return lazy({ kind: "form", form: Form.file, args: [path] });
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

function requireTask(form: string, value: unknown): void {
  if (taskNameOf(value) === undefined)
    throw new FiresteelError(
      Code.invalidArgument,
      `${form}(...) wants a task here; a plain function has no identity, so define it with task("name", ...)`,
    );
}
