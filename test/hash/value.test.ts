import { decode, Tagged } from "cborg";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DatasetValue, DirectoryValue, FileValue } from "../../src/define/external.ts";
import { file } from "../../src/define/files.ts";
import { partialOf } from "../../src/define/partial.ts";
import { sql } from "../../src/define/spark.ts";
import { TaskReference, task } from "../../src/define/task.ts";
import { isWork } from "../../src/define/work.ts";
import { CborWriter } from "../../src/hash/cbor.ts";
import { decodeValue } from "../../src/hash/decode.ts";
import { findExternals } from "../../src/hash/scan.ts";
import { Tag } from "../../src/hash/tags.ts";
import { encodeValue } from "../../src/hash/value.ts";
import { anyValue, fewValues, reversed, same } from "./values.ts";

const hex = (value: unknown) => Buffer.from(encodeValue(value)).toString("hex");
const zeros = "0".repeat(64);
const add = task("hash.value.add", (a: number) => a);

describe("canonical encoding", () => {
  it("gives the value back, and the same bytes whatever the order in which it was built", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const bytes = encodeValue(value);
        const decoded = decodeValue(bytes);
        expect(same(decoded, value)).toBe(true);
        expect(encodeValue(decoded)).toEqual(bytes);
        expect(encodeValue(reversed(value))).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });

  it("of a text is the same wherever it falls in the writer's buffer", () => {
    for (let before = 0; before < 300; before++) {
      const writer = new CborWriter();
      writer.raw(new Uint8Array(before));
      writer.text("ab");
      expect([...writer.slice().slice(before)]).toEqual([0x62, 0x61, 0x62]);
    }
  });

  it("hands members out in one order, however the value was built", () => {
    const order = (value: unknown): unknown => {
      if (typeof value === "function") return order(partialOf(value));
      if (typeof value !== "object" || value === null) return value;
      if (value instanceof Map) return [...value].map(([k, item]) => [order(k), order(item)]);
      if (value instanceof Set || Array.isArray(value)) return [...value].map(order);
      return Object.entries(value).map(([k, item]) => [k, order(item)]);
    };
    fc.assert(
      fc.property(anyValue, (value) => {
        expect(order(decodeValue(encodeValue(value)))).toEqual(order(decodeValue(encodeValue(reversed(value)))));
      }),
    );
  });

  it("is equal exactly for equal values", () => {
    fc.assert(
      fc.property(fewValues, fewValues, (a, b) => {
        expect(hex(a) === hex(b)).toBe(same(a, b));
      }),
      { numRuns: 3000 },
    );
  });

  it("tells apart what stock libraries merge", () => {
    const values: readonly unknown[] = [
      1,
      1n,
      "1",
      true,
      [1],
      { 0: 1 },
      new Set([1]),
      new Map([[0, 1]]),
      new Map([["0", 1]]),
      0,
      -0,
      0n,
      null,
      undefined,
      false,
      "",
      Number.NaN,
      {},
      { a: undefined },
      { a: null },
      [],
      [undefined],
      new Map(),
      new Set(),
      new Date(0),
      new Date(1),
      new Uint8Array(),
      new Uint8Array([1]),
      new Uint8ClampedArray([1]),
      new Int8Array([1]),
      new Uint16Array([1]),
      new Float32Array([1]),
      new Float64Array([1]),
      new FileValue("a", zeros),
      new FileValue("b", zeros),
      new FileValue("b", zeros, "stat"),
      new FileValue("b", zeros, "etag"),
      new DirectoryValue("b", []),
      new DirectoryValue("b", [], "stat"),
      new DirectoryValue("b", [], "content", true),
      new DirectoryValue("b", [{ name: "a", version: zeros }]),
      new DatasetValue(zeros),
      ["a", zeros],
      add,
      "hash.value.add",
      sql`SELECT 1`,
      { ...sql`SELECT 1` },
      "\ufffd",
    ];
    const encodings = values.map(hex);
    expect(new Set(encodings).size).toBe(values.length);
  });

  it("takes every NaN for one value", () => {
    const other = new Float64Array(new BigUint64Array([0x7ff8_0000_0000_0001n]).buffer)[0];
    expect(hex(other)).toBe(hex(Number.NaN));
  });

  it("takes a task and a reference to it for one value, and revives it as asked", () => {
    expect(hex(add)).toBe(hex(new TaskReference("hash.value.add")));
    expect(decodeValue(encodeValue([add]), (name) => name)).toEqual(["hash.value.add"]);
  });

  it("keeps Spark work recognisable", () => {
    const decoded = decodeValue(encodeValue(sql`SELECT ${1}`));
    expect(isWork(decoded)).toBe(true);
    expect(decoded).toMatchObject({ text: "SELECT :p0", parameters: [{ name: "p0", type: "bigint", value: "1" }] });
  });

  it("takes items of a Set with equal content for one", () => {
    expect(hex(new Set([[1], [1], [2]]))).toBe(hex(new Set([[2], [1]])));
  });

  it("decodes into memory of its own", () => {
    const bytes = Buffer.from(encodeValue(new Uint8Array([1, 2, 3])));
    const decoded = decodeValue(bytes) as Uint8Array;
    bytes.fill(0);
    expect(decoded).toEqual(new Uint8Array([1, 2, 3]));
    expect(decoded.constructor).toBe(Uint8Array);
    const wide = decodeValue(Buffer.from(encodeValue(new Float64Array([0.1, 2])))) as Float64Array;
    expect(wide).toEqual(new Float64Array([0.1, 2]));
  });

  it("makes an own member of a key named __proto__", () => {
    const decoded = decodeValue(encodeValue(JSON.parse('{"__proto__": {"a": 1}}'))) as object;
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
    expect(Object.keys(decoded)).toEqual(["__proto__"]);
  });
});

