/** Datasets, and the digests of files, as they are recorded. */

import type { StructType } from "../../define/schema.ts";
import type { Digest } from "../../hash/digest.ts";

/** Where a dataset of known identity can be read right now, and what is in it. */
export interface DatasetRecord {
  readonly identity: Digest;
  /** URI of the folder (or file) that holds the files; no trailing slash. */
  readonly location: string;
  readonly format: string;
  /** Spark reader options. */
  readonly options: Readonly<Record<string, string>>;
  /** Recorded schema; null where Spark infers it (files that we did not write). */
  readonly schema: StructType | null;
  readonly partitionBy: readonly string[];
  /** Number of rows; null where nobody counted. */
  readonly rows: number | null;
  readonly files: readonly DatasetFile[];
}

/** One file of a dataset as it was when the dataset was fingerprinted. */
export interface DatasetFile {
  /** URI reference relative to the dataset's location (escaped, so that `location/path` is the file's URI), `key=value` directories included; "" when the location is the file itself. */
  readonly path: string;
  readonly bytes: number;
  /** Modification time in ns since the epoch as a decimal string, where the storage has one. */
  readonly modified?: string;
  /** The storage's own, where it has one: times may be coarse there. */
  readonly etag?: string;
  readonly rows?: number;
}

/** Datasets by identity, with the places where they were verified. */
export interface DatasetStore {
  recordDataset(dataset: DatasetRecord): Promise<void>;
  /** All recorded places of a dataset, newest first. */
  findDataset(identity: Digest): Promise<readonly DatasetRecord[]>;
}

/** What a file looked like when its content was digested. */
export interface FileStat {
  /** Absolute path of a local file, else the URI. */
  readonly path: string;
  readonly bytes: number;
  readonly modifiedNs: string;
  /** The storage's `stamp`: inode and change time, or an ETag. */
  readonly inode: string;
  readonly digest: Digest;
}

/** The stat cache: digests of files that need not be read again. */
export interface FileStatStore {
  findFileStats(paths: readonly string[]): Promise<ReadonlyMap<string, FileStat>>;
  recordFileStat(stat: FileStat): Promise<void>;
}
