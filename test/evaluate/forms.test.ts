import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { decodeValue } from "../../src/hash/decode.ts";
import { listItems } from "../../src/hash/program.ts";
import { Engine } from "./engine.ts";
import { useTemporaryStore } from "./temporary-store.ts";

const opened = useTemporaryStore();

const IMPORT = `import { add, all, and, apply, catchAll, catchError, cond, contextValue, div, eq, field, filter, flatMap, ge, gt, le, lt, map, mod, mul, ne, neg, not, or, partial, raise, reduce, seq, sub, task, text, withContext, withLimits, withTags } from "firesteel";
import { appendFileSync } from "node:fs";
`;

describe("lists and conditions", () => {
  const FLOW = `${IMPORT}
export const inc = task("$.inc", (n) => n + 1);
export const fail = task("$.fail", (message) => { throw new TypeError(message); });
export const failAt = task("$.failAt", (bad, n) => { if (n === bad) throw new RangeError("bad " + n); return n; });
export const size = task("$.size", (n) => n);
export const words = task("$.words", (line) => line.split(" "));
export const one = task("$.one", () => 1);
export const isOdd = task("$.isOdd", (n) => n % 2 === 1);
export const join = task("$.join", (a, b) => a + b);
export const list = task("$.list", (n) => Array.from({ length: n }, (_, i) => i));
export const message = task("$.message", (error) => error.name + ": " + error.message);
export const failures = task("$.failures", (results) => (Array.isArray(results) ? results : Object.values(results)).filter((r) => !r.ok).length);
export const chain = task("$.chain", (n) => cond(lt(size(n), 1), "none", fail2(lt(n, 2)), "one", lt(size(n), 3), "two", fail("not asked for")));
export const fail2 = task("$.fail2", (b) => b);
export const notAsked = task("$.notAsked", () => cond(true, 1, fail("condition"), 2, 3));
export const wrongChain = task("$.wrongChain", () => cond(false, 1, size(0), 2, 3));
export const flat = task("$.flat", (lines) => flatMap(words, lines));
export const flatWrong = task("$.flatWrong", () => flatMap(inc, [1]));
export const odd = task("$.odd", (n) => filter(isOdd, list(n)));
export const filterWrong = task("$.filterWrong", () => filter(inc, [1]));
export const joined = task("$.joined", (items) => reduce(join, items));
export const joinedFrom = task("$.joinedFrom", (items, initial) => reduce(join, items, initial));
export const ones = task("$.ones", (items) => map(one, items));
export const reduceOnes = task("$.reduceOnes", () => reduce(one, [1, 2]));
export const byClass = task("$.byClass", () => catchError(fail("x"), message, [RangeError, TypeError]));
export const byOther = task("$.byOther", () => catchError(fail("x"), message, [RangeError]));
export const named = task("$.named", () => catchError(raise(text\`no \${size(3)}\`, "Empty"), message, ["Empty"]));
export const every = task("$.every", () => catchAll([inc(1), fail("a"), "plain", { deep: inc(2) }]));
export const record = task("$.record", () => catchAll({ a: inc(1), b: fail("b") }));
export const recovered = task("$.recovered", (n) => catchAll({ a: inc(1), b: n > 0 ? inc(1) : fail("b") }, failures));
export const overMap = task("$.overMap", (n) => catchAll(map(partial(failAt, 2), list(n))));
export const overMapRecovered = task("$.overMapRecovered", (n) => catchAll(map(partial(failAt, 2), list(n)), failures));
export const overWrong = task("$.overWrong", () => catchAll(map(inc, size(1))));
export const empty = task("$.empty", () => [catchAll([]), catchAll({}), flatMap(words, []), filter(isOdd, []), and(), or()]);
export const fields = task("$.fields", () => { const l = list(3); return [l[-1], l[7], field(l, "length"), l.length, l[0]]; });
`;

  it.each<[string, readonly unknown[], unknown]>([
    ["chain", [0], "none"],
    ["chain", [1], "one"],
    ["chain", [2], "two"],
    ["notAsked", [], 1],
    ["flat", [["a b", "", "c"]], ["a", "b", "", "c"]],
    ["odd", [6], [1, 3, 5]],
    ["joined", [["a"]], "a"],
    ["joined", [["a", "b", "c", "d", "e"]], "abcde"],
    ["joinedFrom", [["b", "c"], "a"], "abc"],
    ["joinedFrom", [[], "a"], "a"],
    ["joinedFrom", [[], undefined], undefined],
    ["ones", [[1, 2]], [1, 1]],
    ["byClass", [], "TypeError: x"],
    ["named", [], "Empty: no 3"],
    [
      "every",
      [],
      [
        { ok: true, value: 2 },
        { ok: false, error: { code: "unknown", name: "TypeError", message: "a" } },
        { ok: true, value: "plain" },
        { ok: true, value: { deep: 3 } },
      ],
    ],
    ["record", [], { a: { ok: true, value: 2 }, b: { ok: false, error: expect.objectContaining({ message: "b" }) } }],
    ["recovered", [0], 1],
    ["recovered", [1], { a: 2, b: 2 }],
    [
      "overMap",
      [4],
      [
        { ok: true, value: 0 },
        { ok: true, value: 1 },
        { ok: false, error: expect.objectContaining({ name: "RangeError", message: "bad 2" }) },
        { ok: true, value: 3 },
      ],
    ],
    ["overMapRecovered", [4], 1],
    ["overMapRecovered", [2], [0, 1]],
    ["empty", [], [[], {}, [], [], true, false]],
    ["fields", [], [undefined, undefined, 3, 3, 0]],
  ])("%s(%j) gives %j, cold and warm", async (task, args, value) => {
    await using project = await Engine.start(opened.store, FLOW);
    const cold = await project.run(task, ...args);
    expect(cold.error).toBeNull();
    expect(cold.value).toEqual(value);
    const warm = await project.run(task, ...args);
    expect(warm.value).toEqual(value);
    expect(warm.ran.filter((name) => !name.startsWith("fail"))).toEqual([]);
  });

  it.each<[string, readonly unknown[], string]>([
    [
      "wrongChain",
      [],
      "cond(condition, ...) wants true or false, not 0 (condition 2); make it one with eq, ne, lt, gt, ...",
    ],
    ["flatWrong", [], "flatMap($.inc, items): the task gave no list for item 0 but 2; for one value an item write map"],
    ["filterWrong", [], "filter($.inc, items): the task gave neither true nor false for item 0 but 2"],
    [
      "joined",
      [[]],
      "reduce($.join, items): the list is empty, so there is no result; give an initial value as the third argument",
    ],
    ["reduceOnes", [], "task $.one() takes 0 arguments, not 2"],
    ["byOther", [], "x"],
    ["overWrong", [], "map($.inc, items) wants a list, not 1"],
  ])("%s(%j) fails with %s", async (task, args, message) => {
    await using project = await Engine.start(opened.store, FLOW);
    const { error } = await project.run(task, ...args);
    expect(error?.message).toBe(message.replaceAll("$.", project.name("")));
  });

  it("reduce is a tree: of logarithmic depth, and what is added at its end leaves the rest as it was", async () => {
    await using project = await Engine.start(
      opened.store,
      `${IMPORT}
export const join = task("$.join", (a, b) => ({ depth: Math.max(a.depth, b.depth) + 1, items: [...a.items, ...b.items] }));
export const main = task("$.main", (n) => reduce(join, Array.from({ length: n }, (_, i) => ({ depth: 0, items: [i] }))));
`,
    );
    const run = await project.run("main", 1000);
    expect(run.value).toEqual({ depth: 10, items: Array.from({ length: 1000 }, (_, i) => i) });
    expect(run.jobs.filter(({ task }) => task === "join")).toHaveLength(999);
    const more = await project.run("main", 1001);
    expect(more.ran.filter((task) => task === "join").length).toBeLessThanOrEqual(10);
  });

  it("100,000 nested operators overflow nothing", async () => {
    await using project = await Engine.start(
      opened.store,
      `${IMPORT}
export const main = task("$.main", (n) => { let sum = add(0, 0); for (let i = 0; i < n; i++) sum = add(sum, 1); return [sum, and(...Array(n).fill(true)), or(...Array(n).fill(false))]; });
`,
    );
    expect((await project.run("main", 100_000)).value).toEqual([100_000, true, false]);
  });
});

