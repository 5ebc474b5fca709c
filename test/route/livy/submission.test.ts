import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DatasetValue } from "../../../src/define/external.ts";
import { sql } from "../../../src/define/spark.ts";
import { Code, FiresteelError } from "../../../src/errors.ts";
import type { Double } from "../../livy/double.ts";
import { TRACEBACK } from "../../livy/job.ts";
import { type Served, serveDouble } from "../../livy/serve.ts";
import { type Bench, type BenchOptions, createBench } from "../bench.ts";

const QUICK = { askMs: 20, manifestMs: 20, postMs: 300, zombieMs: 150, endMs: 200, lostMs: 800, lingerMs: 500 };

let served: Served;
let livy: Double;
let bench: Bench;

async function start(options: Partial<BenchOptions> & { readonly maxLive?: number } = {}): Promise<Bench> {
  const { maxLive, ...rest } = options;
  return createBench({
    clusters: [{ name: "local", url: served.url, tickMs: 40, whenDown: "start it", ...(maxLive ? { maxLive } : {}) }],
    patience: QUICK,
    ...rest,
  });
}

beforeEach(async () => {
  served = await serveDouble({ master: "local" });
  livy = served.double;
  bench = await start();
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
  await served[Symbol.asyncDispose]();
});

const work = (n: number) => sql`SELECT ${n} AS id`;
const states = (b = bench) => b.database.transitions.map(({ to }) => to);
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable(),
    (error: unknown) => error as FiresteelError,
  );
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

