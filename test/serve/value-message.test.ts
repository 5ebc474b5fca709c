import { create, fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DatasetValue, DirectoryValue, FileValue } from "../../src/define/external.ts";
import { file } from "../../src/define/files.ts";
import { dataset } from "../../src/define/forms.ts";
import { partial } from "../../src/define/partial.ts";
import { sql } from "../../src/define/spark.ts";
import { task } from "../../src/define/task.ts";
import { ElementType, ValueSchema } from "../../src/gen/firesteel/v1/value_pb.ts";
import { decodeValue } from "../../src/hash/decode.ts";
import { encodeProgram } from "../../src/hash/program.ts";
import { encodeValue } from "../../src/hash/value.ts";
import { messageFromValue, valueFromMessage } from "../../src/serve/value-message.ts";

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex"));
const text = fc.string({ unit: "binary" });
const twoTask = task("test.two", (a: unknown, b: unknown) => [a, b]);
const someTask = task("test.some", (n: number) => n);

/** Tells values apart as their encodings do: two keys of equal content are refused in a Map. */
const identity = (of: unknown) => Buffer.from(encodeValue(of)).toString("hex");

/** Every kind of value; Sets and Maps of distinct items, as decoded values have them. */
const { value } = fc.letrec<{ value: unknown; leaf: unknown }>((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom(
      null,
      undefined,
      true,
      false,
      -0,
      0,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      2 ** 53,
      5e-324,
    ),
    fc.double(),
    fc.integer(),
    fc.bigInt(),
    text,
    fc.date({ noInvalidDate: true }),
    fc.uint8Array(),
    fc.uint8ClampedArray(),
    fc.int8Array(),
    fc.int16Array(),
    fc.uint16Array(),
    fc.int32Array(),
    fc.uint32Array(),
    fc.bigInt64Array(),
    fc.bigUint64Array(),
    fc.float32Array(),
    fc.float64Array(),
    digest.map((identity) => new DatasetValue(identity)),
    fc
      .tuple(
        text.filter((path) => path !== ""),
        digest,
      )
      .map(([path, content]) => new FileValue(path, content)),
    fc.constantFrom(
      new FileValue("a", "3 bytes, 1", "stat"),
      new FileValue("https://h/a", '"x"', "etag"),
      new DirectoryValue("d", []),
      new DirectoryValue("d", [{ name: "a", version: "0".repeat(64) }], "content", true),
      new DirectoryValue("d", [{ name: "a/b", version: "1 bytes, 2" }], "stat"),
    ),
    fc.constant(someTask),
    text.map((query) => sql`SELECT ${query} AS q`),
  ),
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    tie("leaf"),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.oneof(text, fc.constantFrom("__proto__", "constructor", "toString")), tie("value"), {
      maxKeys: 4,
    }),
    tie("value").map((item) => partial(twoTask, item)),
    fc.array(tie("leaf"), { maxLength: 4 }).map((items) => new Set(items)),
    fc
      .uniqueArray(fc.tuple(tie("leaf"), tie("value")), { maxLength: 4, selector: ([key]) => identity(key) })
      .map((entries) => new Map(entries)),
  ),
}));

describe("a value as a message", () => {
  test("comes back as the same value through the binary form", () => {
    fc.assert(
      fc.property(value, (given) => {
        const wire = toBinary(ValueSchema, messageFromValue(given));
        const back = valueFromMessage(fromBinary(ValueSchema, wire));
        expect(Buffer.from(encodeValue(back)).toString("hex")).toBe(Buffer.from(encodeValue(given)).toString("hex"));
      }),
      { numRuns: 500 },
    );
  });

  test("comes back as the same value after it was stored", () => {
    fc.assert(
      fc.property(value, (given) => {
        const stored = encodeValue(given);
        const back = valueFromMessage(messageFromValue(decodeValue(stored)));
        expect(Buffer.from(encodeValue(back)).toString("hex")).toBe(Buffer.from(stored).toString("hex"));
      }),
    );
  });

  test("comes back through the JSON form, but for -0", () => {
    fc.assert(
      fc.property(value, (given) => {
        const wire = toJsonString(ValueSchema, messageFromValue(given));
        const back = valueFromMessage(fromJsonString(ValueSchema, wire));
        const zeros = (message: string): string => message.replaceAll(/"numberValue":-0\b/g, '"numberValue":0');
        expect(zeros(toJsonString(ValueSchema, messageFromValue(back)))).toBe(zeros(wire));
      }),
    );
  });

  test("is bound in depth, both ways", () => {
    const nested = (levels: number): unknown => Array.from({ length: levels }).reduce((inner) => [inner], 1);
    expect(valueFromMessage(messageFromValue(nested(300)))).toEqual(nested(300));
    expect(() => messageFromValue(nested(301))).toThrow("value nests too deep for a message; levels allowed: 300");
    let message = messageFromValue(1);
    for (let i = 0; i < 301; i++)
      message = create(ValueSchema, { kind: { case: "listValue", value: { values: [message] } } });
    expect(() => valueFromMessage(message)).toThrow("nests too deep for a message");
  });
});

