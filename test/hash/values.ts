/** The whole value domain as an arbitrary, and equality in it, written without a look at the encoding. */
import fc from "fast-check";
import { DatasetValue, type DirectoryEntry, DirectoryValue, FileValue } from "../../src/define/external.ts";
import { makePartial, partialOf } from "../../src/define/partial.ts";
import { TaskReference } from "../../src/define/task.ts";

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex"));
const text = fc.oneof(
  fc.constantFrom("", "a", "b", "1", "\u{1f600}", "é"),
  fc.string({ unit: "binary", maxLength: 30 }),
);
const key = fc.oneof(text, fc.constantFrom("__proto__", "constructor", "then", "10", "2", "length"));
const integers = fc.constantFrom(
  0,
  1,
  -1,
  23,
  24,
  255,
  256,
  65535,
  65536,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 1,
  -(2 ** 53 - 1),
);
const floats = fc.constantFrom(
  -0,
  0.5,
  0.1,
  2 ** 53,
  2 ** 64,
  1e300,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  5e-324,
  1.5e-45,
);

function sorted(entries: readonly (readonly [string, string])[]): DirectoryEntry[] {
  return entries.map(([name, version]) => ({ name, version })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

const scalar = fc.oneof(
  fc.constantFrom(undefined, null, true, false),
  integers,
  floats,
  fc.double(),
  fc.integer(),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  fc.constantFrom(0n, -1n, 1n, 255n, 256n, -256n, -257n),
  text,
  fc.date({ noInvalidDate: true }),
  fc.uint8Array({ maxLength: 5 }),
  fc.uint8ClampedArray({ maxLength: 3 }),
  fc.uint16Array({ maxLength: 3 }),
  fc.uint32Array({ maxLength: 3 }),
  fc.int8Array({ maxLength: 3 }),
  fc.int16Array({ maxLength: 3 }),
  fc.int32Array({ maxLength: 3 }),
  fc.float32Array({ maxLength: 3 }),
  fc.float64Array({ maxLength: 3 }),
  fc.bigInt64Array({ maxLength: 3 }),
  fc.bigUint64Array({ maxLength: 3 }),
  fc.tuple(text, digest).map(([path, content]) => new FileValue(path, content)),
  fc.tuple(text, text, fc.constantFrom("stat", "etag")).map(([path, version, by]) => new FileValue(path, version, by)),
  fc
    .tuple(text, fc.uniqueArray(fc.tuple(text, digest), { maxLength: 3, selector: ([name]) => name }), fc.boolean())
    .map(([path, entries, hidden]) => new DirectoryValue(path, sorted(entries), "content", hidden)),
  digest.map((identity) => new DatasetValue(identity)),
  fc.constantFrom("a", "sums.add").map((name) => new TaskReference(name)),
);

/** Any value; a Map has no two keys of one value. */
export const anyValue: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4 }),
    fc
      .uniqueArray(fc.tuple(tie("value"), tie("value")), { maxLength: 3, comparator: (a, b) => same(a[0], b[0]) })
      .map((entries) => new Map(entries)),
    fc.uniqueArray(tie("value"), { maxLength: 3, comparator: same }).map((items) => new Set(items)),
    fc
      .tuple(fc.constantFrom("a", "sums.add"), fc.array(tie("value"), { minLength: 1, maxLength: 2 }))
      .map(([task, args]) => makePartial({ task, args })),
  ),
})).value;

/** Values of which many are equal, or almost. */
export const fewValues: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom<unknown>(0, -0, 1, 1n, -1n, "", "1", null, undefined, false),
    fc
      .constantFrom(
        () => new Date(1),
        () => new Uint8Array([1]),
        () => new Int8Array([1]),
      )
      .map((make): unknown => make()),
    fc.array(tie("value"), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom("a", "b", "1"), tie("value"), { maxKeys: 2 }),
    fc
      .uniqueArray(fc.tuple(tie("value"), tie("value")), { maxLength: 2, comparator: (a, b) => same(a[0], b[0]) })
      .map((entries) => new Map(entries)),
    fc.uniqueArray(tie("value"), { maxLength: 2, comparator: same }).map((items) => new Set(items)),
  ),
})).value;

/** Whether two values are one: same types, same content; Maps, Sets and objects whatever the order. */
export function same(a: unknown, b: unknown): boolean {
  if (typeof a !== typeof b) return false;
  const [x, y] = [partialOf(a), partialOf(b)];
  if (x && y) return x.task === y.task && same(x.args, y.args);
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null) return Object.is(a, b);
  if (kindOf(a) !== kindOf(b)) return false;
  if (a instanceof Date && b instanceof Date) return Object.is(a.getTime(), b.getTime());
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) return bytesOf(a).equals(bytesOf(b));
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => same(item, b[i]));
  if (a instanceof Set && b instanceof Set) return matches([...a], [...b], same);
  if (a instanceof Map && b instanceof Map)
    return matches([...a], [...b], (x, y) => same(x[0], y[0]) && same(x[1], y[1]));
  return matches(Object.entries(a), Object.entries(b), (x, y) => x[0] === y[0] && same(x[1], y[1]));
}

/** An object without a prototype is a plain one. */
function kindOf(value: object): unknown {
  return Object.getPrototypeOf(value) ?? Object.prototype;
}

/** Whether each item of one list has a partner of its own in the other. */
function matches<T>(a: readonly T[], b: readonly T[], equal: (x: T, y: T) => boolean): boolean {
  const left = [...b];
  return (
    a.length === b.length &&
    a.every((item) => {
      const at = left.findIndex((other) => equal(item, other));
      if (at >= 0) left.splice(at, 1);
      return at >= 0;
    })
  );
}

function bytesOf(view: ArrayBufferView): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}

/** The same value built in the opposite order. */
export function reversed(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(reversed);
  if (value instanceof Set) return new Set([...value].reverse().map(reversed));
  if (value instanceof Map) return new Map([...value].reverse().map(([k, item]) => [reversed(k), reversed(item)]));
  if (kindOf(value) !== Object.prototype) return value;
  const copy = {};
  for (const [name, item] of Object.entries(value).reverse())
    Object.defineProperty(copy, name, { value: reversed(item), enumerable: true, writable: true, configurable: true });
  return copy;
}
