import { describe, expect, it } from "vitest";
import { DatasetValue } from "../../../src/define/external.ts";
import { pyspark, sql } from "../../../src/define/spark.ts";
import { makeWork, type SparkWork } from "../../../src/define/work.ts";
import type { StagedFile } from "../../../src/route/livy/staging.ts";
import { rowConf, type WorkFiles, workKey } from "../../../src/route/livy/work-key.ts";

const orders = new DatasetValue("a".repeat(64));
const lines = new DatasetValue("b".repeat(64));
const file = (name: string, digest: string): StagedFile => ({
  uri: `file:///w/${name}`,
  name,
  digest: digest.repeat(64),
});
const none: WorkFiles = { file: null, pyFiles: [], jars: [], files: [], archives: [] };
const job: WorkFiles = { ...none, file: file("job.py", "c") };
const key = (work: SparkWork, files = none, conf: Record<string, string> = {}, major = 3) =>
  workKey(work, files, conf, major);
const query = (year: number) => sql`SELECT * FROM ${orders} o JOIN ${lines} USING (id) WHERE year = ${year}`;
const python = (options: object = {}) =>
  pyspark({ file: "job.py", inputs: { orders, lines }, params: { a: 1 }, ...options });

describe("the key of bulk work", () => {
  it("does not change from version to version", async () => {
    const keys = {
      sql: key(query(2024)),
      pyspark: key(python({ outputs: { x: { partitionBy: ["day"] }, y: {} } }), job),
      fingerprint: key(makeWork({ kind: "fingerprint", input: orders, settings: {} })),
      "sql with parameters of every kind": key(
        sql`SELECT ${1}, ${1.5}, ${"a"}, ${true}, ${null}, ${2n ** 40n}, ${new Date(0)}, ${new Uint8Array([1])}, ${[1, 2]}`,
      ),
      "sql with settings, on Spark 4": key(
        query(2024).with({ partitionBy: ["id"] }),
        { ...none, jars: [file("u.jar", "d")], files: [file("f.txt", "e")], archives: [file("a.zip#a", "f")] },
        { "spark.sql.session.timeZone": "CET", "spark.executor.memory": "9g" },
        4,
      ),
      "pyspark with one output and modules": key(python(), { ...job, pyFiles: [file("m.py", "e")] }),
    };
    await expect(`${JSON.stringify(keys, null, 2)}\n`).toMatchFileSnapshot("golden.json");
  });

  it.each<[string, SparkWork, SparkWork]>([
    [
      "memory, queue and the like",
      query(1),
      query(1).with({
        executorMemory: "9g",
        queue: "q",
        numExecutors: 3,
        proxyUser: "p",
        conf: { "spark.executor.cores": "2", "spark.sql.shuffle.partitions": "9" },
      }),
    ],
    ["the order of input names", python(), python({ inputs: { lines, orders } })],
    ["the path of the job file", python(), python({ file: "./job.py" })],
    [
      "a pinned setting's default spelled out",
      query(1),
      query(1).with({ conf: { "spark.sql.session.timeZone": "UTC" } }),
    ],
  ])("is not changed by %s", (_, a, b) => {
    expect(key(a, job, a.settings.conf)).toBe(key(b, job, b.settings.conf));
  });

  it.each<[string, string]>([
    ["the text", key(sql`SELECT 1 FROM ${orders}`)],
    ["a parameter", key(query(2023))],
    ["an input", key(sql`SELECT * FROM ${lines} o JOIN ${orders} USING (id) WHERE year = ${2024}`)],
    ["an output option", key(query(2024).with({ partitionBy: ["id"] }))],
    ["the time zone", key(query(2024), none, { "spark.sql.session.timeZone": "CET" })],
    ["a setting nobody thought of", key(query(2024), none, { "spark.sql.something.new": "1" })],
    ["a jar", key(query(2024), { ...none, jars: [file("u.jar", "d")] })],
    ["Spark's major version", key(query(2024), none, {}, 4)],
  ])("is changed by %s", (_, other) => {
    expect(other).not.toBe(key(query(2024)));
  });

  it.each<[string, string]>([
    ["the job's content", key(python(), { ...job, file: file("job.py", "d") })],
    ["a module's content", key(python(), { ...job, pyFiles: [file("m.py", "d")] })],
    ["params", key(python({ params: { a: "1" } }), job)],
    ["an input's name", key(python({ inputs: { o: orders, lines } }), job)],
    ["named outputs in place of one", key(python({ outputs: { out: {} } }), job)],
  ])("of a Python job is changed by %s", (_, other) => {
    expect(other).not.toBe(key(python(), job));
  });

  it("pins what clusters set differently", () => {
    expect(rowConf({ "spark.sql.adaptive.enabled": "false", "spark.executor.memory": "1g" }, 4)).toEqual({
      "spark.sql.session.timeZone": "UTC",
      "spark.sql.ansi.enabled": "true",
      "spark.sql.caseSensitive": "false",
    });
  });
});
