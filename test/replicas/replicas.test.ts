/** Several orchestrators on one Postgres: real processes, real sockets, a Livy that counts. */

import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ExecutionState } from "../../src/gen/firesteel/v1/execution_pb.ts";
import { ClusterState, SubmissionState } from "../../src/gen/firesteel/v1/submission_pb.ts";
import { messageFromValue, valueFromMessage } from "../../src/serve/value-message.ts";
import { startPostgres, type TestPostgres } from "../postgres.ts";
import { createSite, type Replica, type Site, until } from "./replicas.ts";

/** What a test prints of how long a take-over took; nothing depends on it. */
const tell = (what: string, since: number) =>
  console.log(`${what}: ${((performance.now() - since) / 1000).toFixed(1)} s`);

describe("several orchestrators on one Postgres", { timeout: 600_000 }, () => {
  let postgres: TestPostgres;
  let site: Site;
  let sites = 0;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres?.stop());
  beforeEach(async () => {
    site = await createSite(postgres, `site_${sites++}`);
  });
  afterEach(() => site?.[Symbol.asyncDispose]());

  async function start({ client }: Replica, from: number, count: number): Promise<string> {
    const { execution } = await client.executions.startExecution({
      task: "r.main",
      arguments: [from, count].map((n) => messageFromValue(n)),
    });
    return execution!.id;
  }

  /** The end of an execution, asked of any of them. */
  async function resultOf({ client }: Replica, id: string): Promise<unknown> {
    const { execution } = await client.executions.waitExecution({ id });
    expect(execution!.error).toBeUndefined();
    return valueFromMessage(execution!.result!);
  }

  const widths = (from: number, count: number) => Array.from({ length: count }, (_, i) => 64 + from + i);
  const started = () => site.livy.taken.length;

  /** Each piece of work was started once and has one committed result, and nothing lives any more. */
  async function expectOnce(pieces: number): Promise<void> {
    const names = site.livy.taken.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toHaveLength(pieces);
    const [{ results, live } = { results: null, live: null }] = await site.query<{ results: string; live: string }>(
      "select (select count(*) from bulk_result) as results, (select count(*) from submission where ended_at is null) as live",
    );
    expect([results, live]).toEqual([String(pieces), "0"]);
  }

  /** Holds all jobs until it is called. */
  function holdJobs(): () => void {
    const held = Promise.withResolvers<void>();
    site.livy.plan = () => ({ runs: "ok", held: held.promise });
    return () => {
      site.livy.plan = () => null;
      held.resolve();
    };
  }

  it("share one keeper: as many list requests with three as with one, and one limit for all", async () => {
    await site[Symbol.asyncDispose]();
    site = await createSite(postgres, `site_${sites++}`, { maxLive: 6 });
    const release = holdJobs();
    const first = await site.start();
    const ids = [await start(first, 0, 6)];
    await until("six jobs live", () => started() === 6);
    const listed = async () => {
      const before = site.livy.count("GET /batches");
      await sleep(3_000);
      return site.livy.count("GET /batches") - before;
    };
    const alone = await listed();
    const others = [await site.start(), await site.start()];
    ids.push(await start(others[0]!, 100, 3), await start(others[1]!, 200, 3));
    await until("six submissions wait", async () => {
      const rows = await site.query<{ note: string }>("select note from submission where state = 'planned'");
      return rows.length === 6 && rows.every(({ note }) => note.includes("6 of 6 submissions live"));
    });
    const together = await listed();
    console.log(`list requests in 3 s with 6 live: ${alone} with one orchestrator, ${together} with three`);
    // Never more a tick; a busy machine makes fewer ticks.
    expect(together).toBeLessThanOrEqual(31);
    expect(alone).toBeLessThanOrEqual(31);
    expect(started()).toBe(6);
    const { clusters } = await others[1]!.client.submissions.listClusters({});
    expect(clusters[0]).toMatchObject({ live: 6, waiting: 6, state: ClusterState.UP });
    release();
    expect(await resultOf(others[0]!, ids[0]!)).toEqual(widths(0, 6));
    expect(await resultOf(others[1]!, ids[1]!)).toEqual(widths(100, 3));
    expect(await resultOf(first, ids[2]!)).toEqual(widths(200, 3));
    await expectOnce(12);
  });

  it("go on when the keeper is killed: its submissions and its executions are taken over", async () => {
    const release = holdJobs();
    const [keeper, other] = [await site.start(), await site.start()];
    const ids = [await start(keeper, 0, 3), await start(other, 100, 3)];
    await until("six jobs live", () => started() === 6);
    await keeper.end("SIGKILL");
    const since = performance.now();
    await until(
      "the other took over",
      async () => /took 6 submission/.test(other.log()) && /resumed 1/.test(other.log()),
    );
    tell("take-over after kill -9", since);
    release();
    expect(await resultOf(other, ids[0]!)).toEqual(widths(0, 3));
    expect(await resultOf(other, ids[1]!)).toEqual(widths(100, 3));
    const { execution } = await other.client.executions.getExecution({ id: ids[0]! });
    expect(execution).toMatchObject({ state: ExecutionState.SUCCEEDED, resumes: 1 });
    await expectOnce(6);
  });

  it("go on when the one that asked is killed: its execution joins the jobs that run", async () => {
    const release = holdJobs();
    const [keeper, other, third] = [await site.start(), await site.start(), await site.start()];
    const id = await start(other, 0, 4);
    await until("four jobs live", () => started() === 4);
    await other.end("SIGKILL");
    await until("one of the others resumed it", () => [keeper, third].some((one) => /resumed 1 exec/.test(one.log())));
    expect([keeper, third].filter((one) => /resumed 1 exec/.test(one.log()))).toHaveLength(1);
    release();
    expect(await resultOf(third, id)).toEqual(widths(0, 4));
    await expectOnce(4);
  });

  it("replace a keeper that is paused, and refuse it when it wakes up", async () => {
    const [keeper, other] = [await site.start(), await site.start()];
    const release = holdJobs();
    const ids = [await start(keeper, 0, 2), await start(other, 100, 2)];
    await until("four jobs live", () => started() === 4);
    keeper.child.kill("SIGSTOP");
    const since = performance.now();
    await until("the other took over", () => /took 4 submission/.test(other.log()) && /resumed 1/.test(other.log()));
    tell("take-over of a paused keeper, with a lease of 4 s", since);
    release();
    expect(await resultOf(other, ids[0]!)).toEqual(widths(0, 2));
    expect(await resultOf(other, ids[1]!)).toEqual(widths(100, 2));
    const before = await site.query("select seq from submission_transition order by seq");
    const exited = new Promise((resolve) => keeper.child.once("exit", resolve));
    keeper.child.kill("SIGCONT");
    expect(await exited).toBe(1);
    expect(keeper.log()).toMatch(/lease was lost: this process gave no sign of life for too long/);
    expect(await site.query("select seq from submission_transition order by seq")).toEqual(before);
    await expectOnce(4);
  });

  it("hand over at once when the keeper is stopped", async () => {
    const release = holdJobs();
    const [keeper, other] = [await site.start(), await site.start()];
    const ids = [await start(keeper, 0, 2), await start(other, 100, 2)];
    await until("four jobs live", () => started() === 4);
    expect(await keeper.end("SIGTERM")).toBe(0);
    const since = performance.now();
    await until("the other took over", () => /took 4 submission/.test(other.log()) && /resumed 1/.test(other.log()));
    tell("take-over after a stop", since);
    release();
    expect(await resultOf(other, ids[0]!)).toEqual(widths(0, 2));
    expect(await resultOf(other, ids[1]!)).toEqual(widths(100, 2));
    await expectOnce(4);
  });

  it.each(["fast", "crash"] as const)("outlive a Postgres that is away for longer than a lease (%s)", async (how) => {
    const release = holdJobs();
    const [keeper, other] = [await site.start(), await site.start()];
    const ids = [await start(keeper, 0, 2), await start(other, 100, 2)];
    await until("four jobs live", () => started() === 4);
    await postgres.halt(how);
    await sleep(5_000);
    await postgres.resume();
    release();
    expect(await resultOf(other, ids[0]!)).toEqual(widths(0, 2));
    expect(await resultOf(keeper, ids[1]!)).toEqual(widths(100, 2));
    // And hear of each other again.
    expect(await resultOf(other, await start(other, 200, 2))).toEqual(widths(200, 2));
    expect([keeper.child.exitCode, other.child.exitCode]).toEqual([null, null]);
    expect(await site.query("select id from owner where ended_at is not null")).toEqual([]);
    await expectOnce(6);
  });

  it("stop while the database is away, and the next one goes on", async () => {
    const release = holdJobs();
    const keeper = await site.start();
    const id = await start(keeper, 0, 2);
    await until("two jobs live", () => started() === 2);
    await postgres.halt();
    const exited = keeper.end("SIGTERM");
    release();
    expect(await exited).toBe(0);
    await postgres.resume();
    const next = await site.start();
    expect(await resultOf(next, id)).toEqual(widths(0, 2));
    await expectOnce(2);
  });

  it("cancel, watch and fail through each other", async () => {
    holdJobs();
    const [keeper, other] = [await site.start(), await site.start()];
    const id = await start(other, 0, 1);
    await until("a job lives", () => started() === 1);
    const events: string[] = [];
    const watched = (async () => {
      for await (const { event } of keeper.client.executions.watchExecution({ id })) events.push(event.case ?? "");
    })();
    await until("the watcher has its snapshot", () => events.includes("snapshot"));
    await keeper.client.executions.cancelExecution({ id, reason: "enough" });
    const { execution } = await keeper.client.executions.waitExecution({ id });
    expect(execution!.state).toBe(ExecutionState.CANCELLED);
    await watched;
    expect(events.at(-1)).toBe("execution");
    expect(events).toContain("submission");
    await until("its batch is deleted", () => site.livy.batches.size === 0 && site.livy.ledger.count("killed") === 1);
    await until("the row says so", async () => {
      const { submissions } = await other.client.submissions.listSubmissions({ executionId: id });
      return submissions[0]!.state === SubmissionState.CANCELLED;
    });

    site.livy.plan = () => ({ runs: "fails" });
    const failing = await start(other, 50, 1);
    const failed = (await other.client.executions.waitExecution({ id: failing })).execution!;
    expect(failed.state).toBe(ExecutionState.FAILED);
    expect(failed.error).toMatchObject({ message: expect.stringContaining("column price is missing") });
    expect(started()).toBe(2);
  });

  it("drain and resume clusters and cancel submissions through each other", async () => {
    const release = holdJobs();
    const [keeper, other] = [await site.start(), await site.start()];
    await other.client.submissions.drainCluster({ cluster: "double", reason: "new disks", user: "olga" });
    const ids = [await start(keeper, 0, 2), await start(other, 100, 2)];
    const third = await site.start();
    await until("all wait, and a third says why", async () => {
      const [cluster] = (await third.client.submissions.listClusters({})).clusters;
      const [wait] = cluster!.waits;
      return wait?.count === 4 && /drained by olga .*: new disks/.test(wait.reason);
    });
    expect(started()).toBe(0);

    await third.client.submissions.resumeCluster({ cluster: "double", user: "olga" });
    await until("four jobs live", () => started() === 4);
    const { submissions } = await third.client.submissions.listSubmissions({ executionId: ids[0]! });
    await third.client.submissions.cancelSubmission({ id: submissions[0]!.id, reason: "too slow", user: "olga" });
    release();
    const { execution } = await other.client.executions.waitExecution({ id: ids[0]! });
    expect(execution!.error).toMatchObject({ message: expect.stringContaining("cancelled by olga: too slow") });
    expect(await resultOf(third, ids[1]!)).toEqual(widths(100, 2));
    expect(started()).toBe(4);
  });

  it("let work that was not sent go to another cluster, whoever asked for it and whoever keeps it", async () => {
    await site[Symbol.asyncDispose]();
    site = await createSite(postgres, `site_${sites++}`, { clusters: ["a", "b"], maxLive: 1 });
    const release = holdJobs();
    const [keeper, other] = [await site.start(), await site.start()];
    await keeper.client.submissions.drainCluster({ cluster: "b", reason: "new disks", user: "olga" });
    const ids = [await start(keeper, 0, 2), await start(other, 100, 2)];
    const on = async (cluster: string, state: string) =>
      (await site.query(`select id from submission where cluster = '${cluster}' and state = '${state}'`)).length;
    await until("one lives and three wait on a", async () => started() === 1 && (await on("a", "planned")) === 3);
    await other.client.submissions.resumeCluster({ cluster: "b", user: "olga" });
    await other.client.submissions.drainCluster({ cluster: "a", reason: "new disks", user: "olga" });
    await until("they went to b", async () => started() === 2 && (await on("b", "planned")) === 2);
    expect([await on("a", "planned"), await on("a", "cancelled")]).toEqual([0, 3]);
    release();
    expect(await resultOf(other, ids[0]!)).toEqual(widths(0, 2));
    expect(await resultOf(keeper, ids[1]!)).toEqual(widths(100, 2));
    await expectOnce(4);
  });
});
