// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the samples are code in strings
/** Plain functions given to forms, from the flow module to the store. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Engine, type Run } from "./engine.ts";
import { useTemporaryStore } from "./temporary-store.ts";

const opened = useTemporaryStore();

const IMPORT = `import { apply, catchAll, catchError, filter, flatMap, map, map as each, partial, raise, reduce, task } from "firesteel";
import * as fire from "firesteel";
`;

/** The tasks whose bodies ran, each once; arrows without their digest. */
const ran = ({ ran: names }: Run): string[] => [...new Set(names.map((name) => name.replace(/\.x[0-9a-f]{12}$/, "")))];
const arrowsOf = (engine: Engine): string[] =>
  [...engine.code.tasks.values()].filter(({ arrow }) => arrow).map(({ name }) => name);

describe("a function given to a form", () => {
  const FLOW = `${IMPORT}
import { ofRates, RATE, scaled } from "./rates.ts";
const factor: number = 10;
function double(n: number): number { return n * 2; }
const triple = (n: number): number => n * 3;
export const inc = task("$.inc", (n: number) => n + 1);
export const mapped = task("$.mapped", (ns: number[]) => map((n: number) => n * factor, ns));
export const renamed = task("$.renamed", (ns: number[]) => each(function self(n: number): number { return n <= 1 ? 1 : n * self(n - 1); }, ns));
export const member = task("$.member", (ns: number[]) => fire.map((n: number) => n - RATE, ns));
export const flat = task("$.flat", (ns: number[]) => flatMap((n: number) => [n, scaled(n)], ns));
export const chosen = task("$.chosen", (ns: number[]) => filter((n: number) => n > 3, ns));
export const summed = task("$.summed", (ns: number[]) => reduce((a: number, b: number) => a + b, ns, 0));
export const caught = task("$.caught", () => catchError(raise("no", "Empty"), (error) => error.name + ": " + error.message));
export const every = task("$.every", () => catchAll([inc(1), raise("no")], (results) => results.filter(({ ok }) => ok).length));
export const applied = task("$.applied", (n: number) => apply((a: number, b: number) => a - b, n, inc(n)));
export const given = task("$.given", (by: number, ns: number[]) => map(partial((b: number, n: number) => b * n, by), ns));
export const named = task("$.named", (ns: number[]) => [map(double, ns), map(triple, ns)]);
export const lazily = task("$.lazily", (ns: number[]) => map((n: number) => inc(inc(n)), ns));
export const later = task("$.later", (ns: number[]) => map(async (n: number) => n + (await 1), ns));
export const nested = task("$.nested", (lists: number[][]) => map((ns: number[]) => map(
  (n: number) =>
    n + factor, ns), lists));
export const held = partial((a: number, b: number) => a * 100 + b, 7);
export const fromConstant = task("$.fromConstant", (n: number) => held(n));
export const value = task("$.value", () => partial((a: number, b: number) => a - b, 50));
export const useValue = task("$.useValue", (n: number) => apply(value(), n));
const A = 5;
const B = 50;
export const alike = task("$.alike", (ns: number[]) => [map((n: number) => n * A, ns), map((n: number) => n * B, ns), ofRates(ns)]);
export const two = task("$.two", (ns: number[]) => [map((n: number) => n + 0.5, ns), map(((m) => m + 0.5) as (m: number) => number, ns)]);
`;
  const RATES = `import { map, task } from "firesteel";
export const RATE = 4;
export const scaled = (n: number): number => n * RATE;
const A = 0.5;
export const ofRates = (ns: number[]) => map((n: number) => n * A, ns);
`;
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.start(opened.store, { "flow.ts": FLOW, "rates.ts": RATES });
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  it.each<[string, readonly unknown[], unknown]>([
    ["mapped", [[1, 2]], [10, 20]],
    ["renamed", [[3, 4]], [6, 24]],
    ["member", [[5]], [1]],
    ["flat", [[1, 2]], [1, 4, 2, 8]],
    ["chosen", [[1, 4, 9]], [4, 9]],
    ["summed", [[1, 2, 3, 4, 5]], 15],
    ["caught", [], "Empty: no"],
    ["every", [], 1],
    ["applied", [3], -1],
    ["given", [7, [1, 2]], [7, 14]],
    [
      "named",
      [[1, 2]],
      [
        [2, 4],
        [3, 6],
      ],
    ],
    ["lazily", [[1]], [3]],
    ["later", [[1]], [2]],
    ["nested", [[[1], [2, 3]]], [[11], [12, 13]]],
    ["fromConstant", [3], 703],
    ["useValue", [8], 42],
    ["two", [[1]], [[1.5], [1.5]]],
    ["alike", [[2]], [[10], [100], [1]]],
  ])("runs in %s", async (task, args, expected) => {
    const run = await engine.run(task, ...args);
    expect(run.error).toBeNull();
    expect(run.value).toEqual(expected);
  });

  it("is one task where the code is equal, and shows its code and place", async () => {
    const run = await engine.run("two", [70]);
    const names = run.jobs.filter(({ task }) => task.startsWith("arrow.")).map(({ task }) => task);
    expect(new Set(names).size).toBe(1);
    const info = engine.code.tasks.get(names[0]!)!;
    expect(info).toMatchObject({
      arrow: true,
      module: "flow.ts",
      description: expect.stringMatching(/^line \d+: \(n: number\) => n \+ 0\.5$/),
      undecided: [],
    });
    expect(FLOW.split("\n")[info.line - 1]).toContain("n + 0.5");
    expect(info.name).toMatch(/^arrow\.flow\.x[0-9a-f]{12}$/);
    expect(info.parameters.map(({ name, type }) => [name, type])).toEqual([["n", "number"]]);
    expect(arrowsOf(engine).filter((name) => name.startsWith("arrow.rates."))).toHaveLength(1);
    expect(engine.code.warnings).toEqual([]);
  });

  it("gives what JavaScript gives, for any items", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: -50, max: 50 }), { maxLength: 6 }), async (ns) => {
        expect((await engine.run("mapped", ns)).value).toEqual(ns.map((n) => n * 10));
        expect((await engine.run("chosen", ns)).value).toEqual(ns.filter((n) => n > 3));
        expect((await engine.run("flat", ns)).value).toEqual(ns.flatMap((n) => [n, n * 4]));
        expect((await engine.run("summed", ns)).value).toBe(ns.reduce((a, b) => a + b, 0));
      }),
      { numRuns: 15 },
    );
  });
});

