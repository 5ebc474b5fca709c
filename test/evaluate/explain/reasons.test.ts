import { rm, stat } from "node:fs/promises";
import { afterEach, describe, expect, test } from "vitest";
import { DatasetValue, FileValue } from "../../../src/define/external.ts";
import type { Explanation } from "../../../src/evaluate/explain/explainer.ts";
import type { Reason } from "../../../src/evaluate/explain/reasons.ts";
import type { Files } from "../engine.ts";
import { useTemporaryStore } from "../temporary-store.ts";
import { Explained, short } from "./explained.ts";

const opened = useTemporaryStore();

let project: Explained;
afterEach(() => project[Symbol.asyncDispose]());
const start = (files: Files | string) => Explained.start(opened.store, files);

const FLOW = `import { task, map, catchError, file, readText } from "firesteel";
import { rateOf } from "./lib.ts";
const FACTOR = 2;
function helper(x: number): number {
  return x * FACTOR;
}
export const one = task("$.one", (x: number) => helper(x));
export const two = task("$.two", (x: number, options: { readonly scale: number } = { scale: 1 }) => rateOf(x) * options.scale);
export const sum = task("$.sum", (values: number[]) => values.reduce((a, b) => a + b, 0));
export const main = task("$.main", (xs: number[]) => sum(xs.map((x) => one(x))));
export const pair = task("$.pair", (x: number) => [one(x), two(x)]);
`;
const EXTERNAL = `import { createDataset, file, task } from "firesteel";
export const pass = task("$.pass", (thing: unknown) => thing);
export const main = task("$.main", () => pass(file("data.txt")));
export const rows = task("$.rows", (n: number) => pass(createDataset([{ n }], { n: "int" })));
`;
const LIB = `export const RATE = { value: 0.19 };
export function rateOf(x: number): number {
  return x * RATE.value;
}
`;
const FILES = { "flow.ts": FLOW, "lib.ts": LIB };

const only = (explanation: Explanation): readonly Reason[] => {
  expect(explanation.groups).toHaveLength(1);
  return explanation.groups[0]!.reasons;
};
const parts = (explanation: Explanation) => {
  const reason = only(explanation).find(({ kind }) => kind === "newCode");
  if (reason?.kind !== "newCode") return expect.unreachable();
  return reason.changes;
};

