/**
 * Files on this machine (or a mounted share) by `file:` URI.
 */

import { createHash, randomBytes } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { createReadStream } from "node:fs";
import { type FileHandle, link, mkdir, open, readdir, rm, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Code, FiresteelError } from "../../errors.ts";
import { inputChanged, sameFile } from "../../evaluate/file-identity.ts";
import type { Digest, ListOptions, ReadOptions, Storage, StoredFile } from "../../evaluate/ports.ts";
import { collect } from "./collect.ts";
import { byUri, missing, sparkReads } from "./location.ts";

/** File systems stamp times in ticks of up to two seconds (FAT, some network file systems); Linux's local ones in a few ms. */
const SETTLED_MS = 2000;
/** Bytes of one piece of a stream; the first is smaller, since most of what is read is small and a buffer costs as much as it is long. */
const PIECE = 1 << 18;
const FIRST_PIECE = 1 << 14;

/** Storage for `file:` URIs. `modified` is in nanoseconds, as the file system has it. */
export function createFileStorage(): Storage {
  return { list, stat: statFile, read, stream, putIfAbsent, digest, remove };
}

async function list(uri: string, { include = sparkReads, signal }: ListOptions = {}): Promise<readonly StoredFile[]> {
  const root = pathOf(uri);
  const found = await lookAt(root);
  if (found === null) throw missing(uri);
  if (!found.isDirectory()) return [describe(root, found)];
  const files: StoredFile[] = [];
  const folders: Folder[] = [{ path: root, below: "", links: [idOf(found)] }];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal?.throwIfAborted();
    const { path, below, links } = folder;
    const entries = await readdir(path, { withFileTypes: true }).catch((reason: unknown) => gone(reason, path, []));
    // What a link leads to is not known yet, nor what some file systems leave untold.
    const named = entries
      .map((entry) => ({ entry, path: join(path, entry.name), below: below + entry.name }))
      .filter(({ entry, below }) =>
        entry.isFile() || entry.isDirectory() ? include(below, entry.isDirectory()) : true,
      );
    const stats = await Promise.all(named.map((item) => lookAt(item.path)));
    for (const [i, item] of named.entries()) {
      const stat = stats[i] ?? null;
      if (stat === null) {
        if (item.entry.name.includes("\ufffd")) throw unreadableName(path, item.entry.name);
        // Vanished between the listing and the look, or a link that leads nowhere: not there.
        continue;
      }
      const isFolder = stat.isDirectory();
      if (!(item.entry.isFile() || item.entry.isDirectory()) && !include(item.below, isFolder)) continue;
      if (isFolder) {
        if (links.includes(idOf(stat))) throw containsItself(item.path);
        folders.push({ path: item.path, below: `${item.below}/`, links: [...links, idOf(stat)] });
      } else if (stat.isFile()) files.push(describe(item.path, stat));
    }
  }
  return files.sort(byUri);
}

/** A folder to be listed, and the folders on the way to it. */
interface Folder {
  readonly path: string;
  readonly below: string;
  readonly links: readonly string[];
}

async function statFile(uri: string): Promise<StoredFile | null> {
  const path = pathOf(uri);
  const found = await lookAt(path);
  if (found === null) return null;
  if (found.isDirectory()) return { ...describe(path, found), folder: true };
  if (found.isFile()) return describe(path, found);
  throw new FiresteelError(Code.invalidArgument, `neither a file nor a folder, but a device, pipe or socket: ${uri}`);
}

async function read(
  uri: string,
  { maxBytes, ...options }: ReadOptions & { readonly maxBytes?: number } = {},
): Promise<Uint8Array> {
  return collect(uri, stream(uri, options), maxBytes);
}

