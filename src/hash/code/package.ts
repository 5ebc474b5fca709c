/** Which package a loaded file belongs to. */
import { readFileSync } from "node:fs";
import { Code, FiresteelError } from "../../errors.ts";
import type { Resolution } from "./resolve.ts";

const FOLDER = "/node_modules/";
const versions = new Map<string, string>();

/** Whether a URL is a file outside every `node_modules`. */
export function isProjectFile(url: string): boolean {
  return url.startsWith("file:") && !url.includes(FOLDER);
}

/**
 * Name and exact version of the package of a file under `node_modules`, from its package.json, and the file in it.
 *
 * @throws FiresteelError `failed_precondition` when the package's package.json has no version or cannot be read.
 */
export function packageOf(url: string): Resolution & { kind: "package" } {
  const start = url.lastIndexOf(FOLDER) + FOLDER.length;
  const segments = url.slice(start).split("/");
  const depth = segments[0]?.startsWith("@") ? 2 : 1;
  const name = segments.slice(0, depth).join("/");
  const root = url.slice(0, start) + name;
  return {
    kind: "package",
    name: decodeURIComponent(name),
    version: versionAt(root),
    subpath: segments.slice(depth).join("/"),
  };
}

function versionAt(root: string): string {
  const known = versions.get(root);
  if (known !== undefined) return known;
  const file = new URL(`${root}/package.json`);
  let version: unknown;
  try {
    version = (JSON.parse(readFileSync(file, "utf8")) as { readonly version?: unknown }).version;
  } catch (cause) {
    throw new FiresteelError(Code.failedPrecondition, `package.json cannot be read: ${file.pathname}`, { cause });
  }
  if (typeof version !== "string")
    throw new FiresteelError(
      Code.failedPrecondition,
      `package.json has no version, so code that uses it has no identity: ${file.pathname}`,
    );
  versions.set(root, version);
  return version;
}