describe("a call runs because", () => {
  test("its task is new", async () => {
    project = await start(FILES);
    const dry = await project.dryRun("main", [1, 2]);
    expect(short(dry)).toEqual([{ task: "main", calls: 1, reasons: ["newTask"] }]);
    expect(dry.groups[0]!.examples[0]!.args).toEqual(["[ 1, 2 ]"]);
    expect(dry).toMatchObject({ cached: [], waiting: [], failure: null, comparedWith: null });
  });

  test("nothing: then all is cached", async () => {
    project = await start(FILES);
    await project.run("main", [1, 2]);
    const dry = await project.dryRun("main", [1, 2]);
    expect(dry).toMatchObject({ groups: [], waiting: [], failure: null });
    expect(dry.cached.toSorted((a, b) => (a.task < b.task ? -1 : 1))).toEqual([
      { task: "main", calls: 1 },
      { task: "one", calls: 2 },
      { task: "sum", calls: 1 },
    ]);
  });

  test("a helper changed, and what waits for it is told", async () => {
    project = await start(FILES);
    await project.run("main", [1, 2]);
    await project.edit({ "flow.ts": FLOW.replace("return x * FACTOR", "return x * FACTOR + 1") });
    const dry = await project.dryRun("main", [1, 2]);
    expect(short(dry)).toEqual([{ task: "one", calls: 2, reasons: ["newCode"] }]);
    expect(parts(dry)).toEqual([
      {
        change: "changed",
        kind: "function",
        name: "helper",
        file: "flow.ts",
        line: 4,
        before: null,
        after: null,
        diff: [" function helper(x: number): number {", "-  return x * FACTOR;", "+  return x * FACTOR + 1;", " }"],
      },
    ]);
    expect(dry.waiting).toEqual([{ task: "sum", calls: 1, open: false, on: ["one"] }]);
    expect(dry.cached).toEqual([{ task: "main", calls: 1 }]);
  });

  test("a constant of another module changed", async () => {
    project = await start(FILES);
    await project.run("pair", 3);
    await project.edit({ "lib.ts": LIB.replace("0.19", "0.21") });
    const dry = await project.dryRun("pair", 3);
    expect(short(dry)).toEqual([{ task: "two", calls: 1, reasons: ["newCode"] }]);
    expect(parts(dry)).toMatchObject([
      {
        kind: "value",
        name: "RATE",
        file: "lib.ts",
        line: 1,
        diff: ["-RATE = { value: 0.19 }", "+RATE = { value: 0.21 }"],
      },
    ]);
  });

  test("the value of a constant changed though its text did not", async () => {
    const lib = (value: number) =>
      `const base = () => ${value};\nexport const RATE = { value: base() };\nexport function rateOf(x: number) { return x * RATE.value; }\n`;
    project = await start({ ...FILES, "lib.ts": lib(1) });
    await project.run("pair", 3);
    await project.edit({ "lib.ts": lib(2) });
    expect(parts(await project.dryRun("pair", 3))).toMatchObject([
      { name: "RATE", before: "{ value: 1 }", after: "{ value: 2 }", diff: [] },
    ]);
  });

  test("a helper is called that was not", async () => {
    project = await start(FILES);
    await project.run("main", [1]);
    const more = FLOW.replace("x * FACTOR;", "extra(x) * FACTOR;").replace(
      "function helper",
      "const extra = (x: number) => x;\nfunction helper",
    );
    await project.edit({ "flow.ts": more });
    expect(parts(await project.dryRun("main", [1]))).toMatchObject([
      { change: "changed", name: "helper" },
      { change: "added", name: "extra", line: 4 },
    ]);
  });

  test("two helpers changed places", async () => {
    const flow = (body: string) => `import { task } from "firesteel";
const a = (x: number) => x + 1;
const b = (x: number) => x * 2;
// A note that is not part of it: ${body}
export const main = task("$.main", (x: number) => ${body});
`;
    project = await start({ "flow.ts": flow("a(x) - b(x)") });
    await project.run("main", 1);
    await project.edit({ "flow.ts": flow("b(x) - a(x)") });
    expect(parts(await project.dryRun("main", 1))).toMatchObject([
      { kind: "body", name: "main", diff: ["-(x: number) => a(x) - b(x)", "+(x: number) => b(x) - a(x)"] },
    ]);
  });

  test("its option `version` is another one", async () => {
    const flow = (version: string) => FLOW.replace(`"$.one", `, `"$.one", { version: "${version}" }, `);
    project = await start({ ...FILES, "flow.ts": flow("1") });
    await project.run("main", [1]);
    await project.edit({ "flow.ts": flow("2") });
    expect(parts(await project.dryRun("main", [1]))).toMatchObject([{ kind: "version", before: "1", after: "2" }]);
  });

  test("an argument is another one, deep inside", async () => {
    const flow = (scale: number) =>
      FLOW.replace("two(x)]", `two(x, { scale: ${scale}, unit: "m", steps: [1, ${scale}, 3] } as never)]`);
    project = await start({ ...FILES, "flow.ts": flow(2) });
    await project.run("pair", 3);
    await project.edit({ "flow.ts": flow(5) });
    // The root's own code changed; its call comes first, and what it would call is not known.
    expect(short(await project.dryRun("pair", 3))).toEqual([{ task: "pair", calls: 1, reasons: ["newCode"] }]);
    const dry = await project.dryRun("two", 3, { scale: 5, unit: "m", steps: [1, 5, 3] });
    expect(only(dry)).toEqual([{ kind: "newArguments", parameters: ["options"] }]);
    expect(dry.groups[0]!.examples[0]!.arguments).toEqual({
      changes: [
        { path: "options.scale", before: "2", after: "5" },
        { path: "options.steps[1]", before: "2", after: "5" },
      ],
      more: 0,
    });
  });

  test("of a list one item is another: it takes the place of the one that went", async () => {
    project = await start(`import { task, map } from "firesteel";
export const square = task("$.square", (x: { readonly id: number; readonly by: number }) => x.id * x.by);
export const list = task("$.list", () => [1, 2, 3, 4]);
export const main = task("$.main", { version: "1" }, (by: number) => [1, 2, 3, 4].map((id) => square({ id, by: id === 3 ? by : 0 })));
`);
    await project.run("main", 1);
    // The root is another call; run it, so that its children are looked at.
    const dry = await project.dryRun("main", 2);
    expect(only(dry)).toEqual([{ kind: "newArguments", parameters: ["by"] }]);
    await project.run("main", 2);
    const past = await project.execution((await project.run("main", 7)).execution.id);
    const square = past.groups.find(({ task }) => task === "square")!;
    expect(square).toMatchObject({ calls: 1, reasons: [{ kind: "newArguments", parameters: ["x"] }] });
    expect(square.examples[0]!.arguments!.changes).toEqual([{ path: "x.by", before: "2", after: "7" }]);
    expect(past.cached).toEqual([{ task: "square", calls: 3 }]);
  });

  test("both its code and an argument are new", async () => {
    project = await start(FILES);
    await project.run("one", 1);
    await project.edit({ "flow.ts": FLOW.replace("x * FACTOR", "x - FACTOR") });
    expect(short(await project.dryRun("one", 2))).toEqual([
      { task: "one", calls: 1, reasons: ["newCode", "newArguments"] },
    ]);
  });

  test("a file that it was given has another content", async () => {
    project = await start(EXTERNAL);
    await project.engine.write("data.txt", "one");
    await project.run("main");
    await project.engine.write("data.txt", "two");
    const dry = await project.dryRun("main");
    expect(only(dry)).toEqual([{ kind: "newArguments", parameters: ["thing"] }]);
    const [change] = dry.groups[0]!.examples[0]!.arguments!.changes;
    expect(change).toMatchObject({ path: "thing", before: expect.stringMatching(/^file data\.txt [0-9a-f]{8}$/) });
  });

  test("the file that its result names has another content, or is gone", async () => {
    project = await start(EXTERNAL);
    await project.engine.write("data.txt", "one");
    const file = (await project.run("main")).value as FileValue;
    expect((await project.dryRun("pass", file)).groups).toEqual([]);
    await project.engine.write("data.txt", "two");
    expect(only(await project.dryRun("pass", file))).toEqual([
      { kind: "invalidResult", places: ["file data.txt has another content"] },
    ]);
    const run = await project.run("pass", file);
    expect(run.ran).toEqual(["pass"]);
    await project.engine.write("data.txt", "three");
    expect(only(await project.execution(run.execution.id))).toEqual([
      { kind: "invalidResult", places: ["file data.txt has another content"] },
    ]);
    await rm(`${project.engine.root}/data.txt`);
    expect(only(await project.dryRun("pass", new FileValue(file.path, file.version)))).toEqual([
      { kind: "invalidResult", places: ["file data.txt is gone"] },
    ]);
  });

  test("the dataset that its result names is gone; rows made in TypeScript would be written again", async () => {
    project = await start(EXTERNAL);
    const { identity } = (await project.run("rows", 1)).value as DatasetValue;
    const [record] = await project.store.findDataset(identity);
    const path = new URL(record!.location).pathname;
    await rm(path);
    expect(only(await project.dryRun("pass", new DatasetValue(identity)))).toEqual([
      { kind: "invalidResult", places: [expect.stringMatching(/^dataset rows\/.*: the file is gone$/)] },
    ]);
    expect(await project.dryRun("rows", 1)).toMatchObject({ groups: [], failure: null });
    await expect(stat(path)).rejects.toThrow("ENOENT");
  });

  test("its code cannot be decided, with the place", async () => {
    project = await start(`import { task } from "firesteel";
let count = 0;
export const next = task("$.next", () => ++count);
export const after = task("$.after", (n: number) => n);
export const main = task("$.main", () => after(next()));
`);
    await project.run("main");
    const dry = await project.dryRun("main");
    expect(short(dry)).toEqual([{ task: "next", calls: 1, reasons: ["notCacheable"] }]);
    expect(only(dry)).toMatchObject([
      { places: [{ file: "flow.ts", line: 3, reason: expect.stringContaining("count") }] },
    ]);
    expect(dry.waiting).toEqual([{ task: "after", calls: 1, open: false, on: ["next"] }]);
  });

  test("its option says that nothing is kept", async () => {
    project = await start(
      FLOW.replace(`"$.one", `, `"$.one", { cache: "none" }, `).replace(
        'import { rateOf } from "./lib.ts";',
        "const rateOf = (x: number) => x;",
      ),
    );
    await project.run("main", [1, 2]);
    expect(await project.dryRun("main", [1, 2])).toMatchObject({
      groups: [{ task: "one", calls: 2, reasons: [{ kind: "noCache", option: "none" }] }],
    });
  });

  test("what it reads beside its arguments has another content", async () => {
    project = await start(`import { task } from "firesteel";
export const main = task("$.main", { reads: ["rates.txt"] }, () => 1);
`);
    await project.engine.write("rates.txt", "one");
    await project.run("main");
    await project.engine.write("rates.txt", "two");
    expect(only(await project.dryRun("main"))).toEqual([
      { kind: "newSurroundings", reads: ["rates.txt"], context: [] },
    ]);
  });

  test("it failed the last time", async () => {
    project = await start(`import { task } from "firesteel";
export const bad = task("$.bad", (n: number) => { if (n > 1) throw new Error("no"); return n; });
export const main = task("$.main", () => [bad(1), bad(2)]);
`);
    await project.run("main");
    expect(only(await project.dryRun("main"))).toEqual([{ kind: "notFinished", state: "failed" }]);
  });
});

