/** Identities that were given out once must never change without anybody noticing: every cached result would be lost, or worse, found under another's name. */
import { readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { InstanceValue, registerCodec } from "../../src/define/codec.ts";
import { DatasetValue, DirectoryValue, FileValue } from "../../src/define/external.ts";
import { directory, file, glob } from "../../src/define/files.ts";
import { apply, catchAll, catchError, cond, dataset, raise, seq } from "../../src/define/forms.ts";
import { filter, flatMap, map, reduce } from "../../src/define/lists.ts";
import { add, and, eq, text } from "../../src/define/operators.ts";
import { partial } from "../../src/define/partial.ts";
import { withContext, withLimits, withTags } from "../../src/define/scope.ts";
import { pyspark, sql } from "../../src/define/spark.ts";
import { task } from "../../src/define/task.ts";
import { writtenDatasetIdentity } from "../../src/hash/dataset.ts";
import { digestBytes, digestOf, digestValue } from "../../src/hash/digest.ts";
import { encodeProgram } from "../../src/hash/program.ts";

class Money {
  readonly cents: number;
  readonly currency: string;
  constructor(cents: number, currency: string) {
    this.cents = cents;
    this.currency = currency;
  }
}
registerCodec({
  name: "golden.Money",
  class: Money,
  encode: ({ cents, currency }) => ({ cents, currency }),
  decode: ({ cents, currency }) => new Money(cents, currency),
});
const inc = task("golden.inc", (n: number) => n + 1);
const sum = task("golden.sum", (a: number, b: number) => a + b);
const words = task("golden.words", (line: string) => line.split(" "));
const isLong = task("golden.isLong", (word: string) => word.length > 3);
const recover = task("golden.recover", () => 0);
const one = "1".repeat(64);
const input = new DatasetValue(one);
const values: Readonly<Record<string, unknown>> = {
  undefined: undefined,
  null: null,
  true: true,
  zero: 0,
  "minus zero": -0,
  integers: [1, -1, 23, 24, 2 ** 32, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER],
  floats: [0.1, 0.5, 2 ** 53, 1e300, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  bigints: [0n, 1n, -1n, 2n ** 64n, -(2n ** 64n)],
  texts: ["", "a", "é", "\u{1f600}", "x".repeat(300)],
  object: { b: 1, a: [true], aa: { __x: null }, é: undefined },
  map: new Map<unknown, unknown>([
    [1, "a"],
    ["1", "b"],
    [[1], new Map()],
  ]),
  set: new Set<unknown>([3, 1, "1", 2n]),
  dates: [new Date(0), new Date(-1), new Date(1_700_000_000_123)],
  bytes: new Uint8Array([0, 1, 255]),
  "typed arrays": [
    new Int16Array([1, -1]),
    new Float64Array([0.1]),
    new BigUint64Array([1n]),
    new Uint8ClampedArray([9]),
  ],
  file: new FileValue("data/a.csv", one),
  "file by stat": new FileValue("data/a.csv", "3 bytes, 1600000000000000000", "stat"),
  "file by etag": new FileValue("https://h/a.csv", '"abc"', "etag"),
  directory: new DirectoryValue("data", [
    { name: "b/c.csv", version: one },
    { name: "a.csv", version: one },
  ]),
  "directory by stat": new DirectoryValue("data", [{ name: ".a", version: "3 bytes, 1" }], "stat", true),
  dataset: input,
  task: inc,
  partial: partial(partial(sum, 1), 2),
  instance: [new Money(3, "EUR"), new InstanceValue("golden.Money", { cents: 3, currency: "EUR" })],
  sql: sql`SELECT * FROM ${input} WHERE a > ${1} AND b IN (${["x", null]})`,
  pyspark: pyspark({ file: "jobs/a.py", inputs: { input }, params: { n: 1 }, outputs: { out: {} } }),
};
const programs: Readonly<Record<string, unknown>> = {
  call: inc(1),
  nested: inc(inc(inc(1))),
  partial: partial(sum, inc(1)),
  "partial of a lazy": partial(apply(partial(inc as never, 1 as never)) as never, 1 as never),
  lists: [flatMap(words, ["a b"]), filter(isLong, ["tree"]), reduce(sum, [1, 2]), reduce(sum, [1], 0)],
  errors: [
    cond(false, 1, true, 2, 3),
    catchError(1, recover, ["not_found", TypeError]),
    catchAll([inc(1)]),
    catchAll({ b: inc(1), a: 2 }, recover),
    catchAll(map(inc, [1])),
    raise("x", "Empty"),
    seq([inc(1), 2]),
  ],
  operators: [text`a${inc(1)}b`, add(inc(1), 2), eq(inc(1), 2), and(eq(1, 1), true)],
  scopes: [withTags(["a"], inc(1)), withLimits(["a"], inc(1)), withContext({ a: inc(1) }, [inc(2)])],
  "call with options": [inc.with({ retries: { max: 2, only: ["TypeError"] }, executor: "process" })(1), inc(1)],
  forms: { a: cond(true, inc(1), file("x")), b: map(inc, [1, 2]), c: dataset("d", { format: "csv" }) },
  files: [file("x", { by: "etag" }), directory("d"), directory("d", { hidden: true }), glob("*.csv", { by: "stat" })],
};

it("identities are those of the golden file", () => {
  const found = {
    values: Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, digestValue(encodeProgram(value).bytes)]),
    ),
    programs: Object.fromEntries(
      Object.entries(programs).map(([name, value]) => [name, digestValue(encodeProgram(value).bytes)]),
    ),
    call: digestOf("call", "golden.inc", one, [digestValue(encodeProgram(1).bytes)]),
    "call that sees a context": digestOf(
      "call",
      "golden.inc",
      one,
      [],
      ["context", ["a", digestValue(encodeProgram(1).bytes)], ["b", null]],
    ),
    "call without arguments": digestOf("call", "golden.inc", one, []),
    bytes: digestBytes("abc"),
    "dataset by rows": writtenDatasetIdentity(
      { type: "struct", fields: [{ name: "a", type: "long", nullable: true, metadata: {} }] },
      3,
      { mode: "rows", version: 1, xor: ["00", "ff"], sums: ["1", "2", "3", "4"] },
    ),
    "dataset by checksums": digestOf("dataset", "checksums", 1, "csv", { header: "true" }, [["year=2024", one]]),
  };
  const path = new URL("./golden.json", import.meta.url);
  // Written only by hand: UPDATE_GOLDEN=1 npx vitest run test/hash/golden.test.ts
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(path, `${JSON.stringify(found, null, 2)}\n`);
  expect(found).toEqual(JSON.parse(readFileSync(path, "utf8")));
});

it("a digest of plain bytes is SHA-256 as everybody computes it", () => {
  expect(digestBytes("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

it("a digest includes its tag and the borders of its parts", () => {
  const digests = [
    digestOf("a"),
    digestOf("b"),
    digestOf("a", "b"),
    digestOf("a", ["b"]),
    digestOf("a", "b", "c"),
    digestOf("a", "bc"),
    digestOf("a", 1),
    digestOf("a", 1n),
  ];
  expect(new Set(digests).size).toBe(digests.length);
});
