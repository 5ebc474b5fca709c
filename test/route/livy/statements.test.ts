import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sql } from "../../../src/define/spark.ts";
import type { SparkSettings } from "../../../src/define/work.ts";
import type { FiresteelError } from "../../../src/errors.ts";
import type { SessionsConfig } from "../../../src/route/livy/sessions/session-request.ts";
import type { Double } from "../../livy/double.ts";
import type { JobPlan } from "../../livy/job.ts";
import { type Served, serveDouble } from "../../livy/serve.ts";
import { type Bench, type BenchOptions, createBench } from "../bench.ts";
import { MemoryDatabase } from "../memory-store.ts";

const QUICK = { askMs: 20, manifestMs: 20, postMs: 300, endMs: 200, lostMs: 800, quietMs: 50, lingerMs: 500 };

let served: Served;
let livy: Double;
let bench: Bench;
/** What the next statements and batches do. */
let plans: JobPlan[];
/** Benches of the test, for the end. */
let benches: Bench[];

/** An entry for the double; null for one without sessions. */
const entry = (sessions: SessionsConfig | null = {}, name = "warm") => ({
  name,
  url: served.url,
  resourceManager: { url: served.resourceManagerUrl },
  tickMs: 50,
  ...(sessions === null ? {} : { sessions: { max: 1, cancelMs: 300, ...sessions } }),
});

async function start(sessions: SessionsConfig = {}, options: Partial<BenchOptions> = {}): Promise<Bench> {
  const made = await createBench({
    clusters: [entry(sessions)],
    patience: QUICK,
    ...(benches[0] === undefined ? {} : { folder: benches[0].folder }),
    ...options,
  });
  benches.push(made);
  return made;
}

beforeEach(async () => {
  served = await serveDouble();
  livy = served.double;
  plans = [];
  livy.plan = () => plans.shift() ?? null;
  benches = [];
  bench = await start();
});
afterEach(async () => {
  for (const one of benches.toReversed()) await one[Symbol.asyncDispose]();
  await served[Symbol.asyncDispose]();
});

const work = (n: number, settings: SparkSettings = {}) => sql`SELECT ${n} AS id`.with(settings);
const rows = (of = bench) => [...of.database.submissions.values()];
const modes = (of = bench) => rows(of).map(({ mode }) => mode);
const count = (event: Parameters<Double["ledger"]["count"]>[0]) => livy.ledger.count(event);
const sessions = () => [...new Set(rows().map(({ session }) => session))];
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable(),
    (error: unknown) => error as FiresteelError,
  );
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}
/** A plan that ends when it is let go. */
function held(): { readonly plan: JobPlan; readonly release: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { plan: { runs: "ok", held: promise }, release: resolve };
}