describe("no reason is", () => {
  test("a comment, another format, a renamed local or a renamed helper", async () => {
    project = await start(FILES);
    await project.run("pair", 3);
    await project.edit({
      "flow.ts": FLOW.replace(
        "function helper(x: number): number {\n  return x * FACTOR;",
        "// Why.\nfunction assistant(value: number): number { return (value * FACTOR);",
      ).replace("helper(x)", "assistant(x)"),
      "lib.ts": `/* A comment. */\n\n${LIB}`,
    });
    expect((await project.dryRun("pair", 3)).groups).toEqual([]);
  });

  test("a formatting edit beside a real one is not shown", async () => {
    project = await start(FILES);
    await project.run("pair", 3);
    await project.edit({
      "flow.ts": FLOW.replace("rateOf(x) * options.scale", "rateOf(x) + options.scale"),
      "lib.ts": LIB.replace("return x * RATE.value;", "// Times.\n  return (x * RATE.value);"),
    });
    expect(parts(await project.dryRun("pair", 3))).toMatchObject([{ kind: "body", name: "two" }]);
  });
});

describe("a dry run", () => {
  test("records nothing and runs nothing", async () => {
    project = await start(FILES);
    await project.run("main", [1]);
    await project.edit({ "flow.ts": FLOW.replace("x * FACTOR", "x - FACTOR") });
    const count = async () => (await project.store.listExecutions({}, { limit: 100 })).rows.length;
    const before = await count();
    await project.dryRun("main", [1]);
    await project.dryRun("main", [9]);
    expect(await count()).toBe(before);
    const { ran } = await project.run("main", [1]);
    expect(ran).toEqual(["one", "sum"]);
  });

  test("goes on beside what is unknown, and counts what waits in forms", async () => {
    const flow = (n: number) =>
      `import { cond, map, seq, task } from "firesteel";
const N = ${n};
export const list = task("$.list", () => [1, 2, N]);
export const item = task("$.item", (x: number) => x);
export const total = task("$.total", (xs: number[], label: string) => label + xs.length);
export const other = task("$.other", (x: number) => x * N);
export const label = task("$.label", () => "l");
export const main = task("$.main", () => [total(map(item, list()), label()), cond(other(1), item(5), item(6)), seq([item(7), other(2), item(8)])]);
`
        .replace("cond(other(1)", "cond(isBig(other(1))")
        .replace("export const main", `export const isBig = task("$.isBig", (x: number) => x > 1);\nexport const main`);
    project = await start(flow(1));
    await project.run("main");
    await project.edit(flow(2));
    const dry = await project.dryRun("main");
    expect(short(dry)).toEqual([
      { task: "list", calls: 1, reasons: ["newCode"] },
      { task: "other", calls: 2, reasons: ["newCode"] },
    ]);
    expect(dry.waiting.toSorted((a, b) => (a.task < b.task ? -1 : 1))).toEqual([
      { task: "isBig", calls: 1, open: false, on: ["other"] },
      { task: "item", calls: 0, open: true, on: ["list"] },
      { task: "total", calls: 1, open: false, on: ["item"] },
    ]);
  });

  test("tells a failure that can be seen, and goes on beside it", async () => {
    project = await start(`import { file, task } from "firesteel";
export const read = task("$.read", (f: unknown) => String(f));
export const one = task("$.one", (x: number) => x);
export const main = task("$.main", () => [one(1), read(file("missing.txt"))]);
`);
    await project.run("main");
    await project.edit(`import { file, task } from "firesteel";
export const read = task("$.read", (f: unknown) => String(f));
export const one = task("$.one", (x: number) => x + 1);
export const main = task("$.main", () => [one(1), read(file("missing.txt"))]);
`);
    const dry = await project.dryRun("main");
    expect(dry.failure).toMatchObject({ code: "not_found", message: "file does not exist: missing.txt" });
    expect(short(dry)).toEqual([{ task: "one", calls: 1, reasons: ["newCode"] }]);
  });

  test("refuses what a run refuses", async () => {
    project = await start(FILES);
    await expect(project.dryRun("mian", [])).rejects.toThrow("task is not known");
    await expect(project.dryRun("one", "x")).rejects.toThrow("argument 1 (x)");
  });
});

