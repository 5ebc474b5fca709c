/**
 * Values that stand for data outside the program: files and datasets of known content.
 *
 * A body receives these; it gets them by its arguments and cannot make them. Authors write `file("...")` and `dataset("...")` (`define/forms.ts`), whose content is looked at when the
 * expression is evaluated.
 */

import type { StructType } from "./schema.ts";

/** A file whose content is known. Its identity is its path and the digest of its content. */
export class FileValue {
  readonly kind = "file";
  /** Path as the author wrote it; a relative one is meant from the project's root. */
  readonly path: string;
  /** SHA-256 of the content, 64 hex digits. */
  readonly digest: string;

  constructor(path: string, digest: string) {
    this.path = path;
    this.digest = digest;
    Object.freeze(this);
  }
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
