import type { JsonValue } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DatasetValue, DirectoryValue, FileValue } from "../../src/define/external.ts";
import { directory, file } from "../../src/define/files.ts";
import { dataset } from "../../src/define/forms.ts";
import { makePartial } from "../../src/define/partial.ts";
import { sql } from "../../src/define/spark.ts";
import { TaskReference } from "../../src/define/task.ts";
import { encodeProgram } from "../../src/hash/program.ts";
import { jsonFromValue, valueFromJson } from "../../src/serve/json-value.ts";

const DIGEST = "0f".repeat(32);

describe("a value as JSON", () => {
  const cases: readonly (readonly [string, unknown, unknown])[] = [
    ["undefined", undefined, null],
    ["undefined in an object", { a: undefined, b: 1 }, { b: 1 }],
    ["undefined in a list", [undefined, 1], [null, 1]],
    ["-0", -0, 0],
    ["NaN", Number.NaN, "NaN"],
    ["an infinity", Number.NEGATIVE_INFINITY, "-Infinity"],
    ["a bigint", 2n ** 64n, "18446744073709551616"],
    ["bytes", Uint8Array.of(255, 0), "/wA="],
    ["a typed array", Float32Array.of(0.5, Number.NaN), [0.5, "NaN"]],
    ["a typed array of bigints", BigInt64Array.of(-1n), ["-1"]],
    ["a date", new Date(0), "1970-01-01T00:00:00.000Z"],
    ["a Set", new Set([1, "a"]), [1, "a"]],
    ["a Map with strings as keys", new Map([["a", new Map([[1, 2]])]]), { a: [[1, 2]] }],
    ["a file", new FileValue("data/x", DIGEST), { $file: { path: "data/x", digest: DIGEST } }],
    ["a file by ETag", new FileValue("x", '"1"', "etag"), { $file: { path: "x", by: "etag", version: '"1"' } }],
    [
      "a directory",
      new DirectoryValue("d", [{ name: "a", version: DIGEST }]),
      { $directory: { path: "d", by: "content", hidden: false, entries: [{ name: "a", version: DIGEST }] } },
    ],
    ["a dataset", new DatasetValue(DIGEST), { $dataset: { identity: DIGEST } }],
    ["a task", new TaskReference("a.b"), { $task: "a.b" }],
    [
      "a partial task",
      makePartial({ task: "a.b", args: [1n, { c: 2 }] }),
      { $task: { name: "a.b", arguments: ["1", { c: 2 }] } },
    ],
    ["a member named __proto__", JSON.parse('{"__proto__": {"a": 1}}'), JSON.parse('{"__proto__": {"a": 1}}')],
  ];
  test.each(cases)("%s", (_name, value, json) => {
    expect(JSON.stringify(jsonFromValue(value))).toBe(JSON.stringify(json));
  });

  test("Spark work", () => {
    expect(jsonFromValue(sql`SELECT 1`)).toMatchObject({ $work: { kind: "sql", text: "SELECT 1" } });
  });

  test("what JSON has comes back as it was", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        const plain = JSON.parse(JSON.stringify(json)) as JsonValue;
        expect(valueFromJson(jsonFromValue(plain))).toEqual(plain);
      }),
    );
  });

  test.each([
    new FileValue("x", DIGEST),
    new FileValue("x", "1 bytes, 2", "stat"),
    new DirectoryValue("d", [{ name: "a", version: DIGEST }], "content", true),
    new DatasetValue(DIGEST),
    new TaskReference("a.b"),
  ])("a reference comes back as it was: %o", (value) => {
    expect(valueFromJson(jsonFromValue({ deep: [value] }))).toEqual({ deep: [value] });
  });
});

describe("a JSON argument", () => {
  const cases: readonly (readonly [JsonValue, unknown])[] = [
    [{ $dataset: "data/a" }, dataset("data/a")],
    [
      { $dataset: { location: "data/a", format: "csv", options: { header: "true" } } },
      dataset("data/a", { format: "csv", options: { header: "true" } }),
    ],
    [
      [{ days: { $dataset: { location: "data/a", fingerprint: "rows" } } }],
      [{ days: dataset("data/a", { fingerprint: "rows" }) }],
    ],
    [{ $file: "data/x" }, file("data/x")],
    [{ $file: { path: "data/x" } }, file("data/x")],
    [{ $file: { path: "data/x", by: "stat" } }, file("data/x", { by: "stat" })],
    [{ $directory: "data" }, directory("data")],
    [{ $directory: { path: "data", hidden: true } }, directory("data", { hidden: true })],
    [{ $task: "a.b" }, new TaskReference("a.b")],
    [{ $task: { name: "a.b", arguments: [1, { $file: "x" }] } }, makePartial({ task: "a.b", args: [1, file("x")] })],
    [
      { $file: "data/x", more: 1 },
      { $file: "data/x", more: 1 },
    ],
    [{ $other: 1 }, { $other: 1 }],
  ];
  test.each(cases)("%j is understood", (json, value) => {
    expect(encodeProgram([valueFromJson(json)])).toEqual(encodeProgram([value]));
  });

  const refused: readonly (readonly [JsonValue, string])[] = [
    [{ $dataset: 7 }, "argument 1 of f at .$dataset is no string and no object: 7"],
    [
      { a: [{ $dataset: { place: "x" } }] },
      "at .a[0].$dataset.place is not known here (known: location, format, options, fingerprint, identity)",
    ],
    [{ $dataset: {} }, "at .$dataset needs either a location or an identity"],
    [{ $dataset: { location: "x", identity: DIGEST } }, "needs either a location or an identity"],
    [{ $dataset: { location: ["x"] } }, 'at .$dataset.location is no string: ["x"]'],
    [{ $dataset: { location: "x", format: "xls" } }, 'unknown format (known: parquet, csv, json, orc): "xls"'],
    [{ $dataset: { location: "x", options: { header: true } } }, "at .$dataset.options.header is no string: true"],
    [{ $dataset: { location: "x", options: [] } }, "at .$dataset.options is no object: []"],
    [{ $dataset: { identity: "x" } }, "whose identity is not 64 lower-case hex digits"],
    [{ $file: "" }, "at .$file is a file without a path"],
    [{ $file: { path: "x", digest: "y" } }, "whose digest is not 64 lower-case hex digits"],
    [{ $file: { path: "x", by: "name" } }, 'is known by something unknown (known: content, stat, etag): "name"'],
    [
      { $file: { path: "x", by: "stat", digest: DIGEST } },
      "is a file known by stat, which has a version and no digest",
    ],
    [{ $directory: "" }, "at .$directory is a directory without a path"],
    [{ $directory: { path: "x", hidden: 1 } }, "at .$directory.hidden is no boolean: 1"],
    [{ $directory: { path: "x", entries: {} } }, "at .$directory.entries is no list: {}"],
    [{ $directory: { path: "x", entries: [{ name: "a" }] } }, "at .$directory.entries[0] needs a name and a version"],
    [
      { $directory: { path: "x", entries: [{ name: "a", version: "y" }] } },
      "whose digest is not 64 lower-case hex digits",
    ],
    [
      { $directory: { path: "x", entries: [1, 2].map(() => ({ name: "a", version: DIGEST })) } },
      'is a directory with a file that has no name, or is there twice: "a"',
    ],
    [{ $task: 1 }, "at .$task is no name of a task: 1"],
  ];
  test.each(refused)("%j is refused with its place", (json, message) => {
    expect(() => valueFromJson(json, "argument 1 of f")).toThrow(message);
  });
});
