/**
 * Staging: the files of a job where the cluster can read them, at `<warehouse>/staging/<sha256>/<file name>`.
 *
 * The name of a file's folder is the digest of its content, so an edit while a job waits changes nothing for that job, and equal files are stored once.
 */

import { readdirSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Code, FiresteelError } from "../../../errors.ts";
import type { Digest, Storage } from "../../../evaluate/ports.ts";
import { digestBytes } from "../../../hash/digest.ts";
import { packageFolder } from "../../../package-info.ts";

/** A file that the cluster can read. */
export interface StagedFile {
  readonly uri: string;
  /** File name; Python modules are imported by it. */
  readonly name: string;
  /** Where the content was read, as the author wrote it (a path from the project's root, or a `file:` URI); absent for what is not read here. */
  readonly source?: string;
  /** Digest of the content. For a file that is on the cluster already (`hdfs:`, `s3a:`, `local:`), which is not looked into, of its URI. */
  readonly digest: Digest;
}

/** The harness: the file that is submitted and the modules it imports. */
export interface StagedHarness {
  readonly file: string;
  readonly pyFiles: readonly string[];
}

export interface Staging {
  /** Stages one file of a task. Rejects with `not_found` and the path when it does not exist. `name#alias` keeps its alias. */
  stage(path: string, what: string): Promise<StagedFile>;
  /** Stages bytes of our own. */
  put(name: string, bytes: Uint8Array): Promise<StagedFile>;
  harness(): Promise<StagedHarness>;
}

export interface StagingOptions {
  readonly storage: Storage;
  /** URI of the warehouse, no trailing slash. */
  readonly warehouse: string;
  /** The project's root, from which relative paths are meant. */
  readonly root: string;
  /** Folder of the harness; found next to the sources when not given. */
  readonly harness?: string;
  /** False: files are named as they would be, and nothing is written. @default true */
  readonly write?: boolean;
}

const HARNESS = "firesteel_harness.py";

/** Staging into one warehouse. */
export function createStaging(options: StagingOptions): Staging {
  const { storage, warehouse, root } = options;
  const known = new Map<string, { readonly stamp: string; readonly file: StagedFile }>();
  let harness: Promise<StagedHarness> | null = null;

  async function put(name: string, bytes: Uint8Array): Promise<StagedFile> {
    const digest = digestBytes(bytes);
    const uri = `${warehouse}/staging/${digest}/${encodeURIComponent(name)}`;
    if (options.write !== false) await storage.putIfAbsent(uri, bytes);
    return { uri, name, digest };
  }

  async function stage(given: string, what: string): Promise<StagedFile> {
    const at = given.indexOf("#");
    const [plain, alias] = at < 0 ? [given, ""] : [given.slice(0, at), given.slice(at)];
    if (/^[a-z][a-z0-9+.-]*:/i.test(plain) && !plain.startsWith("file:")) {
      return { uri: given, name: basename(plain), digest: digestBytes(given) };
    }
    const path = plain.startsWith("file:") ? fileURLToPath(plain) : resolve(root, plain);
    let stamp: string;
    let bytes: Uint8Array;
    try {
      const now = Date.now();
      const stats = await stat(path);
      // A file written in this very moment may be written again without its stamp changing: not remembered.
      stamp = now - stats.mtimeMs > 2_000 ? `${stats.size} ${stats.mtimeMs} ${stats.ino}` : "";
      const before = known.get(given);
      if (before !== undefined && before.stamp === stamp) return before.file;
      bytes = await readFile(path);
    } catch (cause) {
      const { code } = cause as { code?: unknown };
      if (code === "ENOENT" || code === "ENOTDIR")
        throw new FiresteelError(Code.notFound, `${what} does not exist: ${path}`, { cause, details: { path } });
      throw new FiresteelError(
        Code.failedPrecondition,
        `${what} cannot be read (${(cause as Error).message}): ${path}`,
        { cause, details: { path } },
      );
    }
    const staged = await put(basename(path), bytes);
    const file = { ...staged, uri: staged.uri + alias, name: staged.name + alias, source: plain };
    if (stamp !== "") known.set(given, { stamp, file });
    return file;
  }

  async function stageHarness(): Promise<StagedHarness> {
    const folder = options.harness ?? join(packageFolder, "jobs");
    const names = readdirSync(folder).filter((name) => name.startsWith("firesteel_") && name.endsWith(".py"));
    const staged = new Map<string, string>();
    for (const name of names.sort()) staged.set(name, (await put(name, await readFile(join(folder, name)))).uri);
    const file = staged.get(HARNESS);
    if (file === undefined) throw new FiresteelError(Code.internal, `harness is missing: ${join(folder, HARNESS)}`);
    staged.delete(HARNESS);
    return { file, pyFiles: [...staged.values()] };
  }

  return {
    stage,
    put,
    harness: () => {
      harness ??= stageHarness().catch((error: unknown) => {
        harness = null; // A full disk now need not be one later.
        throw error;
      });
      return harness;
    },
  };
}
