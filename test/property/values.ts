/** Files, directories and tasks as values of the naive evaluator, in the form in which `show` tells them. */

import { createHash } from "node:crypto";

export interface PathOf {
  readonly path: string;
}

export interface DirectoryOf extends PathOf {
  readonly entries?: readonly { readonly name: string }[];
}

export function fileValue(path: string, content: unknown) {
  const version = createHash("sha256").update(String(content)).digest("hex");
  return { kind: "file", by: "content", path, version };
}

/** A task as a value, with its first arguments. */
export class TaskValue {
  readonly number: number;
  readonly taskName: string;
  readonly bound: readonly unknown[];

  constructor(number: number, name: string, bound: readonly unknown[]) {
    this.number = number;
    this.taskName = name;
    this.bound = bound;
  }
}
