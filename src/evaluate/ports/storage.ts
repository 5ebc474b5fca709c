/** Files by URI. */

import type { Digest } from "../../hash/digest.ts";

/** One file as a storage sees it. */
export interface StoredFile {
  readonly uri: string;
  /** Its size; -1 where the storage does not tell (HTTP without Content-Length). */
  readonly bytes: number;
  /** Modification time in ns since the epoch, as a decimal string, in the resolution that the storage has; "" where it has none. */
  readonly modified: string;
  /** By what the storage itself tells one content of the file from another: a strong ETag, or what stands for it there. Absent where there is no such thing. */
  readonly etag?: string;
  /** What changes with every change of the file, as far as the storage can tell: inode and change time, an ETag. Absent where it cannot tell. */
  readonly stamp?: string;
  /** Another change would make another `stamp`: the last one lies further back than the clock that stamps is coarse. */
  readonly settled: boolean;
  /** It is a folder; only `stat` tells of one. */
  readonly folder?: true;
}

/** What is looked at below a folder. */
export interface ListOptions {
  /** Whether a file or folder is looked at, by its path below the listed folder, with `/`. By default all but those with a name on the way that starts with `_` or `.`, as Spark does. */
  readonly include?: (path: string, folder: boolean) => boolean;
  readonly signal?: AbortSignal | undefined;
}

/** What is read of a file. */
export interface ReadOptions {
  /** The first byte; 0 when it is not given. */
  readonly start?: number;
  /** The byte before which to stop; the file's end when it is not given or behind it. */
  readonly end?: number;
  /** Only the file as it was when it was looked at: code `aborted` with details `{ kind: "inputChanged" }`, at the latest when all is read, where the storage can tell that it is another by now. */
  readonly expected?: StoredFile;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Files by URI, to be looked at and read. A missing thing is code `not_found`; who may not read `permission_denied`; what cannot be reached now `unavailable`.
 *
 * A storage plugs in by the schemes of its URIs (`route/storage/storages.ts`), and `test/route/storage/storage.suite.ts` says of any whether it keeps to this.
 */
export interface ReadableStorage {
  /** All files below a folder, at any depth, sorted by URI; the file itself when the URI names a file. Absent where there are no folders (HTTP). */
  list?(uri: string, options?: ListOptions): Promise<readonly StoredFile[]>;
  /** The file, or folder, as it is now; null when there is none. */
  stat(uri: string, signal?: AbortSignal): Promise<StoredFile | null>;
  /** The content in memory. With `maxBytes`, code `resource_exhausted` as soon as there turn out to be more. */
  read(uri: string, options?: ReadOptions & { readonly maxBytes?: number }): Promise<Uint8Array>;
  /** The content piece by piece. Nothing is opened before the first piece is asked for; leaving early closes. */
  stream(uri: string, options?: ReadOptions): AsyncIterable<Uint8Array>;
  /** SHA-256 of the content, in memory that does not grow with it. */
  digest(uri: string, signal?: AbortSignal): Promise<Digest>;
  /** What the storage itself keeps of a file's content, got without reading it: equal only where the contents are equal (the other way round it may depend on how they were written). Absent where there is no such thing. */
  checksum?(file: StoredFile, signal?: AbortSignal): Promise<string>;
}

/** Files by URI, also to be written. */
export interface Storage extends ReadableStorage {
  list(uri: string, options?: ListOptions): Promise<readonly StoredFile[]>;
  /** Writes a whole file that is never seen half; false when it existed already (then nothing was written). */
  putIfAbsent(uri: string, bytes: Uint8Array): Promise<boolean>;
  /** Removes a file or a folder with all below it; a missing one is fine. */
  remove(uri: string): Promise<void>;
}