describe("a submission", () => {
  it("is durable before it is visible, and runs once", async () => {
    const seen: string[] = [];
    livy.plan = ({ name }) => {
      seen.push(
        ...[...bench.database.submissions.values()].filter((one) => one.livyName === name).map(({ state }) => state),
      );
      return { runs: "ok" };
    };
    const result = await bench.run(work(1));
    expect(seen).toEqual(["submitting"]);
    expect(await bench.run(work(1))).toEqual(result);
    expect(livy.taken).toHaveLength(1);
    expect(states().slice(0, 3)).toEqual(["planned", "submitting", "starting"]);
    expect(states().at(-1)).toBe("succeeded");
  });

  it("is planned without a trace: what is done already is told with its result", async () => {
    const before = await bench.plan(work(1));
    expect(before.result).toBeNull();
    expect(livy.taken).toHaveLength(0);
    await expect(readdir(join(bench.folder, "staging"))).rejects.toThrow("ENOENT");
    const result = await bench.run(work(1));
    expect(await bench.plan(work(1))).toEqual({ work: before.work, result });
    expect((await bench.plan(work(2))).result).toBeNull();
    expect(livy.taken).toHaveLength(1);
  });

  it("carries its name, its tag and its task", async () => {
    await bench.run(work(1));
    const [{ request, name } = expect.unreachable()] = livy.taken;
    expect(name).toMatch(/^test.task-mem-[a-z0-9]+$/);
    expect(request.conf).toMatchObject({
      "spark.yarn.tags": `${name},firesteel,execution:test-execution,user:tester,task:test.task`,
      "spark.yarn.maxAppAttempts": "1",
      "spark.firesteel.tags": "bulk-data",
      "spark.app.name": "test.task test-execution",
    });
  });

  it("is shared by all who ask for the same work at once", async () => {
    const results = await Promise.all([bench.run(work(1)), bench.run(work(1)), bench.run(work(1))]);
    expect(new Set(results.map((one) => JSON.stringify(one))).size).toBe(1);
    expect(livy.taken).toHaveLength(1);
  });

  it.each([
    ["the reply is lost", { when: "after", does: "drop" }],
    ["the server did it and answers 500", { when: "after", does: "answer", status: 500, body: '{"msg":"boom"}' }],
    [
      "a proxy answers with a page",
      { when: "after", does: "answer", status: 502, body: "<html><h1>Bad Gateway</h1></html>", type: "text/html" },
    ],
    ["the answer is no JSON", { when: "after", does: "answer", status: 201, body: "OK" }],
    ["the answer is empty", { when: "after", does: "answer", status: 500, body: "" }],
  ] as const)("is found by name and not posted again when %s", async (_, fault) => {
    livy.faults.script("POST /batches", fault);
    await bench.run(work(1));
    expect(livy.count("POST /batches")).toBe(1);
    expect(livy.taken).toHaveLength(1);
  });

  it("is posted again only after a look by name when the request was lost", async () => {
    livy.faults.script(
      "POST /batches",
      { when: "before", does: "drop" },
      { when: "before", does: "answer", status: 500, body: "" },
    );
    await bench.run(work(1));
    expect(livy.taken).toHaveLength(1);
    const posts = livy.requests.flatMap((request, i) => (request === "POST /batches" ? [i] : []));
    expect(posts).toHaveLength(3);
    for (const [i, at] of posts.slice(1).entries())
      expect(livy.requests.slice(posts[i], at)).toContain("GET /batches/x");
  });

  it("gives up after a server refused five times with 500, with its words", async () => {
    livy.faults.script(
      "POST /batches",
      ...Array.from(
        { length: 15 },
        () => ({ when: "before", does: "answer", status: 500, body: '{"msg":"disk is full"}' }) as const,
      ),
    );
    await bench[Symbol.asyncDispose]();
    bench = await start({ patience: { ...QUICK, postMs: 10, posts: 2 } });
    const error = await failure(bench.run(work(1)));
    expect(error).toMatchObject({ code: "unavailable" });
    expect(error.message).toContain("disk is full");
  });

  it("deletes the batch that a refused request leaves behind", async () => {
    livy.faults.script("POST /batches", { when: "before", does: "zombie", status: 400 });
    const error = await failure(bench.run(work(1)));
    expect(error).toMatchObject({ code: "invalid_argument", retryable: false, details: { class: "submit" } });
    expect(error.message).toContain("Rejected, Reason: no");
    expect([...livy.batches.values()]).toEqual([]);
  });

  it("gets rid of a zombie after a 500 and is posted again", async () => {
    livy.faults.script("POST /batches", { when: "before", does: "zombie", status: 500 });
    await bench.run(work(1));
    expect(livy.taken).toHaveLength(1);
    expect([...livy.batches.values()].filter(({ monitored }) => !monitored)).toEqual([]);
  });

  it("is not taken for a zombie while Livy is still about to start it", async () => {
    await bench[Symbol.asyncDispose]();
    await served[Symbol.asyncDispose]();
    served = await serveDouble({ timings: { postMs: 600 } });
    livy = served.double;
    bench = await start();
    livy.faults.script("POST /batches", { when: "during", does: "answer", status: 504, body: "" });
    await bench.run(work(1));
    expect(livy.taken).toHaveLength(1);
    expect(livy.ledger.count("accepted")).toBe(1);
  });

  it("waits while Livy creates too many sessions", async () => {
    livy.faults.script("POST /batches", {
      when: "before",
      does: "answer",
      status: 400,
      body: '{"msg":"Rejected, too many sessions are being created!"}',
    });
    await bench.run(work(1));
    expect(states()).toEqual(expect.arrayContaining(["planned", "submitting", "planned", "submitting", "succeeded"]));
    expect(bench.lines.join("\n")).toContain("too many sessions");
    expect(livy.taken).toHaveLength(1);
  });

  it("waits while the cluster is down, says why, and goes on by itself", async () => {
    await served.disconnect();
    const running = bench.run(work(1));
    await until(() => bench.lines.some((line) => line.includes("is down since")));
    expect(bench.lines.at(-1)).toMatch(
      /^waiting: cluster local at http:\/\/127\.0\.0\.1:\d+ is down since .*: connect ECONNREFUSED.*; start it$/,
    );
    expect(bench.gateway.clusters()[0]).toMatchObject({ state: "down", waiting: 1, live: 0 });
    await served.reconnect();
    await running;
    expect(bench.gateway.clusters()[0]).toMatchObject({ state: "up", waiting: 0 });
    expect(livy.taken).toHaveLength(1);
  });

  it("waits while nobody is let in, and is refused when it alone is", async () => {
    const refuse = (status: number) => ({ when: "before", does: "answer", status, body: "who are you?" }) as const;
    livy.faults.script("POST /batches", refuse(401), refuse(302));
    livy.faults.script("GET /batches", refuse(401), null, refuse(401));
    await bench.run(work(1));
    expect(bench.lines.join("\n")).toMatch(/^waiting: .*who are you\?/m);
    expect(livy.taken).toHaveLength(1);
    livy.faults.script("POST /batches", refuse(403));
    expect(await failure(bench.run(work(2)))).toMatchObject({
      code: Code.permissionDenied,
      message: "cluster local refused the work: who are you?",
    });
    expect(livy.taken).toHaveLength(1);
  });

  it("survives errors while it is looked at", async () => {
    livy.plan = () => ({ runs: "ok", ms: 200 });
    livy.faults.script(
      "GET /batches",
      ...Array.from({ length: 3 }, () => ({ when: "before", does: "answer", status: 500, body: "x" }) as const),
    );
    await bench.run(work(1));
    expect(livy.taken).toHaveLength(1);
  });

  it("is not confused with a stranger that has its id after a restart", async () => {
    livy.plan = () => ({ runs: "ok", ms: 300 });
    const running = bench.run(work(1));
    await until(() => states().includes("starting"));
    livy.start({ recovery: false });
    const stranger = livy.add("somebody-else", "dead");
    expect(stranger.id).toBe(livy.taken[0]?.id);
    await running;
    expect(states()).toContain("lost");
    expect(states().at(-1)).toBe("succeeded");
    expect(livy.taken).toHaveLength(1);
  });

  it("is tried again under a new name when it is lost for good", async () => {
    let first = true;
    livy.plan = () => {
      const job = first ? ({ runs: "forever" } as const) : ({ runs: "ok" } as const);
      first = false;
      return job;
    };
    const running = bench.run(work(1));
    await until(() => states().includes("running"));
    livy.start({ recovery: false });
    await running;
    expect(livy.taken).toHaveLength(2);
    expect(new Set(livy.taken.map(({ name }) => name)).size).toBe(2);
    expect([...bench.database.submissions.values()].map(({ attempt, state }) => [attempt, state])).toEqual([
      [1, "failed"],
      [2, "succeeded"],
    ]);
  });

  it("takes a state that it does not know for no end", async () => {
    livy.plan = () => ({ runs: "ok", ms: 250 });
    const running = bench.run(work(1));
    await until(() => livy.batches.size > 0);
    livy.lie("0", "recovering");
    await running;
    expect(states().at(-1)).toBe("succeeded");
  });

  it("succeeds when its manifest is there, though Livy says dead", async () => {
    livy.plan = () => ({ runs: "ok", ms: 60 });
    const running = bench.run(work(1));
    await until(() => livy.batches.size > 0);
    livy.lie("0", "dead");
    await running;
    expect(states().at(-1)).toBe("succeeded");
    expect(livy.taken).toHaveLength(1);
  });

  it.each(["list", "stat"] as const)(
    "waits for a storage that gives no answer to %s, whatever Livy says",
    async (call) => {
      let asked = 0;
      let isDown = false;
      const refuse = async () => {
        asked++;
        throw new FiresteelError(Code.unavailable, "storage is away");
      };
      await bench[Symbol.asyncDispose]();
      bench = await start({
        storage: (files) => ({
          ...files,
          [call]: (...args: Parameters<typeof files.list>) => (isDown ? refuse() : files[call](...(args as [string]))),
        }),
      });
      livy.plan = () => ({ runs: "ok", ms: 300 });
      await writeFile(join(bench.folder, "input"), "12");
      const file = { path: "input", bytes: 2 };
      const location = pathToFileURL(bench.folder).href;
      const identity = "a".repeat(64);
      const record = { identity, location, format: "csv", options: {}, schema: null, partitionBy: [], rows: null };
      const running = bench.run(sql`SELECT * FROM ${new DatasetValue(identity)}`, {
        datasets: [{ ...record, files: [file] }],
      });
      await until(() => livy.batches.size > 0);
      isDown = true;
      await until(() => asked > 0);
      livy.lie("0", "dead");
      // As long as Livy's word would be enough after.
      await sleep(2 * QUICK.lostMs);
      expect(bench.lines).toContain("waiting: storage is away");
      isDown = false;
      await running;
      expect(livy.taken).toHaveLength(1);
      expect(states().at(-1)).toBe("succeeded");
    },
  );

  it("is not planned again while a POST of its own that looked for the end of another may still arrive", async () => {
    const seen: string[] = [];
    livy.plan = ({ name }) => {
      seen.push(
        ...[...bench.database.submissions.values()].filter((one) => one.livyName === name).map(({ state }) => state),
      );
      return { runs: "ok" };
    };
    const busy = '{"msg":"Rejected, too many sessions are being created!"}';
    livy.faults.script(
      "POST /batches",
      { when: "before", does: "zombie", status: 500 },
      { when: "late", does: "answer", ms: 200, status: 504, body: "" },
      null,
      { when: "before", does: "answer", status: 400, body: busy },
    );
    await bench.run(work(1));
    expect(seen).toEqual(["submitting"]);
    expect(livy.taken).toHaveLength(1);
  });

  it("is not posted again on an answer that was on its way for longer than a lost POST may be", async () => {
    livy.faults.script("POST /batches", { when: "late", does: "answer", ms: 200, status: 504, body: "" });
    // Both say that there is none; the second says it when the time is over, and was true long before.
    livy.faults.script("GET /batches/x", null, { when: "after", does: "delay", ms: 2 * QUICK.postMs });
    await bench.run(work(1));
    expect(livy.count("POST /batches")).toBe(1);
    expect(livy.taken).toHaveLength(1);
  });

  it.each(["a job's files", "its spec", "an earlier result"])(
    "waits for a warehouse that gives no answer when it is asked for %s, and says so",
    async (what) => {
      let down = 0;
      await bench[Symbol.asyncDispose]();
      bench = await start({
        storage: (files) => {
          const away = async () => {
            if (down-- > 0) throw new FiresteelError(Code.unavailable, "storage is away");
          };
          const isSpec = (uri: string) => uri.includes("/staging/specs/");
          return {
            ...files,
            putIfAbsent: async (uri, bytes) => {
              if (what === (isSpec(uri) ? "its spec" : "a job's files")) await away();
              return files.putIfAbsent(uri, bytes);
            },
            stat: async (uri) => {
              if (what === "an earlier result") await away();
              return files.stat(uri);
            },
          };
        },
      });
      if (what === "an earlier result") await bench.run(work(1));
      down = 2;
      await bench.run(work(1));
      expect(down).toBeLessThan(1);
      expect(bench.lines).toContain("waiting: the warehouse gives no answer: storage is away");
      expect(livy.taken).toHaveLength(1);
      expect(states().at(-1)).toBe("succeeded");
    },
  );

  it("gives a failure of the job to the caller, and does not try it again", async () => {
    livy.plan = () => ({ runs: "fails" });
    const error = await failure(bench.run(work(1)));
    expect(error).toMatchObject({
      code: "unknown",
      message: "ValueError: column price is missing (line 3, column 7)",
      details: { class: "user", name: "ValueError", traceback: TRACEBACK },
    });
    expect(livy.taken).toHaveLength(1);
  });

  it("is tried three times when the cluster fails it", { timeout: 20_000 }, async () => {
    livy.plan = () => ({ runs: "throws" });
    const error = await failure(bench.run(work(1)));
    expect(error).toMatchObject({ code: "unavailable", details: { class: "cluster" } });
    expect(livy.taken).toHaveLength(3);
  });

  it("keeps to the limit of live submissions, in the order asked for", async () => {
    await bench[Symbol.asyncDispose]();
    bench = await start({ maxLive: 2 });
    let most = 0;
    livy.plan = () => {
      most = Math.max(most, livy.taken.length + 1 - livy.ledger.count("manifest"));
      return { runs: "ok", ms: 60 };
    };
    await Promise.all(Array.from({ length: 8 }, (_, i) => bench.run(work(i))));
    expect(livy.taken).toHaveLength(8);
    expect(most).toBeLessThanOrEqual(2);
  });

  it("costs one list request a tick, however many live", async () => {
    await bench[Symbol.asyncDispose]();
    bench = await start({ maxLive: 150 });
    for (let i = 0; i < 250; i++) livy.add(null, "success");
    livy.plan = () => ({ runs: "ok", ms: 400 });
    await Promise.all(Array.from({ length: 120 }, (_, i) => bench.run(work(i))));
    expect(livy.taken).toHaveLength(120);
    expect(livy.count("GET /batches/x")).toBe(0);
    expect(livy.count("GET /batches/x/state")).toBe(0);
  });

  it("asks nothing when nothing is live", async () => {
    await bench.run(work(1));
    await Promise.all(bench.gateway.live().map(({ gone }) => gone));
    await until(() => livy.requests.at(-1) === "GET /batches/x/log");
    const before = livy.requests.length;
    await sleep(300);
    expect(livy.requests.length).toBe(before);
  });
});

