/**
 * Expressions: the nodes of the lazy graph, as frozen plain data.
 *
 * | kind | what it stands for |
 * | --- | --- |
 * | `call` | a task applied to arguments |
 * | `form` | a built-in with its own rule of evaluation (`cond`, `catchError`, `map`, `add`, `dataset`, ...) |
 * | `field` | a field, index or entry of another expression's value |
 *
 * A value is not a node: arguments are ordinary JavaScript values in which expressions occur, as {@link Lazy} proxies, at any depth.
 */

import type { CallOptions } from "./task-options.ts";

/** Names of the operators on lazy values: evaluated where the expression is, without a job. */
export const Operator = {
  /** `[texts, ...values]`: the texts with the values between them. */
  text: "text",
  /** `[a, b]` of two numbers or two bigints, as the four after it. */
  add: "add",
  sub: "sub",
  mul: "mul",
  div: "div",
  mod: "mod",
  /** `[a]` */
  neg: "neg",
  /** `[a, b]` of any values, as `ne`. */
  eq: "eq",
  ne: "ne",
  /** `[a, b]` of two numbers, bigints, texts or dates, as the three after it. */
  lt: "lt",
  le: "le",
  gt: "gt",
  ge: "ge",
  /** `[...conditions]`: from left to right, no further than needed, as `or`. */
  and: "and",
  or: "or",
  /** `[condition]` */
  not: "not",
} as const;
export type Operator = (typeof Operator)[keyof typeof Operator];

/** Names of the built-in forms beside the operators; the evaluator has one rule for each. Where it says task, a partial task does too. */
export const Form = {
  /** `[condition, then, (condition, then)*, otherwise]`: only the chosen branch is evaluated. */
  cond: "cond",
  /** `[body, codes, recover]`: when `body` fails with one of the codes or class names (empty: any), the task `recover` gets the error. */
  catchError: "catchError",
  /** `[names, recover, ...members]`: every member to its end. `names` are those of a record; null for a list; `true` when the members are the task and items of a `map`. `recover` is null or a task. */
  catchAll: "catchAll",
  /** `[task, items]`: the task applied to each item of a list. */
  map: "map",
  /** `[task, items]`: like `map`, and the lists that come out are joined. */
  flatMap: "flatMap",
  /** `[task, items]`: the items for which the task gives true. */
  filter: "filter",
  /** `[task, items, initial?]`: the items combined two by two. */
  reduce: "reduce",
  /** `[value]`: the value when everything in it is evaluated. */
  all: "all",
  /** `[...items]`: like `all`, one after the other. */
  seq: "seq",
  /** `[task, ...arguments]`: applies a task that is itself a value or a result. */
  apply: "apply",
  /** `[task, ...arguments]`: the partial task, where the task is lazy. */
  partial: "partial",
  /** `[tags, body]`: the calls written in `body` have these tags too. */
  withTags: "withTags",
  /** `[limits, body]`: the bodies of the calls written in `body` hold these limits too. */
  withLimits: "withLimits",
  /** `[values, body]`: every call below `body`, at any depth, can see these values. */
  withContext: "withContext",
  /** `[location, options]`: files under a location, fingerprinted at evaluation. */
  dataset: "dataset",
  /** `[path]` or `[path, options]`: a file, identified at evaluation. */
  file: "file",
  /** `[path]` or `[path, options]`: the files below a folder, identified at evaluation. */
  directory: "directory",
  /** `[pattern]` or `[pattern, options]`: the files that match, identified at evaluation. */
  glob: "glob",
  /** `[rows, schema]`: a small dataset of rows made in TypeScript. */
  createDataset: "createDataset",
  /** `[message, name?]`: fails. */
  raise: "raise",
} as const;
export type Form = (typeof Form)[keyof typeof Form] | Operator;

export interface CallExpression {
  readonly kind: "call";
  readonly task: string;
  readonly args: readonly unknown[];
  /** Set for this call by `task.with({ ... })`; no part of its identity. */
  readonly options?: CallOptions;
}
export interface FormExpression {
  readonly kind: "form";
  readonly form: Form;
  readonly args: readonly unknown[];
}
export interface FieldExpression {
  readonly kind: "field";
  readonly of: unknown;
  readonly key: string | number;
}
export type Expression = CallExpression | FormExpression | FieldExpression;
