/**
 * Places in storages that are not this machine's disk, as URIs: `scheme://authority/path`, the path escaped.
 */

import { Code, FiresteelError } from "../../errors.ts";

/** A URI taken apart. */
export interface Location {
  /** Host and port, or bucket. */
  readonly authority: string;
  /** Unescaped, without slashes at its ends; "" for the root. */
  readonly path: string;
}

/** Takes a URI apart. @throws FiresteelError `invalid_argument` for one that names no authority, has a query or fragment, or wrong escapes */
export function locationOf(uri: string): Location {
  const parts = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)([^?#]*)$/i.exec(uri);
  if (!parts)
    throw new FiresteelError(
      Code.invalidArgument,
      `not a place that can be looked at (scheme://host/path, with ? and # written %3F and %23): ${uri}`,
    );
  const [, authority = "", path = ""] = parts;
  if (authority === "")
    throw new FiresteelError(Code.invalidArgument, `URI names no host or bucket (scheme://HOST/path): ${uri}`);
  try {
    return { authority, path: decodeURIComponent(path.replace(/^\/+|\/+$/g, "")) };
  } catch (cause) {
    throw new FiresteelError(Code.invalidArgument, `URI has a % that is no escape (write %25): ${uri}`, { cause });
  }
}

/** Escapes one name of a path; `=` stays, so that `key=value` folders read well. */
export function escapeName(name: string): string {
  return encodeURIComponent(name).replaceAll("%3D", "=");
}

/** Escapes a path. */
export function escapePath(path: string): string {
  return path.split("/").map(escapeName).join("/");
}

/** The URI of what lies below a folder. */
export function uriBelow(folder: string, path: string): string {
  return `${folder.replace(/\/+$/, "")}/${escapePath(path)}`;
}

/** Spark's rule, by the path below a folder: names that start with `_` or `.` are left out. */
export function sparkReads(path: string): boolean {
  return !/(?:^|\/)[_.][^/]*$/.test(path);
}

/** Sorts files by URI. */
export function byUri(a: { readonly uri: string }, b: { readonly uri: string }): number {
  return a.uri < b.uri ? -1 : 1;
}

/** The error of what is not there. */
export function missing(uri: string, cause?: unknown): FiresteelError {
  return new FiresteelError(Code.notFound, `file or folder does not exist: ${uri}`, { cause, details: { uri } });
}
