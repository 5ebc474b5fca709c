/**
 * Patterns of paths: the folder where looking begins, and what is looked at below it.
 */

import picomatch from "picomatch";
import { Code, FiresteelError } from "../errors.ts";

/** A pattern, taken apart. */
export interface GlobPattern {
  /** The part without wildcards, as written: a folder, or the whole path where `wild` is false; "" when the pattern begins with a wildcard. */
  readonly base: string;
  readonly wild: boolean;
  /** Whether a path below the base matches, or, for a folder, whether a match may lie below it. */
  readonly include: (path: string, folder: boolean) => boolean;
}

/**
 * Takes a pattern apart.
 *
 * @param hidden whether wildcards match names that start with a dot
 * @throws FiresteelError `invalid_argument` for brackets that are not closed, or `..` behind a wildcard
 */
export function parseGlob(pattern: string, hidden: boolean): GlobPattern {
  const scanned = picomatch.scan(pattern, { nonegate: true });
  const base = scanned.base.replace(/\\(.)/g, "$1");
  if (!scanned.isGlob) {
    // What is left of a wildcard here stands behind a bracket that is not closed.
    if (/(?<!\\)[*?[{]/.test(pattern)) throw unreadable(pattern, "a bracket is not closed");
    return { base, wild: false, include: () => false };
  }
  // At the end `**` stands for the files below, not for the folder itself.
  const glob = scanned.glob.replace(/(^|\/)\*\*$/, "$1**/*");
  if (/(?:^|\/)\.\.(?:\/|$)/.test(glob))
    throw new FiresteelError(
      Code.invalidArgument,
      `glob("..."): ".." can stand only before the first wildcard: ${pattern}`,
    );
  const match = (part: string) => {
    try {
      return picomatch(part, { nonegate: true, dot: hidden, strictBrackets: true });
    } catch (cause) {
      throw unreadable(pattern, (cause as Error).message, cause);
    }
  };
  const whole = match(glob);
  const leading = leadingSegments(glob);
  const folders = leading.segments.map(match);
  const dots = hidden || /(?:^|[/{(,|!])\\?\./.test(glob);
  return {
    base,
    wild: true,
    include(path, folder) {
      if (!folder) return whole(path);
      const names = path.split("/");
      const last = names.length - 1;
      // Folders come from the top down, so the names before were let through already.
      if (last < folders.length) return folders[last]!(names[last]!) && (!leading.all || last < folders.length - 1);
      return !leading.all && (dots || !names[last]!.startsWith("."));
    },
  };
}

function unreadable(pattern: string, why: string, cause?: unknown): FiresteelError {
  return new FiresteelError(
    Code.invalidArgument,
    `glob("...") cannot be read: ${why} (a backslash takes the meaning off a bracket): ${pattern}`,
    { cause },
  );
}

/** The segments before the first that can stand for several folders; `all` when there is none such. */
function leadingSegments(glob: string): { readonly segments: readonly string[]; readonly all: boolean } {
  // A bracket can hold slashes: then only the whole pattern tells.
  if (/[{(]/.test(glob)) return { segments: [], all: false };
  const segments = glob.split("/");
  const at = segments.findIndex((segment) => segment.includes("**"));
  return at < 0 ? { segments, all: true } : { segments: segments.slice(0, at), all: false };
}