describe("a statement", () => {
  it("carries small work, in one session after the other, and gives what a batch gives", async () => {
    const results = [];
    for (const n of [1, 2, 3]) results.push(await bench.run(work(n)));
    expect(modes()).toEqual(["statement", "statement", "statement"]);
    expect(sessions()).toHaveLength(1);
    expect(rows().map(({ statementId }) => statementId)).toEqual([1, 2, 3]);
    expect([livy.taken.length, count("manifest")]).toEqual([0, 3]);
    const others = await start({}, { clusters: [{ name: "cold", url: served.url, tickMs: 50 }] });
    expect(await others.run(work(1))).toEqual(results[0]);
    expect(modes(others)).toEqual(["batch"]);
  });

  it("is durable before it is visible, with its session, and runs once", async () => {
    const seen: unknown[] = [];
    livy.plan = () => {
      seen.push(...rows().map(({ state, session }) => [state, session !== null]));
      return null;
    };
    await bench.run(work(1));
    // The answer to the POST, and a look, may be there before the statement begins.
    expect(seen).toEqual([[expect.stringMatching(/submitting|starting|running/), true]]);
    await bench.run(work(1));
    expect(count("began")).toBe(1);
    const states = bench.database.transitions.map(({ to }) => to);
    expect([states.slice(0, 3), states.at(-1)]).toEqual([["planned", "submitting", "starting"], "succeeded"]);
    expect(rows()[0]).toMatchObject({ request: { code: expect.stringContaining(rows()[0]!.id) } });
  });

  it.each([
    ["jars", { jars: ["a.jar"] }],
    ["a Python module", { pyFiles: ["a.py"] }],
    ["another user", { proxyUser: "eve" }],
    ["a setting of the application", { conf: { "spark.task.cpus": "2" } }],
    ["memory of its own", { executorMemory: "8g" }],
    ["batch", { mode: "batch" }],
  ] as const)("is not what work becomes that asks for %s", async (_, settings) => {
    for (const name of ["a.jar", "a.py"]) await writeFile(join(bench.folder, name), "x = 1\n");
    await bench.run(work(1, settings));
    expect(modes()).toEqual(["batch"]);
  });

  it("is what work becomes that asks for it, whatever its size and resources; where that cannot be it is refused", async () => {
    bench = await start({ autoBytes: 0, mode: "batch" });
    await bench.run(work(1, { mode: "statement", executorMemory: "8g" }));
    expect(modes()).toEqual(["statement"]);
    const jars = await failure(bench.run(work(2, { mode: "statement", proxyUser: "eve" })));
    expect(jars).toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(/running session.*proxyUser$/),
    });
    bench = await start({}, { clusters: [{ name: "cold", url: served.url }] });
    const cold = await failure(bench.run(work(3, { mode: "statement" })));
    expect(cold).toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("cluster cold has none"),
    });
    expect(rows()).toEqual([]);
  });

  it("is for inputs that are small together", async () => {
    const made = (await bench.run(work(1))) as never;
    const read = sql`SELECT * FROM ${made}`;
    const [size] = (await bench.store.findDataset((made as { identity: string }).identity)).flatMap(({ files }) =>
      files.map(({ bytes }) => bytes),
    );
    for (const autoBytes of [size!, size! - 1]) {
      await bench.kill();
      bench = await start({ autoBytes }, { database: bench.database });
      await bench.run(read.with({ partitionBy: [`p${autoBytes}`] }));
    }
    expect(modes()).toEqual(["statement", "statement", "batch"]);
  });

  it.each([
    ["the reply is lost", { when: "after", does: "drop" }],
    ["the request is lost", { when: "before", does: "drop" }],
    ["it is done and answered with 500", { when: "after", does: "answer", status: 500, body: '"boom"' }],
    [
      "a proxy answers with a page",
      { when: "before", does: "answer", status: 502, body: "<html></html>", type: "text/html" },
    ],
    ["the answer is cut", { when: "after", does: "cut" }],
  ] as const)("runs once when %s", async (_, fault) => {
    await bench.run(work(0));
    livy.faults.script("POST /sessions/x/statements", fault);
    await bench.run(work(1));
    expect([count("began"), modes()]).toEqual([2, ["statement", "statement"]]);
  });

  it("keeps what it printed as its log", async () => {
    await bench.run(work(1));
    expect(await bench.store.readLog(rows()[0]!.id)).toEqual(["firesteel: succeeded"]);
  });

  it("gives the failure that its manifest tells, and its session goes on", async () => {
    plans = [{ runs: "fails" }];
    const error = await failure(bench.run(work(1)));
    expect(error).toMatchObject({ code: "unknown", message: expect.stringContaining("column price is missing") });
    await bench.run(work(2));
    expect(sessions()).toHaveLength(1);
  });

  it("that ends without a manifest is tried again as a batch", async () => {
    plans = [{ runs: "throws" }];
    await bench.run(work(1));
    expect(rows().map(({ mode, state }) => [mode, state])).toEqual([
      ["statement", "failed"],
      ["batch", "succeeded"],
    ]);
    expect(rows()[0]?.failure).toMatchObject({ class: "cluster", type: "OSError", message: "disk is full" });
  });

  it("whose interpreter died is said to have lost its session, not to have printed a lot", async () => {
    plans = [{ runs: "throws", says: `Interpreter died:\n\n${"RuntimeWarning: no such folder\n".repeat(1_000)}` }];
    await bench.run(work(1));
    const { failure: told, session } = rows()[0]!;
    const message = `session ${session} was lost: its interpreter died`;
    expect(told).toMatchObject({ class: "cluster", type: "SessionLost", message });
    expect(told?.traceback?.length).toBe(4_000);
  });
});

