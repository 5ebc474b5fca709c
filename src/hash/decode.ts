/**
 * Decodes the canonical encoding of values (`value.ts` has the table).
 */

import { InstanceValue } from "../define/codec.ts";
import { DatasetValue, DirectoryValue, type FileIdentity, FileValue } from "../define/external.ts";
import { makePartial } from "../define/partial.ts";
import { TaskReference } from "../define/task.ts";
import { makeWork, type SparkWork } from "../define/work.ts";
import { Code, FiresteelError } from "../errors.ts";
import { Major, readFloat, readHead, readText } from "./cbor.ts";
import type { StoredValue } from "./stored.ts";
import { MAX_DEPTH, Tag, TYPED_ARRAYS } from "./tags.ts";

/** Makes the value of a task's name; by default a {@link TaskReference}. */
export type ReviveTask = (name: string) => unknown;
/** Makes the instance of a codec's encoded value; by default an {@link InstanceValue}. */
export type ReviveInstance = (codec: string, encoded: unknown) => unknown;

/** What a stored value's file holds: its canonical encoding, or where that is one byte string or typed array, the content alone, in a buffer of its own. */
export type StoredContent =
  | { readonly encoding: Uint8Array }
  | { readonly tag: number | null; readonly content: Uint8Array<ArrayBuffer> };
/** Reads a stored value; by default an error, since who has the encodings of stored values before him must know. */
export type OpenStored = (stored: StoredValue) => StoredContent;

/**
 * The value of a canonical encoding: private to the caller, in canonical order.
 *
 * @throws FiresteelError `data_loss` when the bytes are no such encoding
 */
export function decodeValue(
  bytes: Uint8Array,
  reviveTask: ReviveTask = (name) => new TaskReference(name),
  reviveInstance: ReviveInstance = (codec, encoded) => new InstanceValue(codec, encoded),
  openStored: OpenStored = refuseStored,
): unknown {
  try {
    return new Decoder(bytes, { reviveTask, reviveInstance, openStored }, 0).decode();
  } catch (error) {
    if (error instanceof FiresteelError) throw error;
    throw new FiresteelError(Code.dataLoss, `stored value is damaged: ${(error as Error).message}`, { cause: error });
  }
}

function refuseStored({ digest }: StoredValue): never {
  throw new FiresteelError(Code.internal, `stored value was not read before it was decoded: ${digest}`);
}

interface Revivers {
  readonly reviveTask: ReviveTask;
  readonly reviveInstance: ReviveInstance;
  readonly openStored: OpenStored;
}

class Decoder {
  readonly #bytes: Uint8Array;
  readonly #revivers: Revivers;
  #at = 0;
  #depth: number;

  constructor(bytes: Uint8Array, revivers: Revivers, depth: number) {
    // A Buffer's `slice` is a view, and a body's values must be its own.
    this.#bytes = Buffer.isBuffer(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes;
    this.#revivers = revivers;
    this.#depth = depth;
  }

