/** Unmodified applications on the double: what proves their end, what becomes of what they wrote, and what a crash in between costs. */

import { mkdir, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DatasetValue } from "../../../src/define/external.ts";
import { sparkApp } from "../../../src/define/spark-app.ts";
import { Code, FiresteelError } from "../../../src/errors.ts";
import type { DatasetRecord } from "../../../src/evaluate/ports.ts";
import type { LivyBatchRequest } from "../../../src/route/livy/http/client.ts";
import type { Double, DoubleOptions } from "../../livy/double.ts";
import type { JobPlan } from "../../livy/job.ts";
import { type Served, serveDouble } from "../../livy/serve.ts";
import { type Bench, type BenchOptions, createBench } from "../bench.ts";

const QUICK = {
  askMs: 20,
  manifestMs: 20,
  postMs: 300,
  zombieMs: 150,
  endMs: 200,
  lostMs: 800,
  quietMs: 100,
  lingerMs: 500,
};

let served: Served;
let livy: Double;
let bench: Bench;
let witness: boolean;

const start = (options: Partial<BenchOptions> & { readonly maxLive?: number } = {}) => {
  const { maxLive = 16, ...rest } = options;
  const resourceManager = witness ? { resourceManager: { url: served.resourceManagerUrl } } : {};
  return createBench({
    clusters: [{ name: "local", url: served.url, tickMs: 40, maxLive, ...resourceManager }],
    patience: QUICK,
    ...rest,
  });
};
const open = async (withWitness: boolean, options: Partial<DoubleOptions> = {}) => {
  witness = withWitness;
  served = await serveDouble(options);
  livy = served.double;
  bench = await start();
  await writeFile(join(bench.folder, "app.py"), "print(1)\n");
};
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
  await served[Symbol.asyncDispose]();
});

const isHarness = ({ file }: LivyBatchRequest) => file.endsWith("/firesteel_harness.py");
/** Applications go by a plan, the harness's own jobs by theirs. */
const plan = (app: JobPlan, harness: JobPlan = { runs: "ok" }) => {
  livy.plan = (request) => (isHarness(request) ? harness : app);
};
const work = (options: object = {}) =>
  sparkApp({
    file: "app.py",
    args: ({ outputs }) => ["--out", outputs.daily, `--bad=${outputs.bad}`],
    outputs: { daily: {}, bad: {} },
    ...options,
  });
interface Result {
  readonly outputs: Readonly<Record<string, DatasetValue>>;
}
const run = async (options: object = {}) => (await bench.run(work(options))) as Result;
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable(),
    (error: unknown) => error as FiresteelError,
  );
const rows = () => [...bench.database.submissions.values()];
const states = (id = rows()[0]?.id) =>
  bench.database.transitions.filter(({ submissionId }) => submissionId === id).map(({ to }) => to);
const taken = () => livy.taken.map(({ request }) => (isHarness(request) ? "harness" : "app"));
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

