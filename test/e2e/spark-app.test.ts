import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureInstalled } from "../../cluster/install.ts";
import { SubmissionState } from "../../src/gen/firesteel/v1/submission_pb.ts";
import { startOrchestrator } from "../../src/main.ts";
import { createClient, type FiresteelClient } from "../../src/serve/client.ts";
import { testCluster } from "../cluster.ts";
import { configOf, edit, runTask } from "./project.ts";

const cluster = await testCluster();

const EXAMPLE = fileURLToPath(new URL("../../examples/applications", import.meta.url));
const TABLE = [
  { country: "DE", price: 1207 },
  { country: "FR", price: 4999 },
  { country: "US", price: 300 },
];

/** Compiles the example's Java program against the jars of the Spark that is installed. */
async function makeJar(root: string): Promise<void> {
  const { sparkHome = "" } = await ensureInstalled({ parts: ["spark"] });
  const run = promisify(execFile);
  const classes = join(root, "build/classes");
  await run("javac", ["--release", "11", "-cp", `${sparkHome}/jars/*`, "-d", classes, "java/shop/Totals.java"], {
    cwd: root,
  });
  await run("jar", ["cf", join(root, "build/totals.jar"), "-C", classes, "."]);
}

const worlds = [
  ["0.7.1", cluster.livyUrl],
  ["0.9.0", cluster.livy09Url],
] as const;

// Each test goes on where the one before it has stopped.
describe.each(worlds)("unmodified applications on real Livy %s", (_, livyUrl) => {
  let root: string;
  let client: FiresteelClient;
  const cleanup = new AsyncDisposableStack();

  const main = async (...args: readonly unknown[]) => {
    const run = await runTask(client, "shop.main", ...args);
    return { ...run, value: run.value, message: run.error?.message };
  };

  beforeAll(async () => {
    if (livyUrl === undefined) return;
    root = await mkdtemp(join(cluster.warehouse, "apps-"));
    cleanup.defer(() => rm(root, { recursive: true, force: true, maxRetries: 3 }));
    await cp(EXAMPLE, root, { recursive: true });
    await writeFile(join(root, "package.json"), '{ "type": "module" }\n');
    await makeJar(root);
    const orchestrator = await startOrchestrator({
      root,
      config: configOf({ livyUrl, resourceManagerUrl: cluster.resourceManagerUrl }),
      log: pino({ level: "silent" }),
      localCluster: async () => null,
    });
    cleanup.defer(() => orchestrator.stop());
    client = cleanup.use(createClient(orchestrator.grpcAddress));
  }, 300_000);
  afterAll(() => cleanup.disposeAsync());

  const test = it.skipIf(livyUrl === undefined);
  const timeout = 600_000;

  test("a Python and a Java program become steps of a pipeline", { timeout }, async () => {
    const run = await main();
    expect(run.message).toBeUndefined();
    expect(run.value).toEqual(TABLE);
    expect(run.submitted).toEqual(["shop.clean", "shop.clean", "shop.totals", "shop.totals"]);
    expect(run.submissions.map(({ state }) => state)).toEqual(run.submissions.map(() => SubmissionState.SUCCEEDED));
    expect(new Set(run.submissions.map(({ appId }) => appId)).size).toBe(4);
  });

  test("nothing is submitted the second time", { timeout }, async () => {
    const run = await main();
    expect(run.value).toEqual(TABLE);
    expect([run.ran, run.submitted]).toEqual([[], []]);
  });

  test("an edit that leaves the rows as they were stops there", { timeout }, async () => {
    await edit(client, root, "apps/clean.py", "spark.stop()", "spark.stop()  # that is all");
    const run = await main();
    expect(run.value).toEqual(TABLE);
    expect(run.submitted).toEqual(["shop.clean", "shop.clean"]);
    expect(run.ran).toEqual(["shop.clean"]);
  });

  test("another jar runs again", { timeout }, async () => {
    const source = join(root, "java/shop/Totals.java");
    const text = await readFile(source, "utf8");
    await writeFile(source, text.replace('sum("price")', 'max("price")'));
    await makeJar(root);
    const run = await main();
    expect(run.message).toBeUndefined();
    expect(run.value).toEqual([{ country: "DE", price: 1200 }, ...TABLE.slice(1)]);
    expect(run.submitted).toEqual(["shop.totals", "shop.totals"]);
  });

  test("the exception of a Java program reaches the caller, and it is not run again", { timeout }, async () => {
    const run = await main(-1);
    expect(run.message).toBe("java.lang.IllegalArgumentException: least must not be negative: -1");
    expect(run.submitted).toEqual(["shop.totals"]);
    const [{ id = "", failure } = { id: "", failure: undefined }] = run.submissions;
    expect(failure?.traceback).toContain("at shop.Totals.main(Totals.java:");
    const { logs } = await client.submissions.getSubmission({ id });
    expect(logs.flatMap(({ lines }) => lines).join("\n")).toContain("Final app status: FAILED");
  });

  test("so does that of a Python program", { timeout }, async () => {
    await edit(
      client,
      root,
      "apps/clean.py",
      "spark = SparkSession",
      'raise ValueError("no orders")\nspark = SparkSession',
    );
    const run = await main();
    expect(run.message).toBe("ValueError: no orders");
    expect(run.submitted).toEqual(["shop.clean"]);
  });
});