describe("partial tasks", () => {
  const FLOW = `${IMPORT}
export const join = task("$.join", (...parts) => parts.join("-"));
export const size = task("$.size", (n) => n);
export const bind = task("$.bind", (f, ...args) => args.reduce((so, arg) => partial(so, arg), f));
export const use = task("$.use", (f, n) => f(f(n)));
export const useThread = task("$.useThread", { executor: "thread" }, (f, n) => f(n));
export const useProcess = task("$.useProcess", { executor: "process" }, (f, n) => [f(n), f]);
export const recover = task("$.recover", (prefix, error) => prefix + error.message);
const ready = partial(join, "ready");
export const main = task("$.main", () => {
  const ab = partial(join, "a", size("b"));
  const lazily = bind(join, "x", "y");
  return { called: ab("c"), twice: partial(ab, "c")("d"), map: map(ab, ["c", "d"]), lazy: apply(lazily, "z"), further: apply(partial(lazily, size("z")), "!"),
    use: use(ab, "c"), withOptions: ab.with({ retries: 1 })("c"), thread: useThread(ab, "c"), process: field(useProcess(lazily, "c"), 0), ready: ready(1), mapLazy: map(lazily, [1, 2]),
    caught: catchError(raise("boom"), partial(recover, "caught ")), nothing: map(partial(size, 7), [1, 2]), reduce: reduce(partial(join, "+"), ["1", "2", "3"]) };
});
export const stored = task("$.stored", () => [bind(join, 1, 2), partial(join, 1, 2), bind(partial(join, 1), 2)]);
export const tooMany = task("$.tooMany", () => map(partial(size, 1, 2), [3]));
`;

  it("are called, bound further, given to forms, returned and sent to every executor", async () => {
    await using project = await Engine.start(opened.store, FLOW);
    const run = await project.run("main");
    expect(run.error).toBeNull();
    expect(run.value).toEqual({
      called: "a-b-c",
      twice: "a-b-c-d",
      map: ["a-b-c", "a-b-d"],
      lazy: "x-y-z",
      further: "x-y-z-!",
      use: "a-b-a-b-c",
      withOptions: "a-b-c",
      thread: "a-b-c",
      process: "x-y-c",
      ready: "ready-1",
      mapLazy: ["x-y-1", "x-y-2"],
      caught: "caught boom",
      nothing: [7, 7],
      reduce: "+-+-1-2-3",
    });
    expect((await project.run("main")).ran).toEqual([]);
  });

  it("are one value however they came about, and one identity with a call of all arguments", async () => {
    await using project = await Engine.start(opened.store, FLOW);
    const { execution } = await project.run("stored");
    const items = listItems(execution.result!)!.map((bytes) => Buffer.from(bytes).toString("hex"));
    expect(new Set(items).size).toBe(1);
    expect((await project.run("tooMany")).error?.message).toBe(
      `task ${project.name("size")}(n) takes 1 argument, not 2`,
    );
  });
});

