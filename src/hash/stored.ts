/**
 * Stored values: how a large value travels without its bytes.
 *
 * A body's result that is long and nothing but data (no file, dataset, task or instance in it) is written by the worker that computed it, as a file named by its digest (`data/value-folder.ts`). From then on it goes
 * about as a *stored value*, an encoding of some 45 bytes:
 *
 * ```
 * stored = tag 40112 [ digest (32 bytes), length of the canonical encoding ]
 * ```
 *
 * To the evaluator it is an encoding like any other: it is an argument, fills the gap of a template, is an item of a list or a member of an object, and is recorded with its call. Its bytes are read
 *
 * - in the worker, by the body that gets it, at any depth of its arguments (`hash/decode.ts`);
 * - in the evaluator, by a form or operator that looks into it (`evaluate/stored-values.ts`): as far as it looks, and for as long as it looks;
 * - for executors that do not share the folder (those of third parties), and at the end of an execution for its result, which clients are sent.
 *
 * **Identity.** The digest of a stored value is that of the value, so calls are known by the same hashes whether a value is stored or not. An encoding that holds stored values beside other things is not the canonical
 * one: its digest is computed over what the files hold in their places.
 *
 * **A file that is gone** never gives another value. A recorded result whose file is gone or has another length is not found, and is computed again. One that goes between its making and its use in the same execution
 * fails who needs it (`data_loss`).
 *
 * **Nobody else makes them.** No value encodes to this tag, what clients send and what executors of third parties give is refused when it holds one, and programs are searched only for what this module wrote.
 */

import { Code, FiresteelError } from "../errors.ts";
import { concat, Major, readHead, withWriter } from "./cbor.ts";
import type { Digest } from "./digest.ts";
import { visitTags } from "./scan.ts";
import { Tag } from "./tags.ts";

/** A value that lies in a file. */
export interface StoredValue {
  readonly digest: Digest;
  /** Of its canonical encoding, in bytes. */
  readonly length: number;
}

/** Tag, list of two, byte string of 32. */
const HEAD = Uint8Array.of(0xd9, Tag.stored >> 8, Tag.stored & 0xff, 0x82, 0x58, 0x20);
const DIGEST_END = HEAD.length + 32;

/** The encoding that stands for a stored value. */
export function encodeStored({ digest, length }: StoredValue): Uint8Array {
  return withWriter((writer) => {
    writer.raw(HEAD);
    writer.raw(Buffer.from(digest, "hex"));
    writer.head(Major.unsigned, length);
    return writer.slice();
  });
}

/** The stored value that an encoding stands for as a whole; null for any other encoding. */
export function readStored(bytes: Uint8Array): StoredValue | null {
  if (bytes.length <= DIGEST_END || bytes.length > DIGEST_END + 9 || bytes[1] !== HEAD[1]) return null;
  const found = storedAt(bytes, 0);
  return found?.end === bytes.length ? found : null;
}

function storedAt(bytes: Uint8Array, at: number): (StoredValue & { readonly end: number }) | null {
  for (let i = 0; i < HEAD.length; i++) if (bytes[at + i] !== HEAD[i]) return null;
  const { argument, next } = readHead(bytes, at + DIGEST_END);
  const digest = Buffer.from(bytes.buffer, bytes.byteOffset + at + HEAD.length, 32).toString("hex");
  return { digest, length: argument, end: next };
}

/** A stored value in an encoding, and the bytes `[start, end)` that stand for it. */
export interface StoredPlace extends StoredValue {
  readonly start: number;
  readonly end: number;
}

/** Where an encoding holds stored values. */
export function storedPlaces(bytes: Uint8Array): readonly StoredPlace[] {
  if (!mayHoldStored(bytes)) return [];
  const places: StoredPlace[] = [];
  visitTags(bytes, 0, bytes.length, (tag, start) => {
    if (tag !== Tag.stored) return;
    const found = storedAt(bytes, start);
    if (found === null) throw new FiresteelError(Code.dataLoss, "stored value has no name");
    places.push({ ...found, start });
  });
  return places;
}

/** The encoding with each stored value replaced by what `encodingOf` gives for it. */
export function fillStored(bytes: Uint8Array, encodingOf: (stored: StoredValue) => Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const place of storedPlaces(bytes)) {
    parts.push(bytes.subarray(at, place.start), encodingOf(place));
    at = place.end;
  }
  if (at === 0) return bytes;
  return concat([...parts, bytes.subarray(at)]);
}

/** Whether an encoding holds stored values. */
export function holdsStored(bytes: Uint8Array): boolean {
  return storedPlaces(bytes).length > 0;
}

/** A quick search, sure only when it says no: byte strings may hold anything. */
function mayHoldStored(bytes: Uint8Array): boolean {
  if (bytes.length <= DIGEST_END) return false;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(HEAD) >= 0;
}