  decode(): unknown {
    const value = this.#item();
    if (this.#at !== this.#bytes.length)
      throw new RangeError(`${this.#bytes.length - this.#at} bytes follow the value`);
    return value;
  }

  #item(): unknown {
    const { major, argument, next } = readHead(this.#bytes, this.#at);
    if (major === Major.text) {
      const { value, next: end } = readText(this.#bytes, this.#at);
      this.#at = end;
      return value;
    }
    this.#at = next;
    switch (major) {
      case Major.unsigned:
        return argument;
      case Major.negative:
        return -1 - argument;
      case Major.bytes:
        return this.#take(argument);
      case Major.array: {
        this.#enter();
        const list: unknown[] = [];
        for (let i = 0; i < argument; i++) list.push(this.#item());
        this.#depth--;
        return list;
      }
      case Major.map:
        return this.#record(argument);
      case Major.tag:
        return this.#tagged(argument);
      default:
        return this.#simple(argument, next);
    }
  }

  #simple(argument: number, next: number): unknown {
    if (argument === 20) return false;
    if (argument === 21) return true;
    if (argument === 22) return null;
    if (argument === 23) return undefined;
    if (argument === 26 || argument === 27) return readFloat(this.#bytes, argument, next);
    throw new RangeError(`unknown simple value ${argument}`);
  }

  #take(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw new RangeError(`encoding ends at byte ${this.#bytes.length}`);
    const taken = this.#bytes.slice(this.#at, this.#at + length);
    this.#at += length;
    return taken;
  }

  #enter(): void {
    if (++this.#depth > MAX_DEPTH + 1)
      throw new FiresteelError(Code.invalidArgument, `value nests deeper than ${MAX_DEPTH} levels`);
  }

  #record(count: number): Record<string, unknown> {
    this.#enter();
    const record: Record<string, unknown> = {};
    for (let i = 0; i < count; i++) {
      const key = this.#item() as string;
      const value = this.#item();
      // Plain assignment would set the prototype.
      if (key === "__proto__")
        Object.defineProperty(record, key, { value, enumerable: true, writable: true, configurable: true });
      else record[key] = value;
    }
    this.#depth--;
    return record;
  }

  #tagged(tag: number): unknown {
    if (tag === Tag.set) return new Set(this.#item() as unknown[]);
    if (tag === Tag.map) {
      this.#enter();
      const head = readHead(this.#bytes, this.#at);
      this.#at = head.next;
      const map = new Map<unknown, unknown>();
      for (let i = 0; i < head.argument; i++) {
        const key = this.#item();
        map.set(key, this.#item());
      }
      this.#depth--;
      return map;
    }
    if (tag === Tag.stored) return this.#stored();
    const content = this.#item();
    switch (tag) {
      case Tag.bigPositive:
      case Tag.bigNegative: {
        const magnitude = BigInt(`0x0${Buffer.from(content as Uint8Array).toString("hex")}`);
        return tag === Tag.bigPositive ? magnitude : -1n - magnitude;
      }
      case Tag.date:
        return new Date(content as number);
      case Tag.file:
        return readFile(content as unknown[]);
      case Tag.directory:
        return readDirectory(content as unknown[]);
      case Tag.dataset:
        return new DatasetValue(Buffer.from(content as Uint8Array).toString("hex"));
      case Tag.task:
        return this.#revivers.reviveTask(content as string);
      case Tag.work:
        return makeWork(content as SparkWork);
      case Tag.partial: {
        const [task, ...args] = content as [string, ...unknown[]];
        return makePartial({ task, args });
      }
      case Tag.instance: {
        const [codec, encoded] = content as [string, unknown];
        return this.#revivers.reviveInstance(codec, encoded);
      }
    }
    if (TYPED_ARRAYS.has(tag)) return elements(tag, content as Uint8Array<ArrayBuffer>);
    throw new RangeError(`unknown tag ${tag}`);
  }

  #stored(): unknown {
    const [digest, length] = this.#item() as [Uint8Array, number];
    const stored = this.#revivers.openStored({ digest: Buffer.from(digest).toString("hex"), length });
    if ("encoding" in stored) return new Decoder(stored.encoding, this.#revivers, this.#depth).decode();
    return stored.tag === null ? stored.content : elements(stored.tag, stored.content);
  }
}

/** The typed array of a tag, over all of a buffer. */
function elements(tag: number, content: Uint8Array<ArrayBuffer>): unknown {
  return new (TYPED_ARRAYS.get(tag)!)(content.buffer);
}

function readFile(parts: readonly unknown[]): FileValue {
  const by = parts.length === 2 ? "content" : (parts[1] as FileIdentity);
  return new FileValue(parts[0] as string, readVersion(parts.at(-1), by), by);
}

function readDirectory([path, by, hidden, ...rest]: readonly unknown[]): DirectoryValue {
  const entries = Array.from({ length: rest.length / 2 }, (_, i) => ({
    name: rest[2 * i] as string,
    version: readVersion(rest[2 * i + 1], by as FileIdentity),
  }));
  return new DirectoryValue(path as string, entries, by as FileIdentity, hidden as boolean);
}

function readVersion(version: unknown, by: FileIdentity): string {
  return by === "content" ? Buffer.from(version as Uint8Array).toString("hex") : (version as string);
}
