/**
 * Deterministic CBOR (RFC 8949, section 4.2: shortest heads, definite lengths, map keys sorted bytewise by their encodings): a writer for building encodings piece by piece, and a reader that can
 * walk over an encoding without decoding it.
 *
 * Written here, not taken from a library, for two reasons. Evaluation splices finished encodings into others (an argument list is the encodings of its parts, joined), which libraries do not
 * offer. And the stock ones merge values that must differ (`1` and `1n`, a Map and an object, `-0` and `0`). The tests compare with a library as an oracle where both agree.
 */

/** Major types of RFC 8949, section 3.1. */
export const Major = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What is this long is no part of the growing buffer: neither a byte string of the caller's, nor what was written so far, is copied because more comes. */
const PIECE_BYTES = 1 << 18;

/** Appends CBOR items to a growing buffer; what gets long is a list of pieces. Byte strings must not change before the bytes were asked for. */
export class CborWriter {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  /** What comes before the buffer. */
  #pieces: Uint8Array[] = [];
  #inPieces = 0;
  /** Whether what was written is data and nothing else; whoever writes the name of something (a file, a task) says that it is not. */
  plain = true;

  /** Number of bytes written so far. */
  get length(): number {
    return this.#inPieces + this.#length;
  }

  /** Writes a head: major type and argument (a length, a count, a tag number, an integer). */
  head(major: number, argument: number): void {
    this.#reserve(9);
    const high = major << 5;
    if (argument < 24) {
      this.#bytes[this.#length++] = high | argument;
    } else if (argument < 0x100) {
      this.#bytes[this.#length++] = high | 24;
      this.#bytes[this.#length++] = argument;
    } else if (argument < 0x10000) {
      this.#bytes[this.#length++] = high | 25;
      this.#view.setUint16(this.#length, argument);
      this.#length += 2;
    } else if (argument < 0x100000000) {
      this.#bytes[this.#length++] = high | 26;
      this.#view.setUint32(this.#length, argument);
      this.#length += 4;
    } else {
      this.#bytes[this.#length++] = high | 27;
      this.#view.setBigUint64(this.#length, BigInt(argument));
      this.#length += 8;
    }
  }

  /** Writes a text string; it must be well-formed. */
  text(value: string): void {
    // Short ASCII is the common case (keys, names, digests) and is quicker by hand than through TextEncoder.
    const n = value.length;
    if (n < 0x100) {
      // What `head` reserves too: growing in it would lose the text, which is not counted as written yet.
      this.#reserve(9 + n);
      const start = this.#length + (n < 24 ? 1 : 2);
      let i = 0;
      for (; i < n; i++) {
        const c = value.charCodeAt(i);
        if (c > 127) break;
        this.#bytes[start + i] = c;
      }
      if (i === n) {
        this.head(Major.text, n);
        this.#length = start + n;
        return;
      }
    }
    const bytes = encoder.encode(value);
    this.head(Major.text, bytes.length);
    this.raw(bytes);
  }

  /** Writes a byte string. */
  bytes(value: Uint8Array): void {
    this.head(Major.bytes, value.length);
    this.raw(value);
  }