describe("scopes", () => {
  it("a context is seen at any depth by the tasks that declare it, and counts for them alone", async () => {
    await using project = await Engine.start(
      opened.store,
      `${IMPORT}
export const leaf = task("$.leaf", { context: ["region"] }, async (n) => { await null; return contextValue("region", "none") + n; });
export const both = task("$.both", { executor: "thread", context: ["region", "year"] }, () => [contextValue("region"), contextValue("year")]);
export const blind = task("$.blind", (n) => n);
export const middle = task("$.middle", (n) => [leaf(n), blind(n), both()]);
export const inner = task("$.inner", () => withContext({ region: "inner" }, leaf(9)));
export const region = task("$.region", () => "late");
export const main = task("$.main", () => {
  const shared = middle(1);
  return { none: shared, a: withContext({ region: "a", year: 1 }, shared), nested: withContext({ region: "x", year: 2 }, [leaf(1), withContext({ region: "y" }, both()), inner()]),
    lazy: withContext({ region: region() }, leaf(2)), again: withContext({ year: 1, region: "a" }, leaf(1)), other: withContext({ month: 3 }, leaf(1)) };
});
export const undeclared = task("$.undeclared", () => withContext({ region: "a" }, blind2()));
export const blind2 = task("$.blind2", () => contextValue("region"));
export const otherKey = task("$.otherKey", { context: ["year"] }, () => contextValue("region"));
`,
    );
    const run = await project.run("main");
    expect(run.error).toBeNull();
    expect(run.value).toEqual({
      none: ["none1", 1, [undefined, undefined]],
      a: ["a1", 1, ["a", 1]],
      nested: ["x1", ["y", 2], "inner9"],
      lazy: "late2",
      again: "a1",
      other: "none1",
    });
    expect((await project.run("main")).ran).toEqual([]);
    // One body for each different set of declared values, whatever else the contexts hold.
    expect(run.jobs.filter(({ task, cached }) => task === "blind" && !cached).length).toBeGreaterThan(0);
    expect(new Set(run.jobs.filter(({ task }) => task === "leaf").map(({ evalHash }) => evalHash)).size).toBe(5);
    expect(new Set(run.jobs.filter(({ task }) => task === "blind").map(({ evalHash }) => evalHash)).size).toBe(1);
    expect((await project.run("undeclared")).error?.message).toBe(
      'contextValue("region"): no body of a task that declares this key runs here; write { context: ["region"] } in the options of the task that reads it',
    );
    expect((await project.run("otherKey")).error?.message).toBe(
      `contextValue("region"): task ${project.name("otherKey")} does not declare this key; write { context: ["region"] } in the options of the task that reads it`,
    );
  });

  it("a shallow value is one for each context, and none where an error was caught below", async () => {
    const flow = `${IMPORT}
export const leaf = task("$.leaf", { context: ["region"] }, () => contextValue("region", "none"));
export const total = task("$.total", { checkValid: "shallow" }, () => leaf());
export const main = task("$.main", () => [total(), withContext({ region: "a" }, total()), withContext({ region: "b" }, total())]);
export const fails = task("$.fails", () => { throw new Error("always"); });
export const results = task("$.results", { checkValid: "shallow" }, () => catchAll([leaf(), fails()]));
`;
    await using project = await Engine.start(opened.store, flow);
    const cold = await project.run("main");
    expect(cold.value).toEqual(["none", "a", "b"]);
    // The three jobs of `total` wait for one body.
    expect([...new Set(cold.ran)]).toEqual(["leaf", "main", "total"]);
    const warm = await project.run("main");
    expect(warm.value).toEqual(["none", "a", "b"]);
    expect(warm.jobs.map(({ task }) => task).sort()).toEqual(["main", "total", "total", "total"]);
    await project.run("results");
    expect((await project.run("results")).ran).toEqual(["fails"]);
  });

  it("tags are told to whoever runs the calls that are written there, not to what they call, and are in no identity", async () => {
    const flow = (wrap: string) => `${IMPORT}
export const leaf = task("$.leaf", { tags: ["own"] }, (n) => n);
export const middle = task("$.middle", (n) => leaf(n + 1));
export const main = task("$.main", { cache: "none" }, (n) => ${wrap});
`;
    await using project = await Engine.start(
      opened.store,
      flow('withTags(["a"], [withTags(["b", "own"], leaf(n)), middle(n)])'),
    );
    const seen: (readonly [string, readonly string[]])[] = [];
    const { code } = project;
    const executor = code.executor.bind(code);
    vi.spyOn(code, "executor").mockImplementation((task) => {
      const real = executor(task);
      return {
        name: real.name,
        run(invocation, signal) {
          const [first] = invocation.args;
          seen.push([`${invocation.task.split(".").at(-1)} ${decodeValue(first!)}`, invocation.options.tags]);
          return real.run(invocation, signal);
        },
        [Symbol.asyncDispose]: () => real[Symbol.asyncDispose](),
      };
    });
    expect((await project.run("main", 1)).value).toEqual([1, 2]);
    expect(Object.fromEntries(seen)).toEqual({
      "main 1": [],
      "leaf 1": ["own", "a", "b"],
      "middle 1": ["a"],
      "leaf 2": ["own"],
    });
    await project.edit(flow("[leaf(n), middle(n)]"));
    expect((await project.run("main", 1)).ran).toEqual(["main"]);
  });

  it("limits are held by the bodies of the calls that are written there, not by what they call, and are in no identity", async () => {
    const flow = (wrap: string) => `${IMPORT}
const log = (line) => appendFileSync(new URL("./log.txt", import.meta.url), line + "\\n");
export const slow = task("$.slow", { version: "1" }, async (n) => { log("begin"); await new Promise((resolve) => setTimeout(resolve, 30)); log("end"); return n; });
export const below = task("$.below", (n) => all([slow(n), slow(n + 1), slow(n + 2)]));
export const main = task("$.main", { cache: "none" }, (n) => ${wrap});
`;
    const most = async (project: Engine) => {
      const { readFile, rm } = await import("node:fs/promises");
      const lines = (await readFile(`${project.root}/log.txt`, "utf8")).trim().split("\n");
      await rm(`${project.root}/log.txt`);
      let now = 0;
      return Math.max(...lines.map((line) => (line === "begin" ? ++now : now--)));
    };
    await using project = await Engine.start(
      opened.store,
      flow('withLimits(["one"], [slow(n), slow(n + 1), slow(n + 2)])'),
      {
        limits: { one: 1 },
      },
    );
    expect((await project.run("main", 0)).value).toEqual([0, 1, 2]);
    expect(await most(project)).toBe(1);
    await project.edit(flow("[slow(n), slow(n + 1), slow(n + 2)]"));
    expect((await project.run("main", 0)).ran).toEqual(["main"]);
    await project.edit(flow('withLimits(["one"], below(n))'));
    expect((await project.run("main", 10)).value).toEqual([10, 11, 12]);
    expect(await most(project)).toBe(3);
    await project.edit(flow('withLimits(["two"], slow(n))'));
    expect((await project.run("main", 20)).error?.message).toMatch(/^limit is not configured .*: two$/);
  });
});

