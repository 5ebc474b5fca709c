import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ExecutionState, JobState } from "../../src/gen/firesteel/v1/execution_pb.ts";
import { startOrchestrator } from "../../src/main.ts";
import { createClient, type FiresteelClient } from "../../src/serve/client.ts";
import { testCluster } from "../cluster.ts";
import { createGate, type Gate } from "./gate.ts";
import { configOf, createProject, edit, endOf, removeProject, runTask, startTask } from "./project.ts";

const cluster = await testCluster();

const RESULT = [
  { region: "America", orders: 1, price: 300 },
  { region: "Europe", orders: 3, price: 6206 },
];

// One project and one orchestrator: each test goes on where the one before it has stopped.
describe("a pipeline on the real cluster", { timeout: 600_000 }, () => {
  let root: string;
  let gate: Gate;
  let client: FiresteelClient;
  let httpAddress: string;
  const cleanup = new AsyncDisposableStack();

  beforeAll(async () => {
    root = await createProject(cluster);
    cleanup.defer(() => removeProject(root));
    gate = cleanup.use(await createGate(cluster.livyUrl));
    const orchestrator = await startOrchestrator({
      root,
      config: configOf({ livyUrl: gate.url, resourceManagerUrl: cluster.resourceManagerUrl }),
      log: pino({ level: "silent" }),
      localCluster: async () => null,
    });
    cleanup.defer(() => orchestrator.stop());
    client = cleanup.use(createClient(orchestrator.grpcAddress));
    httpAddress = orchestrator.httpAddress;
  });
  afterAll(() => cleanup.disposeAsync());

  it("runs SQL over Parquet and rows made in TypeScript, and reads the result", async () => {
    const run = await runTask(client, "shop.main");
    expect(run.error).toBeUndefined();
    expect(run.value).toEqual(RESULT);
    expect(run.submitted).toEqual(["shop.cheap", "shop.totals"]);
  });

  it("submits nothing the second time", async () => {
    const run = await runTask(client, "shop.main");
    expect(run.value).toEqual(RESULT);
    expect(run.ran).toEqual([]);
    expect(run.submissions).toEqual([]);
  });

  it("runs nothing after a comment and a renamed local", async () => {
    await edit(
      client,
      root,
      "flows/shop.ts",
      "const limit = cents(euros);",
      "// In cents.\n  const most = cents(euros);",
    );
    await edit(client, root, "flows/shop.ts", "{limit}`", "{most}`");
    const run = await runTask(client, "shop.main");
    expect(run.ran).toEqual([]);
    expect(run.submissions).toEqual([]);
  });

  it("runs what calls an edited helper, and submits nothing for the same work", async () => {
    await edit(client, root, "lib/price.ts", "euros * 100", "euros * 50 * 2");
    const run = await runTask(client, "shop.main");
    expect(run.value).toEqual(RESULT);
    expect(run.ran).toEqual(["shop.cheap"]);
    expect(run.submissions).toEqual([]);
  });

  it("stops at a dataset whose rows an edit has left the same", async () => {
    await edit(client, root, "flows/shop.ts", "WHERE price <=", "WHERE price > 0 AND price <=");
    const run = await runTask(client, "shop.main");
    expect(run.value).toEqual(RESULT);
    expect(run.ran).toEqual(["shop.cheap"]);
    expect(run.submitted).toEqual(["shop.cheap"]);
  });

  it("goes on serving the old version while a file does not parse", async () => {
    const problems = async () => {
      const { reasons } = (await (await fetch(`http://${httpAddress}/readyz`)).json()) as {
        readonly reasons: string[];
      };
      return reasons.join();
    };
    await writeFile(join(root, "flows/broken.ts"), "export const = 1;\n");
    await expect.poll(problems, { timeout: 20_000 }).toContain("flows/broken.ts");
    const run = await runTask(client, "shop.main");
    expect(run.value).toEqual(RESULT);
    expect(run.submissions).toEqual([]);
    await rm(join(root, "flows/broken.ts"));
    await expect.poll(problems, { timeout: 20_000 }).toBe("");
  });

  it("gives Spark's message and position for SQL that does not parse", async () => {
    const run = await runTask(client, "shop.unparsable");
    expect(run.execution.state).toBe(ExecutionState.FAILED);
    expect(run.error).toMatchObject({
      path: ["shop.unparsable"],
      details: { class: "user", position: { line: 2, column: expect.any(Number) } },
    });
    expect(run.error?.message).toContain("PARSE_SYNTAX_ERROR");
    expect(run.submitted).toEqual(["shop.unparsable"]);
  });

  it("says which dataset and which job file are missing, and submits nothing", async () => {
    const [dataset, file] = await Promise.all([
      runTask(client, "shop.lines", "data/no-such.csv"),
      runTask(client, "shop.noFile"),
    ]);
    expect(dataset.error).toMatchObject({ code: "not_found", message: expect.stringContaining("data/no-such.csv") });
    expect(file.error).toMatchObject({ code: "not_found", message: expect.stringContaining("jobs/no-such.py") });
    expect([...dataset.submissions, ...file.submissions]).toEqual([]);
  });

  it("waits for a cluster that is down and says so, then reads an input as it has become meanwhile", async () => {
    const csv = join(root, "data/lines.csv");
    await writeFile(csv, "n\n1\n2\n");
    await gate.shut();
    const id = await startTask(client, "shop.lines", "data/lines.csv");
    for await (const { event } of client.executions.watchExecution({ id })) {
      const jobs = event.case === "snapshot" ? event.value.jobs : event.case === "job" ? [event.value] : [];
      const waiting = jobs.find(({ task, note }) => task === "shop.count" && note?.includes("is down since"));
      if (waiting === undefined) continue;
      expect(waiting).toMatchObject({
        state: JobState.WAITING,
        note: expect.stringContaining("waiting: cluster real"),
      });
      break;
    }
    expect((await client.submissions.listSubmissions({ executionId: id, live: true })).submissions).toHaveLength(1);
    await writeFile(csv, "n\n1\n2\n3\n");
    await gate.open();
    const run = await endOf(client, id);
    expect(run.error).toBeUndefined();
    expect(run.value).toBe(3);
    // What was computed under the old content's identity is not served for it.
    await writeFile(csv, "n\n1\n2\n");
    expect((await runTask(client, "shop.lines", "data/lines.csv")).value).toBe(2);
  });
});
