/**
 * Forms that say under which circumstances an expression is evaluated. None of them is part of an identity by itself.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { inspect } from "node:util";
import { Code, FiresteelError } from "../errors.ts";
import { Form } from "./expression.ts";
import { type Arg, isLazy, type Lazy, lazy, type Resolved } from "./lazy.ts";

/**
 * Adds tags to the calls written in an expression, not to those that their bodies make: whoever runs them is told (on a cluster they are part of the attribution). A call that is also
 * asked for elsewhere is one job, with the tags of whoever asked first.
 *
 * @example
 * ```ts
 * import { task, withTags } from "firesteel";
 *
 * export const load = task("tagged.load", (year: number) => year);
 * export const main = task("tagged.main", () => withTags(["nightly"], [load(2023), load(2024)])); // [2023, 2024]
 * ```
 *
 * @throws FiresteelError `invalid_argument` when the tags are no list of texts
 */
export function withTags<const T>(tags: readonly string[], body: T): Lazy<Resolved<T>> {
  requireTexts("withTags(tags, body)", tags);
  return lazy({ kind: "form", form: Form.withTags, args: [[...tags], body] });
}

/**
 * While the bodies of the calls written in an expression run, they hold one unit of each of these limits, beside those of their tasks. What their bodies call does not hold them.
 * A call that is also asked for elsewhere is one job, with the limits of whoever asked first.
 *
 * @example
 * ```ts
 * import { task, withLimits } from "firesteel";
 *
 * export const download = task("limited.download", (name: string) => name.length);
 * export const main = task("limited.main", () => withLimits(["mirror"], [download("a"), download("bc")])); // [1, 2]
 * ```
 *
 * @throws FiresteelError `invalid_argument` when the names are no list of texts; at evaluation for a limit that the configuration does not have
 */
export function withLimits<const T>(limits: readonly string[], body: T): Lazy<Resolved<T>> {
  requireTexts("withLimits(limits, body)", limits);
  return lazy({ kind: "form", form: Form.withLimits, args: [[...limits], body] });
}

/**
 * Sets values that every call below an expression can see, however deep: those whose task declares the key (`context: ["region"]`) read it with {@link contextValue}, and for them it counts like
 * an argument. Of several values of one key the nearest counts. Calls below are evaluated once per different context; results that the cache keeps are still shared where no declared key differs.
 *
 * @example
 * ```ts
 * import { contextValue, task, withContext } from "firesteel";
 *
 * export const greet = task("context.greet", { context: ["language"] }, (name: string) =>
 *   `${contextValue("language", "en") === "fr" ? "Bonjour" : "Hello"} ${name}`);
 * export const letter = task("context.letter", (name: string) => greet(name));
 * export const main = task("context.main", () => [letter("Ann"), withContext({ language: "fr" }, letter("Ann"))]);
 * // ["Hello Ann", "Bonjour Ann"]
 * ```
 *
 * @throws FiresteelError `invalid_argument` when the values are no plain object
 */
export function withContext<const T>(values: Readonly<Record<string, Arg<unknown>>>, body: T): Lazy<Resolved<T>> {
  if (typeof values !== "object" || values === null || isLazy(values) || Array.isArray(values))
    throw new FiresteelError(
      Code.invalidArgument,
      `withContext(values, body): values must be an object whose keys are known, such as { region: "eu" }, not ${isLazy(values) ? "a lazy" : inspect(values)}`,
    );
  return lazy({ kind: "form", form: Form.withContext, args: [{ ...values }, body] });
}

/** What a body may read: the keys that its task declares. */
export interface BodyContext {
  readonly task: string;
  /** By key; undefined where nobody above set it. */
  readonly values: ReadonlyMap<string, unknown>;
}

const running = new AsyncLocalStorage<BodyContext>();

/** Runs a body that can read these values. @internal */
export function runInContext<R>(context: BodyContext, body: () => R): R {
  return running.run(context, body);
}

/**
 * A value that a caller above set with {@link withContext}, read in the body of a task whose options declare the key. Without such a caller it is the fallback.
 *
 * @throws FiresteelError `failed_precondition` outside of a body, and for a key that the task does not declare
 */
export function contextValue<T>(key: string): T | undefined;
// A fallback that is written out is one of many values, unless the type says otherwise.
export function contextValue(key: string, fallback: string): string;
export function contextValue(key: string, fallback: number): number;
export function contextValue(key: string, fallback: boolean): boolean;
export function contextValue<T>(key: string, fallback: T): T;
export function contextValue(key: string, fallback?: unknown): unknown {
  const context = running.getStore();
  if (!context?.values.has(key))
    throw new FiresteelError(
      Code.failedPrecondition,
      `contextValue(${JSON.stringify(key)}): ${context ? `task ${context.task} does not declare this key` : "no body of a task that declares this key runs here"}; write { context: [${JSON.stringify(key)}] } in the options of the task that reads it`,
    );
  const value = context.values.get(key);
  return value === undefined ? fallback : value;
}

function requireTexts(form: string, value: unknown): void {
  if (Array.isArray(value) && value.every((item) => typeof item === "string" && item !== "")) return;
  throw new FiresteelError(
    Code.invalidArgument,
    `${form} wants a list of texts that are known, not ${isLazy(value) ? "a lazy" : inspect(value)}`,
  );
}
