/**
 * Files, directories and globs: data outside the program that is looked at when the expression is evaluated.
 *
 * **What authors want, and how it is written.** redun's `File`, `ContentFile`, `FileSet`, `Dir` come down to three questions: which files, when are they other files, and how does a task read and
 * write them. Which: `file(path)`, `directory(path)` (everything below it, as one value), `glob(pattern)` (a list, so that `map(parse, glob("in/*.csv"))` runs `parse` for what is new only). When: `by`
 * says it, by content unless told otherwise (`FileIdentity`), so that a checkout, a copy or a touch runs nothing; redun's default, size and time, is there as `by: "stat"` for files too large to be
 * read, and `by: "etag"` for what a server vouches for. A list of files stands for itself: it is evaluated again by each execution, so an added, removed, renamed or changed file changes it, and nothing else
 * does.
 *
 * **One execution sees one state.** Each file is looked at once in an execution; a body gets values, not places to look at. `readText`, `readBytes`, `readLines` and `readStream` give only the content that the value
 * stands for: where it is no longer there they fail, and the execution looks again, as it does when inputs are found changed after the body. A body that opens `file.path` by other means is covered by that second check
 * alone.
 *
 * **Files that a body makes.** A body writes with `writeFile(path, content)`, or by any other means followed by `outputFile(path)`, and returns the `File` that either gives. Such a result holds while the file
 * is there unchanged: when it is deleted or edited, the body runs again. To return `file(path)` instead says something else: "whatever is at that place", looked at by each later execution anew, and by this one only if it
 * has not looked there before.
 *
 * **Places.** Paths (from the project's root), `file:` URIs, and `http:` and `https:` URLs for single files, read only. Every look and every read goes through one port (`ReadableStorage` of `evaluate/ports.ts`), found by the URI's
 * scheme.
 *
 * **Hidden files and links.** Names that start with a dot are left out of directories and globs unless `hidden: true` (or the pattern spells the dot). Symbolic links are followed, also to folders; those that lead
 * nowhere are left out, a folder that contains itself is an error. Sockets, pipes and devices are no files.
 */

import { Code, FiresteelError } from "../errors.ts";
import { Form } from "./expression.ts";
import type { DirectoryValue, FileIdentity, FileValue } from "./external.ts";
import { type Arg, type Lazy, lazy } from "./lazy.ts";

/** How a file is identified. */
export interface FileOptions {
  /** @default "content" */
  readonly by?: FileIdentity;
}

/** How the files of a directory or a glob are found and identified. */
export interface FilesOptions extends FileOptions {
  /** Files and folders whose names start with a dot count too. @default false */
  readonly hidden?: boolean;
}

/**
 * A file, identified when the expression is evaluated. A relative path is meant from the project's root; `https://...` is read over HTTP.
 *
 * @example
 * ```ts
 * import { type File, file, readText, task } from "firesteel";
 *
 * export const first = task("files.first", async (text: File) => (await readText(text)).slice(0, 1));
 * export const main = task("files.main", () => first(file("package.json"))); // "{"
 * ```
 *
 * Evaluation fails with `not_found` when there is none, `invalid_argument` for a folder, `failed_precondition` where `by` cannot be had there, `permission_denied` and `unavailable` as the storage says.
 */
export function file(path: Arg<string>, options: FileOptions = {}): Lazy<FileValue> {
  return form(Form.file, path, options, ["by"]);
}

/**
 * All files below a folder, at any depth, as one value. On the lazy, `directory("in").files` is the lazy list of its files.
 *
 * @example
 * ```ts
 * import { type Directory, directory, task } from "firesteel";
 *
 * export const names = task("folders.names", (folder: Directory) => folder.entries.map((entry) => entry.name));
 * export const main = task("folders.main", () => names(directory("."))); // ["flow.ts", "package.json"]
 * ```
 *
 * Evaluation fails with `not_found` when there is no such folder; an empty one has no entries.
 */
export function directory(path: Arg<string>, options: FilesOptions = {}): Lazy<DirectoryValue> {
  return form(Form.directory, path, options, ["by", "hidden"]);
}

/**
 * The files whose paths match a pattern, sorted by path: `*` and `?` within a name, `**` for any folders, `[ab]`, `{a,b}`; a backslash takes the meaning off what follows. No match, also for want of the folder, is an empty list.
 *
 * @example
 * ```ts
 * import { type File, glob, map, task } from "firesteel";
 *
 * export const path = task("globs.path", (file: File) => file.path);
 * export const main = task("globs.main", () => map(path, glob("*.json"))); // ["package.json"]
 * ```
 */
export function glob(pattern: Arg<string>, options: FilesOptions = {}): Lazy<FileValue[]> {
  return form(Form.glob, pattern, options, ["by", "hidden"]);
}

const IDENTITIES: readonly unknown[] = ["content", "stat", "etag"] satisfies FileIdentity[];

/** The form without what says no more than the defaults: both spellings are one expression. */
function form<T>(name: Form, place: Arg<string>, options: FilesOptions, known: readonly string[]): Lazy<T> {
  const refuse = (reason: string) => {
    throw new FiresteelError(
      Code.invalidArgument,
      `${name}(${name === "glob" ? "pattern" : "path"}, options): ${reason}`,
    );
  };
  if (typeof options !== "object" || options === null) refuse(`options must be an object, not ${String(options)}`);
  for (const key of Object.keys(options))
    if (!known.includes(key)) refuse(`unknown option (known: ${known.join(", ")}): ${key}`);
  const { by = "content", hidden = false } = options;
  if (!IDENTITIES.includes(by)) refuse(`by must be ${IDENTITIES.join(", ")}, not ${String(by)}`);
  if (typeof hidden !== "boolean") refuse(`hidden must be true or false, not ${String(hidden)}`);
  const given = { ...(by === "content" ? {} : { by }), ...(hidden ? { hidden } : {}) };
  return lazy({ kind: "form", form: name, args: Object.keys(given).length === 0 ? [place] : [place, given] });
}