describe("a reference to what is looked at later", () => {
  const same = (message: Parameters<typeof create<typeof ValueSchema>>[1], expected: unknown): void => {
    const actual = encodeProgram([valueFromMessage(create(ValueSchema, message))]);
    expect(actual).toEqual(encodeProgram([expected]));
  };

  test("is what authors write: a file by path", () => {
    same({ kind: { case: "fileValue", value: { path: "data/x.bin" } } }, file("data/x.bin"));
  });

  test("is what authors write: a dataset by location", () => {
    same(
      { kind: { case: "datasetValue", value: { reference: { case: "location", value: { location: "data/a" } } } } },
      dataset("data/a"),
    );
    const place = { location: "data/a", format: "csv", options: { header: "true" }, fingerprint: "rows" };
    same(
      { kind: { case: "datasetValue", value: { reference: { case: "location", value: place } } } },
      dataset("data/a", { format: "csv", options: { header: "true" }, fingerprint: "rows" }),
    );
  });
});

describe("a message that is no value is refused with its place", () => {
  type Init = NonNullable<Parameters<typeof create<typeof ValueSchema>>[1]>;
  const one: Init = { kind: { case: "numberValue", value: 1 } };
  const cases: readonly (readonly [string, Init, string])[] = [
    ["no kind", {}, "argument 1 of f has no kind set"],
    [
      "no kind inside",
      {
        kind: {
          case: "objectValue",
          value: { members: [{ key: "a b", value: { kind: { case: "listValue", value: { values: [one, {}] } } } }] },
        },
      },
      'argument 1 of f at ["a b"][1] has no kind set',
    ],
    [
      "a bigint with letters",
      { kind: { case: "bigintValue", value: "12n" } },
      'is a bigint that is no decimal integer: "12n"',
    ],
    ["an empty bigint", { kind: { case: "bigintValue", value: "" } }, "is a bigint that is no decimal integer"],
    [
      "a date out of range",
      { kind: { case: "dateValue", value: 8.64e15 + 1 } },
      "is a date that is no whole number of milliseconds, or out of range",
    ],
    ["a date of half a millisecond", { kind: { case: "dateValue", value: 0.5 } }, "is a date that is no whole number"],
    [
      "a typed array without a type",
      { kind: { case: "typedArrayValue", value: { data: Uint8Array.of(1) } } },
      "is a typed array of an unknown element type: 0",
    ],
    [
      "a typed array cut short",
      { kind: { case: "typedArrayValue", value: { elementType: ElementType.INT32, data: Uint8Array.of(1, 2, 3) } } },
      "is a typed array of 4-byte elements whose data has another number of bytes: 3",
    ],
    [
      "a member twice",
      {
        kind: {
          case: "objectValue",
          value: {
            members: [
              { key: "a", value: one },
              { key: "a", value: one },
            ],
          },
        },
      },
      "at .a is there twice",
    ],
    [
      "__proto__ twice",
      {
        kind: {
          case: "objectValue",
          value: {
            members: [
              { key: "__proto__", value: one },
              { key: "__proto__", value: one },
            ],
          },
        },
      },
      "at .__proto__ is there twice",
    ],
    [
      "a key twice",
      {
        kind: {
          case: "mapValue",
          value: {
            entries: [
              { key: one, value: one },
              { key: one, value: one },
            ],
          },
        },
      },
      "at <key 1> is there twice",
    ],
    [
      "an entry without a value",
      { kind: { case: "mapValue", value: { entries: [{ key: one }] } } },
      "at <value 0> has no kind set",
    ],
    [
      "an item twice",
      { kind: { case: "setValue", value: { values: [one, one] } } },
      "is a Set with an item that is there twice",
    ],
    ["a file without a path", { kind: { case: "fileValue", value: {} } }, "is a file without a path"],
    [
      "a file with a short digest",
      { kind: { case: "fileValue", value: { path: "x", digest: "ab" } } },
      'whose digest is not 64 lower-case hex digits: "ab"',
    ],
    [
      "a dataset without a reference",
      { kind: { case: "datasetValue", value: {} } },
      "is a dataset with neither identity nor location",
    ],
    [
      "a dataset with a short identity",
      { kind: { case: "datasetValue", value: { reference: { case: "identity", value: "xy" } } } },
      'whose identity is not 64 lower-case hex digits: "xy"',
    ],
    [
      "a dataset without a location",
      { kind: { case: "datasetValue", value: { reference: { case: "location", value: {} } } } },
      "is a dataset without a location",
    ],
    [
      "a dataset of an unknown fingerprint",
      {
        kind: {
          case: "datasetValue",
          value: { reference: { case: "location", value: { location: "x", fingerprint: "footers" } } },
        },
      },
      'is a dataset of an unknown fingerprint (known: checksums, rows): "footers"',
    ],
    ["a task without a name", { kind: { case: "taskValue", value: {} } }, "is a task without a name"],
  ];
  test.each(cases)("%s", (_name, init, message) => {
    expect(() => valueFromMessage(create(ValueSchema, init), "argument 1 of f")).toThrow(message);
  });

  test("what is no value has no message", () => {
    expect(() => messageFromValue(Symbol("s"))).toThrow("value has no wire form: symbol");
    expect(() => messageFromValue(() => 1)).toThrow("value has no wire form: function");
    expect(() => messageFromValue(new URL("http://localhost"))).toThrow("value has no wire form: an instance of URL");
  });
});
