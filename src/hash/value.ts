/**
 * The value domain and its canonical encoding: what a value *is*, byte for byte.
 *
 * Two values are the same value exactly when their encodings are equal. On top of plain CBOR (`hash/cbor.ts`):
 *
 * | JavaScript | CBOR |
 * | --- | --- |
 * | `undefined`, `null`, booleans, numbers, strings, arrays | as they are; an integer number is an integer, except `-0`, which is a float |
 * | plain object | map with text keys |
 * | `bigint` | tag 2 or 3 (bignum), also where it would fit an integer: `1n` is not `1` |
 * | `Date` | tag 40100, milliseconds |
 * | `Uint8Array` (also `Buffer`) | byte string |
 * | other typed arrays | tags of RFC 8746, little endian |
 * | `Set`, `Map` | tags 258 and 259, sorted by encoding |
 * | {@link FileValue} | tag 40101, `[path, digest]`; when it is not known by content `[path, by, version]` |
 * | {@link DatasetValue} | tag 40102, identity |
 * | task | tag 40103, name |
 * | Spark work | tag 40104, map |
 * | partial task | tag 40105, `[name, ...arguments]` |
 * | instance of a class with a codec, {@link InstanceValue} | tag 40106, `[name of the codec, encoded value]` |
 * | {@link DirectoryValue} | tag 40108, `[path, by, hidden, name, version, name, version, ...]`, sorted by name; versions as in files |
 *
 * Everything else (functions, symbols, promises, class instances, invalid dates, ill-formed strings, array holes, cycles, Maps with two keys of one value) is refused with the path of the offending
 * member. Lists, objects, Maps and Sets nest at most {@link MAX_DEPTH} deep, in what is decoded too: evaluation can build deeper ones piece by piece.
 */

import { codecOf, InstanceValue, type RegisteredCodec } from "../define/codec.ts";
import type { Expression } from "../define/expression.ts";
import { DatasetValue, DirectoryValue, type FileIdentity, FileValue } from "../define/external.ts";
import { expressionOf } from "../define/lazy.ts";
import { makePartial, partialOf } from "../define/partial.ts";
import { TaskReference, taskNameOf } from "../define/task.ts";
import { isWork, makeWork, type SparkWork } from "../define/work.ts";
import { Code, FiresteelError } from "../errors.ts";
import { CborWriter, compareBytes, Major, readFloat, readHead, readText, skipItem, withWriter } from "./cbor.ts";

/** CBOR tags of the value domain and of programs (`hash/program.ts`). */
export const Tag = {
  bigPositive: 2,
  bigNegative: 3,
  set: 258,
  map: 259,
  date: 40100,
  file: 40101,
  dataset: 40102,
  task: 40103,
  work: 40104,
  partial: 40105,
  instance: 40106,
  directory: 40108,
  program: 40110,
  reference: 40111,
} as const;

const MAX_DEPTH = 1000;

/** Says which node of the program under construction a lazy is. */
export type Refer = (expression: Expression) => number;

type TypedArray =
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;
type TypedArrayConstructor = new (buffer: ArrayBuffer) => TypedArray;

/** RFC 8746, section 2.1. */
const TYPED_ARRAYS: ReadonlyMap<number, TypedArrayConstructor> = new Map<number, TypedArrayConstructor>([
  [68, Uint8ClampedArray],
  [69, Uint16Array],
  [70, Uint32Array],
  [71, BigUint64Array],
  [72, Int8Array],
  [77, Int16Array],
  [78, Int32Array],
  [79, BigInt64Array],
  [85, Float32Array],
  [86, Float64Array],
]);
const TYPED_ARRAY_TAGS: ReadonlyMap<unknown, number> = new Map([...TYPED_ARRAYS].map(([tag, type]) => [type, tag]));

/** Thrown inside the encoder; the path is put together on the way out. */
class Refused {
  readonly reason: string;
  readonly path: string[] = [];
  constructor(reason: string) {
    this.reason = reason;
  }
}