describe("operators", () => {
  const OPERATORS = `${IMPORT}
export const v = task("$.v", (value) => value);
const lazily = (values) => values.map((value) => v(value));
const operators = { add, sub, mul, div, mod, neg, eq, ne, lt, le, gt, ge, and, or, not, text: (...values) => text(["<", ...values.slice(1).map(() => "|"), ">"], ...values) };
export const compute = task("$.compute", (name, ...values) => operators[name](...lazily(values)));
`;
  let project: Engine;
  beforeAll(async () => {
    project = await Engine.start(opened.store, OPERATORS);
  });
  afterAll(() => project[Symbol.asyncDispose]());
  const day = (n: number) => new Date(Date.UTC(2024, 0, n));

  it.each<[string, readonly unknown[], unknown]>([
    ["add", [2n ** 64n, 1n], 2n ** 64n + 1n],
    ["div", [7n, -2n], -3n],
    ["mod", [-7n, 2n], -1n],
    ["mod", [-7, 2], -1],
    ["div", [1, 0], Number.POSITIVE_INFINITY],
    ["neg", [0n], 0n],
    ["neg", [0], -0],
    ["eq", [0, -0], true],
    ["eq", [Number.NaN, Number.NaN], true],
    ["ne", [Number.NaN, 1], true],
    ["eq", [null, undefined], false],
    ["eq", [null, 1], false],
    [
      "eq",
      [
        { b: [1n], a: new Set([2, 1]) },
        { a: new Set([1, 2]), b: [1n] },
      ],
      true,
    ],
    ["eq", [[1], { 0: 1 }], false],
    ["eq", [day(1), day(1)], true],
    ["lt", ["Z", "a"], true],
    ["le", [day(1), day(1)], true],
    ["gt", [2n, 1n], true],
    ["ge", [Number.NaN, 1], false],
    ["text", ["a", -0, 2n ** 64n, true, day(2)], "<a|0|18446744073709551616|true|2024-01-02T00:00:00.000Z>"],
  ])("%s of %o gives %o", async (name, values, result) => {
    const { value, error } = await project.run("compute", name, ...values);
    expect(error).toBeNull();
    expect(value).toEqual(result);
  });

  it.each<[string, readonly unknown[], string]>([
    [
      "add",
      [1, 2n],
      "add(a, b) wants two numbers or two bigints, not 1 and 2n; convert one of them in a task, with BigInt(n) or Number(n)",
    ],
    ["add", ["a", 1], "add(a, b) wants two numbers or two bigints, not 'a' and 1; join texts with text`...`"],
    ["mul", [null, 1], "mul(a, b) wants two numbers or two bigints, not null and 1"],
    ["div", [1n, 0n], "div(a, b) of bigints: b is 0n; choose with cond(eq(b, 0n), ...) before"],
    ["mod", [1n, 0n], "mod(a, b) of bigints: b is 0n; choose with cond(eq(b, 0n), ...) before"],
    ["neg", ["1"], "neg(a) wants a number or bigint, not '1'"],
    [
      "eq",
      [1, 1n],
      "eq(a, b) compares two values of one type, not 1 and 1n, which are never equal; convert one of them in a task",
    ],
    [
      "lt",
      [1, "2"],
      "lt(a, b) wants two numbers, two bigints, two texts or two dates, not 1 and '2'; convert one of them to the type of the other in a task",
    ],
    ["gt", [[1], [2]], "gt(a, b) wants two numbers, two bigints, two texts or two dates, not [ 1 ] and [ 2 ]"],
    ["and", [true, 1], "condition 2 of and(...) must be true or false, not 1; make it one with eq, ne, lt, gt, ..."],
    ["not", [0], "not(condition) must be true or false, not 0; make it one with eq, ne, lt, gt, ..."],
    [
      "text",
      ["a", { b: 1 }],
      "value 2 of text`...` must be a text, number, bigint, boolean or date, not { b: 1 }; read the field you mean, or make the text in a task",
    ],
  ])("%s of %o is refused: %s", async (name, values, message) => {
    const { error } = await project.run("compute", name, ...values);
    expect(error).toMatchObject({ code: "invalid_argument", message });
    expect(error?.path).toEqual(["compute"]);
  });

  it("run no body of their own", async () => {
    const run = await project.run("compute", "and", false, "not looked at");
    expect(run.value).toBe(false);
    expect(run.jobs.map(({ task }) => task).sort()).toEqual(["compute", "v"]);
  });
});