describe.each([
  ["a ResourceManager", true],
  ["Livy alone", false],
])("an application that ends well, by the word of %s", (_, withWitness) => {
  beforeEach(() => open(withWitness));

  it("becomes datasets: run once, fingerprinted in one job, with a manifest", async () => {
    plan({ runs: "app" });
    const { outputs } = await run();
    expect(Object.keys(outputs)).toEqual(["bad", "daily"]);
    expect(taken()).toEqual(["app", "harness"]);
    expect(states()).toEqual(["planned", "submitting", "starting", "running", "finishing", "succeeded"]);
    const [app, fingerprint] = rows();
    expect(fingerprint).toMatchObject({ task: app?.task, executionId: app?.executionId, jobId: app?.jobId });
    const [place] = await bench.store.findDataset(outputs["daily"]?.identity ?? "");
    expect(place).toMatchObject({ rows: 3, format: "parquet", location: `${app?.location}/app/daily` });
    expect(place?.files.map(({ path }) => path)).toEqual(["part-00000.snappy.parquet"]);
    const manifest = JSON.parse(await readFile(fileURLToPath(`${app?.location}/app/manifest.json`), "utf8"));
    expect(manifest).toMatchObject({ attempt: app?.id, driver: "app", appId: app?.appId, status: "succeeded" });
    expect(await run()).toEqual({ outputs });
    expect(taken()).toHaveLength(2);
  });

  it("is told its places in its arguments, and who asked in its settings", async () => {
    plan({ runs: "app" });
    await run({ jars: [], conf: { "spark.shop.day": "1" } });
    const [app, fingerprint] = livy.taken.map(({ request }) => request);
    const base = rows()[0]?.location;
    expect(app?.args).toEqual(["--out", `${base}/app/daily`, `--bad=${base}/app/bad`]);
    expect(app?.pyFiles).toBeUndefined();
    expect(app?.conf).toMatchObject({
      "spark.shop.day": "1",
      "spark.sql.session.timeZone": "UTC",
      "spark.yarn.maxAppAttempts": "1",
      "spark.firesteel.execution": "test-execution",
    });
    // The second one does not carry the first one's name: that is how the first one is found.
    expect(fingerprint?.conf?.["spark.yarn.tags"]).not.toContain(app?.name);
    expect(fingerprint?.conf).toMatchObject({ "spark.shop.day": "1", "spark.firesteel.execution": "test-execution" });
  });

  it("is left alone while it runs, until there is something new", async () => {
    const warnings: string[] = [];
    const hear = ({ name }: Error) => void warnings.push(name);
    process.on("warning", hear);
    plan({ runs: "app", ms: 200 });
    await run();
    await turn();
    process.off("warning", hear);
    // A time that no timer can have becomes 1 ms.
    expect(warnings).not.toContain("TimeoutOverflowWarning");
  });

  it("gives the same datasets for the same rows, and others for others", async () => {
    plan({ runs: "app" });
    const first = await run();
    const again = await run({ args: ["again", "${outputs.daily}", "${outputs.bad}"] });
    expect(taken()).toEqual(["app", "harness", "app", "harness"]);
    expect(again).toEqual(first);
    plan({ runs: "app", parts: 2 });
    expect(await run({ args: ["more", "${outputs.daily}", "${outputs.bad}"] })).not.toEqual(first);
  });

  it.each([
    [
      "writes nothing",
      { runs: "app", parts: "nothing" },
      "OutputMissing",
      /output bad is not there; it has to be written to the place/,
    ],
    [
      "writes no data files",
      { runs: "app", parts: 0 },
      "OutputEmpty",
      /output bad has no data files; give it a `schema` if it may be empty/,
    ],
  ] as const)("and that %s fails, once", async (__, app, type, message) => {
    plan(app);
    const error = await failure(bench.run(work()));
    expect(error).toMatchObject({
      code: "unknown",
      message: expect.stringMatching(message),
      details: { class: "user", type },
    });
    expect(taken()).toEqual(["app"]);
    expect(states().slice(-2)).toEqual(["finishing", "failed"]);
  });

  it("may leave an output empty whose schema is told", async () => {
    plan({ runs: "app", parts: 0 });
    const schema = "id BIGINT";
    const { outputs } = await run({ outputs: { daily: { schema }, bad: { schema } } });
    const [place] = await bench.store.findDataset(outputs["daily"]?.identity ?? "");
    expect(place).toMatchObject({ rows: 0, files: [] });
  });

  it.each([
    ["while it runs", (state: string) => state === "running"],
    ["when its end is confirmed", (state: string) => state === "finishing"],
  ])("runs once when the orchestrator is killed %s", async (__, at) => {
    const held = Promise.withResolvers<void>();
    plan({ runs: "app", ms: 100 }, { runs: "ok", held: held.promise });
    const before = failure(bench.run(work()));
    await until(() => states().some(at));
    await bench.kill();
    await before;
    const again = await start({ database: bench.database, folder: bench.folder });
    held.resolve();
    try {
      expect(await again.gateway.tend()).toBeGreaterThan(0);
      await again.run(work());
      expect(taken()).toEqual(["app", "harness"]);
      expect(rows().filter(({ state }) => state === "succeeded")).toHaveLength(2);
    } finally {
      await again[Symbol.asyncDispose]();
    }
  });

  it("runs once when the orchestrator is killed at any write on the way", async () => {
    plan({ runs: "app" });
    const folder = bench.folder;
    for (let writes = 1; ; writes++) {
      const args = ["${outputs.daily}", "${outputs.bad}", writes];
      const before = taken().length;
      let left = writes;
      const one: Bench = await start({
        folder,
        reach: async (kind) => {
          await turn();
          // It dies in the place of this write.
          if (kind === "write" && left-- === 0) one.store.alive = false;
        },
      });
      const killed = await one.run(work({ args })).then(
        () => false,
        () => true,
      );
      await one.kill();
      const two = await start({ folder, database: one.database });
      await two.gateway.tend();
      await two.run(work({ args }));
      await two[Symbol.asyncDispose]();
      expect(taken().slice(before).sort(), `killed after ${writes} writes`).toEqual(["app", "harness"]);
      if (!killed) break;
    }
  });

  it("waits for a place with its fingerprint, and does not hold one for it", async () => {
    await bench[Symbol.asyncDispose]();
    bench = await start({ maxLive: 1 });
    await writeFile(join(bench.folder, "app.py"), "print(1)\n");
    plan({ runs: "app" });
    await run();
    expect(taken()).toEqual(["app", "harness"]);
  });

  it("is stopped with its fingerprint", async () => {
    plan({ runs: "app" }, { runs: "forever" });
    const controller = new AbortController();
    const running = failure(bench.run(work(), { signal: controller.signal }));
    await until(() => rows()[1]?.state === "running");
    controller.abort();
    expect(await running).toMatchObject({ code: "cancelled" });
    expect(rows().map(({ state }) => state)).toEqual(["cancelled", "cancelled"]);
    expect([...livy.yarn.applications.values()].map(({ state }) => state)).toEqual(["FINISHED", "KILLED"]);
  });

  it("is not run again for a fingerprint that the cluster fails to make", async () => {
    let jobs = 0;
    livy.plan = (request) => (isHarness(request) ? { runs: ++jobs < 3 ? "dies" : "ok" } : { runs: "app" });
    await run();
    expect(taken().filter((one) => one === "app")).toHaveLength(1);
    expect(jobs).toBe(3);
  });

  it("fails, without a run more, when no fingerprint can be made", async () => {
    plan({ runs: "app" }, { runs: "dies" });
    const error = await failure(bench.run(work()));
    expect(error.message).toContain("application ended well, but its outputs could not be fingerprinted");
    expect(taken()).toEqual(["app", "harness", "harness", "harness"]);
  });

  it("waits for a storage that is away when it has ended", async () => {
    let isDown = false;
    await bench[Symbol.asyncDispose]();
    bench = await start({
      storage: (files) => ({
        ...files,
        list: (...args) =>
          isDown ? Promise.reject(new FiresteelError(Code.unavailable, "storage is away")) : files.list(...args),
      }),
    });
    await writeFile(join(bench.folder, "app.py"), "print(1)\n");
    plan({ runs: "app", ms: 100 });
    const running = run();
    await until(() => states().includes("running"));
    isDown = true;
    await until(() => bench.lines.includes("waiting: storage is away"));
    expect(rows()[0]?.state).toBe("finishing");
    isDown = false;
    await running;
    expect(taken()).toEqual(["app", "harness"]);
  });

  it("is not trusted when somebody writes to its outputs afterwards; another attempt is", async () => {
    const held = Promise.withResolvers<void>();
    plan({ runs: "app" }, { runs: "ok", held: held.promise });
    const running = run();
    await until(() => rows()[1]?.state === "running");
    const folder = fileURLToPath(`${rows()[0]?.location}/app/daily`);
    const [part = ""] = (await readdir(folder)).filter((name) => name.startsWith("part-"));
    await utimes(join(folder, part), 1, 1);
    held.resolve();
    await running;
    expect(rows()[0]?.failure).toMatchObject({ class: "cluster", type: "OutputChanged" });
    expect(taken()).toEqual(["app", "harness", "app", "harness"]);
  });
});