/**
 * The canonical encoding of a value.
 *
 * @param subject how errors name the value, for example `argument 1 of sales.revenue`
 * @throws FiresteelError `invalid_argument` with the path of the member that is no value
 *
 * @example
 * ```ts
 * encodeValue({ b: 1, a: [true] }); // equal to encodeValue({ a: [true], b: 1 })
 * ```
 */
export function encodeValue(value: unknown, subject = "value"): Uint8Array {
  return withWriter((writer) => {
    writeValue(writer, value, undefined, subject);
    return writer.slice();
  });
}

/** Appends the canonical encoding of a value; lazies are allowed where `refer` is given. */
export function writeValue(writer: CborWriter, value: unknown, refer?: Refer, subject = "value"): void {
  try {
    write(writer, value, refer, 0);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const path = shorten(error.path.reverse().join(""));
    throw new FiresteelError(Code.invalidArgument, `${subject}${path === "" ? "" : ` at ${path}`} ${error.reason}`, {
      details: { path },
    });
  }
}

/** The path of a cycle is as long as the deepest nesting. */
function shorten(path: string): string {
  return path.length <= 200 ? path : `${path.slice(0, 120)}...${path.slice(-60)}`;
}

function write(writer: CborWriter, value: unknown, refer: Refer | undefined, depth: number): void {
  switch (typeof value) {
    case "string":
      if (!value.isWellFormed()) throw new Refused("is a string with half a surrogate pair, which has no UTF-8 form");
      writer.text(value);
      return;
    case "number":
      writer.number(value);
      return;
    case "boolean":
      writer.simple(value ? 21 : 20);
      return;
    case "undefined":
      writer.simple(23);
      return;
    case "bigint":
      writeBigInt(writer, value);
      return;
    case "symbol":
      throw new Refused("is a symbol, which is no value");
    case "function": {
      const name = taskNameOf(value);
      if (name === undefined) return writePartial(writer, value, refer, depth);
      writer.head(Major.tag, Tag.task);
      writer.text(name);
      return;
    }
  }
  if (value === null) {
    writer.simple(22);
    return;
  }
  if (depth > MAX_DEPTH) throw new Refused(`nests deeper than ${MAX_DEPTH} levels, or contains itself`);
  writeObject(writer, value as object, refer, depth);
}