/** Random expressions, evaluated here in the plainest way: the oracle. */
type Ast = readonly [op: string, ...args: unknown[]];

const literal = fc
  .oneof(
    fc.integer({ min: -5, max: 5 }),
    fc.constantFrom(0.5, -0, Number.NaN, 2 ** 60),
    fc.bigInt({ min: -3n, max: 3n }),
    fc.boolean(),
    fc.constantFrom("", "a", "1"),
    fc.constantFrom(null, undefined),
    fc.array(fc.integer({ min: -3, max: 9 }), { maxLength: 5 }),
    fc.array(fc.oneof(fc.integer(), fc.constant("x")), { maxLength: 3 }),
  )
  .map((value): Ast => ["value", value]);
const asts: fc.Arbitrary<Ast> = fc.letrec<{ ast: Ast; number: Ast; truth: Ast; list: Ast }>((tie) => {
  const some = (kind: "number" | "truth" | "list") => fc.oneof({ weight: 12, arbitrary: tie(kind) }, tie("ast"));
  const node = (op: fc.Arbitrary<string>, ...args: fc.Arbitrary<unknown>[]) =>
    fc.tuple(op, ...args).map((parts): Ast => parts as unknown as Ast);
  const of = fc.constantFrom;
  const numbers = fc.integer({ min: -5, max: 9 }).map((value): Ast => ["value", value]);
  return {
    number: fc.oneof(
      { depthSize: "small" },
      numbers,
      node(of("add", "sub", "mul", "div", "mod"), some("number"), some("number")),
      node(of("neg", "inc"), some("number")),
      node(of("reduce"), some("list")),
      node(of("reduceFrom"), some("list"), some("number")),
      node(of("length"), some("list")),
      node(of("item"), some("list"), fc.integer({ min: 0, max: 3 })),
      node(of("cond"), some("truth"), some("number"), some("truth"), some("number"), some("number")),
      node(of("catch"), tie("ast"), some("number")),
    ),
    truth: fc.oneof(
      { depthSize: "small" },
      fc.boolean().map((value): Ast => ["value", value]),
      node(of("lt", "le", "gt", "ge", "eq", "ne"), some("number"), some("number")),
      node(of("eq", "ne"), tie("ast"), tie("ast")),
      node(of("and", "or"), some("truth"), some("truth"), some("truth")),
      node(of("not"), some("truth")),
    ),
    list: fc.oneof(
      { depthSize: "small" },
      fc.array(fc.integer({ min: -3, max: 9 }), { maxLength: 5 }).map((value): Ast => ["value", value]),
      node(of("map", "flatMap", "filter"), some("list")),
      node(of("plus"), some("number"), some("list")),
      node(of("seq", "all"), some("number"), some("number")),
    ),
    ast: fc.oneof(
      { depthSize: "small" },
      literal,
      tie("number"),
      tie("truth"),
      tie("list"),
      node(of("text"), tie("ast"), some("number")),
      node(of("raise"), tie("ast")),
      node(of("bigadd"), fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n })),
    ),
  };
}).ast;

