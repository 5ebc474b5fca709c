import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { ExecutionEvent } from "../../src/evaluate/executions.ts";
import { decodeValue } from "../../src/hash/decode.ts";
import { openStore } from "../../src/record/store.ts";
import { Engine } from "./engine.ts";
import { useTemporaryStore } from "./temporary-store.ts";

const opened = useTemporaryStore();

const IMPORT = `import { all, catchError, cond, map, task } from "firesteel";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
`;
const engine = (text: string, options?: Parameters<typeof Engine.start>[2]) =>
  Engine.start(opened.store, IMPORT + text, options);

/** Resolves when a file says so: bodies and test meet there. */
async function until(ready: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (await ready()) return;
    await sleep(20);
  }
  throw new Error("what was waited for did not happen");
}
const content = (path: string) => readFile(path, "utf8").catch(() => "");

describe("size", () => {
  const DEEP = `
export const down = task("$.down", { cache: "execution" }, (n: number): unknown => n === 0 ? 0 : down(n - 1));
export const count = task("$.count", { cache: "execution" }, (n: number): unknown => n === 0 ? 0 : inc(count(n - 1)));
export const inc = task("$.inc", { cache: "execution" }, (n: number) => n + 1);
export const wide = task("$.wide", (n: number) => total(map(inc2, Array.from({ length: n }, (_, i) => i))));
export const inc2 = task("$.inc2", (n: number) => n + 1);
export const total = task("$.total", (list: number[]) => list.reduce((a, b) => a + b, 0));
export const bottom = task("$.bottom", { cache: "execution" }, (n: number): unknown => { if (n === 0) throw new Error("at the bottom"); return bottom(n - 1); });
export const list = task("$.list", { cache: "execution" }, (n: number): unknown => n === 0 ? null : { head: n, tail: list(n - 1) });
export const depth = task("$.depth", (of: unknown) => typeof of);
export const lists = task("$.lists", () => depth(list(3000)));
`;
  it.each([
    ["down", [20_000], 0],
    ["count", [10_000], 10_000],
  ])("a chain of 20,000 calls (%s) needs no stack", async (task, args, value) => {
    await using project = await engine(DEEP);
    expect((await project.run(task, ...args)).value).toBe(value);
  });

  it("a failure at the bottom of 5,000 calls carries a short path", async () => {
    await using project = await engine(DEEP);
    const { error } = await project.run("bottom", 5000);
    expect(error?.message).toBe("at the bottom");
    expect(error?.path).toHaveLength(41);
    expect(error?.path?.[20]).toBe("(4961 more)");
  });

  it("a fan-out of 20,000 is one list, cold and from the store", async () => {
    await using project = await engine(DEEP);
    const sum = (20_000 * 20_001) / 2;
    expect((await project.run("wide", 20_000)).value).toBe(sum);
    const warm = await project.run("wide", 20_000);
    expect(warm.value).toBe(sum);
    expect(warm.ran).toEqual([]);
  });

  it("a value that nests too deep is told, not a stack overflow", async () => {
    await using project = await engine(DEEP);
    expect((await project.run("lists")).error).toMatchObject({
      code: "invalid_argument",
      message: "value nests deeper than 1000 levels",
    });
  });
});

