/**
 * Digests: SHA-256 over canonical CBOR of `[tag, ...]`. The tag says what kind of identity it is, so that two identities of different kinds are never equal.
 */

import { createHash, type Hash, hash } from "node:crypto";
import { Major, withWriter } from "./cbor.ts";
import { writeValue } from "./value.ts";

/** A SHA-256 digest as 64 lower-case hex digits. */
export type Digest = string;

/**
 * Digest of `[tag, ...parts]`, each part a value of the value domain.
 *
 * @example
 * ```ts
 * digestOf("call", "sales.main", codeDigest, [argumentDigest]);
 * ```
 */
export function digestOf(tag: string, ...parts: readonly unknown[]): Digest {
  return withWriter((writer) => {
    writer.head(Major.array, parts.length + 1);
    writer.text(tag);
    for (const part of parts) writeValue(writer, part);
    return hash("sha256", writer.view(), "hex");
  });
}

const VALUE_PREFIX = Uint8Array.of((Major.array << 5) | 2, (Major.text << 5) | 5, ...new TextEncoder().encode("value"));

const COPY_BYTES = 4096;

/** Digest of a value, given its canonical encoding: of `["value", <the encoding>]`. */
export function digestValue(encoding: Uint8Array): Digest {
  // Hashing in one go is twice as quick as feeding a hash object, and worth a copy of what is short.
  if (encoding.length <= COPY_BYTES) {
    return withWriter((writer) => {
      writer.raw(VALUE_PREFIX);
      writer.raw(encoding);
      return hash("sha256", writer.view(), "hex");
    });
  }
  return known.get(encoding) ?? valueHash().update(encoding).digest("hex");
}

/** Digests of long encodings that are in memory. */
const known = new WeakMap<Uint8Array, Digest>();

/** Remembers the digest of an encoding that was told with it, so that a large result is not hashed again each time it is an argument. */
export function rememberDigest(encoding: Uint8Array, digest: Digest): void {
  if (encoding.length > COPY_BYTES) known.set(encoding, digest);
}

/** A hash that gives {@link digestValue} (as hex) of an encoding that is fed to it piece by piece. */
export function valueHash(): Hash {
  return createHash("sha256").update(VALUE_PREFIX);
}

/** SHA-256 of plain bytes: the identity of a file's content. */
export function digestBytes(bytes: Uint8Array | string): Digest {
  return hash("sha256", bytes, "hex");
}
