/** Calls of bulk tasks in a whole evaluator, on a real store: what of their work makes a recorded result be looked at again. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Executor } from "../../src/evaluate/ports.ts";
import { openStore, type RecordStore } from "../../src/record/store.ts";
import type { ClusterConfig } from "../../src/route/livy/clusters/cluster-config.ts";
import { SPARK_SETTINGS } from "../../src/route/livy/clusters/route-question.ts";
import type { RouteRule } from "../../src/route/livy/clusters/routing.ts";
import { createGateway, type Gateway } from "../../src/route/livy/gateway.ts";
import { createStaging } from "../../src/route/livy/submissions/staging.ts";
import { createSparkExecutor } from "../../src/route/spark-executor.ts";
import { createSparkSettingsStorage } from "../../src/route/spark-settings.ts";
import { createFileStorage } from "../../src/route/storage/file-storage.ts";
import { Engine } from "../evaluate/engine.ts";
import { type Served, serveDouble } from "../livy/serve.ts";

const cleanup = new AsyncDisposableStack();
let folder: string;
let store: RecordStore;
let livy: Served;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firesteel-bulk-call-"));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  store = cleanup.use(await openStore({ kind: "embedded", directory: join(folder, "db") }));
  livy = cleanup.use(await serveDouble({ master: "local" }));
});
afterAll(() => cleanup.disposeAsync());

/** A project with its gateway, on the Livy of the tests. */
interface World extends AsyncDisposable {
  readonly project: Engine;
  /** Goes on with another gateway, as after a start with other settings of its only cluster, or with other clusters and rules. */
  configure(conf: Readonly<Record<string, string>>): Promise<void>;
  route(clusters: readonly Omit<ClusterConfig, "url">[], routes?: readonly RouteRule[]): Promise<void>;
}