describe("running bodies", () => {
  it("are shared by two executions that want the same call", async () => {
    await using project = await engine(`
export const slow = task("$.slow", async (log: string) => { appendFileSync(log, "x"); await pause(300); return 1; });
export const a = task("$.a", (log: string) => [slow(log), "a"]);
export const b = task("$.b", (log: string) => [slow(log), "b"]);
`);
    const log = join(project.root, "log");
    const [first, second] = await Promise.all([project.run("a", log), project.run("b", log)]);
    expect([first.value, second.value]).toEqual([
      [1, "a"],
      [1, "b"],
    ]);
    expect(await content(log)).toBe("x");
  });

  it("are cancelled when the last execution that waits has left, and only then", async () => {
    await using project = await engine(`
export const slow = task("$.slow", { executor: "process" }, async (log: string) => { appendFileSync(log, "begin "); await pause(700); appendFileSync(log, "end "); return 1; });
`);
    const log = join(project.root, "log");
    const first = await project.start("slow", [log]);
    const second = await project.start("slow", [log]);
    await until(async () => (await content(log)) === "begin ");
    await project.executions.cancel(first.id, "enough");
    const cancelled = await project.end(first.id);
    expect(cancelled.execution).toMatchObject({ state: "cancelled", cancelRequested: true });
    expect(cancelled.error).toMatchObject({ code: "cancelled", message: "cancelled: enough" });
    expect(cancelled.jobs.map((job) => job.state)).toEqual(["cancelled"]);
    expect((await project.end(second.id)).value).toBe(1);
    expect(await content(log)).toBe("begin end ");

    const other = join(project.root, "other");
    const third = await project.start("slow", [other]);
    await until(async () => (await content(other)) === "begin ");
    await project.executions.cancel(third.id, "");
    await project.end(third.id);
    await sleep(900);
    expect(await content(other)).toBe("begin ");
    expect((await project.run("slow", other)).value).toBe(1);
    expect(await content(other)).toBe("begin begin end ");
  });

  it("hold their limits, and no more of them at once than there are", async () => {
    await using project = await engine(
      `
let now = 0;
export const one = task("$.one", { limits: ["db"], version: "1" }, async (n: number) => { now++; await pause(10); const seen = now; now--; return seen; });
export const main = task("$.main", () => map(one, Array.from({ length: 30 }, (_, i) => i)));
export const unknown = task("$.unknown", () => 1);
export const other = task("$.other", () => unknown.with({ limits: ["dbb"] })());
`,
      { limits: { db: 3, other: 1 } },
    );
    const { value, jobs } = await project.run("main");
    expect(Math.max(...(value as number[]))).toBe(3);
    // A job begins when it has its limit.
    const limited = jobs.filter(({ task }) => task === "one");
    const begins = limited.map(({ startedAt }) => startedAt).sort((a, b) => a - b);
    expect(begins.at(-1)).toBeGreaterThanOrEqual(Math.min(...limited.map(({ endedAt }) => endedAt!)));
    expect((await project.run("other")).error).toMatchObject({
      code: "invalid_argument",
      message: "limit is not configured (limits in firesteel.config.ts: db, other): dbb",
    });
    const edited = project.edit(
      `${IMPORT}\nexport const unknown = task("$.unknown", { limits: ["db", "dbb"] }, () => 1);`,
    );
    await expect(edited).rejects.toMatchObject({
      code: "invalid_argument",
      message: `limit of task ${project.name("unknown")} (flow.ts:5) is not known (\`limits\` in firesteel.config.ts has: db, other): dbb`,
    });
  });

  it("are run again as often as retries say", async () => {
    await using project = await engine(`
export const flaky = task("$.flaky", { retries: 2 }, (log: string, good: number) => {
  appendFileSync(log, "x");
  if (readFileSync(log, "utf8").length < good) throw new Error("not yet");
  return readFileSync(log, "utf8").length;
});
`);
    expect((await project.run("flaky", join(project.root, "a"), 3)).value).toBe(3);
    expect((await project.run("flaky", join(project.root, "b"), 4)).error?.message).toBe("not yet");
    expect(await content(join(project.root, "b"))).toBe("xxx");
  });

  it("go on with the code that their execution started with when it is edited meanwhile", async () => {
    const text = (n: number) => `
export const first = task("$.first", async (log: string) => { appendFileSync(log, "x"); while (!existsSync(log + ".go")) await pause(10); return 1; });
export const second = task("$.second", (n: number) => n + ${n});
export const main = task("$.main", (log: string) => second(first(log)));
`;
    await using project = await engine(text(10));
    const log = join(project.root, "log");
    const started = await project.start("main", [log]);
    await until(async () => (await content(log)) === "x");
    await project.edit(IMPORT + text(100));
    await writeFile(`${log}.go`, "");
    expect((await project.end(started.id)).value).toBe(11);
    expect(await project.run("main", log)).toMatchObject({ value: 101, ran: ["second"] });
  });

  it("can wait with a limit of time, which leaves them running", async () => {
    await using project = await engine(`
export const slow = task("$.slow", async () => { await pause(300); return 1; });
`);
    const { id } = await project.start("slow");
    expect((await project.executions.wait(id, 0, AbortSignal.timeout(10_000))).state).toBe("running");
    expect((await project.end(id)).value).toBe(1);
  });
});