describe("cancelling", () => {
  it("stops the application before it rejects", async () => {
    livy.plan = () => ({ runs: "forever" });
    const controller = new AbortController();
    const running = bench.run(work(1), { signal: controller.signal });
    await until(() => states().includes("running"));
    controller.abort();
    expect(await failure(running)).toMatchObject({ code: "cancelled" });
    expect([...livy.batches.values()]).toEqual([]);
    expect(states().slice(-2)).toEqual(["cancelling", "cancelled"]);
  });

  it("goes on while somebody else waits, and the one who leaves is let go at once", async () => {
    livy.plan = () => ({ runs: "ok", ms: 150 });
    const controller = new AbortController();
    const leaving = bench.run(work(1), { signal: controller.signal });
    const staying = bench.run(work(1));
    await until(() => states().includes("starting"));
    controller.abort();
    expect(await failure(leaving)).toMatchObject({ code: "cancelled" });
    await staying;
    expect(states().at(-1)).toBe("succeeded");
  });

  it("submits nothing when it comes before the POST", async () => {
    await served.disconnect();
    const controller = new AbortController();
    const running = bench.run(work(1), { signal: controller.signal });
    await until(() => bench.lines.some((line) => line.includes("down")));
    controller.abort();
    expect(await failure(running)).toMatchObject({ code: "cancelled" });
    expect(states().at(-1)).toBe("cancelled");
  });

  it("keeps trying while Livy is down, and says so", async () => {
    livy.plan = () => ({ runs: "forever" });
    const controller = new AbortController();
    const running = failure(bench.run(work(1), { signal: controller.signal }));
    await until(() => states().includes("running"));
    await served.disconnect();
    controller.abort();
    await until(() => [...bench.database.submissions.values()][0]?.cause.includes("trying again") ?? false);
    await served.reconnect();
    expect(await running).toMatchObject({ code: "cancelled" });
    expect([...livy.batches.values()]).toEqual([]);
    expect(states().at(-1)).toBe("cancelled");
  });

  it("of a batch whose POST is not answered leaves none behind", async () => {
    livy.plan = () => ({ runs: "forever" });
    livy.faults.script("POST /batches", { when: "after", does: "drop" });
    livy.faults.script(
      "GET /batches/x",
      ...Array.from({ length: 5 }, () => ({ when: "before", does: "answer", status: 500, body: "" }) as const),
    );
    const controller = new AbortController();
    const running = failure(bench.run(work(1), { signal: controller.signal }));
    await until(() => livy.taken.length > 0);
    controller.abort();
    expect(await running).toMatchObject({ code: "cancelled" });
    expect([...livy.batches.values()]).toEqual([]);
  });
});

