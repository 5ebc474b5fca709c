/**
 * Stored values (`hash/stored.ts`) where the evaluator looks into them.
 *
 * What was read is shared for as long as somebody holds it: a list of which a thousand items are taken one by one is read once, and goes when nobody uses it any more.
 */

import { type Digest, digestValue, valueHash } from "../hash/digest.ts";
import { joinList, listItems } from "../hash/program.ts";
import { fillStored, holdsStored, readStored, type StoredValue, storedPlaces } from "../hash/stored.ts";
import type { StoredValues } from "./ports.ts";

/** The evaluator's reader of stored values. What is known at once is given at once; promises reject with `data_loss` when a file is gone. */
export class StoredReader {
  readonly #files: StoredValues;
  readonly #read = new Map<Digest, WeakRef<Uint8Array>>();
  readonly #reading = new Map<Digest, Promise<Uint8Array>>();
  /** Digests of encodings that hold stored values. */
  readonly #digests = new WeakMap<Uint8Array, Digest>();
  readonly #forget = new FinalizationRegistry<Digest>((digest) => {
    if (!this.#read.get(digest)?.deref()) this.#read.delete(digest);
  });

  constructor(files: StoredValues) {
    this.#files = files;
  }

  /** The encoding with its outermost bytes there: a list's items and an object's members may still be stored. */
  outer(bytes: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const stored = readStored(bytes);
    return stored === null ? bytes : this.#content(stored);
  }

  /** The encoding of a list with the outermost bytes of each item there. */
  outerItems(bytes: Uint8Array): Uint8Array | Promise<Uint8Array> {
    if (!holdsStored(bytes)) return bytes;
    const open = async () =>
      joinList(await Promise.all(listItems(await this.outer(bytes))!.map((item) => this.outer(item))));
    return open();
  }

  /** The canonical encoding. */
  whole(bytes: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const stored = readStored(bytes);
    if (stored !== null) return this.#content(stored);
    const places = storedPlaces(bytes);
    if (places.length === 0) return bytes;
    const fill = async () => {
      const contents = new Map<Digest, Uint8Array>();
      for (const place of places) contents.set(place.digest, await this.#content(place));
      return fillStored(bytes, ({ digest }) => contents.get(digest)!);
    };
    return fill();
  }

  /** The canonical encodings of several. */
  wholeOf(encodings: readonly Uint8Array[]): readonly Uint8Array[] | Promise<readonly Uint8Array[]> {
    return all(encodings.map((bytes) => this.whole(bytes)));
  }

  /** The digest of the value; where stored values are parts of it, computed over their files, a piece at a time. */
  digest(bytes: Uint8Array): Digest | Promise<Digest> {
    const stored = readStored(bytes);
    if (stored !== null) return stored.digest;
    if (!holdsStored(bytes)) return digestValue(bytes);
    return this.#digests.get(bytes) ?? this.#digestParts(bytes);
  }

  async #digestParts(bytes: Uint8Array): Promise<Digest> {
    const hash = valueHash();
    let at = 0;
    for (const place of storedPlaces(bytes)) {
      hash.update(bytes.subarray(at, place.start));
      for await (const chunk of this.#files.chunks(place)) hash.update(chunk);
      at = place.end;
    }
    const digest = hash.update(bytes.subarray(at)).digest("hex");
    this.#digests.set(bytes, digest);
    return digest;
  }

  #content(stored: StoredValue): Uint8Array | Promise<Uint8Array> {
    const { digest } = stored;
    const known = this.#read.get(digest)?.deref();
    if (known) return known;
    let reading = this.#reading.get(digest);
    if (!reading) {
      reading = this.#files
        .read(stored)
        .then((bytes) => {
          this.#read.set(digest, new WeakRef(bytes));
          this.#forget.register(bytes, digest);
          return bytes;
        })
        .finally(() => this.#reading.delete(digest));
      this.#reading.set(digest, reading);
    }
    return reading;
  }
}

/** All of these; a promise only where one of them is one. */
export function all<T>(values: readonly (T | Promise<T>)[]): readonly T[] | Promise<readonly T[]> {
  return values.some((value) => value instanceof Promise) ? Promise.all(values) : (values as readonly T[]);
}
