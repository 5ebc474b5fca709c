import { describe, expect, it } from "vitest";
import { DatasetValue } from "../../src/define/external.ts";
import { dataset } from "../../src/define/forms.ts";
import { ident, pyspark, type SqlValue, sql } from "../../src/define/spark.ts";

const a = new DatasetValue("a".repeat(64));
const b = new DatasetValue("b".repeat(64));

describe("sql", () => {
  it.each<[unknown, string, string | null]>([
    [1, "bigint", "1"],
    [0, "bigint", "0"],
    [-0, "double", "-0.0"],
    [1.5, "double", "1.5"],
    [2 ** 53, "double", "9007199254740992"],
    [1e300, "double", "1e+300"],
    [Number.NaN, "double", "NaN"],
    [Number.NEGATIVE_INFINITY, "double", "-Infinity"],
    [1n, "bigint", "1"],
    [2n ** 63n - 1n, "bigint", "9223372036854775807"],
    [2n ** 63n, "decimal(38,0)", "9223372036854775808"],
    [-(10n ** 37n), "decimal(38,0)", `-1${"0".repeat(37)}`],
    ["it's; DROP TABLE x --", "string", "it's; DROP TABLE x --"],
    ["", "string", ""],
    [true, "boolean", "true"],
    [new Date(5), "timestamp", "1970-01-01T00:00:00.005Z"],
    [new Uint8Array([0, 255]), "binary", "AP8="],
    [null, "void", null],
  ])("binds %s as %s", (value, type, text) => {
    const work = sql`SELECT ${value as SqlValue} AS x`;
    expect(work.text).toBe(type.startsWith("decimal") ? "SELECT CAST(:p0 AS DECIMAL(38,0)) AS x" : "SELECT :p0 AS x");
    expect(work.parameters).toEqual([{ name: "p0", type, value: text }]);
  });

  it("makes views of datasets, one a dataset, and arrays of lists", () => {
    const work = sql`
      SELECT * FROM ${a} x JOIN ${b} y ON x.id = y.id JOIN ${a} z WHERE array_contains(${[1, "b", null]}, x.id) AND ${[]} IS NOT NULL AND y.n = ${2}
    `;
    expect(work.text).toBe(
      "SELECT * FROM input_0 x JOIN input_1 y ON x.id = y.id JOIN input_0 z WHERE array_contains(array(:p0, :p1, :p2), x.id) AND array() IS NOT NULL AND y.n = :p3",
    );
    expect(work.inputs).toEqual([a, b]);
    expect(work.parameters.map(({ type }) => type)).toEqual(["bigint", "string", "void", "bigint"]);
  });

  it("pastes nothing but quoted names", () => {
    expect(sql`SELECT ${ident("t.Order `Date`")} FROM ${a} t`.text).toBe("SELECT `t`.`Order ``Date``` FROM input_0 t");
    for (const name of ["", ".", "a..b", "a.", 1 as never])
      expect(() => ident(name)).toThrow(/^ident\(name\): not a name/);
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      "a lazy",
      () => sql`SELECT ${"x"} FROM ${dataset("x") as never}`,
      /^sql: the value at place 2 is lazy; make it an argument of the task/,
    ],
    ["a lazy in a list", () => sql`SELECT ${[1, dataset("x")] as never}`, /^sql: the value at place 1 is lazy/],
    ["undefined", () => sql`SELECT ${undefined as never}`, /cannot be a parameter: undefined/],
    ["an object", () => sql`SELECT ${{ a: 1 } as never}`, /cannot be a parameter: \[object Object\]/],
    ["a list of lists", () => sql`SELECT ${[[1]] as never}`, /cannot be a parameter: \[object Array\]/],
    ["an invalid Date", () => sql`SELECT ${new Date(Number.NaN)}`, /the Date at place 1 is invalid/],
    ["39 digits", () => sql`SELECT ${10n ** 38n}`, /has more than 38 digits/],
  ])("refuses %s", (_, use, message) => {
    expect(use).toThrow(expect.objectContaining({ code: "invalid_argument", message: expect.stringMatching(message) }));
  });

  it("keeps the query when settings and output options are added", () => {
    const work = sql`SELECT * FROM ${a}`.with({ executorMemory: "2g", partitionBy: ["day"] }).with({ queue: "q" });
    expect(work).toMatchObject({
      text: "SELECT * FROM input_0",
      settings: { executorMemory: "2g", queue: "q" },
      output: { partitionBy: ["day"] },
    });
    expect(() => sql`SELECT 1`.with({ mode: "warm" } as never)).toThrow(
      "sql: `mode` must be one of batch, statement, auto, not 'warm'",
    );
    expect(() => sql`SELECT 1`.with({ executorMemroy: "2g" } as never)).toThrow(
      /^sql: unknown setting \(known: .*\): executorMemroy$/,
    );
  });
});

describe("pyspark", () => {
  it("describes a job, and copies its parameters", () => {
    const params = { days: [1, 2], none: undefined, deep: { x: null } };
    const work = pyspark({
      file: "jobs/a.py",
      inputs: { a },
      params,
      driverMemory: "1g",
      options: { compression: "zstd" },
    });
    params.days.push(3);
    expect(work).toMatchObject({
      kind: "pyspark",
      file: "jobs/a.py",
      inputs: { a },
      params: { days: [1, 2], deep: { x: null } },
      outputs: null,
      output: { options: { compression: "zstd" } },
      settings: { driverMemory: "1g" },
    });
    expect(work.params).not.toHaveProperty("none");
  });

  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  it.each<[string, object, RegExp]>([
    ["no file", { file: "" }, /`file` must name a Python file/],
    ["an unknown setting", { file: "a.py", memory: "1g" }, /^pyspark: unknown setting \(known: .*\): memory$/],
    ["an input that is lazy", { file: "a.py", inputs: { x: dataset("x") } }, /^pyspark: input x is lazy/],
    [
      "an input that is no dataset",
      { file: "a.py", inputs: { x: "data" } },
      /^pyspark: input x must be a dataset, not 'data'$/,
    ],
    ["a Map", { file: "a.py", params: { m: new Map() } }, /params\.m is Map\(0\) \{\}$/],
    ["a Date", { file: "a.py", params: { at: [new Date(0)] } }, /params\.at\[0\] is 1970-01-01T00:00:00\.000Z$/],
    ["a bigint", { file: "a.py", params: { n: 1n } }, /params\.n is 1n$/],
    ["NaN", { file: "a.py", params: [Number.NaN] }, /params\[0\] is NaN$/],
    ["a lazy", { file: "a.py", params: { d: dataset("x") } }, /^pyspark: params\.d is lazy/],
    ["a cycle", { file: "a.py", params: cycle }, /contains itself$/],
  ])("refuses %s", (_, options, message) => {
    expect(() => pyspark(options as never)).toThrow(
      expect.objectContaining({ code: "invalid_argument", message: expect.stringMatching(message) }),
    );
  });
});
