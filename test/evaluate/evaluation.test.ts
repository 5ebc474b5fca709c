import { access, readFile, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { file } from "../../src/define/files.ts";
import { dataset } from "../../src/define/forms.ts";
import { Engine, type Files } from "./engine.ts";
import { useTemporaryStore } from "./temporary-store.ts";

const opened = useTemporaryStore();

const IMPORT = `import { all, apply, catchAll, catchError, cond, createDataset, dataset, field, file, map, raise, readBytes, readRows, readText, seq, task, type CaughtError, type Dataset, type File } from "firesteel";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
`;
const engine = (files: Files | string, options?: Parameters<typeof Engine.start>[2]) =>
  Engine.start(opened.store, typeof files === "string" ? IMPORT + files : files, options);

describe("the cache", () => {
  const SUMS = `
const RATE = 2;
const scale = (n: number) => n * RATE;
export const leaf = task("$.leaf", (n: number) => scale(n));
export const other = task("$.other", (n: number) => n + 1);
export const add = task("$.add", (a: number, b: number) => a + b);
export const main = task("$.main", (n: number) => add(leaf(n), other(n)));
`;

  it("runs each body once, and none the second time", async () => {
    await using project = await engine(SUMS);
    const cold = await project.run("main", 5);
    expect(cold.value).toBe(16);
    expect(cold.ran).toEqual(["add", "leaf", "main", "other"]);
    const warm = await project.run("main", 5);
    expect(warm.value).toBe(16);
    expect(warm.ran).toEqual([]);
    expect(warm.jobs.map((job) => job.task).sort()).toEqual(["add", "leaf", "main", "other"]);
    expect((await project.run("main", 6)).ran).toEqual(["add", "leaf", "main", "other"]);
  });

  it.each<[string, (text: string) => string, readonly string[], number]>([
    ["a comment", (text) => text.replace("n * RATE", "/* twice */ n * RATE"), [], 16],
    [
      "a renamed local and another layout",
      (text) => text.replace("(a: number, b: number) => a + b", "(x: number,\n  y: number) => x + y"),
      [],
      16,
    ],
    ["an edited helper", (text) => text.replace("n * RATE", "n * RATE + 1"), ["add", "leaf"], 17],
    ["an edited constant", (text) => text.replace("RATE = 2", "RATE = 3"), ["add", "leaf"], 21],
    [
      "an edit that leaves the result of a task as it was (early cutoff)",
      (text) => text.replace("n * RATE", "RATE * n"),
      ["leaf"],
      16,
    ],
    ["an edited task in the middle", (text) => text.replace("a + b", "a - b"), ["add"], 4],
    ["an edited root", (text) => text.replace("add(leaf(n), other(n))", "add(other(n), leaf(n))"), ["add", "main"], 16],
    [
      "a new option that is in no identity",
      (text) => text.replace('"$.leaf", ', '"$.leaf", { retries: 2, tags: ["x"] }, '),
      [],
      16,
    ],
    ["a version", (text) => text.replace('"$.leaf", ', '"$.leaf", { version: "2" }, '), ["leaf"], 16],
  ])("after %s runs only what changed", async (_, edit, ran, value) => {
    await using project = await engine(SUMS);
    await project.run("main", 5);
    await project.edit(IMPORT + edit(SUMS));
    const again = await project.run("main", 5);
    expect(again.value).toBe(value);
    expect(again.ran).toEqual(ran);
    expect((await project.run("main", 5)).ran).toEqual([]);
  });

  it("goes back to results of before when an edit is undone", async () => {
    await using project = await engine(SUMS);
    await project.run("main", 5);
    await project.edit(IMPORT + SUMS.replace("RATE = 2", "RATE = 3"));
    await project.run("main", 5);
    await project.edit(IMPORT + SUMS);
    const back = await project.run("main", 5);
    expect(back).toMatchObject({ value: 16, ran: [] });
  });

  it("takes calls with and without constant defaults for one", async () => {
    await using project = await engine(`
export const scaled = task("$.scaled", (n: number, by: number = 10, unit?: string) => n * by);
export const main = task("$.main", () => [scaled(1), scaled(1, undefined), scaled(1, 10), scaled(1, 10, undefined)]);
`);
    expect(await project.run("main")).toMatchObject({ value: [10, 10, 10, 10], ran: ["main", "scaled"] });
    expect(await project.run("scaled", 1, 10)).toMatchObject({ value: 10, ran: [] });
    expect(await project.run("scaled", 1, 11)).toMatchObject({ value: 11, ran: ["scaled"] });
  });

  it("takes equal calls of one execution for one job, whatever the order of an object's members", async () => {
    await using project = await engine(`
export const one = task("$.one", (p: { a: number; b: number }) => p.a + p.b);
export const main = task("$.main", () => Array.from({ length: 50 }, (_, i) => one(i % 2 ? { a: 1, b: 2 } : { b: 2, a: 1 })));
`);
    const run = await project.run("main");
    expect(run.value).toEqual(new Array(50).fill(3));
    expect(run.ran).toEqual(["main", "one"]);
  });

  it("hands values of every type from task to task", async () => {
    await using project = await engine(`
export const make = task("$.make", () => ({ big: 1n, when: new Date(5), set: new Set([1]), map: new Map([["k", [undefined]]]), bytes: new Uint8Array([1]), zero: -0, task: inc }));
export const inc = task("$.inc", (n: number) => n + 1);
export const look = task("$.look", (v: { big: bigint; when: Date; set: Set<number>; map: Map<string, unknown[]>; bytes: Uint8Array; zero: number; task: unknown }) =>
  [typeof v.big, v.when instanceof Date, v.set.has(1), v.map.get("k")?.length, v.bytes.constructor === Uint8Array, Object.is(v.zero, -0), typeof v.task]);
export const main = task("$.main", () => look(make() as never));
`);
    expect((await project.run("main")).value).toEqual(["bigint", true, true, 1, true, true, "function"]);
  });

  it("none runs each call every time; execution shares within one execution only", async () => {
    await using project = await engine(`
export const none = task("$.none", { cache: "none" }, () => 1);
export const once = task("$.once", { cache: "execution" }, () => 2);
export const main = task("$.main", () => [none(), none(), once(), once()]);
`);
    expect((await project.run("main")).ran).toEqual(["main", "none", "none", "once"]);
    expect((await project.run("main")).ran).toEqual(["none", "none", "once"]);
  });

  it("keeps nothing of a task whose code cannot be decided", async () => {
    await using project = await engine(`
let counter = 0;
export const next = task("$.next", () => { counter += 1; return counter > 0; });
export const main = task("$.main", () => next());
`);
    expect(project.code.tasks.get(project.name("next"))?.undecided).not.toEqual([]);
    expect((await project.run("main")).ran).toContain("next");
    expect((await project.run("main")).ran).toContain("next");
  });

  it("does not keep errors", async () => {
    await using project = await engine(`
export const fragile = task("$.fragile", (path: string) => readFileSync(path, "utf8"));
`);
    const path = join(project.root, "late.txt");
    const failed = await project.run("fragile", path);
    expect(failed.error).toMatchObject({ code: "unknown", name: "Error", message: expect.stringContaining("ENOENT") });
    await project.write("late.txt", "here");
    expect(await project.run("fragile", path)).toMatchObject({ value: "here", ran: ["fragile"] });
  });
});

describe("forms", () => {
  const FORMS = `
export const inc = task("$.inc", (n: number) => n + 1);
export const fail = task("$.fail", (message: string): number => { throw new TypeError(message); });
export const recover = task("$.recover", (error: CaughtError) => [error.code, error.name, error.message]);
export const isLarge = task("$.isLarge", (n: number) => n > 10);
export const chosen = task("$.chosen", (n: number) => cond(isLarge(n), inc(n), fail("not asked for")));
export const truthy = task("$.truthy", () => cond(inc(0) as never, 1, 2));
export const caught = task("$.caught", (only: string[]) => catchError([inc(1), fail("boom")], recover as never, only));
export const mapped = task("$.mapped", (items: number[]) => map(inc, map(inc, items)));
export const mapWrong = task("$.mapWrong", () => map(inc, inc(1) as never));
export const applied = task("$.applied", (f: typeof inc) => apply(f, inc(1)));
export const ordered = task("$.ordered", (path: string) => seq([mark(path, "a"), mark(path, "b"), mark(path, "c")]));
export const mark = task("$.mark", { cache: "none" }, async (path: string, text: string) => {
  await new Promise((resolve) => setTimeout(resolve, text === "a" ? 30 : 0));
  appendFileSync(path, text);
  return text;
});
export const stops = task("$.stops", (path: string) => seq([mark(path, "x"), fail("stop"), mark(path, "y")]));
export const raised = task("$.raised", () => catchError(raise("no data"), recover as never, ["Raised"]));
export const nested = task("$.nested", () => all({ a: [inc(1), { b: inc(2) }], m: new Map([["k", inc(3)]]) }));
export const fields = task("$.fields", () => { const r = record(); return [r.list[1], r.list.length, field(r, "then"), (r as never as { nothing: unknown }).nothing]; });
export const record = task("$.record", () => ({ list: [1, 2], then: 3 }));
export const ofNumber = task("$.ofNumber", () => (inc(1) as never as { x: { y: number } }).x);
`;

  it.each<[string, readonly unknown[], unknown]>([
    ["chosen", [20], 21],
    ["mapped", [[1, 2, 3]], [3, 4, 5]],
    ["mapped", [[]], []],
    ["nested", [], { a: [2, { b: 3 }], m: new Map([["k", 4]]) }],
    ["fields", [], [2, 2, 3, undefined]],
    ["raised", [], ["unknown", "Raised", "no data"]],
    ["caught", [[]], ["unknown", "TypeError", "boom"]],
    ["caught", [["TypeError"]], ["unknown", "TypeError", "boom"]],
    ["caught", [["not_found", "unknown"]], ["unknown", "TypeError", "boom"]],
  ])("%s(%j) gives %j", async (task, args, value) => {
    await using project = await engine(FORMS);
    expect((await project.run(task, ...args)).value).toEqual(value);
    const warm = await project.run(task, ...args);
    expect(warm.value).toEqual(value);
    expect(warm.ran.filter((name) => name !== "fail")).toEqual([]);
  });

  it.each<[string, readonly unknown[], RegExp]>([
    ["truthy", [], /^cond\(condition, \.\.\.\) wants true or false, not 1; make it one with eq, ne, lt, gt, \.\.\.$/],
    ["caught", [["RangeError"]], /^boom$/],
    ["mapWrong", [], /^map\(\S+inc, items\) wants a list, not 2$/],
    ["chosen", [1], /^not asked for$/],
    ["ofNumber", [], /^cannot read field "x" of number$/],
  ])("%s(%j) fails with %s", async (task, args, message) => {
    await using project = await engine(FORMS);
    expect((await project.run(task, ...args)).error?.message).toMatch(message);
  });

  it("cond evaluates nothing of the other branch", async () => {
    await using project = await engine(FORMS);
    expect((await project.run("chosen", 20)).ran).toEqual(["chosen", "inc", "isLarge"]);
  });

  it("seq runs one item after the other and stops at a failure", async () => {
    await using project = await engine(FORMS);
    const path = join(project.root, "order.txt");
    expect((await project.run("ordered", path)).value).toEqual(["a", "b", "c"]);
    expect((await project.run("stops", path)).error?.message).toBe("stop");
    expect(await readFile(path, "utf8")).toBe("abcx");
  });

  it("apply takes a task that is a value", async () => {
    await using project = await engine(`${FORMS}\nexport const main = task("$.main", () => applied(inc as never));`);
    expect((await project.run("main")).value).toBe(3);
  });

  it("an error names the class, the place and the tasks on the way", async () => {
    await using project = await engine(`${FORMS}\nexport const main = task("$.main", () => [inc(1), chosen(1)]);`);
    const { error, jobs, execution } = await project.run("main");
    expect(execution.state).toBe("failed");
    expect(error).toMatchObject({ code: "unknown", name: "TypeError", path: ["main", "chosen", "fail"] });
    expect(error?.stack).toContain("flow.ts:5:");
    expect(
      jobs
        .filter((job) => job.state === "failed")
        .map((job) => job.task)
        .sort(),
    ).toEqual(["chosen", "fail", "main"]);
  });

  it("what is independent of a failure goes on and is kept", async () => {
    await using project = await engine(`
export const fail = task("$.fail", (): number => { throw new Error("at once"); });
export const slow = task("$.slow", async () => { await new Promise((resolve) => setTimeout(resolve, 200)); return 1; });
export const after = task("$.after", (n: number) => n + 1);
export const main = task("$.main", () => [fail(), after(slow())]);
`);
    const run = await project.run("main");
    expect(run.error?.message).toBe("at once");
    expect(await project.run("after", 1)).toMatchObject({ value: 2, ran: [] });
  });

  it("an execution that has its result leaves nothing running behind", async () => {
    await using project = await engine(`
export const fail = task("$.fail", (): number => { throw new Error("at once"); });
export const slow = task("$.slow", async () => { await new Promise((resolve) => setTimeout(resolve, 60_000)); return 1; });
export const recover = task("$.recover", () => 7);
export const main = task("$.main", () => catchError([fail(), slow()], recover as never));
`);
    const run = await project.run("main");
    expect(run.value).toBe(7);
    expect(run.jobs.map((job) => [job.task, job.state]).sort()).toEqual([
      ["fail", "failed"],
      ["main", "succeeded"],
      ["recover", "succeeded"],
      ["slow", "cancelled"],
    ]);
  });

  it("no body begins after the end of its execution, and every one that ran has a job", async () => {
    await using project = await engine(`
const ran = (log: string, name: string) => appendFileSync(log, name + "\\n");
export const none = task("$.none", (n: number): unknown => []);
export const after = task("$.after", (log: string, n: number) => { ran(log, "after"); return n; });
export const each = task("$.each", (log: string, n: number) => { ran(log, "each"); return n; });
export const count = task("$.count", (log: string): unknown => { ran(log, "count"); return map(eachOf, [log]).length; });
export const eachOf = task("$.eachOf", (log: string): unknown => each(log, 1));
export const fails = task("$.fails", (log: string): unknown => (all({ a: after(log, count(log) as never), b: seq([0, raise("no"), 0]) }) as never as { a: unknown }).a);
export const twice = task("$.twice", { cache: "none" }, (log: string): unknown => fails(log));
export const main = task("$.main", (log: string): unknown => {
  const first = none(twice(log) as never);
  return catchAll([0, [none(fails(log) as never), first]]).length;
});
`);
    for (let i = 0; i < 5; i++) {
      const log = join(project.root, `ran${i}`);
      const run = await project.run("main", log);
      expect(run.value).toBe(2);
      // A body of this version that runs later than everything asked for before.
      await project.run("each", join(project.root, `other${i}`), i);
      const jobs = run.jobs.map((job) => job.task);
      const ran = (await readFile(log, "utf8").catch(() => "")).split("\n").slice(0, -1);
      expect(jobs).toEqual(expect.arrayContaining(ran));
    }
  });
});

describe("calls that cannot be", () => {
  const LOOPS = `
export const self = task("$.self", (n: number): unknown => self(n));
export const ping = task("$.ping", (n: number): unknown => pong(n));
export const pong = task("$.pong", (n: number): unknown => [1, ping(n)]);
export const through = task("$.through", (n: number): unknown => id(through(n)));
export const id = task("$.id", (n: unknown) => n);
export const fan = task("$.fan", (n: number): unknown => [...Array.from({ length: 3000 }, (_, i) => id(i)), fan(n)]);
export const wrong = task("$.wrong", () => (id as never as (...args: unknown[]) => unknown)(1, 2));
export const unknown = task("$.unknown", (name: string) => name);
`;
  it.each([
    ["self", ["self", "self"]],
    ["ping", ["ping", "pong", "ping"]],
    ["through", ["through", "through"]],
    ["fan", ["fan", "fan"]],
  ])("%s waits on itself, which is an error with its path", async (task, path) => {
    await using project = await engine(LOOPS);
    const { error } = await project.run(task, 1);
    expect(error?.code).toBe("failed_precondition");
    expect(error?.message.replaceAll(/p\d+_\d+\./g, "")).toBe(`call waits on itself: ${path.join(" -> ")}`);
  });

  it("too many arguments are named with the signature", async () => {
    await using project = await engine(LOOPS);
    expect((await project.run("wrong")).error).toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(
        /^task \S+id\(n: ?\S*\) takes 1 argument, not 2$|^task \S+id\(n\) takes 1 argument, not 2$/,
      ),
    });
  });

  it("are refused at the front door", async () => {
    await using project = await engine(LOOPS);
    await expect(project.start("sefl")).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringMatching(/did you mean \S+self\?/),
    });
    await expect(project.start("self")).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("takes 1 argument, not 0"),
    });
    await expect(project.start("self", [1, 2])).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(project.start("self", [file("x"), 2])).rejects.toMatchObject({ code: "invalid_argument" });
  });
});