describe("a session", () => {
  it("is not used again after a statement that left something behind", async () => {
    plans = [{ runs: "ok", ends: "replaced: builtins.len" }];
    await bench.run(work(1));
    await bench.run(work(2));
    expect(sessions()).toHaveLength(2);
    await until(() => count("deleted") === 1);
  });

  it("that dies takes no finished statement with it; what ran in it is done again elsewhere", async () => {
    await bench.run(work(1));
    plans = [{ runs: "dies" }];
    await bench.run(work(2));
    expect(rows().map(({ mode, state }) => [mode, state])).toEqual([
      ["statement", "succeeded"],
      ["statement", "failed"],
      ["batch", "succeeded"],
    ]);
    expect(rows()[1]?.failure).toMatchObject({ class: "cluster", type: "SessionLost" });
    await bench.run(work(3));
    expect(count("manifest")).toBe(3);
  });

  it("whose application is killed fails over, and is not what the killer asked the work to be", async () => {
    const { plan, release } = held();
    plans = [plan];
    const running = bench.run(work(1));
    await until(() => rows()[0]?.state === "running");
    await livy.yarn.kill([...livy.yarn.applications.values()][0]!);
    release();
    await running;
    expect(rows().map(({ state }) => state)).toEqual(["failed", "succeeded"]);
  });

  it("takes one statement at a time; others wait and are told why", async () => {
    const { plan, release } = held();
    plans = [plan];
    const first = bench.run(work(1));
    await until(() => rows()[0]?.state === "running");
    const second = bench.run(work(2));
    await until(() => bench.lines.some((line) => line.includes("1 of 1 sessions of cluster warm are busy")));
    release();
    await Promise.all([first, second]);
    expect(sessions()).toHaveLength(1);
  });

  it("is made while work waits, as many as there may be, and ended after its idle time", async () => {
    bench = await start({ max: 3, idleTimeoutMs: 300 });
    const many = [1, 2, 3, 4, 5].map(() => held());
    plans = many.map(({ plan }) => plan);
    const running = many.map((_, n) => bench.run(work(n)));
    await until(() => rows().filter(({ state }) => state === "running").length === 3);
    expect(bench.gateway.clusters()[0]).toMatchObject({ live: 0, sessions: { busy: 3, max: 3, waiting: 2 } });
    for (const { release } of many) release();
    await Promise.all(running);
    await until(() => count("deleted") === 3);
    expect(bench.gateway.clusters()[0]?.sessions).toMatchObject({ idle: 0, busy: 0, starting: 0 });
  });

  it("is kept warm where some are wanted always", async () => {
    bench = await start({ min: 1, max: 2 });
    await bench.gateway.tend();
    await until(() => bench.gateway.clusters()[0]?.sessions?.idle === 1);
    expect(count("taken")).toBe(1);
  });

  it("is replaced after some statements, without a gap", async () => {
    bench = await start({ recycleAfter: 3 });
    for (let n = 0; n < 6; n++) await bench.run(work(n));
    await until(() => count("deleted") >= 1);
    expect(sessions().length).toBeGreaterThan(1);
    expect(count("began")).toBe(6);
  });

  it("is not all one user's", async () => {
    bench = await start({ max: 2, maxPerUser: 1 });
    const { plan, release } = held();
    plans = [plan];
    const [first, second] = [bench.run(work(1)), bench.run(work(2))];
    await until(() => bench.lines.some((line) => line.includes("tester has 1 statements running, which is the most")));
    release();
    await Promise.all([first, second]);
  });

  it("that cannot be made leaves the work to batches", async () => {
    await served[Symbol.asyncDispose]();
    served = await serveDouble({ profile: "0.7.1" });
    livy = served.double;
    bench = await start();
    await bench.run(work(1));
    expect(modes()).toEqual(["statement", "batch"]);
    expect(rows()[0]?.failure?.message).toContain("Cannot find Livy REPL jars");
    const error = await failure(bench.run(work(2, { mode: "statement" })));
    expect(error.message).toContain("Cannot find Livy REPL jars");
  });

  it.each(["drop", "hang"] as const)("is made once when the reply to its POST is lost (%s)", async (does) => {
    livy.faults.script("POST /sessions", { when: "after", does });
    await bench.run(work(1));
    expect(
      livy.ledger.entries.filter(({ event, name }) => event === "taken" && name?.startsWith("warm-")),
    ).toHaveLength(1);
  });
});