  /** Writes a number: integers in the safe range (except -0) as integers, all others as the shorter of the 32 and 64 bit floats that keeps the value (16 bits are left out: Node 22 has no half floats); every NaN is one value. */
  number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      if (value >= 0) this.head(Major.unsigned, value);
      else this.head(Major.negative, -1 - value);
      return;
    }
    this.#reserve(9);
    if (Number.isNaN(value)) {
      this.#bytes.set([0xfa, 0x7f, 0xc0, 0x00, 0x00], this.#length);
      this.#length += 5;
    } else if (Math.fround(value) === value) {
      this.#bytes[this.#length] = 0xfa;
      this.#view.setFloat32(this.#length + 1, value);
      this.#length += 5;
    } else {
      this.#bytes[this.#length] = 0xfb;
      this.#view.setFloat64(this.#length + 1, value);
      this.#length += 9;
    }
  }

  /** Writes a simple value: 20 false, 21 true, 22 null, 23 undefined. */
  simple(value: number): void {
    this.head(Major.simple, value);
  }

  /** Appends bytes that are CBOR already. */
  raw(value: Uint8Array): void {
    if (value.length >= PIECE_BYTES) {
      this.#flush();
      // Other threads may write to shared memory at any time.
      this.#push(value.buffer instanceof SharedArrayBuffer ? new Uint8Array(value) : value);
      return;
    }
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  /** Drops everything. */
  clear(): void {
    this.#length = 0;
    this.plain = true;
    if (this.#inPieces === 0) return;
    this.#pieces = [];
    this.#inPieces = 0;
  }

  /** The bytes written so far, in place where that is possible: valid until the next write. */
  view(): Uint8Array {
    return this.#inPieces === 0 ? this.#bytes.subarray(0, this.#length) : this.slice();
  }

  /** A copy of the bytes written so far. */
  slice(): Uint8Array {
    return this.#inPieces === 0 ? this.#bytes.slice(0, this.#length) : concat(this.pieces());
  }

  /** The bytes written so far, one after the other; long byte strings are the caller's own. */
  pieces(): readonly Uint8Array[] {
    return [...this.#pieces, this.#bytes.slice(0, this.#length)];
  }

  #push(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#inPieces += piece.length;
  }

  /** Makes a piece of what is in the buffer. */
  #flush(): void {
    if (this.#length === 0) return;
    this.#push(this.#bytes.slice(0, this.#length));
    this.#length = 0;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    if (this.#length >= PIECE_BYTES) this.#flush();
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** A buffer that grew beyond this is not kept for the next use. */
const KEEP_BYTES = 1 << 20;
let spare: CborWriter | undefined;

/** Lends a writer, which saves its allocation: the result must not hold on to it. May be nested. */
export function withWriter<T>(use: (writer: CborWriter) => T): T {
  const writer = spare ?? new CborWriter();
  spare = undefined;
  try {
    return use(writer);
  } finally {
    if (writer.length <= KEEP_BYTES) {
      writer.clear();
      spare = writer;
    }
  }
}

/** A decoded head and where its content starts. */
export interface Head {
  readonly major: number;
  /** Length, count, tag number or integer; for major 7 the additional information. */
  readonly argument: number;
  /** Offset behind the head. */
  readonly next: number;
}

/** Reads the head of the item at `offset`. */
export function readHead(bytes: Uint8Array, offset: number): Head {
  const initial = bytes[offset];
  if (initial === undefined) throw new RangeError(`encoding ends at byte ${offset}`);
  const major = initial >> 5;
  const info = initial & 31;
  if (info < 24) return { major, argument: info, next: offset + 1 };
  if (info > 27) throw new RangeError(`encoding has a head that is not canonical at byte ${offset}`);
  const size = 1 << (info - 24);
  if (offset + 1 + size > bytes.length) throw new RangeError(`encoding ends at byte ${bytes.length}`);
  if (major === Major.simple) return { major, argument: info, next: offset + 1 + size };
  let argument = 0;
  for (let i = 1; i <= size; i++) argument = argument * 256 + bytes[offset + i]!;
  return { major, argument, next: offset + 1 + size };
}

/** Offset behind the item at `offset`. Iterative: nesting depth costs no stack. */
export function skipItem(bytes: Uint8Array, offset: number): number {
  let pending = 1;
  let at = offset;
  while (pending > 0) {
    const head = readHead(bytes, at);
    at = head.next;
    pending--;
    if (head.major === Major.bytes || head.major === Major.text) at += head.argument;
    else if (head.major === Major.array) pending += head.argument;
    else if (head.major === Major.map) pending += 2 * head.argument;
    else if (head.major === Major.tag) pending += 1;
  }
  if (at > bytes.length) throw new RangeError(`encoding ends at byte ${bytes.length}`);
  return at;
}

/** Reads the text string at `offset`. */
export function readText(bytes: Uint8Array, offset: number): { readonly value: string; readonly next: number } {
  const head = readHead(bytes, offset);
  if (head.major !== Major.text) throw new RangeError(`encoding has no text at byte ${offset}`);
  const next = head.next + head.argument;
  return { value: decoder.decode(bytes.subarray(head.next, next)), next };
}

/** Reads a float (additional information 26 or 27) whose content ends at `next`. */
export function readFloat(bytes: Uint8Array, info: number, next: number): number {
  const size = 1 << (info - 24);
  const view = new DataView(bytes.buffer, bytes.byteOffset + next - size, size);
  return size === 4 ? view.getFloat32(0) : view.getFloat64(0);
}

/** Joins byte arrays. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  let total = 0;
  for (const part of parts) total += part.length;
  const out = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Compares byte arrays as RFC 8949 sorts map keys: bytewise. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const d = a[i]! - b[i]!;
    if (d !== 0) return d;
  }
  return a.length - b.length;
}