describe("files and datasets", () => {
  const READ = `
export const read = task("$.read", (f: File) => readText(f));
export const upper = task("$.upper", (text: string) => text.toUpperCase());
export const main = task("$.main", (path: string) => upper(read(file(path))));
export const keep = task("$.keep", (path: string) => file(path));
export const rows = task("$.rows", async (d: Dataset) => [d.rows, (await readRows(d)).length]);
export const size = task("$.size", (d: Dataset) => d.identity.length);
export const made = task("$.made", (n: number) => rows(createDataset(Array.from({ length: n }, (_, i) => ({ i })), { i: "int" })));
export const bad = task("$.bad", () => rows(createDataset([{ i: 1 }, { i: 2n ** 60n }], { i: "bigint" })));
export const at = task("$.at", (where: string) => size(dataset(where, { format: "csv" })));
export const place = task("$.place", (where: string) => dataset(where, { format: "csv" }).location);
`;

  it("a file counts by its content, whatever its times say", async () => {
    await using project = await engine(READ);
    await project.write("a.txt", "one");
    expect(await project.run("main", "a.txt")).toMatchObject({ value: "ONE", ran: ["main", "read", "upper"] });
    const before = await stat(join(project.root, "a.txt"));
    await project.write("a.txt", "two");
    await utimes(join(project.root, "a.txt"), before.atime, before.mtime);
    expect(await project.run("main", "a.txt")).toMatchObject({ value: "TWO", ran: ["read", "upper"] });
    await utimes(join(project.root, "a.txt"), new Date(0), new Date(0));
    expect(await project.run("main", "a.txt")).toMatchObject({ value: "TWO", ran: [] });
  });

  it("the digest of an old file comes from the stat cache, and never when its time was put back", async () => {
    await using project = await engine(READ);
    const path = join(project.root, "a.txt");
    await project.write("a.txt", "one");
    // A whole second: a Date holds no more than ms, and the stamp put back below has to be the very same.
    const stamp = new Date(1_600_000_000_000);
    await utimes(path, stamp, stamp);
    await sleep(2100);
    await project.run("main", "a.txt");
    expect((await opened.store.findFileStats([path])).size).toBe(1);
    await project.write("a.txt", "two");
    await utimes(path, stamp, stamp);
    expect(await project.run("main", "a.txt")).toMatchObject({ value: "TWO" });
  });

  it("a result that names a file which is gone or different is not used", async () => {
    await using project = await engine(READ);
    await project.write("a.txt", "one");
    await project.run("keep", "a.txt");
    await rm(join(project.root, "a.txt"));
    expect((await project.run("keep", "a.txt")).error).toMatchObject({
      code: "not_found",
      message: "file does not exist: a.txt",
    });
    await project.write("a.txt", "two");
    expect((await project.run("keep", "a.txt")).value).toMatchObject({ path: "a.txt" });
  });

  it("an input that changes while the body runs is looked at again, and the mixed result is not kept", async () => {
    await using project = await engine(
      `
export const tamper = task("$.tamper", async (f: File, once: string) => {
  const text = await readText(f);
  if (!existsSync(once)) { writeFileSync(once, ""); writeFileSync(${JSON.stringify("PATH")}, "changed"); }
  return text;
});
export const main = task("$.main", (path: string, once: string) => tamper(file(path), once));
`.replace('"PATH"', "once.replace('once', 'a.txt')"),
    );
    await project.write("a.txt", "first");
    const once = join(project.root, "once");
    const run = await project.run("main", join(project.root, "a.txt"), once);
    expect(run.value).toBe("changed");
    await project.write("a.txt", "first");
    expect(await project.run("main", join(project.root, "a.txt"), once)).toMatchObject({
      value: "first",
      ran: ["tamper"],
    });
  });

  it("an input that never comes to rest fails in the end, and says so", async () => {
    await using project = await engine(`
export const restless = task("$.restless", async (f: File, path: string) => { appendFileSync(path, "."); return 1; });
export const main = task("$.main", (path: string) => restless(file(path), path));
`);
    await project.write("a.txt", "");
    const { error } = await project.run("main", join(project.root, "a.txt"));
    expect(error).toMatchObject({
      code: "aborted",
      message: expect.stringMatching(/^input changed while the body ran: .*a\.txt$/),
    });
  });

  it("a dataset counts by the contents of its files and its key=value folders, not by file names", async () => {
    await using project = await engine(READ);
    const identity = async () => (await project.run("at", "data")).ran;
    await project.write("data/year=2024/x.csv", "a");
    await project.write("data/year=2025/y.csv", "b");
    await project.write("data/_SUCCESS", "");
    expect(await identity()).toEqual(["at", "size"]);
    await rm(join(project.root, "data/year=2024/x.csv"));
    await project.write("data/year=2024/z.csv", "a");
    expect(await identity()).toEqual([]);
    await project.write("data/year=2024/z.csv", "b");
    await project.write("data/year=2025/y.csv", "a");
    expect(await identity()).toEqual(["size"]);
  });

  it.each([
    ["missing", /^dataset location does not exist: missing$/],
    ["empty", /^dataset location holds no files: empty$/],
    [
      "gs://bucket/x",
      /^locations of this scheme cannot be read \(there are: file:, http:, https:, hdfs:, s3:, s3a:\): gs:\/\/bucket\/x$/,
    ],
    ["", /wants a text that is not empty/],
  ])("a dataset at %j is refused", async (where, message) => {
    await using project = await engine(READ);
    await project.write("empty/.hidden", "");
    expect((await project.run("at", where)).error?.message).toMatch(message);
  });

  it("a location counts only for who asks for it, and is found in every spelling", async () => {
    await using project = await engine(READ);
    await project.write("my data/x.csv", "a");
    const plain = (await project.run("place", "my data")).value as string;
    expect(plain).toMatch(/^file:\/\/\/.*\/my%20data$/);
    expect((await project.run("place", `file:${project.root}/my data/`)).value).toBe(plain);
    expect((await project.run("at", `file:${project.root}//my data`)).ran).toEqual(["at", "size"]);
    expect((await project.run("at", "my data/")).ran).toEqual(["at"]);
  });

  it("arguments of an execution can be files and datasets", async () => {
    await using project = await engine(READ);
    await project.write("a.txt", "arg");
    await project.write("d/x.csv", "a");
    expect((await project.run("read", file("a.txt"))).value).toBe("arg");
    expect((await project.run("size", dataset("d", { format: "csv" }))).value).toBe(64);
  });

  it("rows made in TypeScript are a dataset, written once, whatever refers to it", async () => {
    await using project = await engine(READ);
    expect((await project.run("made", 3)).value).toEqual([3, 3]);
    expect((await project.run("made", 3)).ran).toEqual([]);
    expect((await project.run("bad")).error).toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(/row 1, column i \(bigint\) is beyond 2\^53/),
    });
  });

  it("a dataset whose files were deleted is written again", async () => {
    await using project = await engine(READ);
    await project.run("made", 4);
    await rm(join(project.root, "rows"), { recursive: true });
    await access(join(project.root, "rows")).then(
      () => expect.unreachable(),
      () => undefined,
    );
    await project.edit(IMPORT + READ.replace("(await readRows(d)).length", "(await readRows(d)).length + 0"));
    expect((await project.run("made", 4)).value).toEqual([4, 4]);
  });
});
