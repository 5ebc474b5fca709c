/**
 * Data outside the store as the evaluator looks at it: digests of files, fingerprints of datasets that we did not write, and whether what a stored value names is still there.
 *
 * One `Inputs` belongs to one execution and looks at each thing once, so an execution sees one state of the world; what changes while work waits is found by comparing stats afterwards.
 *
 * **Stat cache.** A file's digest is taken from the store when size, mtime, inode and ctime are what they were when it was computed (ctime also moves when someone puts an old mtime back). An entry is not
 * written while the file is younger than {@link SETTLED_MS}: within one tick of the file system's clock a second write would leave the same stamp.
 */

import { stat } from "node:fs/promises";
import { isAbsolute, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { DatasetValue, type FileValue } from "../define/external.ts";
import { Code, FiresteelError } from "../errors.ts";
import { type Digest, digestOf } from "../hash/digest.ts";
import type {
  DatasetFile,
  DatasetRecord,
  DatasetStore,
  FileStat,
  FileStatStore,
  Storage,
  StoredFile,
} from "./ports.ts";

/** File systems stamp times in ticks of up to two seconds (FAT, some network file systems); Linux's local ones in a few ms. */
const SETTLED_MS = 2000;

/** What {@link Inputs} needs. */
export interface InputsContext {
  /** The project's root, an absolute path. */
  readonly root: string;
  readonly storages: ReadonlyMap<string, Storage>;
  /** The orchestrator's environment variables. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly store: DatasetStore & FileStatStore;
}

/** Reader options of a dataset as the form carries them. */
export interface InputOptions {
  readonly format?: string;
  readonly options?: Readonly<Record<string, string>>;
}

/** How one execution sees files and datasets. */
export class Inputs {
  readonly #context: InputsContext;
  readonly #digests = new Map<string, Promise<Digest>>();
  readonly #datasets = new Map<string, Promise<DatasetRecord>>();
  readonly #written = new Map<Digest, Promise<DatasetRecord>>();
  readonly #valid = new Map<Digest, Promise<DatasetRecord | null>>();

  constructor(context: InputsContext) {
    this.#context = context;
  }

  /** An environment variable's value. */
  environment(name: string): string | undefined {
    return this.#context.environment[name];
  }

  /** The absolute URI of a location or path that an author wrote. */
  uriOf(location: string): string {
    // In one form, whatever was written (`file:/a//b`, spaces): paths of files are told by what follows it.
    if (/^[a-z][a-z0-9+.-]+:/i.test(location) && !location.startsWith("file:")) return location.replace(/\/+$/, "");
    return pathToFileURL(this.#absolute(location)).href.replace(/\/+$/, "");
  }

  /** Digest of a local file's content. @throws FiresteelError `not_found` */
  fileDigest(path: string): Promise<Digest> {
    return once(this.#digests, path, () => this.#digestFile(this.#absolute(path), path));
  }

  /** Fingerprints the files under a location by their contents. @throws FiresteelError `not_found` when there are none */
  dataset(location: string, read: InputOptions): Promise<DatasetRecord> {
    return once(this.#datasets, JSON.stringify([location, read]), () => this.#fingerprint(location, read));
  }

  /** A place where a dataset of this identity can be read, unchanged; null when there is none. */
  locate(identity: Digest): Promise<DatasetRecord | null> {
    return once(this.#valid, identity, async () => {
      for (const record of await this.#context.store.findDataset(identity)) {
        if (await this.unchanged(record)) return record;
      }
      return null;
    });
  }

  /** A dataset that is written where its identity is not there yet, once. */
  written(identity: Digest, write: () => Promise<DatasetRecord>): Promise<DatasetRecord> {
    return once(this.#written, identity, async () => {
      const known = await this.locate(identity);
      if (known) return known;
      return this.record(await write());
    });
  }

  /** Records a dataset that is known to be where its record says. */
  async record(record: DatasetRecord): Promise<DatasetRecord> {
    await this.#context.store.recordDataset(record);
    this.#valid.set(record.identity, Promise.resolve(record));
    return record;
  }

  /** Whether a file still has the content that a value says. */
  async fileValid(file: FileValue): Promise<boolean> {
    try {
      return (await this.fileDigest(file.path)) === file.digest;
    } catch (error) {
      if (error instanceof FiresteelError && error.code === Code.notFound) return false;
      throw error;
    }
  }

  /** Whether the files of a dataset have the stats that were recorded. */
  async unchanged(record: DatasetRecord): Promise<boolean> {
    const storage = this.#storage(record.location);
    const stats = await mapLimited(record.files, 32, (file) =>
      storage.stat(file.path === "" ? record.location : `${record.location}/${file.path}`),
    );
    return stats.every((found, i) => {
      const file = record.files[i]!;
      return (
        found !== null &&
        found.bytes === file.bytes &&
        (file.modified === undefined || found.modified === file.modified)
      );
    });
  }

  #absolute(path: string): string {
    if (path.startsWith("file:")) return fileURLToPath(path);
    if (/^[a-z][a-z0-9+.-]+:/i.test(path))
      throw new FiresteelError(Code.invalidArgument, `file("...") takes local paths, not ${path}`);
    return isAbsolute(path) ? path : resolve(this.#context.root, path);
  }

  #storage(uri: string): Storage {
    const scheme = uri.slice(0, uri.indexOf(":") + 1);
    const storage = this.#context.storages.get(scheme);
    if (!storage)
      throw new FiresteelError(
        Code.invalidArgument,
        `locations of this scheme cannot be read (there are: ${[...this.#context.storages.keys()].join(", ")}): ${uri}`,
      );
    return storage;
  }

  async #digestFile(absolute: string, shown: string): Promise<Digest> {
    const stats = await statFile(absolute);
    if (!stats) throw new FiresteelError(Code.notFound, `file does not exist: ${shown}`);
    const { touchedMs, ...before } = stats;
    const known = (await this.#context.store.findFileStats([absolute])).get(absolute);
    if (known && known.bytes === before.bytes && known.modifiedNs === before.modifiedNs && known.inode === before.inode)
      return known.digest;
    const uri = pathToFileURL(absolute).href;
    const digest = await this.#storage(uri).digest(uri);
    const after = await statFile(absolute);
    if (
      !after ||
      after.modifiedNs !== before.modifiedNs ||
      after.bytes !== before.bytes ||
      after.inode !== before.inode
    ) {
      throw new FiresteelError(Code.aborted, `file changed while it was read: ${shown}`, {
        details: { kind: "inputChanged", location: shown },
      });
    }
    if (Date.now() - touchedMs > SETTLED_MS) {
      // A cache: without the entry the file is read again.
      this.#context.store.recordFileStat({ ...before, digest }).catch(() => undefined);
    }
    return digest;
  }

  async #fingerprint(location: string, read: InputOptions): Promise<DatasetRecord> {
    const uri = this.uriOf(location);
    const storage = this.#storage(uri);
    const format = read.format ?? "parquet";
    let files: readonly StoredFile[];
    try {
      files = await storage.list(uri);
    } catch (error) {
      if (!(error instanceof FiresteelError) || error.code !== Code.notFound) throw error;
      throw new FiresteelError(Code.notFound, `dataset location does not exist: ${location}`, { cause: error });
    }
    if (files.length === 0) throw new FiresteelError(Code.notFound, `dataset location holds no files: ${location}`);
    const digests = await mapLimited(files, 8, (file) =>
      file.uri.startsWith("file:") ? this.#digestFile(fileURLToPath(file.uri), file.uri) : storage.digest(file.uri),
    );
    const named = files.map((file, i) => ({
      path: file.uri.slice(uri.length + 1),
      file,
      digest: digests[i]!,
    }));
    const parts = named
      .map(({ path, digest }) => [partitionDirectories(path).join("/"), digest])
      .sort((a, b) => (a.join() < b.join() ? -1 : 1));
    const options = read.options ?? {};
    const record: DatasetRecord = {
      identity: digestOf("dataset", "checksums", 1, format, options, parts),
      location: uri,
      format,
      options,
      schema: null,
      partitionBy: partitionDirectories(named[0]!.path).map((directory) =>
        decodeURIComponent(directory.slice(0, directory.indexOf("="))),
      ),
      rows: null,
      files: named.map(({ path, file }): DatasetFile => ({ path, bytes: file.bytes, modified: file.modified })),
    };
    await this.#context.store.recordDataset(record);
    return record;
  }
}

/** The `key=value` directories of a path inside a dataset. */
function partitionDirectories(path: string): string[] {
  return path
    .split("/")
    .slice(0, -1)
    .filter((part) => part.includes("="));
}

async function statFile(path: string): Promise<(Omit<FileStat, "digest"> & { readonly touchedMs: number }) | null> {
  try {
    const found = await stat(path, { bigint: true });
    if (found.isDirectory()) throw new FiresteelError(Code.invalidArgument, `file("...") names a folder: ${path}`);
    return {
      path,
      bytes: Number(found.size),
      modifiedNs: String(found.mtimeNs),
      inode: `${found.ino}:${found.ctimeNs}`,
      touchedMs: Number((found.mtimeNs > found.ctimeNs ? found.mtimeNs : found.ctimeNs) / 1_000_000n),
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT" || (error as NodeJS.ErrnoException).code === "ENOTDIR")
      return null;
    throw error;
  }
}

/** The entry of a key, computed once; a failure is not kept. */
function once<K, V>(map: Map<K, Promise<V>>, key: K, compute: () => Promise<V>): Promise<V> {
  let found = map.get(key);
  if (!found) {
    found = compute();
    map.set(key, found);
    found.catch(() => map.delete(key));
  }
  return found;
}

async function mapLimited<T, R>(items: readonly T[], limit: number, apply: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  const lane = async () => {
    while (next < items.length) {
      const i = next++;
      results[i] = await apply(items[i]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
  return results;
}

/** The dataset value of a record. */
export function datasetValue(record: DatasetRecord): DatasetValue {
  return new DatasetValue(record.identity);
}
