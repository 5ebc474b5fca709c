/**
 * The packed part of a call's row: everything but its eval hash and its task.
 *
 * Small values are in it, so that a call is one row to write and one to read; larger ones are named by digest. In order: kind, start, duration, result, and the arguments up to the end.
 */

import type { CallRecord, Digest, EpochMs, Outcome } from "../evaluate/ports.ts";
import { digestValue } from "../hash/digest.ts";
import { holdsStored, readStored } from "../hash/stored.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";

/** Where a value is: in the call's row, in a row of its own, or in a file of its own; `stored`: in a file, and so it is handed out (`hash/stored.ts`). */
export type ValuePlace = "inline" | "row" | "file" | "stored";
const PLACES = ["inline", "row", "file", "stored"] as const;

/** Says where a value of this length goes. `taken`: what the row holds already. */
export type PlaceValue = (length: number, taken: number) => Exclude<ValuePlace, "stored">;

/** A value that is not in the row. */
export interface ValueName {
  readonly place: "row" | "file" | "stored";
  readonly digest: Digest;
  readonly length: number;
}

/** A result as it is read: with its bytes, or where they are. */
export interface StoredOutcome {
  readonly kind: Outcome["kind"];
  readonly digest: Digest;
  readonly bytes: Uint8Array | ValueName;
}

export interface StoredArgument {
  readonly digest: Digest;
  readonly bytes: Uint8Array | ValueName;
}

/** All of a call's row. */
export interface CallBody {
  readonly outcome: StoredOutcome;
  readonly args: readonly StoredArgument[];
  readonly startedAt: EpochMs;
  readonly endedAt: EpochMs;
}

/** Appends a call's body. */
export function writeCallBody(writer: ByteWriter, call: CallRecord, placeOf: PlaceValue): void {
  const { outcome } = call;
  const startedAt = Math.round(call.startedAt);
  const { place, length } = placed(outcome.bytes, 0, placeOf);
  writer.byte((outcome.kind === "expression" ? 1 : 0) | (PLACES.indexOf(place) << 1));
  writer.int(startedAt);
  writer.signed(Math.round(call.endedAt) - startedAt);
  writer.digest(outcome.digest);
  writer.int(length);
  let taken = 0;
  if (place === "inline") {
    writer.raw(outcome.bytes);
    taken += outcome.bytes.length;
  }
  for (const { digest, bytes } of call.args) {
    const { place, length } = placed(bytes, taken, placeOf);
    writer.byte(PLACES.indexOf(place));
    writer.int(length);
    if (place === "inline") {
      writer.raw(bytes);
      taken += bytes.length;
    } else writer.digest(digest);
  }
}

/** Where a value of a call goes, and its length there. */
function placed(
  bytes: Uint8Array,
  taken: number,
  placeOf: PlaceValue,
): { readonly place: ValuePlace; readonly length: number } {
  const stored = readStored(bytes);
  if (stored !== null) return { place: "stored", length: stored.length };
  // What holds stored values goes where its digest is beside it, which cannot be computed from these bytes; files hold whole values only.
  return { place: holdsStored(bytes) ? "row" : placeOf(bytes.length, taken), length: bytes.length };
}

/** Calls back with each value of a call that is not in its row, and not in a file already. */
export function eachOutside(
  call: CallRecord,
  placeOf: PlaceValue,
  told: (place: "row" | "file", digest: Digest, bytes: Uint8Array) => void,
): void {
  let taken = 0;
  const look = (digest: Digest, bytes: Uint8Array): void => {
    const { place } = placed(bytes, taken, placeOf);
    if (place === "inline") taken += bytes.length;
    else if (place !== "stored") told(place, digest, bytes);
  };
  look(call.outcome.digest, call.outcome.bytes);
  for (const arg of call.args) look(arg.digest, arg.bytes);
}

/** Reads the result of a body that stands behind its length, and goes to the body's end. */
export function readOutcome(reader: ByteReader): StoredOutcome {
  const length = reader.uint32();
  const end = reader.at + length;
  const flags = reader.byte();
  reader.int();
  reader.signed();
  const outcome = readResult(reader, flags);
  reader.at = end;
  return outcome;
}

/** Reads a whole body. */
export function readCallBody(reader: ByteReader): CallBody {
  const flags = reader.byte();
  const startedAt = reader.int();
  const endedAt = startedAt + reader.signed();
  const outcome = readResult(reader, flags);
  const args: StoredArgument[] = [];
  while (!reader.done) {
    const place = PLACES[reader.byte()] as ValuePlace;
    const length = reader.int();
    if (place === "inline") {
      const bytes = reader.raw(length);
      // Not stored: the eval hash names it, and it can be computed from the bytes.
      args.push({ digest: digestValue(bytes), bytes });
    } else {
      const digest = reader.digest();
      args.push({ digest, bytes: { place, digest, length } });
    }
  }
  return { outcome, args, startedAt, endedAt };
}

function readResult(reader: ByteReader, flags: number): StoredOutcome {
  const place = PLACES[flags >> 1] as ValuePlace;
  const kind = (flags & 1) === 1 ? "expression" : "value";
  const digest = reader.digest();
  const length = reader.int();
  return { kind, digest, bytes: place === "inline" ? reader.raw(length) : { place, digest, length } };
}
