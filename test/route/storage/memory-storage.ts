/** Files in memory: a whole storage for tests that must not wait for a disk. */

import { createHash } from "node:crypto";
import { type Clock, machineClock } from "../../../src/clock.ts";
import { Code, FiresteelError } from "../../../src/errors.ts";
import { inputChanged } from "../../../src/evaluate/file-identity.ts";
import type { ListOptions, ReadOptions, Storage, StoredFile } from "../../../src/evaluate/ports.ts";

interface Kept {
  readonly bytes: Uint8Array;
  readonly modifiedMs: number;
  readonly version: number;
}

const PIECE_BYTES = 64 * 1024;

/** Everything below any URI; `%2F` in a name is no separator. */
export class MemoryStorage implements Storage {
  readonly #clock: Clock;
  readonly #files = new Map<string, Kept>();
  /** Files by the folders above them. */
  readonly #below = new Map<string, Set<string>>();
  #versions = 0;

  constructor(clock: Clock = machineClock) {
    this.#clock = clock;
  }

  /** Puts or replaces a file. */
  put(uri: string, bytes: Uint8Array): void {
    for (const folder of foldersOf(uri)) {
      const below = this.#below.get(folder) ?? new Set();
      this.#below.set(folder, below.add(uri));
    }
    this.#files.set(uri, { bytes, modifiedMs: this.#clock.now(), version: ++this.#versions });
  }

  async list(uri: string, { include, signal }: ListOptions = {}): Promise<readonly StoredFile[]> {
    signal?.throwIfAborted();
    const file = this.#stat(uri);
    if (file !== null) return [file];
    const prefix = `${uri}/`;
    const found: StoredFile[] = [];
    const looked = new Map<string, boolean>();
    const looks = (path: string, folder: boolean) =>
      include === undefined ? !/^[_.]/.test(path.slice(path.lastIndexOf("/") + 1)) : include(path, folder);
    const below = this.#below.get(uri);
    if (below === undefined) throw missing(uri);
    for (const key of below) {
      const parts = key.slice(prefix.length).split("/").map(decodeURIComponent);
      let open = true;
      for (let i = 1; i < parts.length && open; i++) {
        const folder = parts.slice(0, i).join("/");
        if (!looked.has(folder)) looked.set(folder, looks(folder, true));
        open = looked.get(folder)!;
      }
      if (open && looks(parts.join("/"), false)) found.push(this.#stat(key)!);
    }
    return found.sort((a, b) => (a.uri < b.uri ? -1 : 1));
  }

  async stat(uri: string, signal?: AbortSignal): Promise<StoredFile | null> {
    signal?.throwIfAborted();
    const file = this.#stat(uri);
    if (file !== null) return file;
    return this.#below.has(uri) ? { uri, bytes: 0, modified: "0", settled: true, folder: true } : null;
  }

  async read(uri: string, options: ReadOptions & { readonly maxBytes?: number } = {}): Promise<Uint8Array> {
    options.signal?.throwIfAborted();
    const kept = this.#files.get(uri);
    if (kept === undefined) throw missing(uri);
    const { expected, start = 0, end = kept.bytes.length, maxBytes = Number.POSITIVE_INFINITY } = options;
    if (expected !== undefined && expected.stamp !== String(kept.version))
      throw inputChanged(`file changed: ${uri}`, uri);
    const part = kept.bytes.slice(start, Math.max(start, end));
    if (part.length > maxBytes)
      throw new FiresteelError(Code.resourceExhausted, `file has more than ${maxBytes} bytes: ${uri}`);
    return part;
  }

  async *stream(uri: string, options: ReadOptions = {}): AsyncIterable<Uint8Array> {
    const bytes = await this.read(uri, options);
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
  }

  async digest(uri: string, signal?: AbortSignal): Promise<string> {
    return createHash("sha256")
      .update(await this.read(uri, { signal }))
      .digest("hex");
  }

  async putIfAbsent(uri: string, bytes: Uint8Array): Promise<boolean> {
    if (this.#files.has(uri)) return false;
    this.put(uri, bytes.slice());
    return true;
  }

  async remove(uri: string): Promise<void> {
    for (const key of [uri, ...(this.#below.get(uri) ?? [])]) {
      this.#files.delete(key);
      for (const folder of foldersOf(key)) {
        this.#below.get(folder)?.delete(key);
        if (this.#below.get(folder)?.size === 0) this.#below.delete(folder);
      }
    }
  }

  #stat(uri: string): StoredFile | null {
    const kept = this.#files.get(uri);
    if (kept === undefined) return null;
    const modified = String(BigInt(Math.round(kept.modifiedMs)) * 1_000_000n);
    return { uri, bytes: kept.bytes.length, modified, stamp: String(kept.version), settled: true };
  }
}

function foldersOf(uri: string): readonly string[] {
  const folders: string[] = [];
  for (let at = uri.lastIndexOf("/"); at > 0; at = uri.lastIndexOf("/", at - 1)) folders.push(uri.slice(0, at));
  return folders;
}

function missing(uri: string): FiresteelError {
  return new FiresteelError(Code.notFound, `file does not exist: ${uri}`, { details: { uri } });
}
