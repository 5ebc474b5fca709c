/**
 * The code of a project as the evaluator sees it: its tasks at one version, and where their bodies run.
 */

import type { CallOptions, TaskOptions } from "../define/task-options.ts";
import { Code, FiresteelError } from "../errors.ts";
import type { Digest } from "../hash/digest.ts";
import type { Executor } from "./ports.ts";

/** A parameter of a task, as the syntax of its function says. */
export interface ParameterInfo {
  readonly name: string;
  readonly optional: boolean;
  readonly rest: boolean;
  readonly hasDefault: boolean;
  /** The default where that is a constant. */
  readonly constantDefault?: unknown;
  /** Its type where the annotation names one that can be checked at a front door: `number`, `string`, `Dataset`, `number[]`, ... */
  readonly type?: string;
}

/** A place in the code of a task whose effect cannot be decided; line and column count from 1. */
export interface UndecidedPlace {
  readonly reason: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A place in the code that is most likely wrong, and what to write instead; line and column count from 1. */
export interface CodeWarning {
  readonly message: string;
  /** From the project's root. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A task as its callers and the evaluator may know it. */
export interface TaskInfo {
  readonly name: string;
  readonly description: string;
  /** The file that defines it, from the project's root. */
  readonly module: string;
  readonly line: number;
  /** Identity of its code. */
  readonly code: Digest;
  readonly options: TaskOptions;
  readonly parameters: readonly ParameterInfo[];
  /** It is a function that a form was given where it was called; its name comes from its code. */
  readonly arrow?: true;
  /** The libraries of its arguments' schemas; absent without any. */
  readonly schemas?: string;
  /** Not empty: the identity cannot be trusted, so results are not kept. */
  readonly undecided: readonly UndecidedPlace[];
}

/** One version of a project's code. It lives until everybody who retained it has released it. */
export interface FlowCode {
  /** Digest over the code of all tasks. */
  readonly version: string;
  readonly tasks: ReadonlyMap<string, TaskInfo>;
  /** Code identities of the registered codecs by name. */
  readonly codecs: ReadonlyMap<string, Digest>;
  /** Uses of lazy results as if they were there already, in order of place. */
  readonly warnings: readonly CodeWarning[];
  /** Where the bodies of a task run; throws `invalid_argument` for an executor that does not exist. */
  executor(task: TaskInfo): Executor;
  /** Writes rows (canonical encoding of a list of objects) as one Parquet file; returns the number of rows. Throws `invalid_argument` for what Parquet cannot hold exactly. */
  writeParquet(rows: Uint8Array, columns: Readonly<Record<string, string>>, uri: string): Promise<number>;
  /**
   * Checks arguments (encodings; null for those without a value yet) against the task's schemas, where these can say at once. A host that is too busy to answer lets them pass: they are checked again
   * before the body runs.
   *
   * @throws FiresteelError `invalid_argument` with the place in the arguments
   */
  checkArguments(task: string, args: readonly (Uint8Array | null)[]): Promise<void>;
  retain(): void;
  release(): void;
}

/** The failure of a call, in an expression that may have been kept long ago, of a task that the code has not. */
export function missingTask(name: string): FiresteelError {
  const arrow = name.startsWith("arrow.")
    ? " (a function that was given to a form and has changed since; the task that gave it holds on to it by its option `version`, so raise that)"
    : "";
  return new FiresteelError(Code.notFound, `task is not known: ${name}${arrow}`);
}

/** The task as one call sees it: tags on top of its own, anything else instead. */
export function withCallOptions(task: TaskInfo, options: CallOptions): TaskInfo {
  const tags = [...new Set([...(task.options.tags ?? []), ...(options.tags ?? [])])];
  return { ...task, options: { ...task.options, ...options, ...(tags.length > 0 ? { tags } : {}) } };
}
