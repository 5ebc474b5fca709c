/**
 * What bodies read by themselves (option `reads`): files, folders and environment variables whose contents count in the identity of a call.
 *
 * Like every input they are looked at once in an execution, and compared again after the body.
 */

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Code, FiresteelError } from "../errors.ts";
import { type Digest, digestOf } from "../hash/digest.ts";
import type { Inputs } from "./inputs.ts";

interface Look {
  readonly digest: Promise<Digest>;
  known: Digest | undefined;
}

const looks = new WeakMap<Inputs, Map<string, Look>>();

/** The digest of what a list of reads holds, as one execution sees it; at once where that execution has looked already. */
export function readsDigest(inputs: Inputs, reads: readonly string[]): Digest | Promise<Digest> {
  let known = looks.get(inputs);
  if (!known) {
    known = new Map();
    looks.set(inputs, known);
  }
  const key = JSON.stringify(reads);
  const look = known.get(key);
  if (look) return look.known ?? look.digest;
  const made: Look = { digest: lookAt(inputs, reads), known: undefined };
  known.set(key, made);
  made.digest.then(
    (digest) => {
      made.known = digest;
    },
    () => known.delete(key),
  );
  return made.digest;
}

async function lookAt(inputs: Inputs, reads: readonly string[]): Promise<Digest> {
  const parts = await Promise.all([...new Set(reads)].sort().map((read) => contentOf(inputs, read)));
  return digestOf("reads", 1, parts);
}

/** One entry: its kind, its name as the author wrote it, and its content. What is not there counts as that: a body may look whether it is. */
async function contentOf(inputs: Inputs, read: string): Promise<readonly unknown[]> {
  if (read.startsWith("env:")) return ["env", read, inputs.environment(read.slice("env:".length)) ?? null];
  const uri = inputs.uriOf(read);
  if (!uri.startsWith("file:")) return ["dataset", read, (await inputs.dataset(read, {})).identity];
  const path = fileURLToPath(uri);
  try {
    if (!(await stat(path)).isDirectory()) return ["file", read, (await inputs.files.file(path, "content")).version];
    const files = await filesBelow(path, "");
    const digests = await Promise.all(
      files.map(async (file) => (await inputs.files.file(join(path, file), "content")).version),
    );
    return ["folder", read, files.map((file, i) => [file, digests[i]])];
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return ["missing", read];
    throw error;
  }
}

/** The files below a folder, relative to it and sorted; hidden ones too, a body sees them. */
async function filesBelow(root: string, folder: string): Promise<string[]> {
  const entries = await readdir(join(root, folder), { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) return filesBelow(root, path);
      if (entry.isSymbolicLink() && (await stat(join(root, path))).isDirectory())
        throw new FiresteelError(
          Code.invalidArgument,
          `a folder under \`reads\` links to another folder; name that one in \`reads\` too and take the link away: ${join(root, path)}`,
        );
      return [path];
    }),
  );
  return found.flat().sort();
}
