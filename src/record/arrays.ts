/**
 * Columns of many rows as Postgres array literals, one text parameter a column, for `unnest`.
 *
 * Written here and not by the drivers: both spend several times longer on a JavaScript array, and they disagree about bytes; a string they pass on as it is. Use as `${textArray(xs)}::text[]`
 * (https://www.postgresql.org/docs/18/arrays.html#ARRAYS-IO).
 */

/** Digests in hex to a literal of `bytea[]`. */
export function digestArray(digests: readonly string[]): string {
  return digests.length === 0 ? "{}" : `{"\\\\x${digests.join('","\\\\x')}"}`;
}

/** Strings to a literal of `text[]`. */
export function textArray(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? "NULL" : `"${storable(value).replace(/["\\]/g, "\\$&")}"`)).join(",")}}`;
}

/** Numbers or booleans to a literal of their array type. */
export function plainArray(values: readonly (number | boolean | null)[]): string {
  return `{${values.map((value) => (value === null ? "NULL" : String(value))).join(",")}}`;
}

/** Text that a `text` column takes: U+0000, which Postgres refuses, becomes U+2400 (its picture), a lone surrogate U+FFFD. */
export function storable(text: string): string {
  const formed = text.isWellFormed() ? text : text.toWellFormed();
  return formed.includes("\0") ? formed.replaceAll("\0", "\u2400") : formed;
}

/** Bytes in lower-case hex. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** A digest as the bytes that a `bytea` column takes. */
export function digestBytes(digest: string): Uint8Array {
  return Buffer.from(digest, "hex");
}
