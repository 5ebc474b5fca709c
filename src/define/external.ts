/**
 * Values that stand for data outside the program: files, directories and datasets of known content.
 *
 * A body receives these; it gets them by its arguments and cannot make them. Authors write `file("...")`, `directory("...")`, `glob("...")` (`define/files.ts`) and
 * `dataset("...")` (`define/forms.ts`), whose content is looked at when the expression is evaluated.
 */

import type { StructType } from "./schema.ts";

/**
 * By what a file is known.
 *
 * | | the file is the same while | strength |
 * | --- | --- | --- |
 * | `content` | its bytes are the same (SHA-256) | exact |
 * | `stat` | its size and its modification time are the same | weak: a write of the same size within one tick of the clock, or with the time put back, is not noticed; and a mere touch makes it another |
 * | `etag` | the server gives the same strong ETag, or without one the same Last-Modified and length | as good as the server's word |
 */
export type FileIdentity = "content" | "stat" | "etag";

/** A file whose content is known. Its identity is its path and its version. */
export class FileValue {
  readonly kind = "file";
  /** Path or URL as the author wrote it; a relative path is meant from the project's root. */
  readonly path: string;
  readonly by: FileIdentity;
  /** What tells this content from another at that path: the SHA-256 of the content (64 hex digits), size and modification time, or the ETag. */
  readonly version: string;

  constructor(path: string, version: string, by: FileIdentity = "content") {
    this.path = path;
    this.by = by;
    this.version = version;
    Object.freeze(this);
  }

  /** SHA-256 of the content, 64 hex digits; null for a file that is not known by its content. */
  get digest(): string | null {
    return this.by === "content" ? this.version : null;
  }
}

/** A file in a directory. */
export interface DirectoryEntry {
  /** Path below the directory, with `/`. */
  readonly name: string;
  /** As {@link FileValue.version}. */
  readonly version: string;
}

/**
 * A directory whose files are known. Its identity is its path and, for each file at any depth, name and version; neither the order in which the file system lists them, nor empty folders, nor times and
 * owners of folders count.
 */
export class DirectoryValue {
  readonly kind = "directory";
  /** Path as the author wrote it, without a slash at the end. */
  readonly path: string;
  readonly by: FileIdentity;
  /** Whether files and folders whose names start with a dot are among the entries. */
  readonly hidden: boolean;
  /** The files at any depth, sorted by name. */
  readonly entries: readonly DirectoryEntry[];

  constructor(path: string, entries: readonly DirectoryEntry[], by: FileIdentity = "content", hidden = false) {
    this.path = path;
    this.by = by;
    this.hidden = hidden;
    this.entries = entries;
    Object.freeze(this);
  }

  /** The files at any depth, sorted by name. */
  get files(): FileValue[] {
    return this.entries.map((entry) => this.#file(entry));
  }

  /** The file of a name (`a/b.csv`); undefined when the directory has none of it. */
  file(name: string): FileValue | undefined {
    const entry = this.entries.find((candidate) => candidate.name === name);
    return entry && this.#file(entry);
  }

  #file({ name, version }: DirectoryEntry): FileValue {
    return new FileValue(pathBelow(this.path, name), version, this.by);
  }
}

/** The path of a file below a folder, in the folder's own notation: escaped below a URI. */
export function pathBelow(folder: string, name: string): string {
  const below = /^[a-z][a-z0-9+.-]+:/i.test(folder) ? name.split("/").map(encodeURIComponent).join("/") : name;
  return folder.endsWith("/") ? folder + below : `${folder}/${below}`;
}

/** A dataset whose content is known: an unordered bag of rows with a schema. Its identity says nothing about where it is stored. */
export class DatasetValue {
  readonly kind = "dataset";
  /** Digest of schema and rows, 64 hex digits. */
  readonly identity: string;

  constructor(identity: string) {
    this.identity = identity;
    Object.freeze(this);
  }

  /** Number of rows; null where nobody counted them. */
  get rows(): number | null {
    return describe(this).rows;
  }

  /** The recorded schema; null for files that firesteel did not write. */
  get schema(): StructType | null {
    return describe(this).schema;
  }
}

/** What a body may know of a dataset beside its identity. */
export interface DatasetFacts {
  readonly rows: number | null;
  readonly schema: StructType | null;
}

/** Where the rows of a dataset can be read right now. Only reading functions see it: a place is no part of an identity. */
export interface DatasetPlace extends DatasetFacts {
  readonly location: string;
  readonly format: string;
  readonly partitionBy: readonly string[];
  readonly files: readonly { readonly path: string }[];
}

const places = new Map<string, DatasetPlace>();

/** Makes a dataset known to the bodies that run on this thread. @internal */
export function rememberDataset(identity: string, place: DatasetPlace): void {
  places.set(identity, place);
}

/** The place of a dataset that this thread was told of. @internal */
export function placeOf(value: DatasetValue): DatasetPlace | undefined {
  return places.get(value.identity);
}

function describe(value: DatasetValue): DatasetFacts {
  return placeOf(value) ?? { rows: null, schema: null };
}