const BUILD = `${IMPORT}
const wantNumber = (n) => { if (typeof n !== "number") throw new TypeError("no number"); return n; };
export const value = task("$.value", (v) => v);
export const inc = task("$.inc", (n) => wantNumber(n) + 1);
export const isEven = task("$.isEven", (n) => wantNumber(n) % 2 === 0);
export const dup = task("$.dup", (n) => [n, n]);
export const plus = task("$.plus", (a, b) => wantNumber(a) + wantNumber(b));
export const recover = task("$.recover", (v, error) => v);
const binary = { add, sub, mul, div, mod, lt, le, gt, ge, eq, ne };
function build([op, ...args]) {
  if (op === "value") return value(args[0]);
  if (op === "bigadd") return add(args[0], value(1n));
  if (op === "item") return build(args[0])[args[1]];
  const given = args.map(build);
  if (op in binary) return binary[op](...given);
  switch (op) {
    case "neg": return neg(given[0]);
    case "inc": return inc(given[0]);
    case "not": return not(given[0]);
    case "and": return and(...given);
    case "or": return or(...given);
    case "text": return text\`<\${given[0]}|\${given[1]}>\`;
    case "cond": return cond(...given);
    case "catch": return catchError(given[0], partial(recover, given[1]));
    case "map": return map(inc, given[0]);
    case "flatMap": return flatMap(dup, given[0]);
    case "filter": return filter(isEven, given[0]);
    case "plus": return map(partial(plus, given[0]), given[1]);
    case "reduce": return reduce(plus, given[0]);
    case "reduceFrom": return reduce(plus, given[0], given[1]);
    case "length": return given[0].length;
    case "seq": return seq(given);
    case "all": return all(given);
    case "raise": return raise(text\`\${given[0]}\`);
  }
  throw new Error(op);
}
export const main = task("$.main", (asts) => catchAll(asts.map(build)));
`;