describe("an application with a ResourceManager", () => {
  beforeEach(() => open(true));

  it.each(["dead", "killed"])("has ended well when YARN says so, although Livy says %s", async (lie) => {
    plan({ runs: "app", ms: 100 });
    const running = run();
    await until(() => rows()[0]?.appId != null);
    livy.lie("0", lie);
    await running;
    expect(taken()).toEqual(["app", "harness"]);
  });

  it("has not ended because Livy says success", async () => {
    plan({ runs: "app", ms: 600 });
    const running = run();
    await until(() => rows()[0]?.appId != null);
    livy.lie("0", "success");
    await until(() => rows()[0]?.cause.includes("Livy says success; the ResourceManager says") === true);
    expect(livy.ledger.count("outputs")).toBe(0);
    await running;
    expect(livy.ledger.count("outputs")).toBe(2);
    expect(taken()).toEqual(["app", "harness"]);
  });

  it("has ended well when Livy has forgotten it", async () => {
    plan({ runs: "app", ms: 150 });
    const running = run();
    await until(() => states().includes("running"));
    livy.forget("0");
    await running;
    expect(taken()).toEqual(["app", "harness"]);
  });

  it("is judged when the ResourceManager answers, not before", async () => {
    plan({ runs: "app", ms: 150 });
    const running = run();
    await until(() => states().includes("running"));
    livy.lie("0", "success");
    livy.yarn.down = true;
    await until(() => rows()[0]?.cause.includes("gave no answer") === true);
    await sleep(2 * QUICK.endMs);
    expect(rows()).toHaveLength(1);
    livy.yarn.down = false;
    await running;
    expect(taken()).toEqual(["app", "harness"]);
  });

  it("is taken at Livy's word when the ResourceManager has forgotten it", async () => {
    plan({ runs: "app", ms: 150 });
    const running = run();
    await until(() => livy.ledger.count("outputs") > 0);
    livy.lie("0", "success");
    livy.yarn.applications.delete([...livy.yarn.applications.keys()][0] ?? "");
    await running;
    expect(rows()[0]?.state).toBe("succeeded");
    expect(bench.database.transitions.map(({ cause }) => cause).join("\n")).toContain(
      "the ResourceManager does not know the application any more",
    );
  });

  it("whose driver was started twice is not trusted; another attempt is", async () => {
    let apps = 0;
    livy.plan = (request) => (isHarness(request) ? { runs: "ok" } : { runs: "app", starts: ++apps === 1 ? 2 : 1 });
    await run();
    expect(rows()[0]?.failure).toMatchObject({
      type: "StartedTwice",
      message: expect.stringMatching(/^application_\d+_0001 ended well, but YARN started its driver 2 times, although/),
    });
    expect(taken()).toEqual(["app", "app", "harness"]);
  });

  it.each<[string, JobPlan, object]>([
    [
      "a Python exception",
      { runs: "throws" },
      {
        code: "unknown",
        message: "ValueError: column price is missing",
        details: { class: "user", traceback: expect.stringContaining("job.py") },
      },
    ],
    [
      "a JVM exception",
      {
        runs: "throws",
        diagnostics:
          "User class threw exception: java.lang.IllegalStateException: price is missing\n\tat shop.App.main(App.java:6)\n",
      },
      { code: "unknown", message: "java.lang.IllegalStateException: price is missing", details: { class: "user" } },
    ],
    [
      "System.exit",
      { runs: "throws", diagnostics: "Shutdown hook called before final status was reported." },
      {
        code: "unknown",
        message: expect.stringContaining("ended before its main returned: System.exit is a failure on YARN"),
        details: { class: "user" },
      },
    ],
    [
      "a class that is not there",
      { runs: "throws", diagnostics: "Uncaught exception: java.lang.ClassNotFoundException: shop.Nope\n\tat java.net" },
      {
        code: "invalid_argument",
        message: expect.stringContaining("class is not in the jars: shop.Nope"),
        details: { class: "submit" },
      },
    ],
  ])("gives %s to the caller, and does not run it again", async (_, app, expected) => {
    plan(app);
    expect(await failure(bench.run(work()))).toMatchObject(expected);
    expect(taken()).toEqual(["app"]);
    const log = await bench.store.readLog(rows()[0]?.id ?? "", "stderr");
    expect(log[0]).toMatch(/^INFO ApplicationMaster: application_\d+_0001 starts$/);
  });

  it("that the cluster fails to run is run again", async () => {
    let apps = 0;
    livy.plan = (request) => (isHarness(request) ? { runs: "ok" } : { runs: ++apps === 1 ? "dies" : "app" });
    await run();
    expect(taken()).toEqual(["app", "app", "harness"]);
  });

  it("that somebody kills on the cluster is not run again", async () => {
    plan({ runs: "forever" });
    const running = failure(bench.run(work()));
    await until(() => rows()[0]?.state === "running");
    await livy.yarn.kill([...livy.yarn.applications.values()][0]!);
    expect((await running).message).toContain("was killed on the cluster");
    expect(rows().map(({ state }) => state)).toEqual(["killed"]);
  });
});

