/**
 * Files on this machine (or a mounted share) by `file:` URI.
 */

import { createHash, randomBytes } from "node:crypto";
import type { Stats } from "node:fs";
import { createReadStream } from "node:fs";
import { link, mkdir, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Code, FiresteelError } from "../../errors.ts";
import type { Digest, Storage, StoredFile } from "../../evaluate/ports.ts";

/** Storage for `file:` URIs. `modified` is in nanoseconds, as the file system has it. */
export function createFileStorage(): Storage {
  return { scheme: "file:", list, stat: statFile, read, putIfAbsent, digest, remove };
}

async function list(uri: string, signal?: AbortSignal): Promise<readonly StoredFile[]> {
  const root = pathOf(uri);
  const found = await lookAt(root);
  if (found === null) throw missing(uri);
  if (!found.isDirectory()) return [describe(root, found)];
  const files: StoredFile[] = [];
  const folders = [root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal?.throwIfAborted();
    const entries = await readdir(folder, { withFileTypes: true }).catch((reason: unknown) => gone(reason, []));
    const names = entries
      .filter((entry) => !entry.name.startsWith("_") && !entry.name.startsWith("."))
      .map((entry) => join(folder, entry.name));
    // A file can vanish between the listing and the look: then it is not there.
    for (const [i, stats] of (await Promise.all(names.map(lookAt))).entries()) {
      if (stats === null) continue;
      if (stats.isDirectory()) folders.push(names[i]!);
      else files.push(describe(names[i]!, stats));
    }
  }
  return files.sort((a, b) => (a.uri < b.uri ? -1 : 1));
}

async function statFile(uri: string): Promise<StoredFile | null> {
  const path = pathOf(uri);
  const found = await lookAt(path);
  return found === null ? null : describe(path, found);
}

async function read(uri: string): Promise<Uint8Array> {
  return readFile(pathOf(uri)).catch((reason: unknown) => {
    throw isMissing(reason) ? missing(uri, reason) : failed("read", uri, reason);
  });
}

async function putIfAbsent(uri: string, bytes: Uint8Array): Promise<boolean> {
  const path = pathOf(uri);
  if ((await lookAt(path)) !== null) return false;
  // Written and synced under another name in the same folder, then linked: readers see all of it or nothing, and the link fails where another was first.
  const draft = join(dirname(path), `.${randomBytes(8).toString("hex")}.tmp`);
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(draft, "wx");
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(draft, path);
    return true;
  } catch (reason) {
    if ((reason as { code?: unknown }).code === "EEXIST") return false;
    throw failed("write", uri, reason);
  } finally {
    await rm(draft, { force: true });
  }
}

async function digest(uri: string, signal?: AbortSignal): Promise<Digest> {
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(pathOf(uri), { highWaterMark: 1 << 18 }), hash, {
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (reason) {
    signal?.throwIfAborted();
    throw isMissing(reason) ? missing(uri, reason) : failed("read", uri, reason);
  }
  return hash.digest("hex");
}

async function remove(uri: string): Promise<void> {
  await rm(pathOf(uri), { recursive: true, force: true }).catch((reason: unknown) => {
    throw failed("remove", uri, reason);
  });
}

/** Path of a `file:` URI; both `file:///a` and Hadoop's `file:/a` are meant. */
function pathOf(uri: string): string {
  try {
    return fileURLToPath(uri);
  } catch (cause) {
    throw new FiresteelError(Code.invalidArgument, `not a file: URI of this machine: ${uri}`, { cause });
  }
}

type BigStats = Pick<Stats, "isDirectory"> & { readonly size: bigint; readonly mtimeNs: bigint };

async function lookAt(path: string): Promise<BigStats | null> {
  return stat(path, { bigint: true }).catch((reason: unknown) => gone(reason, null));
}

function describe(path: string, stats: BigStats): StoredFile {
  return { uri: pathToFileURL(path).href, bytes: Number(stats.size), modified: String(stats.mtimeNs) };
}

function isMissing(reason: unknown): boolean {
  const code = (reason as { code?: unknown } | null)?.code;
  return code === "ENOENT" || code === "ENOTDIR";
}

function gone<T>(reason: unknown, instead: T): T {
  if (isMissing(reason)) return instead;
  throw reason;
}

function missing(uri: string, cause?: unknown): FiresteelError {
  return new FiresteelError(Code.notFound, `file or folder does not exist: ${uri}`, { cause, details: { uri } });
}

function failed(what: string, uri: string, cause: unknown): FiresteelError {
  const code = (cause as { code?: unknown }).code;
  const full = code === "ENOSPC" || code === "EDQUOT";
  return new FiresteelError(
    full ? Code.resourceExhausted : code === "EACCES" ? Code.permissionDenied : Code.unavailable,
    `cannot ${what} ${uri}: ${(cause as Error).message}`,
    { cause, details: { uri } },
  );
}
