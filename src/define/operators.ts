/**
 * Operators on lazy values: what `+`, `<`, `===`, `&&` and template text would say if the values were there already. They are evaluated with the expression; no body runs for them.
 *
 * Numbers and bigints are not mixed, as in JavaScript; bigints are exact.
 */

import { Operator } from "./expression.ts";
import { type Arg, type Lazy, lazy } from "./lazy.ts";

type Order = number | bigint | string | Date;

function operator<R>(name: Operator, args: readonly unknown[]): Lazy<R> {
  return lazy({ kind: "form", form: name, args });
}

/**
 * A text with lazy values in it: texts, numbers, bigints, booleans, and dates in ISO 8601. Anything else fails when it is evaluated.
 *
 * @example
 * ```ts
 * import { task, text } from "firesteel";
 *
 * export const count = task("operators.count", () => 3);
 * export const main = task("operators.main", () => text`${count()} files`); // "3 files"
 * ```
 */
export function text(
  texts: TemplateStringsArray,
  ...values: readonly Arg<string | number | bigint | boolean | Date>[]
): Lazy<string> {
  return operator(Operator.text, [[...texts], ...values]);
}

/**
 * The sum. For texts there is {@link text}.
 *
 * @example
 * ```ts
 * import { add, div, mul, task } from "firesteel";
 *
 * export const price = task("operators.price", () => 20);
 * export const main = task("operators.main", () => div(add(mul(price(), 3), 15), 10)); // 7.5
 * ```
 */
export function add(a: Arg<number>, b: Arg<number>): Lazy<number>;
export function add(a: Arg<bigint>, b: Arg<bigint>): Lazy<bigint>;
export function add(a: unknown, b: unknown): Lazy<unknown> {
  return operator(Operator.add, [a, b]);
}

/** The difference. */
export function sub(a: Arg<number>, b: Arg<number>): Lazy<number>;
export function sub(a: Arg<bigint>, b: Arg<bigint>): Lazy<bigint>;
export function sub(a: unknown, b: unknown): Lazy<unknown> {
  return operator(Operator.sub, [a, b]);
}

/** The product. */
export function mul(a: Arg<number>, b: Arg<number>): Lazy<number>;
export function mul(a: Arg<bigint>, b: Arg<bigint>): Lazy<bigint>;
export function mul(a: unknown, b: unknown): Lazy<unknown> {
  return operator(Operator.mul, [a, b]);
}

/** The quotient; of bigints without its fraction, and division by `0n` fails. */
export function div(a: Arg<number>, b: Arg<number>): Lazy<number>;
export function div(a: Arg<bigint>, b: Arg<bigint>): Lazy<bigint>;
export function div(a: unknown, b: unknown): Lazy<unknown> {
  return operator(Operator.div, [a, b]);
}

/** The remainder, with the sign of `a`, as `%`. */
export function mod(a: Arg<number>, b: Arg<number>): Lazy<number>;
export function mod(a: Arg<bigint>, b: Arg<bigint>): Lazy<bigint>;
export function mod(a: unknown, b: unknown): Lazy<unknown> {
  return operator(Operator.mod, [a, b]);
}

/** The number with the other sign. */
export function neg(a: Arg<number>): Lazy<number>;
export function neg(a: Arg<bigint>): Lazy<bigint>;
export function neg(a: unknown): Lazy<unknown> {
  return operator(Operator.neg, [a]);
}

/**
 * Whether two values are equal by content: lists, objects, Maps, dates, ... with all that is in them. Two numbers are equal as with `===`, and NaN is NaN. Two values of different primitive types
 * (`1` and `"1"`, `1` and `1n`) fail, as that is a slip; anything may be compared with null and undefined.
 *
 * @example
 * ```ts
 * import { cond, eq, task } from "firesteel";
 *
 * export const mode = task("operators.mode", () => "full");
 * export const main = task("operators.main", () => cond(eq(mode(), "full"), 1, 0)); // 1
 * ```
 */
export function eq<T>(a: Arg<T>, b: Arg<NoInfer<T>>): Lazy<boolean> {
  return operator(Operator.eq, [a, b]);
}

/** The opposite of {@link eq}. */
export function ne<T>(a: Arg<T>, b: Arg<NoInfer<T>>): Lazy<boolean> {
  return operator(Operator.ne, [a, b]);
}

/** Whether `a < b`, of two numbers, bigints, texts (by UTF-16 units, as JavaScript does) or dates. */
export function lt<T extends Order>(a: Arg<T>, b: Arg<Widened<T>>): Lazy<boolean> {
  return operator(Operator.lt, [a, b]);
}

/** Whether `a <= b`, see {@link lt}. */
export function le<T extends Order>(a: Arg<T>, b: Arg<Widened<T>>): Lazy<boolean> {
  return operator(Operator.le, [a, b]);
}

/** Whether `a > b`, see {@link lt}. */
export function gt<T extends Order>(a: Arg<T>, b: Arg<Widened<T>>): Lazy<boolean> {
  return operator(Operator.gt, [a, b]);
}

/** Whether `a >= b`, see {@link lt}. */
export function ge<T extends Order>(a: Arg<T>, b: Arg<Widened<T>>): Lazy<boolean> {
  return operator(Operator.ge, [a, b]);
}

/**
 * Whether all conditions hold: evaluated from left to right, no further than the first that does not.
 *
 * @example
 * ```ts
 * import { and, gt, not, or, task } from "firesteel";
 *
 * export const size = task("operators.size", () => 5);
 * export const main = task("operators.main", () => and(gt(size(), 3), not(or(gt(size(), 9), false)))); // true
 * ```
 */
export function and(...conditions: readonly Arg<boolean>[]): Lazy<boolean> {
  return operator(Operator.and, conditions);
}

/** Whether one of the conditions holds: evaluated from left to right, no further than the first that does. */
export function or(...conditions: readonly Arg<boolean>[]): Lazy<boolean> {
  return operator(Operator.or, conditions);
}

/** Whether the condition does not hold. */
export function not(condition: Arg<boolean>): Lazy<boolean> {
  return operator(Operator.not, [condition]);
}

/** A literal's type as that of all its like. */
type Widened<T> = T extends number ? number : T extends bigint ? bigint : T extends string ? string : T;
