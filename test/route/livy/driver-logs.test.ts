import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sql } from "../../../src/define/spark.ts";
import { newLines } from "../../../src/route/livy/witness/driver-logs.ts";
import { type Served, serveDouble } from "../../livy/serve.ts";
import type { Application } from "../../livy/yarn.ts";
import { type Bench, type BenchOptions, createBench } from "../bench.ts";

describe("new lines of a log that grows", () => {
  it("are each copied once, whole and in order, however it grows and whatever a look takes", () => {
    const line = fc.string({ maxLength: 12 }).map((text) => text.replace(/[\r\n]/g, "é"));
    fc.assert(
      fc.property(fc.array(fc.array(line, { maxLength: 5 }), { maxLength: 12 }), fc.nat(20), (steps, cut) => {
        let log = Buffer.alloc(0);
        let [copied, seen] = [0, [] as string[]];
        const look = (last: boolean) => {
          // Enough for what is new, and some of what is known.
          const bytes = log.subarray(Math.max(0, copied - cut));
          const news = newLines({ length: log.length, bytes }, copied, last);
          expect(news.skipped).toBe(0);
          copied = news.copied;
          seen = [...seen, ...news.lines];
        };
        for (const lines of steps) {
          for (const one of lines) {
            log = Buffer.concat([log, Buffer.from(`${one}\n`)]);
            if (one.length > 6) {
              // In the middle of the next line.
              log = Buffer.concat([log, Buffer.from("half ")]);
              look(false);
            }
          }
          look(false);
        }
        look(true);
        expect(seen.join("\n")).toBe(log.toString().replace(/\n$/, ""));
      }),
    );
  });

  it("say what was left out where it grew by more than a look takes", () => {
    const log = Buffer.from(Array.from({ length: 100 }, (_, i) => `line ${i}\n`).join(""));
    const news = newLines({ length: log.length, bytes: log.subarray(-50) }, 20, false);
    expect(news.lines.at(-1)).toBe("line 99");
    expect(news.lines[0]).toMatch(/^line \d+$/);
    const kept = Buffer.from(`${news.lines.join("\n")}\n`).length;
    expect(news.skipped).toBe(log.length - 20 - kept);
  });
});

describe("what a driver prints", { timeout: 60_000 }, () => {
  let served: Served;
  let bench: Bench;

  const start = (rest: Partial<BenchOptions> = {}) =>
    createBench({
      clusters: [
        {
          name: "local",
          url: served.url,
          resourceManager: { url: served.resourceManagerUrl },
          tickMs: 40,
          maxLive: 20,
        },
      ],
      patience: { askMs: 20, manifestMs: 20, endMs: 200, lingerMs: 2_000 },
      ...rest,
    });
  const application = (): Application | undefined => [...served.double.yarn.applications.values()][0];
  const logOf = (source: "stdout" | "stderr" | "submit" | "yarn") =>
    bench.store.readLog([...bench.database.submissions.keys()][0] ?? "", source);

  beforeEach(async () => {
    served = await serveDouble({ master: "yarn" });
    bench = await start();
  });
  afterEach(async () => {
    await bench[Symbol.asyncDispose]();
    await served[Symbol.asyncDispose]();
  });

  it("is copied while it runs, by source, and whole at the end", async () => {
    served.double.plan = () => ({ runs: "forever" });
    const stop = new AbortController();
    const running = bench.run(sql`SELECT 1 AS id`, { signal: stop.signal }).catch(() => undefined);
    await expect.poll(() => application()?.state, { timeout: 20_000 }).toBe("RUNNING");
    application()!.output += "first\nsecond\nhalf of";
    await expect.poll(() => logOf("stdout"), { timeout: 30_000 }).toEqual(["first", "second"]);
    await expect
      .poll(() => logOf("stderr"), { timeout: 20_000 })
      .toContain("INFO SparkContext: Running Spark version 3.5.6");
    application()!.output += " a line\nlast words";
    stop.abort();
    await running;
    await expect
      .poll(() => logOf("stdout"), { timeout: 20_000 })
      .toEqual(["first", "second", "half of a line", "last words"]);
    expect(await logOf("submit")).not.toContain("first");
  });

  it("is there with the traceback of a driver that left no manifest, and so is what YARN says", async () => {
    served.double.plan = () => ({ runs: "throws" });
    const error = (await bench.run(sql`SELECT 1 AS id`).catch((reason: unknown) => reason)) as Error;
    expect(error.message).toContain("ValueError: column price is missing");
    expect((await logOf("stdout")).at(-1)).toBe("ValueError: column price is missing");
    expect(await logOf("yarn")).toEqual(["User application exited with status 1"]);
  });

  it("is not copied twice by who takes the submission up", async () => {
    served.double.plan = () => ({ runs: "forever", lines: 40 });
    const running = bench.run(sql`SELECT 1 AS id`).catch(() => undefined);
    await expect.poll(() => application()?.state, { timeout: 20_000 }).toBe("RUNNING");
    application()!.output += "first\nsecond\n";
    await expect.poll(() => logOf("stdout"), { timeout: 30_000 }).toEqual(["first", "second"]);
    const before = await logOf("submit");
    await bench.kill();
    await running;
    await using again = await start({ database: bench.database, folder: bench.folder });
    expect(await again.gateway.tend()).toBe(1);
    application()!.output += "third\n";
    await expect.poll(() => logOf("stdout"), { timeout: 30_000 }).toEqual(["first", "second", "third"]);
    const after = await logOf("submit");
    expect(after.slice(0, before.length)).toEqual(before);
    expect(new Set(after).size).toBe(after.length);
  });

  it("costs the ticks nothing where a node gives no answer", async () => {
    const { double } = served;
    double.plan = () => ({ runs: "ok", ms: 1_500 });
    // Nodes take connections and say nothing.
    const isNode = (request: string) => request.includes("/node/");
    for (const kind of [
      "GET /node/containers/x/logs",
      "GET /node/containers/x/logs/stdout",
      "GET /node/containers/x/logs/stderr",
    ])
      double.faults.script(kind, ...Array.from({ length: 100 }, () => ({ when: "before", does: "hang" }) as const));
    const running = Promise.all(Array.from({ length: 8 }, (_, n) => bench.run(sql`SELECT ${n} AS id`)));
    await expect.poll(() => double.requests.filter(isNode).length, { timeout: 20_000 }).toBeGreaterThan(0);
    const ticks = () => double.count("GET /batches");
    const before = ticks();
    await running;
    expect(ticks() - before).toBeGreaterThan(10);
    // One by one, and not all of those that run.
    expect(double.requests.filter(isNode).length).toBeLessThanOrEqual(12);
  });
});
