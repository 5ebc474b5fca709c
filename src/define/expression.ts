/**
 * Expressions: the nodes of the lazy graph, as frozen plain data.
 *
 * | kind | what it stands for |
 * | --- | --- |
 * | `call` | a task applied to arguments |
 * | `form` | a built-in with its own rule of evaluation (`cond`, `catchError`, `map`, `dataset`, ...) |
 * | `field` | a field, index or entry of another expression's value |
 *
 * A value is not a node: arguments are ordinary JavaScript values in which expressions occur, as {@link Lazy} proxies, at any depth.
 */

import type { CallOptions } from "./task-options.ts";

/** Names of the built-in forms; the evaluator has one rule for each. */
export const Form = {
  /** `[condition, then, otherwise]`: only the chosen branch is evaluated. */
  cond: "cond",
  /** `[body, codes, recover]`: when `body` fails with one of the codes or class names (empty: any), the task `recover` gets the error. */
  catchError: "catchError",
  /** `[task, items]`: the task applied to each item of a list. */
  map: "map",
  /** `[value]`: the value when everything in it is evaluated. */
  all: "all",
  /** `[items]`: like `all`, one after the other. */
  seq: "seq",
  /** `[task, ...arguments]`: applies a task that is itself a value or a result. */
  apply: "apply",
  /** `[location, options]`: files under a location, fingerprinted at evaluation. */
  dataset: "dataset",
  /** `[path]`: a file, digested at evaluation. */
  file: "file",
  /** `[rows, schema]`: a small dataset of rows made in TypeScript. */
  createDataset: "createDataset",
  /** `[error]`: fails. */
  raise: "raise",
} as const;
export type Form = (typeof Form)[keyof typeof Form];

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
