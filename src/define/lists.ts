/**
 * Forms over lists, which may themselves be lazy. Each gives a lazy and runs nothing.
 *
 * The task is a task, a partial task or a lazy of one; like the functions of JavaScript's own list methods it may take no parameter at all.
 */

import { Form } from "./expression.ts";
import { type Arg, type Lazy, type LazyOf, lazy } from "./lazy.ts";
import { type Callee, requireCallee } from "./partial.ts";

/** A list of `T`s, or a lazy of one. */
export type ListOf<T> = LazyOf<readonly T[]> | readonly Arg<T>[];

/**
 * The task applied to each item. The first failure is the failure of the whole; `catchAll(map(...))` keeps the others.
 *
 * @example
 * ```ts
 * import { map, task } from "firesteel";
 *
 * export const years = task("lists.years", () => [2023, 2024]);
 * export const days = task("lists.days", (year: number) => (year % 4 === 0 ? 366 : 365));
 * export const main = task("lists.main", () => map(days, years())); // [365, 366]
 * ```
 */
export function map<T, R>(task: Callee<[T], R>, items: ListOf<NoInfer<T>>): Lazy<R[]> {
  requireCallee("map", task);
  return lazy({ kind: "form", form: Form.map, args: [task, items] });
}

/**
 * Like {@link map} with a task that gives lists; they are joined in the order of the items.
 *
 * @example
 * ```ts
 * import { flatMap, task } from "firesteel";
 *
 * export const twice = task("lists.twice", (word: string) => [word, word]);
 * export const main = task("lists.main", () => flatMap(twice, ["a", "b"])); // ["a", "a", "b", "b"]
 * ```
 */
export function flatMap<T, R>(task: Callee<[T], readonly R[]>, items: ListOf<NoInfer<T>>): Lazy<R[]> {
  requireCallee("flatMap", task);
  return lazy({ kind: "form", form: Form.flatMap, args: [task, items] });
}

/**
 * The items for which the task gives true, in their order.
 *
 * @example
 * ```ts
 * import { filter, task } from "firesteel";
 *
 * export const isLong = task("lists.isLong", (word: string) => word.length > 3);
 * export const main = task("lists.main", () => filter(isLong, ["tree", "oak"])); // ["tree"]
 * ```
 */
export function filter<T>(task: Callee<[T], boolean>, items: ListOf<NoInfer<T>>): Lazy<T[]> {
  requireCallee("filter", task);
  return lazy({ kind: "form", form: Form.filter, args: [task, items] });
}

/**
 * The items combined two by two, neighbours with neighbours, until one is left: a tree of logarithmic depth, so the task must be associative. The order is kept: `reduce(join, [a, b, c])` is `join(join(a, b), c)`.
 * An initial value stands before the first item. When items are added at the end, most of the tree is as before and comes from the cache.
 *
 * An empty list without an initial value fails with `invalid_argument`.
 *
 * @example
 * ```ts
 * import { reduce, task } from "firesteel";
 *
 * export const longer = task("lists.longer", (a: string, b: string) => (b.length > a.length ? b : a));
 * export const main = task("lists.main", () => reduce(longer, ["oak", "beech", "elm"], "")); // "beech"
 * ```
 */
export function reduce<T>(
  task: Callee<[T, T], T>,
  items: ListOf<NoInfer<T>>,
  ...initial: readonly [initial?: Arg<NoInfer<T>>]
): Lazy<T> {
  requireCallee("reduce", task);
  return lazy({ kind: "form", form: Form.reduce, args: [task, items, ...initial] });
}
