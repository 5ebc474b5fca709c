/**
 * Forms over lists, which may themselves be lazy. Each gives a lazy and runs nothing.
 *
 * The task is a task, a partial task, a lazy of one, or an arrow that captures no local (see `Arrow`); like the functions of JavaScript's own list methods it may take no parameter at all.
 */

import { Form } from "./expression.ts";
import { type Arg, type Lazy, type LazyOf, lazy, type Resolved } from "./lazy.ts";
import { type Arrow, type Callee, calleeOf } from "./partial.ts";

/** What a body may give where a `T` is wanted. */
type OrLater<T> = T | LazyOf<T> | Promise<T | LazyOf<T>>;

/** A task that can be called with an item alone: what comes behind has defaults. */
type ItemTask<T, R, Rest extends readonly unknown[]> = Callee<[T, ...Partial<Rest>], R>;

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
 * export const main = task("lists.main", () => [map(days, years()), map((year) => year + 1, years())]); // [[365, 366], [2024, 2025]]
 * ```
 */
export function map<T, R, Rest extends readonly unknown[]>(
  task: ItemTask<T, R, Rest>,
  items: ListOf<NoInfer<T>>,
): Lazy<R[]>;
export function map<T, R>(arrow: Arrow<[item: NoInfer<T>], R>, items: ListOf<T>): Lazy<Resolved<R>[]>;
export function map(task: unknown, items: unknown): Lazy<unknown> {
  return lazy({ kind: "form", form: Form.map, args: [calleeOf("map", task), items] });
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
export function flatMap<T, R, Rest extends readonly unknown[]>(
  task: ItemTask<T, readonly R[], Rest>,
  items: ListOf<NoInfer<T>>,
): Lazy<R[]>;
export function flatMap<T, R>(
  arrow: Arrow<[item: NoInfer<T>], OrLater<readonly R[]>>,
  items: ListOf<T>,
): Lazy<Resolved<R>[]>;
export function flatMap(task: unknown, items: unknown): Lazy<unknown> {
  return lazy({ kind: "form", form: Form.flatMap, args: [calleeOf("flatMap", task), items] });
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
export function filter<T, Rest extends readonly unknown[]>(
  task: ItemTask<T, boolean, Rest>,
  items: ListOf<NoInfer<T>>,
): Lazy<T[]>;
export function filter<T>(arrow: Arrow<[item: NoInfer<T>], OrLater<boolean>>, items: ListOf<T>): Lazy<T[]>;
export function filter(task: unknown, items: unknown): Lazy<unknown> {
  return lazy({ kind: "form", form: Form.filter, args: [calleeOf("filter", task), items] });
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
): Lazy<T>;
export function reduce<T>(
  arrow: Arrow<[left: NoInfer<T>, right: NoInfer<T>], OrLater<Arg<NoInfer<T>>>>,
  items: ListOf<T>,
  ...initial: readonly [initial?: Arg<NoInfer<T>>]
): Lazy<T>;
export function reduce(task: unknown, items: unknown, ...initial: readonly unknown[]): Lazy<unknown> {
  return lazy({ kind: "form", form: Form.reduce, args: [calleeOf("reduce", task), items, ...initial] });
}