describe("cancelling a statement", () => {
  it("ends it and leaves the session, when its code ends", async () => {
    const { plan, release } = held();
    plans = [plan];
    const controller = new AbortController();
    const running = failure(bench.run(work(1), { signal: controller.signal }));
    await until(() => rows()[0]?.state === "running");
    livy.faults.script("POST /sessions/x/statements/x/cancel", null);
    controller.abort();
    await until(() => livy.count("POST /sessions/x/statements/x/cancel") > 0);
    release();
    await running;
    await until(() => rows()[0]?.state !== "cancelling");
    // Its manifest was there before anybody could stop it.
    expect(["cancelled", "succeeded"]).toContain(rows()[0]?.state);
    await bench.run(work(2));
    expect([sessions().length, count("deleted")]).toEqual([1, 0]);
  });

  it("takes the session with it when its code does not end", async () => {
    plans = [{ runs: "forever" }];
    const controller = new AbortController();
    const running = failure(bench.run(work(1), { signal: controller.signal }));
    await until(() => rows()[0]?.state === "running");
    const waiting = bench.run(work(2));
    controller.abort();
    expect(await running).toMatchObject({ code: "cancelled" });
    expect(rows()[0]).toMatchObject({ state: "cancelled", cause: expect.stringContaining("session was stopped") });
    expect([...livy.yarn.applications.values()][0]?.state).toBe("KILLED");
    await waiting;
    expect(sessions()).toHaveLength(2);
  });
});

describe("a restart of the orchestrator", () => {
  it("takes the sessions over by name, and follows what runs in them", async () => {
    const { plan, release } = held();
    plans = [plan];
    const running = failure(bench.run(work(1)));
    await until(() => rows()[0]?.state === "running");
    await bench.kill();
    await running;
    const { database } = bench;
    bench = await start({}, { database });
    expect(await bench.gateway.tend()).toBe(1);
    release();
    await bench.run(work(1));
    await bench.run(work(2));
    expect([count("began"), sessions().length, count("deleted")]).toEqual([2, 1, 0]);
    expect(rows().map(({ state }) => state)).toEqual(["succeeded", "succeeded"]);
  });

  it("in the middle of a POST finds the statement by its code", async () => {
    await bench.run(work(0));
    const { plan, release } = held();
    plans = [plan];
    livy.faults.script("POST /sessions/x/statements", { when: "after", does: "hang" });
    const running = failure(bench.run(work(1)));
    await until(() => count("began") === 2);
    expect(rows()[1]).toMatchObject({ state: "submitting", statementId: null });
    await bench.kill();
    await running;
    bench = await start({}, { database: bench.database });
    await bench.gateway.tend();
    release();
    await bench.run(work(1));
    expect([count("began"), rows().map(({ state }) => state)]).toEqual([2, ["succeeded", "succeeded"]]);
  });

  it("ends sessions of other settings, when nothing runs in them", async () => {
    await bench.run(work(1));
    await bench.kill();
    bench = await start({ driverMemory: "2g" }, { database: bench.database });
    await bench.run(work(2));
    await until(() => count("deleted") === 1);
    expect(sessions()).toHaveLength(2);
  });
});

