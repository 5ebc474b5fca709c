import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DatasetValue } from "../../../src/define/external.ts";
import { pyspark, sql } from "../../../src/define/spark.ts";
import { makeWork } from "../../../src/define/work.ts";
import type { FiresteelError } from "../../../src/errors.ts";
import {
  createResourceManager,
  hasEnded,
  type ResourceManager,
} from "../../../src/route/livy/witness/resource-manager.ts";
import { testCluster } from "../../cluster.ts";
import { type Bench, createBench } from "../bench.ts";

const cluster = await testCluster();

describe.skipIf(cluster === null)("bulk work on real Livy and YARN", { timeout: 300_000 }, () => {
  const { livyUrl, resourceManagerUrl, warehouse } = cluster ?? { livyUrl: "", resourceManagerUrl: "", warehouse: "" };
  let yarn: ResourceManager;
  let folder: string;
  let bench: Bench;

  const start = (database?: Bench["database"]) =>
    createBench({
      clusters: [{ name: "real", url: livyUrl, resourceManager: { url: resourceManagerUrl } }],
      folder,
      ...(database ? { database } : {}),
    });
  const failure = (promise: Promise<unknown>) =>
    promise.then(
      () => expect.unreachable(),
      (error: unknown) => error as FiresteelError,
    );
  const submissions = () => [...bench.database.submissions.values()];
  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) await sleep(50);
  }

  beforeAll(async () => {
    yarn = createResourceManager({ cluster: "real", url: resourceManagerUrl });
    folder = await mkdtemp(join(warehouse, "route-"));
  });
  afterAll(async () => {
    await yarn[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    bench = await start();
  });
  afterEach(async () => {
    await bench[Symbol.asyncDispose]();
  });

  it("runs SQL over a dataset that SQL made, and fingerprints it", async () => {
    const made = (await bench.run(sql`SELECT id, id % ${3} AS k FROM range(${9})`)) as DatasetValue;
    expect(made).toBeInstanceOf(DatasetValue);
    const [place] = await bench.store.findDataset(made.identity);
    expect(place).toMatchObject({ rows: 9, format: "parquet" });
    const fingerprint = (await bench.run(makeWork({ kind: "fingerprint", input: made, settings: {} }))) as {
      rows: number;
    };
    expect(fingerprint.rows).toBe(9);
    await Promise.all(bench.gateway.live().map(({ gone }) => gone));
    const [first] = submissions();
    expect(first).toMatchObject({ state: "succeeded", failure: null });
    expect(first?.appId).toMatch(/^application_/);
    expect((await yarn.findByTag(first?.livyName ?? "")).map(({ id }) => id)).toEqual([first?.appId]);
    const ofExecution = await yarn.findByTag(`execution:${first?.executionId}`);
    expect(ofExecution.map(({ id }) => id)).toContain(first?.appId);
  });

  it("runs a Python file with named outputs", async () => {
    await writeFile(
      join(folder, "split.py"),
      "def run(ctx):\n    rows = ctx.spark.range(ctx.params['n'])\n    return {'even': rows.where('id % 2 = 0'), 'odd': rows.where('id % 2 = 1')}\n",
    );
    const { outputs } = (await bench.run(
      pyspark({ file: "split.py", params: { n: 5 }, outputs: { even: {}, odd: {} } }),
    )) as { outputs: Record<string, DatasetValue> };
    const rows = await Promise.all(
      ["even", "odd"].map(async (name) => (await bench.store.findDataset(outputs[name]?.identity ?? ""))[0]?.rows),
    );
    expect(rows).toEqual([3, 2]);
  });

  it("says where SQL does not parse, in Spark's words", async () => {
    const error = await failure(bench.run(sql`SELECT 1 AS a\n  FROM (`));
    expect(error).toMatchObject({
      code: "unknown",
      details: { class: "user", position: { line: 2, column: expect.any(Number) } },
    });
    expect(error.message).toMatch(/PARSE_SYNTAX_ERROR/);
    expect(submissions()).toHaveLength(1);
  });

  it("gives the traceback of a body that throws", async () => {
    await writeFile(join(folder, "broken.py"), "def run(ctx):\n    raise ValueError('column price is missing')\n");
    const error = await failure(bench.run(pyspark({ file: "broken.py" })));
    expect(error.message).toBe("ValueError: column price is missing");
    expect(error.details["traceback"]).toContain("broken.py");
  });

  it("gives the JVM exception below SQL, and what a function of a query threw from the author's file on", async () => {
    const thrown = await failure(
      bench.run(sql`SELECT cast(raise_error(${"price is negative"}) AS int) AS x FROM range(3)`),
    );
    expect(thrown.message).toBe("java.lang.RuntimeException: price is negative");
    const file = "halves.py";
    const halves = [
      "from pyspark.sql.functions import udf",
      "@udf('int')",
      "def half(x):",
      "    return 1 // (x - 1)",
      "def run(ctx):",
    ];
    await writeFile(
      join(folder, file),
      [...halves, "    return ctx.spark.range(3).select(half('id').alias('h'))", ""].join("\n"),
    );
    const error = await failure(bench.run(pyspark({ file })));
    expect(error.message).toBe("ZeroDivisionError: integer division or modulo by zero");
    expect(error.details["class"]).toBe("user");
    const lines = String(error.details["traceback"]).split("\n");
    expect(lines[1]).toMatch(/halves\.py", line 4, in half$/);
    // What the driver printed is kept by source.
    const [last] = submissions().slice(-1);
    const logOf = async (source: "submit" | "stdout" | "stderr") =>
      (await bench.store.readLog(last?.id ?? "", source)).join("\n");
    // The rest comes when its application is gone too.
    await expect.poll(() => logOf("stdout"), { timeout: 120_000 }).toContain("ZeroDivisionError");
    await expect.poll(() => logOf("stderr"), { timeout: 120_000 }).toContain("SparkContext: Successfully stopped");
    expect(await logOf("submit")).toContain("Submitted application");
  });

  it("does not try again what Spark refuses when its driver starts, or spark-submit before that", async () => {
    const refused = await failure(
      bench.run(sql`SELECT 1 AS a`.with({ conf: { "spark.serializer": "no.such.Serializer" } })),
    );
    expect(refused).toMatchObject({ code: "invalid_argument", retryable: false, details: { class: "submit" } });
    expect(refused.message).toContain("no.such.Serializer");
    const unfit = await failure(bench.run(sql`SELECT 1 AS a`.with({ conf: { "spark.executor.memory": "lots" } })));
    expect(unfit).toMatchObject({ details: { class: "submit", type: "org.apache.spark.SparkException" } });
    expect(submissions()).toHaveLength(2);
  });

  it("submits nothing for a job file that does not exist", async () => {
    const error = await failure(bench.run(pyspark({ file: "no-such.py" })));
    expect(error).toMatchObject({ code: "not_found" });
    expect(error.message).toContain(join(folder, "no-such.py"));
    expect(submissions()).toEqual([]);
  });

  it("does not try again what spark-submit refuses, and gives its words", async () => {
    const error = await failure(bench.run(sql`SELECT 1`.with({ queue: "no-such-queue" })));
    expect(error).toMatchObject({ retryable: false, details: { class: "submit" } });
    expect(error.message).toContain("no-such-queue");
    expect(submissions().map(({ state }) => state)).toEqual(["failed"]);
  });

  it("stops the application for certain", async () => {
    await writeFile(join(folder, "sleep.py"), "import time\ndef run(ctx):\n    time.sleep(300)\n");
    const controller = new AbortController();
    const running = failure(bench.run(pyspark({ file: "sleep.py" }), { signal: controller.signal }));
    await until(() => submissions()[0]?.state === "running");
    controller.abort();
    expect(await running).toMatchObject({ code: "cancelled" });
    const applications = await yarn.findByTag(submissions()[0]?.livyName ?? "");
    expect(applications.map(hasEnded)).toEqual([true]);
    expect(submissions()[0]?.state).toBe("cancelled");
  });

  it("does not start again what somebody killed on the cluster", async () => {
    await writeFile(join(folder, "sleep2.py"), "import time\ndef run(ctx):\n    time.sleep(301)\n");
    const running = failure(bench.run(pyspark({ file: "sleep2.py" })));
    await until(() => submissions()[0]?.state === "running");
    await yarn.kill(submissions()[0]?.appId ?? "");
    const error = await running;
    expect(error.message).toMatch(/killed/);
    expect(submissions().map(({ state }) => state)).toEqual(["killed"]);
  });

  it("has one application after the orchestrator was killed and started again", async () => {
    const work = sql`SELECT count(*) AS n FROM range(${1_000})`;
    const before = failure(bench.run(work));
    await until(() => submissions()[0]?.appId != null);
    await bench.kill();
    await before;
    const again = await start(bench.database);
    try {
      expect(await again.gateway.tend()).toBe(1);
      await again.run(work);
      expect(submissions().map(({ state }) => state)).toEqual(["succeeded"]);
      expect(await yarn.findByTag(submissions()[0]?.livyName ?? "")).toHaveLength(1);
    } finally {
      await again[Symbol.asyncDispose]();
    }
  });
});
