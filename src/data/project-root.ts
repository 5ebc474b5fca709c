/**
 * The root of the project whose bodies run on this thread.
 */

let root: string | undefined;

/** Sets the root, an absolute path. @internal */
export function setProjectRoot(path: string): void {
  root = path;
}

/** The root; without a project, the current folder. */
export function projectRoot(): string {
  return root ?? process.cwd();
}