describe("where its task runs", () => {
  it.each(["inline", "thread", "process"])("is found on the executor %s", async (executor) => {
    await using engine = await Engine.start(
      opened.store,
      `${IMPORT}const k = 3;
export const main = task("$.main", { executor: "${executor}" }, (ns: number[]) => map((n: number) => flatMap(
  (m: number) => [m, n2(m)], [n]), ns));
const n2 = (n: number) => n * k;`,
    );
    const run = await engine.run("main", [1, 2]);
    expect(run.error).toBeNull();
    expect(run.value).toEqual([
      [1, 3],
      [2, 6],
    ]);
    expect(run.jobs.find(({ task }) => task === "main")?.executor).toBe(executor);
  });

  it("survives the end of the thread", async () => {
    await using engine = await Engine.start(
      opened.store,
      `${IMPORT}export const main = task("$.main", () => map((n: number) => n + 1, [1]));
export const dies = task("$.dies", () => process.exit(3));`,
    );
    expect((await engine.run("dies")).error).not.toBeNull();
    expect((await engine.run("main")).value).toEqual([2]);
  });

  it("is evaluated from a stored expression in a fresh engine, where the body around it does not run", async () => {
    const root = await mkdtemp(join(tmpdir(), "firesteel-arrows-"));
    const text = `${IMPORT}export const main = task("arrowsRestart.main", (ns: number[]) => map(fails, map((n: number) => n + 1, ns)));
const fails = (n: number) => { if (globalThis.process.env["ARROWS_FAIL"]) throw new Error("not yet"); return n; };`;
    try {
      process.env["ARROWS_FAIL"] = "1";
      const args = [[1, 2]] as const;
      const run = async (engine: Engine) => {
        const { encodeProgram } = await import("../../src/hash/program.ts");
        const { id } = await engine.executions.start({
          task: "arrowsRestart.main",
          args: encodeProgram(args),
          user: "tester",
          reason: "test",
        });
        return engine.end(id);
      };
      {
        await using engine = await Engine.start(opened.store, text, { root });
        const first = await run(engine);
        expect(first.error?.message).toBe("not yet");
      }
      delete process.env["ARROWS_FAIL"];
      await using engine = await Engine.start(opened.store, text, { root });
      const second = await run(engine);
      expect(second.value).toEqual([2, 3]);
      expect(ran(second)).toEqual(["arrow.flow"]);
      expect(second.jobs.find(({ task }) => task === "arrowsRestart.main")?.cached).toBe(true);
    } finally {
      delete process.env["ARROWS_FAIL"];
      await rm(root, { recursive: true, force: true });
    }
  });
});