class Wrong extends Error {}
function want<T>(value: unknown, test: (value: unknown) => boolean): T {
  if (!test(value)) throw new Wrong();
  return value as T;
}
const isNumber = (value: unknown) => typeof value === "number";
const isTruth = (value: unknown) => typeof value === "boolean";

function oracle([op, ...args]: Ast): unknown {
  const arg = (i: number) => oracle(args[i] as Ast);
  const list = (i: number) => want<unknown[]>(arg(i), Array.isArray);
  const numeric = (f: (a: never, b: never) => unknown) => {
    const [a, b] = [arg(0), arg(1)];
    const both = (type: string) => typeof a === type && typeof b === type;
    if (!both("number") && !both("bigint")) throw new Wrong();
    if (both("bigint") && b === 0n && (op === "div" || op === "mod")) throw new Wrong();
    return f(a as never, b as never);
  };
  const ordered = (f: (a: never, b: never) => boolean) => {
    const [a, b] = [arg(0), arg(1)];
    if (typeof a !== typeof b || !["number", "bigint", "string"].includes(typeof a)) throw new Wrong();
    return f(a as never, b as never);
  };
  const equal = () => {
    const [a, b] = [arg(0), arg(1)];
    if (isNumber(a) && isNumber(b)) return a === b || (Number.isNaN(a) && Number.isNaN(b));
    if (a != null && b != null && typeof a !== typeof b) throw new Wrong();
    return isDeepStrictEqual(a, b);
  };
  const asText = (value: unknown) =>
    String(want(value, (v) => ["string", "number", "bigint", "boolean"].includes(typeof v)));
  const plus = (a: unknown, b: unknown) => want<number>(a, isNumber) + want<number>(b, isNumber);
  switch (op) {
    case "value":
      return args[0];
    case "bigadd":
      return (args[0] as bigint) + 1n;
    case "add":
      return numeric((a: number, b: number) => a + b);
    case "sub":
      return numeric((a: number, b: number) => a - b);
    case "mul":
      return numeric((a: number, b: number) => a * b);
    case "div":
      return numeric((a: number, b: number) => a / b);
    case "mod":
      return numeric((a: number, b: number) => a % b);
    case "neg":
      return -want<number>(arg(0), (v) => isNumber(v) || typeof v === "bigint");
    case "inc":
      return want<number>(arg(0), isNumber) + 1;
    case "lt":
      return ordered((a, b) => a < b);
    case "le":
      return ordered((a, b) => a <= b);
    case "gt":
      return ordered((a, b) => a > b);
    case "ge":
      return ordered((a, b) => a >= b);
    case "eq":
      return equal();
    case "ne":
      return !equal();
    case "not":
      return !want<boolean>(arg(0), isTruth);
    case "and":
      return args.every((_, i) => want<boolean>(arg(i), isTruth));
    case "or":
      return args.some((_, i) => want<boolean>(arg(i), isTruth));
    case "text":
      return `<${asText(arg(0))}|${asText(arg(1))}>`;
    case "cond":
      for (let i = 0; i + 1 < args.length; i += 2) if (want<boolean>(arg(i), isTruth)) return arg(i + 1);
      return arg(args.length - 1);
    case "catch":
      try {
        return arg(0);
      } catch {
        return arg(1);
      }
    case "map":
      return list(0).map((n) => want<number>(n, isNumber) + 1);
    case "flatMap":
      return list(0).flatMap((n) => [n, n]);
    case "filter":
      return list(0).filter((n) => want<number>(n, isNumber) % 2 === 0);
    case "plus": {
      const [a, items] = [arg(0), list(1)];
      return items.map((b) => plus(a, b));
    }
    case "reduce":
      return want<unknown[]>(list(0), (items) => (items as unknown[]).length > 0).reduce(plus);
    case "reduceFrom":
      return [arg(1), ...list(0)].reduce(plus);
    case "length":
      // A length is a field: other objects have none.
      return (want<unknown>(arg(0), (v) => typeof v === "object" && v !== null) as unknown[]).length;
    case "item":
      return (want<unknown>(arg(0), (v) => typeof v === "object" && v !== null) as unknown[])[args[1] as number];
    case "seq":
    case "all":
      return args.map((_, i) => arg(i));
    default:
      throw new Wrong();
  }
}