describe("of a past execution", () => {
  test("each job that ran is told why, and what cannot be told is said", async () => {
    project = await start(FILES);
    const first = await project.run("main", [1, 2]);
    await project.edit({ "flow.ts": FLOW.replace("x * FACTOR", "x - FACTOR") });
    const second = await project.run("main", [1, 2]);
    // Later runs change nothing of what is told of it.
    await project.edit({ "flow.ts": FLOW.replace("x * FACTOR", "x / FACTOR") });
    await project.run("main", [1, 2]);
    expect(short(await project.execution(first.execution.id))).toEqual([
      { task: "main", calls: 1, reasons: ["newTask"] },
      { task: "one", calls: 2, reasons: ["newTask"] },
      { task: "sum", calls: 1, reasons: ["newTask"] },
    ]);
    const told = await project.execution(second.execution.id);
    expect(short(told)).toEqual([
      { task: "one", calls: 2, reasons: ["newCode"] },
      { task: "sum", calls: 1, reasons: ["newArguments"] },
    ]);
    expect(told.comparedWith?.id).toBe(first.execution.id);
    expect(told.groups[1]!.examples[0]!.arguments!.changes[0]).toEqual({ path: "values[0]", before: "2", after: "-1" });
    expect(told.cached).toEqual([{ task: "main", calls: 1 }]);
  });
});