describe("an edit", () => {
  const flow = (arrow: string, before = "", rate = "2") => `${IMPORT}${before}
const RATE = ${rate};
const helper = (n: number) => n;
export const other = task("$.other", () => 1);
export const side = task("$.side", (ns: number[]) => map((n: number) => n - 1, ns));
export const inner = task("$.inner", (ns: number[]) => map(${arrow}, ns));
export const main = task("$.main", (ns: number[]) => [inner(ns), side(ns), other()]);
`;
  it.each<[string, string, string[]]>([
    ["a comment before and in it", flow("(x: number) => /* so */ x * RATE", "// one\n// two\n"), []],
    ["the type of a parameter", flow("(n: any) => n * RATE"), []],
    ["its code", flow("(n: number) => n * RATE + 0"), ["arrow.flow", "inner"]],
    ["a constant that it uses", flow("(n: number) => n * RATE", "", "3"), ["arrow.flow", "inner"]],
    ["what it does not use", flow("(n: number) => n * RATE").replace("=> n;", "=> n + 1;"), []],
  ])("of %s runs again what it changes", async (_, edited, expected) => {
    await using engine = await Engine.start(opened.store, flow("(n: number) => n * RATE"));
    const first = await engine.run("main", [1, 2]);
    expect(first.value).toEqual([[2, 4], [0, 1], 1]);
    const before = new Set(arrowsOf(engine));
    await engine.edit(edited);
    const second = await engine.run("main", [1, 2]);
    expect(second.error).toBeNull();
    expect(ran(second)).toEqual(expected);
    const renamed = arrowsOf(engine).filter((name) => !before.has(name));
    expect(renamed).toHaveLength(edited.includes("+ 0") ? 1 : 0);
  });

  it("of a function that is given by its name, or of an import that it reaches, runs it again", async () => {
    const text = `${IMPORT}import { step } from "./lib.ts";
function next(n: number) { return step(n); }
export const main = task("$.main", (ns: number[]) => map(next, ns));`;
    const lib = (by: number) => `export const step = (n: number): number => n + ${by};`;
    await using engine = await Engine.start(opened.store, { "flow.ts": text, "lib.ts": lib(1) });
    expect((await engine.run("main", [1])).value).toEqual([2]);
    await engine.edit({ "lib.ts": lib(5) });
    const run = await engine.run("main", [1]);
    expect(run.value).toEqual([6]);
    expect(ran(run)).toEqual(["arrow.flow", "main"]);
  });

  it("under the option version keeps the old expression, and the failure says what to do", async () => {
    const text = (by: string) =>
      `${IMPORT}export const main = task("$.main", { version: "1" }, () => map((n: number) => n + ${by}, [1]));`;
    await using engine = await Engine.start(opened.store, text("1"));
    expect((await engine.run("main")).value).toEqual([2]);
    await engine.edit(text("2"));
    expect((await engine.run("main")).error?.message).toMatch(
      /^task is not known: arrow\.flow\.x[0-9a-f]{12} \(a function that was given to a form and has changed since; .*`version`, so raise that\)$/,
    );
  });
});

