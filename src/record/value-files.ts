/**
 * Large values, each once, as a file named by its digest: `<2 hex digits>/<digest>` in one folder.
 *
 * A file is written under a name of its own in `new/`, synced and renamed, so under its final name it is whole; the row that names it comes later. Readers check the length, and the digest when asked to. A missing or
 * damaged file is no error: whoever looks for the value does not find it, computes it again, and the next write puts the file back.
 */

import { createReadStream } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { giveName, newFile, valueFile, valueNotWritten } from "../data/value-folder.ts";
import type { Digest } from "../evaluate/ports.ts";
import { valueHash } from "../hash/digest.ts";

/** What a crash left behind is removed after this long. */
const LEFTOVER_MS = 24 * 60 * 60 * 1000;

/** Bytes, whole or piece by piece. */
export type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** The folder of large values. */
export interface ValueFiles {
  readonly directory: string;
  /** Writes a value unless it is there with this length; durable when this resolves. Equal values that are put at once are written once. Rejects when the disk is full or the folder cannot be written. */
  put(digest: Digest, chunks: Chunks, length?: number): Promise<void>;
  /** The whole value; null when it is missing or has another length. */
  read(digest: Digest, length?: number): Promise<Uint8Array | null>;
  /** Whether it is there with this length. */
  has(digest: Digest, length: number): Promise<boolean>;
  /** The value piece by piece; null when it is missing. */
  open(digest: Digest): Promise<{ readonly length: number; readonly chunks: AsyncIterable<Uint8Array> } | null>;
  /** Reads it and compares the digest. One that differs is removed, so that it is missing from then on. */
  verify(digest: Digest): Promise<boolean>;
}

/** Values in this folder, which is made when the first one comes. `onNotice` is told of files that are there and cannot be read. */
export function openValueFiles(directory: string, onNotice: (line: string) => void): ValueFiles {
  const writing = new Map<Digest, Promise<void>>();
  const pathOf = (digest: Digest): string => valueFile(directory, digest);
  const lengthOf = async (digest: Digest): Promise<number | null> => {
    try {
      return (await stat(pathOf(digest))).size;
    } catch (error) {
      return missing(error, digest);
    }
  };
  const missing = (error: unknown, digest: Digest): null => {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT"))
      onNotice(`large value cannot be read and counts as missing: ${pathOf(digest)}: ${String(error)}`);
    return null;
  };
  void sweep(join(directory, "new"));

  return {
    directory,
    put: (digest, chunks, length) => {
      const under = writing.get(digest);
      if (under !== undefined) return under;
      const put = async (): Promise<void> => {
        if (length !== undefined && (await lengthOf(digest)) === length) return;
        await writeWhole(pathOf(digest), newFile(directory), chunks);
      };
      const written = put().finally(() => writing.delete(digest));
      writing.set(digest, written);
      return written;
    },
    read: async (digest, length) => {
      try {
        const bytes = await readFile(pathOf(digest));
        return length === undefined || bytes.length === length ? bytes : null;
      } catch (error) {
        return missing(error, digest);
      }
    },
    has: async (digest, length) => (await lengthOf(digest)) === length,
    open: async (digest) => {
      const length = await lengthOf(digest);
      return length === null ? null : { length, chunks: createReadStream(pathOf(digest), { highWaterMark: 1 << 20 }) };
    },
    verify: async (digest) => {
      const hash = valueHash();
      try {
        for await (const chunk of createReadStream(pathOf(digest), { highWaterMark: 1 << 20 })) hash.update(chunk);
      } catch (error) {
        return missing(error, digest) ?? false;
      }
      if (hash.digest("hex") === digest) return true;
      await rm(pathOf(digest), { force: true });
      return false;
    },
  };
}

async function writeWhole(path: string, fresh: string, chunks: Chunks): Promise<void> {
  try {
    await mkdir(dirname(fresh), { recursive: true });
    await writeFile(fresh, chunks);
  } catch (error) {
    await rm(fresh, { force: true });
    throw valueNotWritten(path, error);
  }
  await giveName(fresh, path);
}

/** Removes what processes that were killed had not finished. */
async function sweep(fresh: string): Promise<void> {
  const before = Date.now() - LEFTOVER_MS;
  for (const name of await readdir(fresh).catch(() => [])) {
    const path = join(fresh, name);
    const found = await stat(path).catch(() => null);
    if (found !== null && found.mtimeMs < before) await rm(path, { force: true });
  }
}
