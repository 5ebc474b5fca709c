/**
 * The folder of large values, as the workers that compute and use them see it: `<2 hex digits>/<digest>`, each written under a name of its own in `new/`, synced and renamed, so that under its final name it is whole.
 * `record/value-files.ts` reads and writes the same folder for the store.
 *
 * Here bytes go to and from the kernel at once, so that not more than one large value is in memory because it waits for the disk; only the sync is waited for.
 */

import { randomUUID } from "node:crypto";
import { closeSync, fstatSync, mkdirSync, openSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Code, FiresteelError } from "../errors.ts";
import { Major, readHead } from "../hash/cbor.ts";
import type { StoredContent } from "../hash/decode.ts";
import type { StoredValue } from "../hash/stored.ts";
import { TYPED_ARRAYS } from "../hash/tags.ts";

/** Where large values are kept, and what is large; plain data that goes to workers. */
export interface ValueFolder {
  /** An absolute path. */
  readonly directory: string;
  /** Values of more bytes are files. */
  readonly fileBytes: number;
}

/** The file of a value. */
export function valueFile(directory: string, digest: string): string {
  return join(directory, digest.slice(0, 2), digest);
}

/** Where files are written before they have their names. */
export function newFile(directory: string): string {
  return join(directory, "new", randomUUID());
}

/** The error of a value whose file is gone while somebody needs it. */
export function valueLost({ digest }: StoredValue, cause?: unknown): FiresteelError {
  return new FiresteelError(
    Code.dataLoss,
    `large value is no longer there, its file was removed or cut while an execution used it: ${digest}; run it again to compute it anew`,
    { cause, details: { kind: "valueLost", digest } },
  );
}

/** The error of a value that cannot be written. */
export function valueNotWritten(path: string, cause: unknown): FiresteelError {
  return new FiresteelError(Code.resourceExhausted, `large value cannot be written: ${path}: ${String(cause)}`, {
    cause,
  });
}

const writing = new Map<string, Promise<void>>();

/** Writes a value unless it is there with this length. Its pieces are with the kernel when this returns, and durable when it resolves. Rejects with `resource_exhausted`. */
export function writeValue(
  { directory }: ValueFolder,
  { digest, length }: StoredValue,
  pieces: readonly Uint8Array[],
): Promise<void> {
  const path = valueFile(directory, digest);
  const under = writing.get(path);
  if (under !== undefined) return under;
  if (statSync(path, { throwIfNoEntry: false })?.size === length) return Promise.resolve();
  const fresh = newFile(directory);
  try {
    writePieces(fresh, pieces);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw valueNotWritten(path, error);
  }
  const named = giveName(fresh, path).finally(() => writing.delete(path));
  writing.set(path, named);
  return named;
}

function writePieces(path: string, pieces: readonly Uint8Array[]): void {
  mkdirSync(dirname(path), { recursive: true });
  const file = openSync(path, "w");
  try {
    for (const piece of pieces) for (let at = 0; at < piece.length; ) at += writeSync(file, piece, at);
  } finally {
    closeSync(file);
  }
}

/** Gives a file its name when its content is durable; the file is gone when that fails. Rejects with `resource_exhausted`. */
export async function giveName(fresh: string, path: string): Promise<void> {
  try {
    await withFile(fresh, (file) => file.datasync());
    const made = await mkdir(dirname(path), { recursive: true });
    await rename(fresh, path);
    // The names too must be there after a power cut.
    await withFile(dirname(path), (folder) => folder.sync());
    if (made !== undefined) await withFile(dirname(dirname(path)), (folder) => folder.sync());
  } catch (error) {
    await rm(fresh, { force: true });
    throw valueNotWritten(path, error);
  }
}

async function withFile(path: string, use: (file: FileHandle) => Promise<void>): Promise<void> {
  await using file = await open(path, "r");
  await use(file);
}

/** The longest heads of a tag and of a byte string. */
const HEADS_BYTES = 12;

/** Reads a value; throws `data_loss` when its file is gone or has another length. */
export function readValue({ directory }: ValueFolder, stored: StoredValue): StoredContent {
  let file: number;
  try {
    file = openSync(valueFile(directory, stored.digest), "r");
  } catch (error) {
    throw valueLost(stored, error);
  }
  try {
    if (fstatSync(file).size !== stored.length) throw valueLost(stored);
    const start = readBytes(file, stored, 0, Math.min(HEADS_BYTES, stored.length));
    const outer = readHead(start, 0);
    const tag = outer.major === Major.tag && TYPED_ARRAYS.has(outer.argument) ? outer.argument : null;
    const head = tag === null ? outer : readHead(start, outer.next);
    if (head.major === Major.bytes && head.next + head.argument === stored.length)
      return { tag, content: readBytes(file, stored, head.next, head.argument) };
    return { encoding: readBytes(file, stored, 0, stored.length) };
  } finally {
    closeSync(file);
  }
}

function readBytes(file: number, stored: StoredValue, position: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const read = readSync(file, bytes, at, length - at, position + at);
    if (read === 0) throw valueLost(stored);
    at += read;
  }
  return bytes;
}
