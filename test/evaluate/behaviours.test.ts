/** What is promised of evaluation and tested nowhere else; docs/behaviours.md has all of it, with the places of the other tests. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { ExecutionEvent } from "../../src/evaluate/executions.ts";
import { encodeProgram } from "../../src/hash/program.ts";
import { openStore } from "../../src/record/store.ts";
import { Engine, type Files } from "./engine.ts";
import { useTemporaryStore } from "./temporary-store.ts";

const opened = useTemporaryStore();

const IMPORT = `import { all, catchAll, catchError, map, task } from "firesteel";
import { appendFileSync, existsSync } from "node:fs";
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const gate = async (log: string) => { appendFileSync(log, "begin "); while (!existsSync(log + ".go")) await pause(10); appendFileSync(log, "end "); };
`;
const start = (files: Files | string, options?: Parameters<typeof Engine.start>[2]) =>
  Engine.start(opened.store, typeof files === "string" ? IMPORT + files : files, options);
const content = (path: string) => readFile(path, "utf8").catch(() => "");
async function until(path: string, text: string): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if ((await content(path)) === text) return;
    await sleep(20);
  }
  throw new Error(`${path} never was ${JSON.stringify(text)} but ${JSON.stringify(await content(path))}`);
}

describe("identity", () => {
  it("every executor runs the text that was hashed, whatever the files say by the time it starts", async () => {
    const tasks = ["inline", "thread", "process"].map(
      (executor) =>
        `export const ${executor} = task("$.${executor}", { executor: "${executor}" }, (n: number) => helper() + n);`,
    );
    await using project = await start({
      "flow.ts": `${IMPORT}import { helper } from "./helper.ts";\n${tasks.join("\n")}`,
      "helper.ts": "export const helper = () => 1;\n",
    });
    await project.write("helper.ts", "export const helper = () => 100;\n");
    // No worker of either pool has started yet.
    for (const executor of ["inline", "thread", "process"]) expect((await project.run(executor, 1)).value).toBe(2);
    await project.edit({});
    for (const executor of ["inline", "thread", "process"])
      expect(await project.run(executor, 1)).toMatchObject({ value: 101, ran: [executor] });
  });

  it("a body gets a value of its own, in canonical order, whatever the executor and however it was built", async () => {
    const bodies = ["inline", "thread", "process"].map(
      (executor) => `export const ${executor} = task("$.${executor}", { executor: "${executor}" }, look);`,
    );
    await using project = await start(`
const look = (value: { list: number[]; map: Map<string, number>; set: Set<string> }) => {
  const seen = [Object.keys(value).join(), [...value.map.keys()].join(), [...value.set].join(), value.list.length];
  value.list.push(1);
  value.map.clear();
  return seen;
};
${bodies.join("\n")}
export const made = task("$.made", () => ({ set: new Set(["b", "a"]), map: new Map([["y", 1], ["x", 2]]), list: [1] }));
export const other = task("$.other", () => ({ list: [1], map: new Map([["x", 2], ["y", 1]]), set: new Set(["a", "b"]) }));
export const main = task("$.main", () => { const m = made() as never; return [inline(m), thread(m), process(m), inline(other() as never), m]; });
`);
    const { value, ran } = await project.run("main");
    const [first, ...rest] = value as unknown[][];
    expect(first).toEqual(["map,set,list", "x,y", "a,b", 1]);
    expect(rest.slice(0, 3)).toEqual([first, first, first]);
    expect(rest[3]).toMatchObject({
      list: [1],
      map: new Map([
        ["x", 2],
        ["y", 1],
      ]),
    });
    // Both ways of building it are one value, so one call.
    expect(ran).toEqual(["inline", "made", "main", "other", "process", "thread"]);
  });

  it("a package counts by its version, and by nothing else of it", async () => {
    const files = (version: string, text: string) => ({
      "node_modules/rates/package.json": JSON.stringify({
        name: "rates",
        version,
        type: "module",
        exports: "./index.js",
      }),
      "node_modules/rates/index.js": text,
    });
    await using project = await start({
      "flow.ts": `${IMPORT}import { rate } from "rates";
export const taxed = task("$.taxed", (n: number) => n * rate);
export const plain = task("$.plain", (n: number) => n);
export const main = task("$.main", (n: number) => [taxed(n), plain(n)]);
`,
      ...files("1.0.0", "export const rate = 2;"),
    });
    expect(await project.run("main", 5)).toMatchObject({ value: [10, 5] });
    await project.edit(files("1.0.0", "// other text\nexport const rate = 2;"));
    expect((await project.run("main", 5)).ran).toEqual([]);
    await project.edit(files("1.0.1", "export const rate = 3;"));
    expect(await project.run("main", 5)).toMatchObject({ value: [15, 5], ran: ["taxed"] });
  });

  it("a module constant counts by its value, not by how it is written; where it has none by its code", async () => {
    const flow = (rate: string, make: string) => `
const RATE = ${rate};
const make = ${make};
export const scaled = task("$.scaled", (n: number) => n * RATE.value);
export const made = task("$.made", (n: number) => make(n));
export const main = task("$.main", (n: number) => [scaled(n), made(n)]);
`;
    await using project = await start(flow("{ value: 2 }", "((k: number) => (n: number) => n + k)(1)"));
    expect((await project.run("main", 5)).value).toEqual([10, 6]);
    await project.edit(IMPORT + flow("{ value: [1, 1].length }", "((k: number) => (n: number) => n + k)(1)"));
    expect((await project.run("main", 5)).ran).toEqual([]);
    await project.edit(IMPORT + flow("{ value: [1, 1, 1].length }", "((k: number) => (n: number) => n + k)(1)"));
    expect(await project.run("main", 5)).toMatchObject({ value: [15, 6], ran: ["scaled"] });
    await project.edit(IMPORT + flow("{ value: 3 }", "((k: number) => (n: number) => n + k)(2)"));
    expect(await project.run("main", 5)).toMatchObject({ value: [15, 7], ran: ["made"] });
  });

  it("a version settles what cannot be decided, and replaces the code", async () => {
    const flow = (options: string, plus = 0) =>
      `let seen = 0;\nexport const count = task("$.count", ${options}(n: number) => { seen += 1; return seen > 0 ? n + ${plus} : 0; });\n`;
    await using project = await start(flow(""));
    expect((await project.run("count", 1)).ran).toEqual(["count"]);
    expect((await project.run("count", 1)).ran).toEqual(["count"]);
    await project.edit(IMPORT + flow('{ version: "1" }, '));
    expect((await project.run("count", 1)).ran).toEqual(["count"]);
    expect((await project.run("count", 1)).ran).toEqual([]);
    await project.edit(IMPORT + flow('{ version: "1" }, ', 5));
    expect(await project.run("count", 1)).toMatchObject({ value: 1, ran: [] });
    await project.edit(IMPORT + flow('{ version: "2" }, ', 5));
    expect(await project.run("count", 1)).toMatchObject({ value: 6, ran: ["count"] });
  });

  it("how and where a body runs is in no identity", async () => {
    const flow = (options: string) => `export const one = task("$.one", ${options}(n: number) => n + 1);`;
    await using project = await start(flow(""), { limits: { db: 1 } });
    expect((await project.run("one", 1)).ran).toEqual(["one"]);
    const options = [
      'executor: "process"',
      "retries: 3",
      "timeoutMs: 5000",
      'limits: ["db"]',
      'tags: ["a"]',
      'cluster: "big"',
      'resources: { memory: "9g", cores: 4 }',
      'description: "one more"',
    ];
    await project.edit(IMPORT + flow(`{ ${options.join(", ")} }, `));
    expect(await project.run("one", 1)).toMatchObject({ value: 2, ran: [] });
    await project.edit(IMPORT + flow('{ checkValid: "shallow" }, '));
    expect(await project.run("one", 1)).toMatchObject({ value: 2, ran: [] });
  });
});

describe("evaluation", () => {
  it("lazy results may be anywhere in an argument and in a result: the receiver sees values", async () => {
    await using project = await start(`
export const inc = task("$.inc", (n: number) => n + 1);
export const look = task("$.look", (v: { list: [{ deep: number }]; map: Map<string, number[]> }) => [typeof v.list[0].deep, v.map.get("k")]);
export const make = task("$.make", () => ({ list: [{ deep: inc(1) }], map: new Map([["k", [inc(2), 0]]]) }));
export const main = task("$.main", () => [look(make() as never), look({ list: [{ deep: inc(3) }], map: new Map([["k", [inc(4)]]]) } as never), make()]);
`);
    expect((await project.run("main")).value).toEqual([
      ["number", [3, 0]],
      ["number", [5]],
      { list: [{ deep: 2 }], map: new Map([["k", [3, 0]]]) },
    ]);
  });

  it("the look-ups of one turn are one query, however many calls there are", async () => {
    let queries = 0;
    const counting = new Proxy(opened.store, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        if (name === "findCalls") queries++;
        return member.bind(target);
      },
    });
    await using project = await Engine.start(
      counting,
      `${IMPORT}export const inc = task("$.inc", (n: number) => n + 1);
export const main = task("$.main", (n: number) => Array.from({ length: n }, (_, i) => inc(i)));
`,
    );
    await project.run("main", 500);
    const cold = queries;
    expect(cold).toBeLessThan(10);
    // Other arguments of the root, so that nothing is read ahead: 500 of the calls are found.
    expect((await project.run("main", 501)).ran).toEqual(["inc", "main"]);
    expect(queries - cold).toBeLessThan(10);
  });

  it("limits are held while a body runs only: not by what waits for its arguments or for the calls in its result", async () => {
    await using project = await start(
      `
export const inner = task("$.inner", { limits: ["db"] }, async (n: number) => { await pause(1); return n + 1; });
export const outer = task("$.outer", { limits: ["db"] }, (n: number): unknown => n === 0 ? inner(inner(0)) : outer(n - 1));
`,
      { limits: { db: 1 } },
    );
    expect((await project.run("outer", 3)).value).toBe(2);
  });

  it("a call that fails is run once for all who ask in one execution, and again in the next", async () => {
    await using project = await start(`
export const fails = task("$.fails", async (log: string): Promise<number> => { appendFileSync(log, "x"); await pause(20); throw new TypeError("no"); });
export const late = task("$.late", async (log: string, _after: unknown) => fails(log));
export const main = task("$.main", (log: string) => { const first = catchAll([fails(log), fails(log)]); return all([first, late(log, first)]); });
`);
    const log = join(project.root, "log");
    expect((await project.run("main", log)).error?.message).toBe("no");
    expect(await content(log)).toBe("x");
    expect((await project.run("main", log)).error?.message).toBe("no");
    expect(await content(log)).toBe("xx");
  });

  it("what follows from a failure does not run; what is independent ends, and is found by the next execution", async () => {
    await using project = await start(`
export const month = task("$.month", async (n: number, log: string) => { await pause(n * 10); if (n === 3) throw new Error("no data"); appendFileSync(log, n + " "); return n; });
export const report = task("$.report", (n: number, log: string) => { appendFileSync(log, "r" + n + " "); return n; });
export const main = task("$.main", (log: string) => [1, 2, 3, 4, 5].map((n) => report(month(n, log), log)));
`);
    const log = join(project.root, "log");
    const run = await project.run("main", log);
    expect(run.error).toMatchObject({ message: "no data", path: ["main", "month"] });
    expect((await content(log)).split(" ").filter(Boolean).sort()).toEqual([
      "1",
      "2",
      "4",
      "5",
      "r1",
      "r2",
      "r4",
      "r5",
    ]);
    expect((await project.run("main", log)).ran).toEqual(["month"]);
  });
});

describe("cancelling", () => {
  it("an execution that waits for a limit leaves the queue at once, and the next one gets its turn", async () => {
    await using project = await start(
      `export const slow = task("$.slow", { limits: ["db"] }, async (log: string) => { await gate(log); return 1; });`,
      { limits: { db: 1 } },
    );
    const log = (name: string) => join(project.root, name);
    const first = await project.start("slow", [log("a")]);
    await until(log("a"), "begin ");
    const second = await project.start("slow", [log("b")]);
    const third = await project.start("slow", [log("c")]);
    await sleep(50);
    await project.executions.cancel(second.id, "");
    expect((await project.end(second.id)).execution.state).toBe("cancelled");
    await writeFile(`${log("c")}.go`, "");
    await writeFile(`${log("a")}.go`, "");
    expect((await project.end(first.id)).value).toBe(1);
    expect((await project.end(third.id)).value).toBe(1);
    expect(await content(log("b"))).toBe("");
  });

  it("a cancelled body is not tried again, and nothing of it is kept", async () => {
    await using project = await start(
      `export const slow = task("$.slow", { executor: "thread", retries: 5 }, async (log: string) => { await gate(log); return 1; });`,
    );
    const log = join(project.root, "log");
    const { id } = await project.start("slow", [log]);
    await until(log, "begin ");
    await project.executions.cancel(id, "");
    expect((await project.end(id)).jobs.map(({ state }) => state)).toEqual(["cancelled"]);
    await writeFile(`${log}.go`, "");
    expect(await project.run("slow", log)).toMatchObject({ value: 1, ran: ["slow"] });
    expect(await content(log)).toBe("begin begin end ");
  });
});

describe("resuming", () => {
  it("evaluates the root again with the code of now, and tells whoever watches that it is another", async () => {
    const folder = await mkdtemp(join(tmpdir(), "firesteel-resumed-"));
    const flow = (plus: number) => `${IMPORT}
export const step = task("resumed.step", async (log: string) => { appendFileSync(log, "step "); return 1; });
export const wait = task("resumed.wait", async (n: number, log: string) => { await gate(log); return n; });
export const main = task("resumed.main", (log: string) => last(wait(step(log), log)));
export const last = task("resumed.last", (n: number) => n + ${plus});
`;
    const at = { kind: "embedded", directory: join(folder, "db") } as const;
    const log = join(folder, "log");
    try {
      let id: string;
      {
        await using first = await openStore(at);
        await using project = await Engine.start(first, flow(10), { root: folder });
        const request = { task: "resumed.main", args: encodeProgram([log]), user: "tester", reason: "test" };
        id = (await project.executions.start(request)).id;
        await until(log, "step begin ");
      }
      await using second = await openStore(at);
      await using project = await Engine.start(second, flow(100), { root: folder });
      expect(await project.executions.resume()).toBe(1);
      const events: ExecutionEvent[] = [];
      const watched = (async () => {
        for await (const event of project.executions.watch(id, AbortSignal.timeout(30_000))) events.push(event);
      })();
      await until(log, "step begin begin ");
      await writeFile(`${log}.go`, "");
      const { value, execution } = await project.end(id);
      await watched;
      expect(value).toBe(101);
      expect(execution).toMatchObject({ state: "succeeded", resumes: 1, codeVersion: project.code.version });
      expect(events.filter(({ kind }) => kind === "code")).toEqual([
        { kind: "code", version: project.code.version, message: "resumed with other code than it was started with" },
      ]);
      expect((await content(log)).split(" ").filter((word) => word === "step")).toHaveLength(1);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