describe("a function that captures something", () => {
  it.each<[string, string, RegExp]>([
    [
      "a parameter",
      "(rate: number) => map((n: number) => n * rate, [1])",
      /^the function given to map\(\.\.\.\) captures the local rate, so it cannot run without the code around it; let it be a parameter, partial\(\(rate, n\) => \.\.\., rate\), or define a task\("name", \.\.\.\) and give it with partial\(task, rate\), at flow\.ts:4:\d+$/,
    ],
    [
      "a local of a function around it",
      "(r: number) => { const k = r; return fire.filter((n: number) => n > k, [1]); }",
      /filter.* captures the local k,/,
    ],
    [
      "two things",
      "(a: number, b: number) => reduce((x: number, y: number) => x + y + a + b, [1])",
      /captures the local a, the local b,/,
    ],
    ["arguments", "function () { return map((n: number) => n + arguments.length, [1]); }", /captures arguments,/],
    ["this", "function (this: unknown) { return map((n: number) => [this, n], [1]); }", /captures this,/],
    [
      "an outer arrow's parameter",
      "(ns: number[]) => map((n: number) => map((m: number) => n + m, [1]), [1])",
      /captures the local n,/,
    ],
    [
      "a private name",
      "() => { class A { #p = 1; m() { return map((a: any) => a.#p, [this]); } } return new A().m(); }",
      /captures #p, .*; define a task/,
    ],
  ])("is refused: %s", async (_, body, message) => {
    await using engine = await Engine.start(opened.store, `${IMPORT}\nexport const main = task("$.main", ${body});`);
    const { error } = await engine.run(
      "main",
      ...(body.startsWith("(ns")
        ? [[1]]
        : body.startsWith("()") || body.startsWith("function")
          ? []
          : body.startsWith("(a")
            ? [1, 2]
            : [1]),
    );
    expect(error?.code).toBe("invalid_argument");
    expect(error?.message).toMatch(message);
    const at = /, at flow\.ts:(\d+):(\d+)$/.exec(error!.message)!;
    expect(engine.code.warnings).toEqual([
      {
        message: error!.message.replace(/, at [^,]*$/, ""),
        file: "flow.ts",
        line: Number(at[1]),
        column: Number(at[2]),
      },
    ]);
  });

  it("is refused where the syntax does not show it, with what to write", async () => {
    await using engine = await Engine.start(
      opened.store,
      `${IMPORT}const indirect = (f: any) => map(f, [1]);
export const main = task("$.main", () => indirect((n: number) => n));
export const fine = task("$.fine", () => [1].map((n) => n));`,
    );
    expect((await engine.run("main")).error?.message).toMatch(
      /^map\(\.\.\.\) wants a task here; a plain function is taken only where it is seen/,
    );
    expect((await engine.run("fine")).value).toEqual([1]);
    expect(arrowsOf(engine)).toEqual([]);
  });
});

describe("an error", () => {
  it("in it, around it and below it has the line and column of the file", async () => {
    const text = `${IMPORT}
const below = (n: number): number => { if (n > 1) throw new RangeError("below"); return n; };
export const main = task("$.main", (ns: number[]) =>
  map(
      (n: number) => {
    if (n === 1) throw new TypeError("here");
    return below(n);
  }, ns));
export const plain = task("$.plain", () => {
  throw new Error("plain"); });
export const second = task("$.second", () => map((n: number) => {
  throw new Error("second " + n); }, [1]));`;
    await using engine = await Engine.start(opened.store, text);
    const place = (of: string) => {
      const before = text.slice(0, text.indexOf(of)).split("\n");
      return `flow.ts:${before.length}:${before.at(-1)!.length + 1}`;
    };
    const one = await engine.run("main", [1]);
    expect(one.error?.path).toEqual(["main", expect.stringMatching(/^arrow\.flow\.x/)]);
    expect(one.error?.stack).toContain(place('new TypeError("here")'));
    const two = await engine.run("main", [2]);
    expect(two.error?.stack).toContain(place('new RangeError("below")'));
    expect(two.error?.stack).toContain(place("below(n);"));
    expect((await engine.run("plain")).error?.stack).toContain(place('new Error("plain")'));
    expect((await engine.run("second")).error?.stack).toContain(place('new Error("second "'));
  });
});
