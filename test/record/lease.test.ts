import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStore, type RecordStore } from "../../src/record/store.ts";
import { type PostgresBackend, postgresBackend } from "./backends.ts";
import { digest, sampleExecution, sampleJob, sampleSubmission } from "./samples.ts";

describe("lease", () => {
  let backend: PostgresBackend;
  beforeAll(async () => {
    backend = await postgresBackend();
  });
  afterAll(() => backend?.stop());

  /** Several stores on one new database, closed at the end. */
  async function withStores(
    count: number,
    run: (stores: RecordStore[], client: pg.Client) => Promise<void>,
  ): Promise<void> {
    const { url } = await backend.fresh();
    const client = new pg.Client({ connectionString: url });
    const stores: RecordStore[] = [];
    try {
      await client.connect();
      for (let i = 0; i < count; i++) stores.push(await openStore({ kind: "postgres", url }));
      await run(stores, client);
    } finally {
      for (const store of stores) await store[Symbol.asyncDispose]();
      await client.end();
    }
  }

  /** As if every owner so far but the last `alive` had been silent for an hour. */
  async function expireAllBut(client: pg.Client, alive: number): Promise<void> {
    await client.query(
      "update owner set heartbeat = heartbeat - interval '1 hour' where id not in (select id from owner order by started_at desc limit $1)",
      [alive],
    );
  }

  it("refuses the writes of an owner that another process took over from", async () => {
    await withStores(2, async ([former, next], client) => {
      await former!.createExecution(sampleExecution("e"));
      await former!.createSubmission(sampleSubmission("s"));
      await expireAllBut(client, 1);
      expect((await next!.adoptExecutions()).map((execution) => execution.id)).toEqual(["e"]);
      expect(await next!.claimCluster("local")).toBe(true);
      expect((await next!.takeSubmissions(["local"])).map(({ submission }) => submission.id)).toEqual(["s"]);
      const refused = [
        former!.updateExecution("e", { state: "failed" }),
        former!.updateSubmission("s", { state: "failed" }),
        former!.recordJobs([sampleJob("j")]),
        former!.claimCall(digest("c")),
      ];
      for (const write of refused) await expect(write).rejects.toMatchObject({ code: "aborted" });
      expect(await former!.lost).toMatchObject({ code: "aborted" });
      await expect(former!.flushed()).rejects.toMatchObject({ code: "aborted" });
      await expect(former!.recordJobs([sampleJob("later")])).rejects.toMatchObject({ code: "aborted" });
      expect((await next!.findExecution("e"))?.state).toBe("running");
      expect((await next!.findSubmission("s"))?.state).toBe("planned");
      expect(await next!.listJobs("execution-1")).toEqual([]);
    });
  });

  it("lets an owner that was silent go on when nobody took over", async () => {
    await withStores(1, async ([store], client) => {
      await expireAllBut(client, 0);
      await store!.recordJobs([sampleJob("j")]);
      expect(await store!.listJobs("execution-1")).toHaveLength(1);
    });
  });

  it("gives each claim to one owner, for as long as that one lives", async () => {
    await withStores(3, async ([a, b, c], client) => {
      expect(
        await Promise.all([a!.claimCall(digest("1")), a!.claimWork(digest("1")), a!.claimCall(digest("1"))]),
      ).toEqual([true, true, true]);
      expect(
        await Promise.all([b!.claimCall(digest("1")), b!.claimCall(digest("2")), b!.claimWork(digest("1"))]),
      ).toEqual([false, true, false]);
      const order = [
        a!.releaseCall(digest("1")),
        a!.claimCall(digest("3")),
        a!.releaseCall(digest("3")),
        a!.claimCall(digest("3")),
      ];
      expect(await Promise.all(order)).toEqual([undefined, true, undefined, true]);
      await b!.releaseWork(digest("1"));
      expect(
        await Promise.all([b!.claimCall(digest("1")), b!.claimCall(digest("3")), b!.claimWork(digest("1"))]),
      ).toEqual([true, false, false]);
      await expireAllBut(client, 2);
      expect(
        await Promise.all([c!.claimWork(digest("1")), c!.claimCall(digest("3")), c!.claimCall(digest("1"))]),
      ).toEqual([true, true, false]);
      await b![Symbol.asyncDispose]();
      expect(await Promise.all([c!.claimCall(digest("1")), c!.claimCall(digest("2"))])).toEqual([true, true]);
      await expect(a!.claimCall(digest("4"))).rejects.toMatchObject({ code: "aborted" });
    });
  });

  it("gives one claim to one of many that ask at once", async () => {
    await withStores(4, async (stores) => {
      for (let round = 0; round < 20; round++) {
        const keys = Array.from({ length: 20 }, (_, i) => digest(`${round} ${i}`));
        const answers = await Promise.all(
          stores.map((store, i) =>
            Promise.all(
              (i % 2 === 0 ? keys : keys.toReversed()).map(async (key) => ((await store.claimWork(key)) ? key : null)),
            ),
          ),
        );
        expect(
          answers
            .flat()
            .filter((key) => key !== null)
            .sort(),
        ).toEqual(keys.toSorted());
      }
    });
  });

  it("hands each execution of a dead owner to one caller, and its submissions to the keeper of their cluster", async () => {
    await withStores(4, async ([dead, ...others], client) => {
      const ids = Array.from({ length: 200 }, (_, i) => `x${String(i).padStart(3, "0")}`);
      for (const id of ids) {
        void dead!.createExecution(sampleExecution(id));
        void dead!.createSubmission(sampleSubmission(id));
        void others[1]!.createSubmission(sampleSubmission(`not kept ${id}`), false);
      }
      expect(await dead!.claimCluster("local")).toBe(true);
      expect(await others[0]!.claimCluster("local")).toBe(false);
      await Promise.all([dead, ...others].map((store) => store!.flushed()));
      await expireAllBut(client, 3);
      const executions = await Promise.all(others.map((store) => store.adoptExecutions()));
      const keeps = await Promise.all(others.map((store) => store.claimCluster("local")));
      expect(keeps.filter((one) => one)).toHaveLength(1);
      const submissions = await Promise.all(others.map((store) => store.takeSubmissions(["local", "other"])));
      expect(submissions.map((taken) => taken.length > 0)).toEqual(keeps);
      for (const store of others)
        expect([await store.adoptExecutions(), await store.takeSubmissions(["local"])]).toEqual([[], []]);
      expect(
        executions
          .flat()
          .map((execution) => execution.id)
          .sort(),
      ).toEqual(ids);
      expect(
        submissions
          .flat()
          .map(({ submission }) => submission.id)
          .sort(),
      ).toEqual([...ids.map((id) => `not kept ${id}`), ...ids]);
    });
  });

  it("renews itself while nothing is written", async () => {
    const { url } = await backend.fresh();
    const store = await openStore({ kind: "postgres", url, leaseMs: 150 });
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      const heartbeat = async (): Promise<string> =>
        (await client.query("select heartbeat::text from owner")).rows[0].heartbeat;
      const first = await heartbeat();
      await expect.poll(heartbeat).not.toBe(first);
    } finally {
      await store[Symbol.asyncDispose]();
      await client.end();
    }
  });
});
