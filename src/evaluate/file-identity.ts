/**
 * What is said of files on both sides, where expressions are evaluated and where bodies read: the URI of a path, the version of a file that was looked at, the error when it is another by now.
 */

import { isAbsolute, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { FileIdentity } from "../define/external.ts";
import { Code, FiresteelError } from "../errors.ts";
import type { ReadableStorage, StoredFile } from "./ports.ts";

/** Storages by the scheme of the URIs that they serve, with colon: `file:`, `https:`. */
export type Storages = ReadonlyMap<string, ReadableStorage>;

// One letter would be a drive.
const SCHEME = /^[a-z][a-z0-9+.-]+:/i;

/** Whether a place is written as a URI rather than as a path. */
export function isUri(place: string): boolean {
  return SCHEME.test(place);
}

/**
 * The URI of a file's path as an author wrote it.
 *
 * @param root from which a relative path is meant, an absolute path
 * @throws FiresteelError `invalid_argument` for what is no URL, or has a password in it
 */
export function fileUri(path: string, root: string): string {
  if (path.includes("\0"))
    throw new FiresteelError(Code.invalidArgument, `path has a zero character in it: ${JSON.stringify(path)}`);
  if (!isUri(path)) return pathToFileURL(isAbsolute(path) ? path : resolve(root, path)).href;
  let url: URL;
  try {
    url = new URL(path);
    if (url.protocol === "file:") return pathToFileURL(fileURLToPath(url)).href;
  } catch (cause) {
    throw new FiresteelError(
      Code.invalidArgument,
      `not a URL that can be read (${(cause as Error).message}): ${path}`,
      { cause },
    );
  }
  if (url.username !== "" || url.password !== "")
    throw new FiresteelError(
      Code.invalidArgument,
      `a URL with a user or password in it would be stored with every result; leave them out: ${url.protocol}//...@${url.host}${url.pathname}`,
    );
  url.hash = "";
  return url.href;
}

/** The storage of a URI. @throws FiresteelError `invalid_argument` when there is none for its scheme */
export function storageOf(storages: Storages, uri: string): ReadableStorage {
  const storage = storages.get(uri.slice(0, uri.indexOf(":") + 1));
  if (storage) return storage;
  throw new FiresteelError(
    Code.invalidArgument,
    `locations of this scheme cannot be read (there are: ${[...storages.keys()].join(", ")}): ${uri}`,
  );
}

/** The version of a file by something other than its content. @throws FiresteelError `failed_precondition` where the storage does not have it */
export function versionOf(found: StoredFile, by: Exclude<FileIdentity, "content">, path: string): string {
  if (by === "etag") {
    if (found.etag !== undefined) return found.etag;
    throw new FiresteelError(
      Code.failedPrecondition,
      /^(?:file|hdfs):/.test(found.uri)
        ? `${found.uri.startsWith("file:") ? "local files" : "files in HDFS"} have no ETag; leave out by: "etag", or use by: "stat": ${path}`
        : `server gives neither a strong ETag nor both Last-Modified and a length; leave out by: "etag", so that the content is read: ${path}`,
    );
  }
  if (found.modified !== "" && found.bytes >= 0) return `${found.bytes} bytes, ${found.modified}`;
  throw new FiresteelError(
    Code.failedPrecondition,
    `size and modification time are not known there; leave out by: "stat", so that the content is read: ${path}`,
  );
}

/** Whether two looks saw the same file, as far as its storage can tell. */
export function sameFile(a: StoredFile, b: StoredFile): boolean {
  return a.bytes === b.bytes && a.modified === b.modified && a.etag === b.etag && a.stamp === b.stamp;
}

/** The failure after which an execution looks at its inputs again. */
export function inputChanged(message: string, location: string): FiresteelError {
  return new FiresteelError(Code.aborted, message, { details: { kind: "inputChanged", location } });
}
