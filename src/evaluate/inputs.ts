/**
 * Data outside the store as the evaluator looks at it: files and directories (`evaluate/files.ts`), fingerprints of datasets that we did not write, and whether what a stored value names is still there.
 *
 * One `Inputs` belongs to one execution and looks at each thing once, so an execution sees one state of the world; what changes while work waits is found by comparing stats afterwards. What the execution itself
 * writes is looked at again.
 */

import { DatasetValue } from "../define/external.ts";
import { Code, FiresteelError } from "../errors.ts";
import { type Digest, digestOf } from "../hash/digest.ts";
import { fileUri, storageOf } from "./file-identity.ts";
import { Files, type FilesContext } from "./files.ts";
import { mapLimited, once } from "./once.ts";
import type { DatasetFile, DatasetRecord, DatasetStore, FileStatStore, StoredFile } from "./ports.ts";

/** What {@link Inputs} needs. */
export interface InputsContext extends FilesContext {
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
  readonly files: Files;
  readonly #context: InputsContext;
  readonly #datasets = new Map<string, Promise<DatasetRecord>>();
  readonly #written = new Map<Digest, Promise<DatasetRecord>>();
  readonly #valid = new Map<Digest, Promise<DatasetRecord | null>>();

  constructor(context: InputsContext) {
    this.#context = context;
    this.files = new Files(context);
  }

  /** An environment variable's value. */
  environment(name: string): string | undefined {
    return this.#context.environment[name];
  }

  /** The absolute URI of a location or path that an author wrote. */
  uriOf(location: string): string {
    // In one form, whatever was written (`file:/a//b`, spaces): paths of files are told by what follows it.
    return fileUri(location, this.#context.root).replace(/\/+$/, "");
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

  /** Whether the files of a dataset have the stats that were recorded. */
  async unchanged(record: DatasetRecord): Promise<boolean> {
    const storage = storageOf(this.#context.storages, record.location);
    const stats = await mapLimited(record.files, 32, (file) =>
      storage.stat(file.path === "" ? record.location : `${record.location}/${file.path}`),
    );
    return stats.every((found, i) => {
      const file = record.files[i]!;
      return (
        found !== null &&
        found.bytes === file.bytes &&
        (file.modified === undefined || found.modified === file.modified) &&
        (file.etag === undefined || found.etag === file.etag)
      );
    });
  }

  async #fingerprint(location: string, read: InputOptions): Promise<DatasetRecord> {
    const uri = this.uriOf(location);
    const storage = storageOf(this.#context.storages, uri);
    if (!storage.list)
      throw new FiresteelError(
        Code.invalidArgument,
        `a dataset cannot lie at ${uri.slice(0, uri.indexOf(":"))} URLs, which have no folders and which Spark does not read; download it in a task (readStream(file("..."))) and give the task's result: ${location}`,
      );
    const format = read.format ?? "parquet";
    let files: readonly StoredFile[];
    try {
      files = await storage.list(uri);
    } catch (error) {
      if (!(error instanceof FiresteelError) || error.code !== Code.notFound) throw error;
      throw new FiresteelError(Code.notFound, `dataset location does not exist: ${location}`, { cause: error });
    }
    if (files.length === 0) throw new FiresteelError(Code.notFound, `dataset location holds no files: ${location}`);
    const digests = await this.files.checksums(files);
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
      files: named.map(
        ({ path, file }): DatasetFile => ({
          path,
          bytes: file.bytes,
          modified: file.modified,
          ...(file.etag === undefined ? {} : { etag: file.etag }),
        }),
      ),
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

/** The dataset value of a record. */
export function datasetValue(record: DatasetRecord): DatasetValue {
  return new DatasetValue(record.identity);
}