it.each(["map", "flatMap", "filter", "reduce"])(
  "%s asks for all its items, also when one is known to fail",
  async (form) => {
    await using project = await Engine.start(
      opened.store,
      `import { catchAll, cond, eq, ${form}, task } from "firesteel";
export const one = task("$.one", (n: any) => { if (n === 0) throw new RangeError("zero"); return ${form === "flatMap" ? "[n]" : form === "filter" ? "true" : "n"}; });
export const two = task("$.two", (a: any, b: any) => one(a));
export const main = task("$.main", () => cond(eq(catchAll([one(0)]).length, 1), ${form}(${form === "reduce" ? "two, [0, 1, 2, 3]" : "one, [0, 1, 2]"}), null));
`,
    );
    const { error, ran } = await project.run("main");
    expect(error?.message).toBe("zero");
    expect(ran).toEqual(form === "reduce" ? ["main", "one", "one", "two", "two"] : ["main", "one", "one", "one"]);
  },
);

it("random expressions give what JavaScript gives", async () => {
  await using project = await Engine.start(opened.store, BUILD);
  const samples = fc.sample(asts, { numRuns: 2000, seed: 20261122 });
  const expected = samples.map((ast) => {
    try {
      return { ok: true, value: oracle(ast) };
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      return { ok: false };
    }
  });
  const { value, error } = await project.run("main", samples);
  expect(error).toBeNull();
  const found = value as readonly { readonly ok: boolean; readonly value?: unknown; readonly error?: unknown }[];
  const wrong = samples.findIndex(
    (_, i) => found[i]!.ok !== expected[i]!.ok || !isDeepStrictEqual(found[i]!.value, expected[i]!.value),
  );
  const show = { ast: samples[wrong], found: found[wrong], expected: expected[wrong] };
  expect(
    wrong,
    JSON.stringify(show, (_, v) => (typeof v === "bigint" ? `${v}n` : v)),
  ).toBe(-1);
  // The samples are worth something: many succeed, and many fail.
  expect(expected.filter(({ ok }) => ok).length).toBeGreaterThan(600);
  expect(expected.filter(({ ok }) => !ok).length).toBeGreaterThan(200);
});