describe("an application without a ResourceManager", () => {
  it("is lost when Livy forgets it, and never taken for a success", async () => {
    await open(false);
    plan({ runs: "app", ms: 150 });
    const running = run();
    await until(() => states().includes("running"));
    livy.forget("0");
    await running;
    expect(rows()[0]?.failure).toMatchObject({ type: "SubmissionLost" });
    expect(taken()).toEqual(["app", "app", "harness"]);
  });

  it("and without YARN gives its exception to the caller from spark-submit's output", async () => {
    await open(false, { master: "local" });
    await writeFile(join(bench.folder, "job.py"), "print(1)\n");
    plan({ runs: "throws" });
    const error = await failure(bench.run(work({ file: "job.py" })));
    expect(error).toMatchObject({ message: "ValueError: column price is missing", details: { class: "user" } });
    expect(taken()).toEqual(["app"]);
  });
});

describe("inputs of an application", () => {
  beforeEach(() => open(true));

  const identity = "a".repeat(64);
  const inputs = { orders: new DatasetValue(identity) };
  const options = {
    file: "app.py",
    inputs,
    args: ["${inputs.orders}", "${outputs.daily}"],
    outputs: { daily: {} },
  };
  async function place(): Promise<DatasetRecord> {
    const location = pathToFileURL(join(bench.folder, "in put")).href;
    const folder = join(bench.folder, "in put", "day=1");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "a b.csv"), "12");
    const files = [{ path: "day=1/a%20b.csv", bytes: 2 }];
    return { identity, location, format: "csv", options: {}, schema: null, partitionBy: ["day"], rows: null, files };
  }

  it("are told as places in Hadoop's spelling, and compared again before the result is committed", async () => {
    const datasets = [await place()];
    plan({ runs: "app", ms: 100 });
    await bench.run(sparkApp(options), { datasets });
    expect(livy.taken[0]?.request.args?.[0]).toBe(`file://${bench.folder}/in put`);
    await rm(join(bench.folder, "in put", "day=1", "a b.csv"));
    expect(await failure(bench.run(sparkApp({ ...options, args: [...options.args, 1] }), { datasets }))).toMatchObject({
      code: "aborted",
      details: { kind: "inputChanged" },
    });
  });

  it("must be all that lies there, before the application runs and after", async () => {
    const datasets = [await place()];
    const stranger = join(bench.folder, "in put", "day=1", "new.csv");
    plan({ runs: "app", ms: 100 });
    const running = failure(bench.run(sparkApp(options), { datasets }));
    await until(() => states().includes("running"));
    await writeFile(stranger, "1");
    const changed = {
      code: "aborted",
      message: expect.stringMatching(/new\.csv is there too$/),
      details: { kind: "inputChanged" },
    };
    expect(await running).toMatchObject(changed);
    expect(taken()).toEqual(["app", "harness"]);
    expect(await failure(bench.run(sparkApp(options), { datasets }))).toMatchObject(changed);
    expect(taken()).toHaveLength(2);
    // What Spark does not read is no data.
    await rm(stranger);
    await writeFile(join(bench.folder, "in put", "_SUCCESS"), "");
    await bench.run(sparkApp(options), { datasets });
  });
});
