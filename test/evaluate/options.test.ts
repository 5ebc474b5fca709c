/** Options of tasks and of single calls, from the definition to what runs and what is found again. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { Engine } from "./engine.ts";
import { useTemporaryStore } from "./temporary-store.ts";

const opened = useTemporaryStore();
const start = (...args: Parameters<typeof Engine.start> extends [unknown, ...infer R] ? R : never) =>
  Engine.start(opened.store, ...args);

describe("retries", () => {
  const FLOW = `import { task } from "firesteel";
import { appendFileSync } from "node:fs";
class Busy extends Error { override name = "Busy"; }
export const flaky = task("$.flaky", { retries: { max: 3, backoffMs: 1, only: ["Busy"] } }, (log: string, kinds: string) => {
  appendFileSync(log, "x");
  const kind = kinds[readTimes(log) - 1];
  if (kind === "b") throw new Busy("busy");
  if (kind === "t") throw new TypeError("wrong");
  return "done";
});
import { readFileSync } from "node:fs";
function readTimes(log: string) { return readFileSync(log, "utf8").length; }
`;
  it.each([
    ["bb-", "succeeded", 3],
    ["bt-", "failed", 2],
    ["bbbb", "failed", 4],
  ])("runs again for the named classes only: %s", async (kinds, state, times) => {
    await using engine = await start(FLOW);
    const log = join(engine.root, "log");
    const run = await engine.run("flaky", log, kinds);
    expect(run.execution.state).toBe(state);
    expect((await readFile(log, "utf8")).length).toBe(times);
    expect(run.jobs).toHaveLength(1);
  });
});

describe("namespaces", () => {
  it("name tasks, and are no part of their code", async () => {
    await using engine = await start(
      `import { task } from "firesteel"; export const one = task("$.ns.one", (n: number) => n + 1);`,
    );
    const before = engine.code.tasks.get(engine.name("ns.one"));
    expect((await engine.run("ns.one", 1)).value).toBe(2);
    await engine.edit(
      `import { namespace } from "firesteel"; const ns = namespace("$.ns");
export const one = ns.task("one", (n: number) => n + 1);`,
    );
    expect(engine.code.tasks.get(engine.name("ns.one"))).toMatchObject({
      code: before?.code,
      undecided: [],
      parameters: [{ name: "n" }],
    });
    expect((await engine.run("ns.one", 1)).ran).toEqual([]);
  });
});

describe("reads", () => {
  const FLOW = `import { task } from "firesteel";
import { existsSync, readFileSync, readdirSync } from "node:fs";
export const rate = task("$.rate", { reads: ["rates", "one.txt", "env:FIRESTEEL_TEST_RATE"] }, (root: string) => [
  existsSync(root + "/rates") ? readdirSync(root + "/rates").map((name) => name + readFileSync(root + "/rates/" + name, "utf8")) : null,
  existsSync(root + "/one.txt") ? readFileSync(root + "/one.txt", "utf8") : null,
]);
export const main = task("$.main", (root: string) => [rate(root), rate(root)]);
`;
  it("count by content: files, folders, what is missing, variables", async () => {
    onTestFinished(() => {
      delete process.env["FIRESTEEL_TEST_RATE"];
    });
    await using engine = await start(FLOW);
    const { root } = engine;
    const run = async () => {
      const { ran, value, jobs } = await engine.run("main", root);
      expect(jobs).toHaveLength(2);
      return { ran, value: (value as unknown[])[0] };
    };
    expect(await run()).toEqual({ ran: ["main", "rate"], value: [null, null] });
    expect((await run()).ran).toEqual([]);
    await mkdir(join(root, "rates"));
    await writeFile(join(root, "rates", "a"), "1");
    expect(await run()).toEqual({ ran: ["rate"], value: [["a1"], null] });
    await writeFile(join(root, "one.txt"), "one");
    expect(await run()).toEqual({ ran: ["rate"], value: [["a1"], "one"] });
    await writeFile(join(root, "rates", "a"), "2");
    expect(await run()).toEqual({ ran: ["rate"], value: [["a2"], "one"] });
    await writeFile(join(root, "rates", "a"), "1");
    expect(await run()).toEqual({ ran: [], value: [["a1"], "one"] });
    await writeFile(join(root, "rates", ".b"), "");
    expect(await run()).toEqual({ ran: ["rate"], value: [[".b", "a1"], "one"] });
    process.env["FIRESTEEL_TEST_RATE"] = "2";
    expect((await run()).ran).toEqual(["rate"]);
    await rm(join(root, "rates"), { recursive: true });
    await rm(join(root, "one.txt"));
    delete process.env["FIRESTEEL_TEST_RATE"];
    expect(await run()).toEqual({ ran: [], value: [null, null] });
  });

  it("that change while the body runs are looked at again, and nothing of it is kept", async () => {
    await using engine = await start(`import { task } from "firesteel";
import { readFileSync, writeFileSync } from "node:fs";
export const main = task("$.main", { reads: ["in.txt"] }, (path: string) => {
  const text = readFileSync(path, "utf8");
  if (text === "old") writeFileSync(path, "new");
  return text;
});`);
    const path = join(engine.root, "in.txt");
    await writeFile(path, "old");
    expect((await engine.run("main", path)).value).toBe("new");
    await writeFile(path, "old");
    expect((await engine.run("main", path)).value).toBe("new");
  });

  it("settle what the syntax cannot decide", async () => {
    const text = (options: string) => `import { task } from "firesteel";
export const main = task("$.main", ${options}async () => (await import("./" + "part.ts")).part);`;
    await using engine = await start({ "flow.ts": text(""), "part.ts": "export const part = 1;" });
    const undecided = () => engine.code.tasks.get(engine.name("main"))?.undecided.length;
    expect(undecided()).toBe(1);
    await engine.edit(text('{ reads: ["part.ts"] }, '));
    expect(undecided()).toBe(0);
    expect((await engine.run("main")).value).toBe(1);
    expect((await engine.run("main")).ran).toEqual([]);
    await engine.edit({ "part.ts": "export const part = 2;" });
    expect(await engine.run("main")).toMatchObject({ value: 2, ran: ["main"] });
  });
});

describe("options of one call", () => {
  const FLOW = `import { all, seq, task } from "firesteel";
import { appendFileSync, readFileSync } from "node:fs";
const note = (log: string) => { appendFileSync(log, "x"); return readFileSync(log, "utf8").length; };
export const flaky = task("$.flaky", (log: string, fails: number) => {
  if (note(log) <= fails) throw new Error("busy");
  return fails;
});
export const where = task("$.where", { executor: "thread", tags: ["a"] }, (n: number) => [process.pid, n]);
export const count = task("$.count", (log: string) => note(log));
const patient = { max: 5, backoffMs: 0 };
export const retried = task("$.retried", (log: string) => flaky.with({ retries: patient })(log, 3));
export const plain = task("$.plain", (log: string) => flaky(log, 3));
export const first = task("$.first", (log: string) => seq([flaky.with({ retries: patient })(log, 3), flaky(log, 3)]));
export const moved = task("$.moved", () => where.with({ executor: "process", tags: ["b"] })(1));
export const still = task("$.still", () => where(1));
export const each = task("$.each", (log: string) => all([count(log), count.with({ cache: "none" })(log), count.with({ cache: "none" })(log)]));
export const nowhere = task("$.nowhere", () => where.with({ executor: "moon" })(2));
export const late = task("$.late", () => all([slow.with({ timeoutMs: 50 })()]));
export const slow = task("$.slow", () => new Promise<number>((resolve) => setTimeout(() => resolve(1), 20_000)));
`;

  it("apply to that call's job, and its result is found by the plain call", async () => {
    await using engine = await start(FLOW);
    const log = join(engine.root, "log");
    expect(await engine.run("plain", log)).toMatchObject({ error: { message: "busy" } });
    await writeFile(log, "");
    expect(await engine.run("retried", log)).toMatchObject({ value: 3, ran: ["flaky", "retried"] });
    expect(await engine.run("plain", log)).toMatchObject({ value: 3, ran: [] });
  });

  it("of the first of two equal calls count", async () => {
    await using engine = await start(FLOW);
    const run = await engine.run("first", join(engine.root, "log"));
    expect(run).toMatchObject({ value: [3, 3], ran: ["first", "flaky"] });
  });

  it("choose the executor, and change no identity", async () => {
    await using engine = await start(FLOW);
    const { value, jobs } = await engine.run("moved");
    expect((value as number[])[0]).not.toBe(process.pid);
    expect(jobs.find((job) => job.task === "where")?.executor).toBe("process");
    expect(await engine.run("still")).toMatchObject({ value, ran: ["still"] });
    expect(await engine.run("nowhere")).toMatchObject({
      error: {
        code: "invalid_argument",
        message: expect.stringMatching(/^executor is not known \(there are: .*\): moon$/),
      },
    });
    expect(await engine.run("late")).toMatchObject({ error: { code: "deadline_exceeded" } });
  });

  it("can leave the cache out", async () => {
    await using engine = await start(FLOW);
    const log = join(engine.root, "log");
    const { value, jobs } = await engine.run("each", log);
    expect([...(value as number[])].sort()).toEqual([1, 2, 3]);
    expect(jobs.filter((job) => job.task === "count")).toHaveLength(3);
  });
});

it("an executor that is not known is refused when the code is loaded, with the place of the task", async () => {
  await using engine = await start(`import { task } from "firesteel";
export const main = task("$.main", () => 1);`);
  await expect(
    engine.edit(`import { task } from "firesteel";
export const main = task("$.main", { executor: "proces" }, () => 1);`),
  ).rejects.toMatchObject({
    code: "invalid_argument",
    message: expect.stringMatching(/^executor of task \S+main \(flow\.ts:2\) is not known \(there are: .*\): proces$/),
  });
  expect((await engine.run("main")).value).toBe(1);
});
