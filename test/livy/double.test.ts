/** The double itself: its faults have the effect they say, its ledger tells the truth, and a seed replays exactly. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask } from "./ask.ts";
import { ManualClock } from "./clock.ts";
import { Double } from "./double.ts";
import type { Fault } from "./faults.ts";
import type { JobFiles } from "./job.ts";
import { type Remote, spawnDouble } from "./remote.ts";

describe("over HTTP, in a process of its own", () => {
  let double: Remote;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "firesteel-double-"));
    double = await spawnDouble();
    await double.control.planAll({ runs: "silent" });
  });
  afterAll(async () => {
    await double[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  const post = (name: string) => ask(double.url, "POST", "/batches", { file: "/x.py", name });
  const taken = async (name: string) =>
    (await double.control.ledger()).filter((one) => one.name === name && one.event === "taken").length;

  const broken = expect.objectContaining({ code: "ECONNRESET" });
  it.each<readonly [string, Fault, unknown, number]>([
    ["drop before", { when: "before", does: "drop" }, broken, 0],
    ["drop after", { when: "after", does: "drop" }, broken, 1],
    ["reset before", { when: "before", does: "reset" }, broken, 0],
    ["reset after", { when: "after", does: "reset" }, broken, 1],
    ["cut", { when: "after", does: "cut" }, broken, 1],
    ["500 before", { when: "before", does: "answer", status: 500, body: '"boom"' }, { status: 500, body: "boom" }, 0],
    [
      "502 after",
      { when: "after", does: "answer", status: 502, body: "<h1>Bad Gateway</h1>", type: "text/html" },
      { status: 502, type: "text/html" },
      1,
    ],
    ["delay before", { when: "before", does: "delay", ms: 20 }, { status: 201 }, 1],
    ["delay after", { when: "after", does: "delay", ms: 20 }, { status: 201 }, 1],
    ["zombie", { when: "before", does: "zombie", status: 500 }, { status: 500 }, 0],
  ])("a POST with the fault %s", async (title, fault, answer, effect) => {
    const name = title.replace(" ", "-");
    await double.control.fault("POST /batches", fault);
    const said = await post(name).catch((error: unknown) => error);
    expect(said).toEqual(typeof answer === "object" && answer !== broken ? expect.objectContaining(answer) : answer);
    expect(await taken(name)).toBe(effect);
    const { status } = await ask(double.url, "GET", `/batches/${name}`);
    expect(status).toBe(effect === 1 || fault.does === "zombie" ? 200 : 404);
    expect((await post(`${name}-2`)).status).toBe(201);
  });

  it("a request without an answer waits until its client goes", async () => {
    await double.control.fault("GET /version", { when: "before", does: "hang" });
    const abort = new AbortController();
    const asked = fetch(`${double.url}/version`, { signal: abort.signal }).catch((error: Error) => error.name);
    while (!(await double.control.requests()).includes("GET /version")) await turn();
    abort.abort();
    expect(await asked).toBe("AbortError");
  });

  it("shows what it is told to, and the truth afterwards", async () => {
    await post("lied-about");
    await double.control.lie("lied-about", "not_started");
    expect((await ask(double.url, "GET", "/batches/lied-about/state")).body).toMatchObject({ state: "not_started" });
    await double.control.lie("lied-about", null);
    expect((await ask(double.url, "GET", "/batches/lied-about/state")).body).not.toMatchObject({
      state: "not_started",
    });
    await expect(double.control.lie("no-such", "dead")).rejects.toThrow("no such batch: no-such");
  });

  it("refuses connections after a crash, and has its address again after a start", async () => {
    await double.control.crash({ submitters: true });
    expect(await post("late").catch((error: unknown) => error)).toMatchObject({ code: "ECONNREFUSED" });
    await double.control.start({ recovery: false });
    expect((await post("late")).status).toBe(201);
    expect((await double.control.ledger()).map(({ event }) => event)).toEqual(
      expect.arrayContaining(["crashed", "started"]),
    );
  });
});

describe("by hand, without sockets and without time", () => {
  /** Plays the same requests on a seed; gives the ledger and all answers. */
  async function play(seed: number): Promise<string> {
    const clock = new ManualClock(1_000_000);
    const kept = new Map<string, Uint8Array>();
    const files: JobFiles = {
      read: async (uri) => kept.get(uri) ?? Promise.reject(new Error(`no such file: ${uri}`)),
      putIfAbsent: async (uri, bytes) => !kept.has(uri) && kept.set(uri, bytes) !== undefined,
    };
    const double = new Double({ files, clock, seed });
    double.faults.chaos = { rate: 0.3, delayMs: 50 };
    const answers: unknown[] = [];
    const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
    kept.set("file:///harness.py", text("print()"));
    const asking = (async () => {
      for (let n = 0; n < 30; n++) {
        const base = `file:///attempts/${n}`;
        kept.set(
          `file:///spec-${n}.json`,
          text({ attempt: String(n), base, kind: "sql", sql: String(n), inputs: [], outputs: [{ name: "out" }] }),
        );
        const body = JSON.stringify({ file: "file:///harness.py", name: `job-${n}`, args: [`file:///spec-${n}.json`] });
        answers.push(await double.handle({ method: "POST", target: "/batches", body }));
        answers.push(await double.handle({ method: "GET", target: "/batches?size=1000", body: "" }));
        if (n === 15) {
          double.crash();
          double.start();
        }
      }
    })();
    for (let quiet = 0; quiet < 3; ) {
      await turn();
      quiet = clock.next() ? 0 : quiet + 1;
    }
    await asking;
    expect(double.ledger.count("manifest")).toBeGreaterThan(5);
    expect(double.ledger.count("manifest")).toBe(double.ledger.count("accepted"));
    expect([...kept.keys()].filter((uri) => uri.endsWith("/manifest.json"))).toHaveLength(
      double.ledger.count("manifest"),
    );
    return JSON.stringify([double.ledger.entries, answers]);
  }

  it("replays a seed exactly, and another one otherwise", async () => {
    const first = await play(7);
    expect(await play(7)).toBe(first);
    expect(await play(8)).not.toBe(first);
  });
});
