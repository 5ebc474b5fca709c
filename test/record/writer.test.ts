import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStore } from "../../src/record/store.ts";
import { type PostgresBackend, postgresBackend } from "./backends.ts";
import { sampleCall, sampleExecution, sampleJob } from "./samples.ts";

describe("writer", () => {
  let backend: PostgresBackend;
  beforeAll(async () => {
    backend = await postgresBackend();
  });
  afterAll(() => backend?.stop());

  it("makes callers wait while the queue is long, and loses none of it", async () => {
    const store = await openStore(await backend.fresh());
    const total = 60_000;
    for (let i = 0; i < total; i++) store.recordJobs([sampleJob(String(i))]);
    const order: string[] = [];
    await Promise.all([
      Promise.resolve(store.room()).then(() => order.push("room")),
      store.flushed().then(() => order.push("flushed")),
    ]);
    expect(order).toEqual(["room", "flushed"]);
    expect(store.waitingWrites).toBe(0);
    await store.room();
    expect(await store.listJobs("execution-1")).toHaveLength(total);
    await store[Symbol.asyncDispose]();
  });

  it("sends many requests in few transactions", async () => {
    const location = await backend.fresh();
    const store = await openStore(location);
    for (let i = 0; i < 3_000; i++) {
      store.recordCalls([sampleCall(String(i))]);
      store.recordJobs([sampleJob(String(i))]);
    }
    await store.flushed();
    const client = new pg.Client({ connectionString: location.url });
    await client.connect();
    const { rows } = await client.query("select batch::int from owner");
    expect(rows[0].batch).toBeLessThanOrEqual(7);
    await client.end();
    await store[Symbol.asyncDispose]();
  });

  it("lets records that nobody waits for gather", async () => {
    const location = await backend.fresh();
    const store = await openStore(location);
    const start = performance.now();
    for (let i = 0; i < 60; i++) {
      store.recordJobs([sampleJob(String(i))]);
      await sleep(2);
    }
    await store.flushed();
    const most = (performance.now() - start) / 50 + 3;
    const client = new pg.Client({ connectionString: location.url });
    await client.connect();
    const { rows } = await client.query("select batch::int from owner");
    expect(rows[0].batch).toBeLessThanOrEqual(most);
    await client.end();
    await store[Symbol.asyncDispose]();
  });

  it("leaves no row of a job that has ended", async () => {
    const location = await backend.fresh();
    const store = await openStore(location);
    const end = { state: "succeeded", endedAt: 1_700_000_000_001 } as const;
    const names = ["a", "b", "c"];
    await store.recordJobs(names.map((name) => sampleJob(name)));
    await store.recordJobs([
      sampleJob("a", { note: "still" }),
      sampleJob("b", end),
      sampleJob("d"),
      sampleJob("d", end),
    ]);
    const client = new pg.Client({ connectionString: location.url });
    await client.connect();
    const { rows } = await client.query("select array_agg(id order by id) as live from job");
    expect(rows).toEqual([{ live: ["a", "c"] }]);
    await client.end();
    await store[Symbol.asyncDispose]();
  });

  it("rejects only the request at fault, wherever it is in a batch", async () => {
    const location = await backend.fresh();
    const store = await openStore(location);
    const outcomes: Promise<string>[] = [];
    for (let i = 0; i < 1_000; i++) {
      const write =
        i === 437 ? store.updateExecution("nobody", { resumes: 1 }) : store.recordJobs([sampleJob(String(i))]);
      outcomes.push(
        write.then(
          () => "done",
          (error: { code: string }) => error.code,
        ),
      );
    }
    const settled = await Promise.all(outcomes);
    expect(settled.filter((outcome) => outcome !== "done")).toEqual(["not_found"]);
    expect(settled[437]).toBe("not_found");
    expect(await store.listJobs("execution-1")).toHaveLength(999);
    await store[Symbol.asyncDispose]();
  });

  it("stops for good when the database cannot be written any more, and says so", async () => {
    const location = await backend.fresh();
    const store = await openStore(location);
    await store.recordJobs([sampleJob("before")]);
    const client = new pg.Client({ connectionString: location.url });
    await client.connect();
    await client.query("alter table job rename to gone");
    await expect(store.recordJobs([sampleJob("after")])).rejects.toMatchObject({
      code: "failed_precondition",
      details: { sqlstate: "42P01" },
    });
    expect(await store.lost).toMatchObject({ code: "failed_precondition" });
    await expect(store.createExecution(sampleExecution("e"))).rejects.toMatchObject({ code: "failed_precondition" });
    await expect(store.flushed()).rejects.toMatchObject({ code: "failed_precondition" });
    expect((await store.findCalls([sampleCall("x").evalHash])).size).toBe(0);
    await client.end();
    await store[Symbol.asyncDispose]();
  });

  it("forgets a pending call that could not be written", async () => {
    const store = await openStore(await backend.fresh());
    const bad = { ...sampleCall("bad"), code: "not a digest" };
    const good = sampleCall("good");
    const refused = store.recordCalls([bad]);
    const written = store.recordCalls([good]);
    await expect(refused).rejects.toMatchObject({ code: "invalid_argument" });
    await written;
    expect([...(await store.findCalls([bad.evalHash, good.evalHash])).keys()]).toEqual([good.evalHash]);
    await store[Symbol.asyncDispose]();
  });
});
