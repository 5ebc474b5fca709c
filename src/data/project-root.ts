/**
 * The root of the project whose bodies run on this thread.
 */

import { isAbsolute, resolve } from "node:path";

let root: string | undefined;

/** Sets the root. @internal */
export function setProjectRoot(path: string): void {
  root = path;
}

/** A path from the project's root as an absolute one; without a project, from the current folder. */
export function fromProjectRoot(path: string): string {
  return isAbsolute(path) ? path : resolve(root ?? process.cwd(), path);
}