describe("after a restart of the orchestrator", () => {
  it.each(["submitting", "starting", "running"] as const)(
    "a submission that was %s is taken up, joined and not posted again",
    async (state) => {
      livy.plan = () => ({ runs: "ok", ms: 400 });
      if (state === "submitting") livy.faults.script("POST /batches", { when: "after", does: "drop" });
      const running = failure(bench.run(work(1)));
      await until(() => livy.taken.length > 0 && states().includes(state));
      await bench.kill();
      await running;
      const folder = bench.folder;
      const again = await start({ database: bench.database, folder });
      try {
        expect(await again.gateway.tend()).toBe(1);
        await again.run(work(1));
        expect(livy.taken).toHaveLength(1);
        expect(livy.count("POST /batches")).toBe(1);
        expect([...bench.database.submissions.values()].map((one) => one.state)).toEqual(["succeeded"]);
      } finally {
        await again[Symbol.asyncDispose]();
      }
    },
  );

  it("a submission that nobody asks for finishes and is recorded", async () => {
    livy.plan = () => ({ runs: "ok", ms: 200 });
    const running = failure(bench.run(work(1)));
    await until(() => states().includes("starting"));
    await bench.kill();
    await running;
    const again = await start({ database: bench.database, folder: bench.folder });
    try {
      await again.gateway.tend();
      await until(() => bench.database.results.size === 1);
    } finally {
      await again[Symbol.asyncDispose]();
    }
  });

  it("a cancellation under way goes on", async () => {
    livy.plan = () => ({ runs: "forever" });
    const controller = new AbortController();
    const running = failure(bench.run(work(1), { signal: controller.signal }));
    await until(() => states().includes("running"));
    livy.faults.script("DELETE /batches/x", { when: "before", does: "drop" });
    controller.abort();
    await until(() => states().includes("cancelling") && livy.count("DELETE /batches/x") > 0);
    await bench.kill();
    await running;
    const again = await start({ database: bench.database, folder: bench.folder });
    try {
      expect(await again.gateway.tend()).toBe(1);
      await until(() => states().at(-1) === "cancelled");
      expect([...livy.batches.values()]).toEqual([]);
    } finally {
      await again[Symbol.asyncDispose]();
    }
  });
});