describe("a restart of Livy", () => {
  it.each([true, false])("is no restart of a statement (recovery: %s)", async (recovery) => {
    await bench.run(work(0));
    const { plan, release } = held();
    plans = [plan];
    const running = bench.run(work(1));
    await until(() => rows()[1]?.state === "running");
    await served.crash();
    await sleep(100);
    await served.start({ recovery });
    if (!recovery) await until(() => livy.ledger.count("killed") > 0);
    release();
    await running;
    expect(count("manifest")).toBe(2);
    expect(rows().filter(({ state }) => state === "succeeded")).toHaveLength(2);
    expect(modes()).toEqual(recovery ? ["statement", "statement"] : ["statement", "statement", "batch"]);
  });
});

describe("other settings while work runs", () => {
  const configure = (sessions: SessionsConfig | null) => bench.gateway.configure({ clusters: [entry(sessions)] });

  it("count for the next session; the one that is busy ends when its statement has", async () => {
    const { plan, release } = held();
    plans = [plan];
    const running = bench.run(work(1));
    await until(() => count("began") === 1);
    configure({ max: 2, driverMemory: "2g" });
    await bench.run(work(2));
    expect([count("manifest"), sessions().length]).toEqual([1, 2]);
    release();
    await running;
    await until(() => count("deleted") === 1);
    expect(modes()).toEqual(["statement", "statement"]);
    // Settings that change nothing of a session leave it as it is.
    configure({ max: 1, driverMemory: "2g" });
    await bench.run(work(3));
    expect([count("deleted"), sessions().length]).toEqual([1, 2]);
  });

  it("that come while the sessions are looked at make none before it is known which there are", async () => {
    await bench.run(work(1));
    const lists = livy.count("GET /sessions");
    livy.faults.script("GET /sessions", { when: "after", does: "delay", ms: 300 });
    const { plan, release } = held();
    plans = [plan];
    const running = [bench.run(work(2)), bench.run(work(3))];
    await until(() => livy.count("GET /sessions") > lists);
    configure({ max: 2, driverMemory: "2g" });
    await sleep(400);
    release();
    await Promise.all(running);
    expect(modes()).toEqual(["statement", "statement", "statement"]);
    await until(() => count("deleted") === 1);
    expect(bench.gateway.clusters()[0]?.sessions?.lastError).toBeNull();
  });

  it("end all sessions where there are to be none any more, and make them again where there are", async () => {
    const { plan, release } = held();
    plans = [plan];
    const running = bench.run(work(1));
    await until(() => count("began") === 1);
    const waiting = bench.run(work(2));
    await until(() => bench.gateway.clusters()[0]?.sessions?.waiting === 1);
    configure(null);
    await waiting;
    expect(modes()).toEqual(["statement", "statement", "batch"]);
    release();
    await running;
    await until(() => bench.gateway.clusters()[0]?.sessions === null);
    expect([count("deleted"), livy.ledger.count("manifest")]).toEqual([1, 2]);
    expect(await failure(bench.run(work(3, { mode: "statement" })))).toMatchObject({ code: "failed_precondition" });
    configure({});
    await bench.run(work(4, { mode: "statement" }));
    expect(modes().at(-1)).toBe("statement");
  });
});

describe("of several clusters", () => {
  it("work that has to be a statement goes where sessions are, however busy", async () => {
    const clusters = [entry(null, "cold"), entry({}, "warm")];
    bench = await start({}, { clusters, database: new MemoryDatabase() });
    await Promise.all([1, 2, 3].map((n) => bench.run(work(n, { mode: "statement" }))));
    expect(rows().map(({ cluster }) => cluster)).toEqual(["warm", "warm", "warm"]);
  });
});