async function start(files: Parameters<typeof Engine.start>[1]): Promise<World> {
  await using cleaning = new AsyncDisposableStack();
  const gateways = cleaning.use(new AsyncDisposableStack());
  let clusters: readonly Omit<ClusterConfig, "url">[] = [{ name: "local" }];
  let routes: readonly RouteRule[] = [];
  let current: Gateway;
  const spark = (host: Executor, root: string): Executor => {
    const storage = createFileStorage();
    const warehouse = pathToFileURL(join(folder, "warehouse")).href;
    const staging = createStaging({ storage, warehouse, root });
    const gateway = createGateway({
      clusters: clusters.map((one) => ({ ...one, url: livy.url, tickMs: 40 })),
      routes,
      store,
      storage,
      staging,
      warehouse,
      patience: { askMs: 20, manifestMs: 20, postMs: 300, zombieMs: 150, endMs: 200, lostMs: 800, lingerMs: 500 },
    });
    gateways.use(gateway);
    current = gateway;
    return createSparkExecutor({ host, gateway, store, storage, staging, planStaging: staging });
  };
  const storages = new Map([[SPARK_SETTINGS, createSparkSettingsStorage(() => current)]]);
  const project = cleaning.use(await Engine.start(store, files, { spark, storages }));
  const cleanup = cleaning.move();
  const route: World["route"] = async (nextClusters, nextRoutes = []) => {
    [clusters, routes] = [nextClusters, nextRoutes];
    await project.edit({});
  };
  return {
    project,
    configure: (conf) => route([{ name: "local", conf }]),
    route,
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}

it("an edited Python file, or one of its modules, is new work; undone it is the old work", async () => {
  await using world = await start({
    "flow.ts": `import { pyspark, task, type Dataset } from "firesteel";
export const job = task("$.job", { tags: ["bulk-data"] }, (n: number) => pyspark({ file: "jobs/job.py", params: { n }, pyFiles: ["jobs/part.py"] }));
export const after = task("$.after", (rows: Dataset) => rows.identity.length);
export const main = task("$.main", (n: number) => after(job(n)));
`,
    "jobs/job.py": "def run(ctx): return ctx.params['n']\n",
    "jobs/part.py": "one = 1\n",
  });
  const { project } = world;
  const run = async () => {
    const { value, error, ran } = await project.run("main", 1);
    expect([value, error]).toEqual([64, null]);
    return { ran, submitted: livy.double.taken.length };
  };
  expect(await run()).toEqual({ ran: ["after", "job", "main"], submitted: 1 });
  expect(await run()).toEqual({ ran: [], submitted: 1 });
  await project.write("jobs/job.py", "def run(ctx): return 1 + ctx.params['n']\n");
  expect(await run()).toMatchObject({ ran: expect.arrayContaining(["job"]), submitted: 2 });
  expect(await run()).toEqual({ ran: [], submitted: 2 });
  await project.write("jobs/part.py", "one = 2\n");
  expect(await run()).toMatchObject({ ran: expect.arrayContaining(["job"]), submitted: 3 });
  await project.write("jobs/part.py", "one = 1\n");
  await project.write("jobs/job.py", "def run(ctx): return ctx.params['n']\n");
  expect(await run()).toEqual({ ran: ["job"], submitted: 3 });
  expect(await run()).toEqual({ ran: [], submitted: 3 });
});

it("a refactoring that renders the same work submits nothing, nor does a change of what the work costs", async () => {
  const flow = (euros: string, settings: string) => `import { sql, task } from "firesteel";
export const job = task("$.job", { tags: ["bulk-data"] }, (euros: number) => sql\`SELECT \${${euros}} AS cents\`.with(${settings}));
`;
  await using world = await start(flow("euros * 100", "{}"));
  const { project } = world;
  const before = livy.double.taken.length;
  const { value } = await project.run("job", 50);
  expect(livy.double.taken.length).toBe(before + 1);
  await project.edit(flow("euros * 50 * 2", '{ executorMemory: "2g", queue: "other" }'));
  expect(await project.run("job", 50)).toMatchObject({ value, ran: ["job"] });
  expect(livy.double.taken.length).toBe(before + 1);
  expect((await project.run("job", 51)).ran).toEqual(["job"]);
  expect(livy.double.taken.length).toBe(before + 2);
});

it("settings of the cluster that can change rows make recorded calls be looked at again; others do not", async () => {
  await using world = await start(`import { sql, task } from "firesteel";
export const job = task("$.job", { tags: ["bulk-data"] }, (n: number) => sql\`SELECT \${n} AS settings\`);
`);
  const { project, configure } = world;
  const before = livy.double.taken.length;
  const run = async () => {
    const { error, ran } = await project.run("job", 1);
    expect(error).toBeNull();
    return { ran, submitted: livy.double.taken.length - before };
  };
  expect(await run()).toEqual({ ran: ["job"], submitted: 1 });
  await configure({ "spark.executor.memory": "2g", "spark.sql.shuffle.partitions": "7" });
  expect(await run()).toEqual({ ran: [], submitted: 1 });
  await configure({ "spark.sql.session.timeZone": "Europe/Berlin" });
  expect(await run()).toEqual({ ran: ["job"], submitted: 2 });
  expect(await run()).toEqual({ ran: [], submitted: 2 });
  await configure({});
  expect(await run()).toEqual({ ran: ["job"], submitted: 2 });
});

it("a rule or label that moves a task to a cluster with other such settings makes its recorded calls be looked at again; others do not", async () => {
  await using world = await start(`import { dataset, sql, task, type Dataset } from "firesteel";
export const job = task("$.job", { tags: ["bulk-data", "heavy"], labels: { zone: "eu" } }, (n: number) => sql\`SELECT \${n} AS routed\`);
export const other = task("$.other", { tags: ["bulk-data"] }, (n: number) => sql\`SELECT \${n} AS other\`);
`);
  const { project, route } = world;
  const before = livy.double.taken.length;
  const run = async () => {
    const [job, other] = [await project.run("job", 1), await project.run("other", 1)];
    expect([job.error, other.error]).toEqual([null, null]);
    return { ran: [...job.ran, ...other.ran], submitted: livy.double.taken.length - before };
  };
  const berlin = { "spark.sql.session.timeZone": "Europe/Berlin" };
  const utc = { name: "utc", labels: { zone: "eu" } };
  const local = { name: "berlin", labels: { zone: "eu", gpu: "yes" }, conf: berlin };
  await route([utc, { name: "twin", labels: { zone: "eu" }, conf: { "spark.executor.memory": "1g" } }, local]);
  expect(await run()).toEqual({ ran: ["job", "other"], submitted: 2 });
  // Clusters and rules that leave the settings as they are.
  await route(
    [{ name: "new", labels: { zone: "eu" } }, local],
    [{ tags: ["heavy"], to: { clusters: ["new", "berlin"] } }],
  );
  expect(await run()).toEqual({ ran: [], submitted: 2 });
  // A rule for one of the two tasks.
  await route([utc, local], [{ tags: ["heavy"], to: { labels: { gpu: "yes" } } }]);
  expect(await run()).toEqual({ ran: ["job"], submitted: 3 });
  expect(await run()).toEqual({ ran: [], submitted: 3 });
  // The label that the task asks for moves.
  await route([{ name: "utc" }, local]);
  expect(await run()).toEqual({ ran: [], submitted: 3 });
  await route([{ ...local, labels: {} }, utc]);
  expect(await run()).toEqual({ ran: ["job", "other"], submitted: 4 });
  // Nowhere to go: a result of before is not taken for one of now.
  await route([{ name: "utc" }]);
  const { error } = await project.run("job", 1);
  expect(error).toMatchObject({
    code: "failed_precondition",
    message: expect.stringContaining("asks for (there are: utc (no labels)): zone=eu"),
  });
});