describe("an execution", () => {
  it("is started once for one request id, also after its end, and not for another request", async () => {
    await using project = await engine(`
export const t = task("$.t", (n: number) => n);
`);
    const id = `request-${process.pid}`;
    const [a, b] = await Promise.all([project.start("t", [1], id), project.start("t", [1], id)]);
    expect(b.id).toBe(a.id);
    await project.end(a.id);
    expect((await project.start("t", [1], id)).id).toBe(a.id);
    await expect(project.start("t", [2], id)).rejects.toMatchObject({ code: "already_exists" });
  });

  it("tells its jobs and its end to whoever watches", async () => {
    await using project = await engine(`
export const inc = task("$.inc", async (n: number) => { await pause(100); return n + 1; });
export const main = task("$.main", () => inc(inc(1)));
`);
    const { id } = await project.start("main");
    const events: ExecutionEvent[] = [];
    for await (const event of project.executions.watch(id, AbortSignal.timeout(30_000))) events.push(event);
    expect(events.at(-1)).toMatchObject({ kind: "execution", execution: { state: "succeeded" } });
    const ended = events.flatMap((event) =>
      event.kind === "job" && event.job.state === "succeeded" ? [event.job.task] : [],
    );
    expect(ended.map((name) => name.split(".")[1]).sort()).toEqual(["inc", "inc", "main"]);
    expect(project.executions.size).toBe(0);
  });

  it("tells all of its jobs before its end, however many are written with it", async () => {
    await using project = await engine(`
export const inc = task("$.inc", (n: number) => n + 1);
export const main = task("$.main", (n: number) => map(inc, Array.from({ length: n }, (_, i) => i)));
`);
    for (const n of [1500, 4000]) {
      const { id } = await project.start("main", [n]);
      const ended = new Set<string>();
      for await (const event of project.executions.watch(id, AbortSignal.timeout(60_000)))
        if (event.kind === "job" && event.job.endedAt !== null) ended.add(event.job.id);
      expect(ended.size).toBe(n + 1);
    }
  });

  it("that is cancelled in the middle of a large graph costs nobody else anything", async () => {
    await using project = await engine(`
export const inc = task("$.inc", (n: number) => n + 1);
export const main = task("$.main", () => map(inc, Array.from({ length: 5000 }, (_, i) => i)));
`);
    for (const ms of [0, 5, 20, 60]) {
      const { id } = await project.start("main");
      await sleep(ms);
      await project.executions.cancel(id, "");
      expect(["cancelled", "succeeded"]).toContain((await project.end(id)).execution.state);
    }
    expect((await project.run("inc", 1)).value).toBe(2);
    expect(project.failures).toEqual([]);
  });

  it("is not known, or has ended: cancel and wait say so", async () => {
    await using project = await engine(`export const t = task("$.t", () => 1);`);
    await expect(project.executions.cancel("nobody", "")).rejects.toMatchObject({ code: "not_found" });
    await expect(project.executions.wait("nobody", 1, AbortSignal.timeout(1000))).rejects.toMatchObject({
      code: "not_found",
    });
    const { execution } = await project.run("t");
    expect((await project.executions.cancel(execution.id, "")).state).toBe("succeeded");
  });
});

describe("an orchestrator that stops", () => {
  it("leaves an execution that becomes durable meanwhile to the next one, and does not fail it", async () => {
    const asked = Promise.withResolvers<void>();
    const slow = new Proxy(opened.store, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        const method = member.bind(target) as (...args: unknown[]) => unknown;
        return name === "createExecution" ? (record: unknown) => asked.promise.then(() => method(record)) : method;
      },
    });
    await using project = await Engine.start(slow, `${IMPORT}export const main = task("$.main", () => 1);\n`);
    const starting = project.start("main");
    project.executions.close();
    asked.resolve();
    const { id } = await starting;
    await sleep(100);
    expect(await opened.store.findExecution(id)).toMatchObject({ state: "running", endedAt: null });
    expect(await opened.store.listJobs(id)).toEqual([]);
    expect(project.executions.size).toBe(0);
  });
});

describe("after kill -9", () => {
  it("an execution goes on where it was: what had finished is not run again", async () => {
    const root = await mkdtemp(join(tmpdir(), "firesteel-kill-"));
    const children: ChildProcess[] = [];
    try {
      await writeFile(join(root, "package.json"), '{"type": "module"}');
      await writeFile(
        join(root, "flow.ts"),
        `${IMPORT}
export const step = task("kill.step", (log: string, n: number) => { appendFileSync(log, n + " "); return n; });
export const gate = task("kill.gate", async (log: string, before: number) => { while (!existsSync(log + ".go")) await pause(20); appendFileSync(log, "gate "); return before; });
export const sum = task("kill.sum", (a: number[], b: number) => a.reduce((x, y) => x + y, 0) + b);
export const main = task("kill.main", (log: string) => { const done = all([1, 2, 3].map((n) => step(log, n))); return sum(done as never, gate(log, last(done as never))); });
export const last = task("kill.last", (list: number[]) => list.at(-1)!);
`,
      );
      const log = join(root, "log");
      const child = fork(fileURLToPath(new URL("./killed-process.ts", import.meta.url)), [root, log], {
        stdio: ["ignore", "inherit", "inherit", "ipc"],
        execArgv: [],
      });
      children.push(child);
      const [{ id }] = (await once(child, "message")) as [{ id: string }];

      await once(child, "message");
      child.kill("SIGKILL");
      await once(child, "exit");
      expect((await content(log)).split(" ").filter(Boolean).sort()).toEqual(["1", "2", "3"]);

      await writeFile(`${log}.go`, "");
      const again = await openStore({ kind: "embedded", directory: join(root, "db") });
      try {
        await using project = await Engine.start(again, {}, { root });
        expect(await project.executions.resume()).toBe(1);
        const execution = await project.executions.wait(id, undefined, AbortSignal.timeout(60_000));
        expect(execution).toMatchObject({ state: "succeeded", resumes: 1 });
        expect(decodeValue(execution.result!)).toBe(9);
        expect((await content(log)).split(" ").filter(Boolean).sort()).toEqual(["1", "2", "3", "gate"]);
        expect(await project.executions.resume()).toBe(0);
      } finally {
        await again[Symbol.asyncDispose]();
      }
    } finally {
      for (const child of children) child.kill("SIGKILL");
      await rm(root, { recursive: true, force: true });
    }
  });
});
