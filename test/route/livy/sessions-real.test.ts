/** Bulk work in warm sessions of a real Livy 0.9, on YARN, inside a network namespace. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DatasetValue } from "../../../src/define/external.ts";
import { pyspark, sql } from "../../../src/define/spark.ts";
import { makeWork } from "../../../src/define/work.ts";
import type { FiresteelError } from "../../../src/errors.ts";
import {
  createResourceManager,
  hasEnded,
  type ResourceManager,
} from "../../../src/route/livy/witness/resource-manager.ts";
import { obstacle, openSessionCluster, type SessionCluster } from "../../livy/session-cluster.ts";
import { type Bench, createBench } from "../bench.ts";

describe.skipIf(obstacle !== null)("bulk work in real sessions", { timeout: 600_000 }, () => {
  let cluster: SessionCluster;
  let yarn: ResourceManager;
  let folder: string;
  let bench: Bench;

  const start = (database?: Bench["database"]) =>
    createBench({
      clusters: [
        {
          name: "real",
          url: cluster.livyUrl,
          resourceManager: { url: cluster.resourceManagerUrl },
          // A busy machine takes its time to end what is cancelled.
          sessions: { max: 1, cancelMs: 15_000 },
        },
      ],
      folder,
      ...(database ? { database } : {}),
    });
  const failure = (promise: Promise<unknown>) =>
    promise.then(
      () => expect.unreachable(),
      (error: unknown) => error as FiresteelError,
    );
  const rows = () => [...bench.database.submissions.values()];
  const last = () => rows().at(-1)!;
  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) await sleep(50);
  }

  beforeAll(async () => {
    cluster = await openSessionCluster();
    yarn = createResourceManager({ cluster: "real", url: cluster.resourceManagerUrl });
    folder = await mkdtemp(join(cluster.warehouse, "route-"));
    bench = await start();
  });
  afterAll(async () => {
    const { session } = last();
    await bench?.[Symbol.asyncDispose]();
    if (session !== null) await fetch(`${cluster.livyUrl}/sessions/${session}`, { method: "DELETE" });
    await yarn?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
    await cluster?.[Symbol.asyncDispose]();
  });

  it("gives the rows that a batch gives, in one session after the other", async () => {
    const made = (await bench.run(sql`SELECT id, id % ${3} AS k FROM range(${9})`)) as DatasetValue;
    const read = await bench.run(sql`SELECT k, count(*) AS n FROM ${made} GROUP BY k`);
    const known = (await bench.run(makeWork({ kind: "fingerprint", input: made, settings: {} }))) as { rows: number };
    expect(known.rows).toBe(9);
    expect(rows().map(({ mode, session }) => [mode, session])).toEqual(Array(3).fill(["statement", last().session]));
    const batch = await bench.run(sql`SELECT k, count(1) AS n FROM ${made} GROUP BY k`.with({ mode: "batch" }));
    expect(last().mode).toBe("batch");
    expect(batch).toEqual(read);
    expect((await bench.store.readLog(rows()[0]!.id)).join("\n")).toContain("firesteel: succeeded; manifest");
  });

  it("has the settings that a batch has", async () => {
    await writeFile(
      join(folder, "settings.py"),
      "def run(ctx):\n    own = ctx.spark.sql('SET -v').where(\"key NOT LIKE '%warehouse%'\").select('key', 'value')\n    return own\n",
    );
    const settings = (as: "batch" | "statement") =>
      bench.run(
        pyspark({ file: "settings.py", params: { as }, mode: as, conf: { "spark.sql.shuffle.partitions": "7" } }),
      );
    expect(await settings("statement")).toEqual(await settings("batch"));
  });

  it("gives the traceback of a body that throws, and goes on in the same session", async () => {
    await writeFile(join(folder, "broken.py"), "def run(ctx):\n    raise ValueError('column price is missing')\n");
    const error = await failure(bench.run(pyspark({ file: "broken.py" })));
    expect(error.message).toBe("ValueError: column price is missing");
    expect(error.details["traceback"]).toContain("broken.py");
    const { session } = last();
    await bench.run(sql`SELECT 1 AS a`);
    expect(last().session).toBe(session);
  });

  it("goes on in the next orchestrator", async () => {
    await writeFile(
      join(folder, "slow.py"),
      "import time\ndef run(ctx):\n    time.sleep(5)\n    return ctx.spark.range(2)\n",
    );
    const work = pyspark({ file: "slow.py" });
    const before = failure(bench.run(work));
    await until(() => last().state === "running");
    const { session, id } = last();
    await bench.kill();
    await before;
    bench = await start(bench.database);
    // The application of the batch before may be on its way out still.
    expect(await bench.gateway.tend()).toBeGreaterThan(0);
    await bench.run(work);
    expect(last()).toMatchObject({ id, session, state: "succeeded" });
    await bench.run(sql`SELECT 2 AS a`);
    expect(last().session).toBe(session);
  });

  it("stops the Spark jobs of a cancelled statement, and keeps the session", async () => {
    await writeFile(
      join(folder, "long.py"),
      "def run(ctx):\n    ctx.spark.range(10).repartition(2).foreach(lambda _: __import__('time').sleep(300))\n    return ctx.spark.range(1)\n",
    );
    const controller = new AbortController();
    const running = failure(bench.run(pyspark({ file: "long.py" }), { signal: controller.signal }));
    await until(() => last().state === "running");
    const { session } = last();
    await sleep(3_000);
    controller.abort();
    expect(await running).toMatchObject({ code: "cancelled" });
    await until(() => last().state === "cancelled");
    expect(last().cause).toContain("its statement has ended");
    await bench.run(sql`SELECT 3 AS a`);
    expect(last().session).toBe(session);
  });

  it("stops the session of a cancelled statement that does not end, for certain", async () => {
    await writeFile(join(folder, "sleep.py"), "import time\ndef run(ctx):\n    time.sleep(300)\n");
    const controller = new AbortController();
    const running = failure(bench.run(pyspark({ file: "sleep.py" }), { signal: controller.signal }));
    await until(() => last().state === "running");
    const { appId } = last();
    controller.abort();
    expect(await running).toMatchObject({ code: "cancelled" });
    await until(() => last().state === "cancelled");
    expect(hasEnded((await yarn.find(appId ?? ""))!)).toBe(true);
  });

  it("does the work elsewhere when somebody kills the session's application", async () => {
    await writeFile(
      join(folder, "slow2.py"),
      "import time\ndef run(ctx):\n    time.sleep(20)\n    return ctx.spark.range(4)\n",
    );
    const running = bench.run(pyspark({ file: "slow2.py" }));
    await until(() => last().state === "running");
    await yarn.kill(last().appId ?? "");
    await running;
    expect(
      rows()
        .slice(-2)
        .map(({ mode, state }) => [mode, state]),
    ).toEqual([
      ["statement", "failed"],
      ["batch", "succeeded"],
    ]);
    expect(rows().at(-2)?.failure).toMatchObject({ class: "cluster", type: "SessionLost" });
  });
});