function writeObject(writer: CborWriter, value: object, refer: Refer | undefined, depth: number): void {
  const expression = expressionOf(value);
  if (expression !== undefined) {
    if (!refer) throw new Refused("is lazy; only evaluated values can stand here");
    writer.head(Major.tag, Tag.reference);
    writer.head(Major.unsigned, refer(expression));
    return;
  }
  if (Array.isArray(value)) {
    writeList(writer, value, refer, depth);
    return;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  const codec = prototype === Object.prototype ? undefined : codecOf(prototype);
  if (codec) writeInstance(writer, codec.name, encodeInstance(codec, value), refer, depth);
  else if (isWork(value)) {
    writer.head(Major.tag, Tag.work);
    writeRecord(writer, value, refer, depth);
  } else if (prototype === Object.prototype || prototype === null) writeRecord(writer, value, refer, depth);
  else if (prototype === Date.prototype) writeDate(writer, value as Date);
  else if (value instanceof Uint8Array) writer.bytes(value);
  else if (prototype === Map.prototype) writeMap(writer, value as Map<unknown, unknown>, refer, depth);
  else if (prototype === Set.prototype) writeSet(writer, value as Set<unknown>, depth);
  else if (value instanceof FileValue) {
    writeFile(writer, value);
  } else if (value instanceof DirectoryValue) {
    writeDirectory(writer, value);
  } else if (value instanceof DatasetValue) {
    writer.head(Major.tag, Tag.dataset);
    writer.bytes(Buffer.from(value.identity, "hex"));
  } else if (value instanceof InstanceValue) {
    writeInstance(writer, value.codec, value.value, refer, depth);
  } else if (value instanceof TaskReference) {
    writer.head(Major.tag, Tag.task);
    writer.text(value.taskName);
  } else if (ArrayBuffer.isView(value) && TYPED_ARRAY_TAGS.has(value.constructor)) {
    writer.head(Major.tag, TYPED_ARRAY_TAGS.get(value.constructor)!);
    writer.bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  } else if (value instanceof Promise) throw new Refused("is a promise, which is no value; await it");
  else
    throw new Refused(
      `is an instance of ${value.constructor?.name || "an unnamed class"}, which is no value; use a plain object, or registerCodec(...) for the class`,
    );
}

function writePartial(
  writer: CborWriter,
  value: { readonly name: string },
  refer: Refer | undefined,
  depth: number,
): void {
  const parts = partialOf(value);
  if (parts === undefined)
    throw new Refused(`is a function (${value.name || "anonymous"}), which is no value; define a task`);
  if (depth > MAX_DEPTH) throw new Refused(`nests deeper than ${MAX_DEPTH} levels, or contains itself`);
  writer.head(Major.tag, Tag.partial);
  writer.head(Major.array, 1 + parts.args.length);
  writer.text(parts.task);
  parts.args.forEach((arg, i) => {
    try {
      write(writer, arg, refer, depth + 1);
    } catch (error) {
      throw at(error, `<argument ${i + 1} of ${parts.task}>`);
    }
  });
}

function writeInstance(
  writer: CborWriter,
  codec: string,
  encoded: unknown,
  refer: Refer | undefined,
  depth: number,
): void {
  writer.head(Major.tag, Tag.instance);
  writer.head(Major.array, 2);
  writer.text(codec);
  try {
    write(writer, encoded, refer, depth + 1);
  } catch (error) {
    throw at(error, `<${codec}>`);
  }
}

function encodeInstance(codec: RegisteredCodec, instance: object): unknown {
  try {
    return codec.encode(instance);
  } catch (error) {
    throw new Refused(
      `is an instance of codec ${codec.name}, whose encode failed: ${(error as Error)?.message ?? error}`,
    );
  }
}

function writeFile(writer: CborWriter, { path, by, version }: FileValue): void {
  writer.head(Major.tag, Tag.file);
  writer.head(Major.array, by === "content" ? 2 : 3);
  writer.text(path);
  if (by !== "content") writer.text(by);
  writeVersion(writer, version, by);
}

function writeDirectory(writer: CborWriter, { path, by, hidden, entries }: DirectoryValue): void {
  writer.head(Major.tag, Tag.directory);
  writer.head(Major.array, 3 + 2 * entries.length);
  writer.text(path);
  writer.text(by);
  writer.simple(hidden ? 21 : 20);
  for (const { name, version } of [...entries].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    writer.text(name);
    writeVersion(writer, version, by);
  }
}

function writeVersion(writer: CborWriter, version: string, by: FileIdentity): void {
  if (by === "content") writer.bytes(Buffer.from(version, "hex"));
  else writer.text(version);
}

function writeBigInt(writer: CborWriter, value: bigint): void {
  const magnitude = value < 0n ? -1n - value : value;
  const hex = magnitude === 0n ? "" : magnitude.toString(16);
  writer.head(Major.tag, value < 0n ? Tag.bigNegative : Tag.bigPositive);
  writer.bytes(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex"));
}

const ASCII = /^\p{ASCII}*$/u;

/** Keys in the order of their encodings: by length in UTF-8, then bytewise. */
export function sortKeys(keys: string[]): string[] {
  if (keys.length < 2) return keys;
  if (keys.every((key) => ASCII.test(key))) return keys.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  const encoded = new Map(keys.map((key) => [key, new TextEncoder().encode(key)]));
  return keys.sort(
    (a, b) => encoded.get(a)!.length - encoded.get(b)!.length || compareBytes(encoded.get(a)!, encoded.get(b)!),
  );
}

function writeDate(writer: CborWriter, value: Date): void {
  if (Number.isNaN(value.getTime())) throw new Refused("is an invalid Date");
  writer.head(Major.tag, Tag.date);
  writer.number(value.getTime());
}

function writeList(writer: CborWriter, value: readonly unknown[], refer: Refer | undefined, depth: number): void {
  writer.head(Major.array, value.length);
  let i = 0;
  try {
    for (; i < value.length; i++) {
      const item = value[i];
      if (item === undefined && !(i in value)) throw new Refused("is a hole in an array; write undefined");
      write(writer, item, refer, depth + 1);
    }
  } catch (error) {
    throw at(error, `[${i}]`);
  }
}

function writeRecord(writer: CborWriter, value: object, refer: Refer | undefined, depth: number): void {
  if (Object.getOwnPropertySymbols(value).length > 0) throw new Refused("has a symbol as a key, which is no value");
  const keys = sortKeys(Object.keys(value));
  writer.head(Major.map, keys.length);
  let current = "";
  try {
    for (const key of keys) {
      current = key;
      write(writer, key, undefined, depth);
      write(writer, (value as Record<string, unknown>)[key], refer, depth + 1);
    }
  } catch (error) {
    throw at(error, /^[A-Za-z_$][\w$]*$/.test(current) ? `.${current}` : `[${JSON.stringify(current)}]`);
  }
}

function writeMap(
  writer: CborWriter,
  value: ReadonlyMap<unknown, unknown>,
  refer: Refer | undefined,
  depth: number,
): void {
  const entries = [...value].map(([key, item], i) => ({ key: scratch(key, depth, `<key ${i}>`), item, i }));
  entries.sort((a, b) => compareBytes(a.key, b.key));
  writer.head(Major.tag, Tag.map);
  writer.head(Major.map, entries.length);
  entries.forEach(({ key, item, i }, place) => {
    // Two objects of equal content are two keys to JavaScript and one value here: which entry counts would depend on the order.
    if (place > 0 && compareBytes(key, entries[place - 1]!.key) === 0)
      throw at(new Refused("is a key that the Map has already, with equal content"), `<key ${i}>`);
    writer.raw(key);
    try {
      write(writer, item, refer, depth + 1);
    } catch (error) {
      throw at(error, `<value ${i}>`);
    }
  });
}

function writeSet(writer: CborWriter, value: ReadonlySet<unknown>, depth: number): void {
  const items = [...value].map((item, i) => scratch(item, depth, `<item ${i}>`)).sort(compareBytes);
  // Distinct objects of equal content are one value, so they are one item.
  const distinct = items.filter((item, i) => i === 0 || compareBytes(item, items[i - 1]!) !== 0);
  writer.head(Major.tag, Tag.set);
  writer.head(Major.array, distinct.length);
  for (const item of distinct) writer.raw(item);
}

function scratch(value: unknown, depth: number, path: string): Uint8Array {
  const writer = new CborWriter();
  try {
    write(writer, value, undefined, depth + 1);
  } catch (error) {
    throw at(error, path);
  }
  return writer.slice();
}

/** Adds a step to the path of a refusal on its way out. */
function at(error: unknown, step: string): unknown {
  if (error instanceof Refused) error.path.push(step);
  return error;
}

/** Makes the value of a task's name; by default a {@link TaskReference}. */
export type ReviveTask = (name: string) => unknown;
/** Makes the instance of a codec's encoded value; by default an {@link InstanceValue}. */
export type ReviveInstance = (codec: string, encoded: unknown) => unknown;

/**
 * The value of a canonical encoding: private to the caller, in canonical order.
 *
 * @throws FiresteelError `data_loss` when the bytes are no such encoding
 */
export function decodeValue(
  bytes: Uint8Array,
  reviveTask: ReviveTask = (name) => new TaskReference(name),
  reviveInstance: ReviveInstance = (codec, encoded) => new InstanceValue(codec, encoded),
): unknown {
  try {
    return new Decoder(bytes, reviveTask, reviveInstance).decode();
  } catch (error) {
    if (error instanceof FiresteelError) throw error;
    throw new FiresteelError(Code.dataLoss, `stored value is damaged: ${(error as Error).message}`, { cause: error });
  }
}

class Decoder {
  readonly #bytes: Uint8Array;
  readonly #reviveTask: ReviveTask;
  readonly #reviveInstance: ReviveInstance;
  #at = 0;
  #depth = 0;

  constructor(bytes: Uint8Array, reviveTask: ReviveTask, reviveInstance: ReviveInstance) {
    // A Buffer's `slice` is a view, and a body's values must be its own.
    this.#bytes = Buffer.isBuffer(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes;
    this.#reviveTask = reviveTask;
    this.#reviveInstance = reviveInstance;
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
        return this.#reviveTask(content as string);
      case Tag.work:
        return makeWork(content as SparkWork);
      case Tag.partial: {
        const [task, ...args] = content as [string, ...unknown[]];
        return makePartial({ task, args });
      }
      case Tag.instance: {
        const [codec, encoded] = content as [string, unknown];
        return this.#reviveInstance(codec, encoded);
      }
    }
    const type = TYPED_ARRAYS.get(tag);
    if (type) return new type((content as Uint8Array<ArrayBuffer>).buffer);
    throw new RangeError(`unknown tag ${tag}`);
  }
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

/** What a value's encoding points at outside the store: the files, directories and datasets in it. */
export interface Externals {
  readonly files: readonly FileValue[];
  readonly directories: readonly DirectoryValue[];
  readonly datasets: readonly DatasetValue[];
}

/** The files, directories and datasets that occur in an encoding, each once. */
export function findExternals(bytes: Uint8Array): Externals {
  const files = new Map<string, FileValue>();
  const directories = new Map<string, DirectoryValue>();
  const datasets = new Map<string, DatasetValue>();
  visitTags(bytes, 0, bytes.length, (tag, offset) => {
    if (tag !== Tag.file && tag !== Tag.directory && tag !== Tag.dataset) return;
    const encoded = bytes.subarray(offset, skipItem(bytes, offset));
    const value = decodeValue(encoded);
    if (value instanceof FileValue) files.set(`${value.by} ${value.version} ${value.path}`, value);
    else if (value instanceof DirectoryValue) directories.set(Buffer.from(encoded).toString("latin1"), value);
    else if (value instanceof DatasetValue) datasets.set(value.identity, value);
  });
  return { files: [...files.values()], directories: [...directories.values()], datasets: [...datasets.values()] };
}

/** The first bytes of the head of {@link Tag.instance}. */
const INSTANCE_HEAD = Uint8Array.of(0xd9, Tag.instance >> 8, Tag.instance & 0xff);

/** The names of the codecs whose instances occur in an encoding. */
export function codecsIn(bytes: Uint8Array): ReadonlySet<string> {
  const names = new Set<string>();
  // A quick search first: most values have none.
  if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(INSTANCE_HEAD) < 0) return names;
  visitTags(bytes, 0, bytes.length, (tag, _, content) => {
    if (tag === Tag.instance) names.add(readText(bytes, readHead(bytes, content).next).value);
  });
  return names;
}

/** Calls `visit` for every tag between two offsets of an encoding, with the offset of its head and of its content. */
export function visitTags(
  bytes: Uint8Array,
  start: number,
  end: number,
  visit: (tag: number, offset: number, content: number) => void,
): void {
  // Items follow one another in a flat run of heads, so nesting needs no bookkeeping.
  let at = start;
  while (at < end) {
    const { major, argument, next } = readHead(bytes, at);
    if (major === Major.tag) visit(argument, at, next);
    at = major === Major.bytes || major === Major.text ? next + argument : next;
  }
}
