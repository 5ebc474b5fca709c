import { describe, expect, it } from "vitest";
import { DatasetValue } from "../../../src/define/external.ts";
import { pyspark, sql } from "../../../src/define/spark.ts";
import { sparkApp } from "../../../src/define/spark-app.ts";
import { makeWork, type SparkWork } from "../../../src/define/work.ts";
import type { StagedFile } from "../../../src/route/livy/submissions/staging.ts";
import { appConf, rowConf, type WorkFiles, workKey } from "../../../src/route/livy/submissions/work-key.ts";

interface AppPlaces {
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
}

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
const jar: WorkFiles = { ...none, file: file("app.jar", "c") };
const app = (options: object = {}) =>
  sparkApp({
    file: "app.jar",
    className: "shop.App",
    args: ["${inputs.orders}", "${outputs.daily}", 30],
    inputs: { orders },
    outputs: { daily: {} },
    ...options,
  });
const csv: Parameters<typeof workKey>[4] = new Map([
  [
    orders.identity,
    {
      identity: orders.identity,
      location: "file:///w/orders",
      format: "csv",
      options: { header: "true" },
      schema: null,
      partitionBy: [],
      rows: null,
      files: [],
    },
  ],
]);

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
      sparkApp: key(app(), jar),
      "sparkApp with settings, a schema, and an input in CSV": workKey(
        app({ outputs: { daily: { format: "json", schema: "id BIGINT", options: { mode: "PERMISSIVE" } } } }),
        { ...jar, jars: [file("u.jar", "d")], pyFiles: [file("m.py", "e")] },
        { "spark.shop.day": "1", "spark.executor.memory": "9g", "spark.sql.session.timeZone": "CET" },
        4,
        csv,
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
    ["the path of a jar", app(), app({ file: "target/app.jar" })],
    [
      "the way in which arguments are told",
      app(),
      app({ args: ({ inputs, outputs }: AppPlaces) => [inputs["orders"] ?? "", outputs["daily"] ?? "", "30"] }),
    ],
    ["an output's default format", app(), app({ outputs: { daily: { format: "parquet" } } })],
    [
      "where and how an application runs",
      app(),
      app({
        driverMemory: "9g",
        queue: "q",
        conf: {
          "spark.executor.memoryOverhead": "1g",
          "spark.dynamicAllocation.enabled": "true",
          "spark.hadoop.fs.s3a.endpoint": "http://s3",
        },
      }),
    ],
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

  it.each<[string, string]>([
    ["the file's content", key(app(), { ...jar, file: file("app.jar", "d") })],
    ["the class", key(app({ className: "shop.Other" }), jar)],
    ["an argument", key(app({ args: ["${inputs.orders}", "${outputs.daily}", 31] }), jar)],
    ["an input", key(app({ inputs: { orders: lines } }), jar)],
    ["the format of an input's files", workKey(app(), jar, {}, 3, csv)],
    ["an output's format", key(app({ outputs: { daily: { format: "orc" } } }), jar)],
    ["an output's schema", key(app({ outputs: { daily: { schema: "id BIGINT" } } }), jar)],
    ["an output's options", key(app({ outputs: { daily: { options: { mergeSchema: "false" } } } }), jar)],
    ["a jar", key(app(), { ...jar, jars: [file("u.jar", "d")] })],
    ["a setting of its own", key(app(), jar, { "spark.shop.day": "1" })],
    ["an environment variable", key(app(), jar, { "spark.yarn.appMasterEnv.DAY": "1" })],
    ["the time zone", key(app(), jar, { "spark.sql.session.timeZone": "CET" })],
    ["Spark's major version", key(app(), jar, {}, 4)],
  ])("of an application is changed by %s", (_, other) => {
    expect(other).not.toBe(key(app(), jar));
  });

  it("pins what clusters set differently", () => {
    const pins = {
      "spark.sql.session.timeZone": "UTC",
      "spark.sql.ansi.enabled": "false",
      "spark.sql.caseSensitive": "false",
    };
    expect(appConf({ "spark.executor.memory": "1g", "spark.driver.extraJavaOptions": "-Da=b" }, 3)).toEqual({
      "spark.driver.extraJavaOptions": "-Da=b",
      ...pins,
    });
    expect(rowConf({ "spark.sql.adaptive.enabled": "false", "spark.executor.memory": "1g" }, 4)).toEqual({
      "spark.sql.session.timeZone": "UTC",
      "spark.sql.ansi.enabled": "true",
      "spark.sql.caseSensitive": "false",
    });
  });
});