describe("as CBOR", () => {
  const tags = Tagged.preserve(...Object.values(Tag), 68, 69, 70, 71, 72, 77, 78, 79, 85, 86);

  it("is well-formed, with shortest heads and no key twice", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        decode(encodeValue(value), { strict: true, useMaps: true, rejectDuplicateMapKeys: true, tags });
      }),
      { numRuns: 500 },
    );
  });

  it("means the same to a library where it has the types", () => {
    const plain = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        fc.constantFrom(null, undefined, true, false),
        fc.maxSafeInteger(),
        fc.double(),
        fc.string({ unit: "binary" }),
        fc.uint8Array(),
        fc.array(tie("value")),
        fc.dictionary(
          fc.string({ unit: "binary" }).filter((name) => name !== "__proto__"),
          tie("value"),
        ),
      ),
    })).value;
    fc.assert(
      fc.property(plain, (value) => {
        expect(same(decode(encodeValue(value)), value)).toBe(true);
      }),
    );
  });
});

describe("what is refused", () => {
  class Money {
    readonly amount = 1;
  }
  class Table extends Map<string, number> {}
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  let deep: unknown = 0;
  for (let i = 0; i < 2000; i++) deep = [deep];

  it.each<[string, () => unknown, RegExp]>([
    [
      "a function",
      () => ({ a: [() => 1] }),
      /^value at \.a\[0\] is a function \(anonymous\), which is no value; define a task$/,
    ],
    ["a symbol", () => [Symbol("s")], /^value at \[0\] is a symbol/],
    ["a symbol key", () => ({ a: { [Symbol("s")]: 1 } }), /^value at \.a has a symbol as a key/],
    [
      "a class instance",
      () => ({ "a b": new Money() }),
      /^value at \["a b"\] is an instance of Money, which is no value; use a plain object, or registerCodec\(\.\.\.\) for the class$/,
    ],
    ["a subclass of a container", () => new Table(), /^value is an instance of Table/],
    ["a boxed number", () => Object(1), /is an instance of Number/],
    ["an error", () => [new Error("x")], /^value at \[0\] is an instance of Error/],
    ["a promise", () => [Promise.resolve(1)], /^value at \[0\] is a promise, which is no value; await it$/],
    ["an invalid Date", () => ({ when: new Date(Number.NaN) }), /^value at \.when is an invalid Date$/],
    ["half a surrogate pair", () => ["\ud800"], /^value at \[0\] is a string with half a surrogate pair/],
    ["half a surrogate pair in a key", () => ({ "\udc00": 1 }), /half a surrogate pair/],
    // biome-ignore lint/suspicious/noSparseArray: the hole is the point
    ["a hole in an array", () => [1, , 2], /^value at \[1\] is a hole in an array; write undefined$/],
    ["a Map value", () => new Map([["k", [Symbol("s")]]]), /^value at <value 0>\[0\] is a symbol/],
    ["a Map key", () => new Map([[() => 1, 1]]), /^value at <key 0> is a function/],
    [
      "two Map keys of one value",
      () =>
        new Map([
          [[1], "a"],
          [[1], "b"],
        ]),
      /^value at <key 1> is a key that the Map has already/,
    ],
    ["a Set item", () => new Set([new Money()]), /^value at <item 0> is an instance of Money/],
    ["a cycle", () => cycle, /^value contains itself, which has no end as a value: at .* is the value itself again$/],
    [
      "a cycle further down",
      () => {
        const node = { name: "a", next: [new Map<string, unknown>()] };
        node.next[0]!.set("up", node);
        return { "a b": [1, node], lazy: file("x"), twice: [[1]] };
      },
      /^value contains itself, which has no end as a value: at \["a b"\]\[1\]\.next\[0\]<value 0> is what is at \["a b"\]\[1\] again$/,
    ],
    ["too deep a list", () => deep, /nests deeper than 1000 levels/],
    ["a lazy", () => ({ a: file("x") }), /^value at \.a is lazy; only evaluated values can stand here$/],
  ])("%s", (_, make, message) => {
    let thrown: unknown;
    try {
      encodeValue(make());
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: "invalid_argument", message: expect.stringMatching(message) });
    expect((thrown as Error).message.length).toBeLessThan(400);
  });

  it("nesting beyond the limit that was spliced together, too, and not with a stack overflow", () => {
    const depth = 100_000;
    const bytes = new Uint8Array(depth + 1).fill(0x81);
    bytes[depth] = 0x01;
    expect(() => decodeValue(bytes)).toThrow(/value nests deeper than 1000 levels/);
    let nested: unknown = 1;
    for (let i = 0; i < 1001; i++) nested = [nested];
    expect(same(decodeValue(encodeValue(nested)), nested)).toBe(true);
    expect(() => encodeValue([nested])).toThrow(/nests deeper/);
  });

  it.each([
    ["nothing", []],
    ["a cut text", [0x63, 0x61]],
    ["a cut list", [0x82, 0x01]],
    ["more after the value", [0x01, 0x01]],
    ["an unknown tag", [0xd8, 0x64, 0x01]],
    ["an indefinite list", [0x9f, 0xff]],
    ["text that is no UTF-8", [0x61, 0xff]],
  ])("damaged bytes: %s", (_, bytes) => {
    expect(() => decodeValue(Uint8Array.from(bytes))).toThrow(expect.objectContaining({ code: "data_loss" }));
  });
});

describe("externals", () => {
  it("are found at any depth, each once", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const files = new Set<string>();
        const directories = new Set<string>();
        const datasets = new Set<string>();
        const walk = (item: unknown): void => {
          if (item instanceof FileValue) files.add(`${item.path} ${item.by} ${item.version}`);
          else if (item instanceof DirectoryValue) directories.add(JSON.stringify(item));
          else if (item instanceof DatasetValue) datasets.add(item.identity);
          else if (typeof item === "function") partialOf(item)?.args.forEach(walk);
          else if (item instanceof Map) [...item].flat().forEach(walk);
          else if (item instanceof Set || Array.isArray(item)) [...item].forEach(walk);
          else if (typeof item === "object" && item !== null && !ArrayBuffer.isView(item))
            Object.values(item).forEach(walk);
        };
        walk(value);
        const found = findExternals(encodeValue(value));
        expect(found.files.map((one) => `${one.path} ${one.by} ${one.version}`).sort()).toEqual([...files].sort());
        expect(found.directories.map((one) => JSON.stringify(one)).sort()).toEqual([...directories].sort());
        expect(found.datasets.map((one) => one.identity).sort()).toEqual([...datasets].sort());
      }),
      { numRuns: 500 },
    );
  });
});
