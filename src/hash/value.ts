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
import { partialOf } from "../define/partial.ts";
import { TaskReference, taskNameOf } from "../define/task.ts";
import { isWork } from "../define/work.ts";
import { Code, FiresteelError } from "../errors.ts";
import { CborWriter, compareBytes, Major, withWriter } from "./cbor.ts";
import { findCycle, memberStep } from "./cycle.ts";
import { MAX_DEPTH, Tag, TYPED_ARRAY_TAGS } from "./tags.ts";

/** Says which node of the program under construction a lazy is. */
export type Refer = (expression: Expression) => number;

/** Thrown inside the encoder; the path is put together on the way out. */
class Refused {
  readonly reason: string;
  readonly path: string[] = [];
  /** It may be a value that contains itself. */
  readonly deep: boolean;
  constructor(reason: string, deep = false) {
    this.reason = reason;
    this.deep = deep;
  }
}

function tooDeep(): Refused {
  return new Refused(`nests deeper than ${MAX_DEPTH} levels`, true);
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
    const cycle = error.deep ? findCycle(value) : null;
    if (cycle) throw cyclic(subject, cycle.at.join(""), cycle.of.join(""));
    const path = shorten(error.path.reverse().join(""));
    throw new FiresteelError(Code.invalidArgument, `${subject}${path === "" ? "" : ` at ${path}`} ${error.reason}`, {
      details: { path },
    });
  }
}

function cyclic(subject: string, at: string, of: string): FiresteelError {
  const what = of === "" ? `the ${subject} itself` : `what is at ${shorten(of)}`;
  return new FiresteelError(
    Code.invalidArgument,
    `${subject} contains itself, which has no end as a value: at ${shorten(at)} is ${what} again`,
    { details: { path: at } },
  );
}

/** The path of deep values is as long as the deepest nesting. */
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
      nameHead(writer, Tag.task);
      writer.text(name);
      return;
    }
  }
  if (value === null) {
    writer.simple(22);
    return;
  }
  if (depth > MAX_DEPTH) throw tooDeep();
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
    nameHead(writer, Tag.work);
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
    nameHead(writer, Tag.dataset);
    writer.bytes(Buffer.from(value.identity, "hex"));
  } else if (value instanceof InstanceValue) {
    writeInstance(writer, value.codec, value.value, refer, depth);
  } else if (value instanceof TaskReference) {
    nameHead(writer, Tag.task);
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

/** The head of what is more than data: it names something whose meaning may change, or be looked for, or be called. */
function nameHead(writer: CborWriter, tag: number): void {
  writer.plain = false;
  writer.head(Major.tag, tag);
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
  if (depth > MAX_DEPTH) throw tooDeep();
  nameHead(writer, Tag.partial);
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
  nameHead(writer, Tag.instance);
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
  nameHead(writer, Tag.file);
  writer.head(Major.array, by === "content" ? 2 : 3);
  writer.text(path);
  if (by !== "content") writer.text(by);
  writeVersion(writer, version, by);
}

function writeDirectory(writer: CborWriter, { path, by, hidden, entries }: DirectoryValue): void {
  nameHead(writer, Tag.directory);
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
    throw at(error, memberStep(current));
  }
}

function writeMap(
  writer: CborWriter,
  value: ReadonlyMap<unknown, unknown>,
  refer: Refer | undefined,
  depth: number,
): void {
  const entries = [...value].map(([key, item], i) => ({ key: scratch(writer, key, depth, `<key ${i}>`), item, i }));
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
  const items = [...value].map((item, i) => scratch(writer, item, depth, `<item ${i}>`)).sort(compareBytes);
  // Distinct objects of equal content are one value, so they are one item.
  const distinct = items.filter((item, i) => i === 0 || compareBytes(item, items[i - 1]!) !== 0);
  writer.head(Major.tag, Tag.set);
  writer.head(Major.array, distinct.length);
  for (const item of distinct) writer.raw(item);
}

/** The encoding of a part that has to find its place before it is written. */
function scratch(whole: CborWriter, value: unknown, depth: number, path: string): Uint8Array {
  const writer = new CborWriter();
  try {
    write(writer, value, undefined, depth + 1);
  } catch (error) {
    throw at(error, path);
  }
  if (!writer.plain) whole.plain = false;
  return writer.slice();
}

/** Adds a step to the path of a refusal on its way out. */
function at(error: unknown, step: string): unknown {
  if (error instanceof Refused) error.path.push(step);
  return error;
}