async function* stream(
  uri: string,
  { start = 0, end = Number.POSITIVE_INFINITY, expected, signal }: ReadOptions = {},
): AsyncGenerator<Uint8Array> {
  const path = pathOf(uri);
  let file: FileHandle | undefined;
  const check = async () => {
    if (!expected || !file) return;
    const now = describe(path, await file.stat({ bigint: true }));
    if (!sameFile(now, expected)) throw inputChanged(`file changed since it was looked at: ${uri}`, uri);
  };
  try {
    file = await open(path);
    await check();
    for (let at = start; at < end; ) {
      signal?.throwIfAborted();
      // A buffer of its own each time: whoever gets it may keep it.
      const { bytesRead, buffer } = await file.read(
        new Uint8Array(Math.min(at === start ? FIRST_PIECE : PIECE, end - at)),
        0,
        null,
        at,
      );
      if (bytesRead === 0) break;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
    await check();
  } catch (reason) {
    signal?.throwIfAborted();
    if (reason instanceof FiresteelError) throw reason;
    throw isMissing(reason) ? missing(uri, reason) : failed("read", uri, reason);
  } finally {
    await file?.close();
  }
}

async function putIfAbsent(uri: string, bytes: Uint8Array): Promise<boolean> {
  const path = pathOf(uri);
  if ((await lookAt(path)) !== null) return false;
  // Written and synced under another name in the same folder, then linked: readers see all of it or nothing, and the link fails where another was first.
  const draft = join(dirname(path), `.${randomBytes(8).toString("hex")}.tmp`);
  try {
    const file = await openNew(draft);
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
    await unlink(draft).catch((reason: unknown) => {
      if (!isMissing(reason)) throw failed("write", uri, reason);
    });
  }
}

/** The folder is mostly there: it is made only when it is not. */
async function openNew(path: string): Promise<FileHandle> {
  try {
    return await open(path, "wx");
  } catch (reason) {
    if (!isMissing(reason)) throw reason;
    await mkdir(dirname(path), { recursive: true });
    return open(path, "wx");
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

async function lookAt(path: string): Promise<BigIntStats | null> {
  return stat(path, { bigint: true }).catch((reason: unknown) => gone(reason, path, null));
}

function describe(path: string, stats: BigIntStats): StoredFile {
  const { mtimeNs, ctimeNs, ino, size } = stats;
  const touchedMs = Number((mtimeNs > ctimeNs ? mtimeNs : ctimeNs) / 1_000_000n);
  return {
    uri: pathToFileURL(path).href,
    bytes: Number(size),
    modified: String(mtimeNs),
    stamp: `${ino}:${ctimeNs}`,
    settled: Date.now() - touchedMs > SETTLED_MS,
  };
}

function idOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

function isMissing(reason: unknown): boolean {
  const code = (reason as { code?: unknown } | null)?.code;
  return code === "ENOENT" || code === "ENOTDIR";
}

function gone<T>(reason: unknown, path: string, instead: T): T {
  if (isMissing(reason)) return instead;
  throw failed("look at", pathToFileURL(path).href, reason);
}

function containsItself(path: string): FiresteelError {
  return new FiresteelError(Code.failedPrecondition, `folder contains itself by a symbolic link: ${path}`, {
    details: { path },
  });
}

function unreadableName(folder: string, name: string): FiresteelError {
  return new FiresteelError(
    Code.failedPrecondition,
    `name of a file is not UTF-8, so it has no path here: ${JSON.stringify(name)} in ${folder}`,
    {
      details: { folder },
    },
  );
}

function failed(what: string, uri: string, cause: unknown): FiresteelError {
  const code = (cause as { code?: unknown }).code;
  const full = code === "ENOSPC" || code === "EDQUOT";
  return new FiresteelError(
    full
      ? Code.resourceExhausted
      : code === "EACCES" || code === "EPERM"
        ? Code.permissionDenied
        : code === "EISDIR" || code === "ELOOP" || code === "ENAMETOOLONG"
          ? Code.invalidArgument
          : Code.unavailable,
    `cannot ${what} ${uri}: ${(cause as Error).message}`,
    { cause, details: { uri } },
  );
}
