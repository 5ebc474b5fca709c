import { describe, expect, it } from "vitest";
import { createCodeIndex, identifyModules } from "../../../src/hash/code/identify.ts";
import { exportVersion } from "../../../src/hash/code/own-exports.ts";
import { type Files, flow, identify, identifyOne, modulesOf, tasksOf } from "./project.ts";

const digest = (files: Files | string, options?: Parameters<typeof identifyOne>[1]) =>
  identifyOne(files, options).digest;
const reasons = (files: Files | string) => identifyOne(files).undecided.map(({ reason }) => reason);

describe("what a task reaches", () => {
  const lib =
    "export const k = 1;\nexport function helper(x) { return inner(x) + k; }\nfunction inner(x) { return x; }";
  const start = { "flow.ts": flow("(a) => helper(a)", 'import { helper } from "./lib.ts";'), "lib.ts": lib };

  it.each<[string, Files]>([
    ["a helper in the same file", { "flow.ts": flow("(a) => helper(a)", lib) }],
    ["declarations in another order", { ...start, "lib.ts": lib.split("\n").reverse().join("\n") }],
    [
      "another name at the import",
      { ...start, "flow.ts": flow("(a) => h(a)", 'import { helper as h } from "./lib.ts";') },
    ],
    [
      "other names of module-level things",
      { ...start, "lib.ts": lib.replaceAll("inner", "innermost").replaceAll("k", "constant") },
    ],
    [
      "export { a as b }",
      {
        "flow.ts": flow("(a) => h(a)", 'import { h } from "./lib.ts";'),
        "lib.ts": `${lib.replaceAll("export ", "")}\nexport { helper as h };`,
      },
    ],
    [
      "export { a as b } from",
      {
        ...start,
        "flow.ts": flow("(a) => h(a)", 'import { h } from "./all.ts";'),
        "all.ts": 'export { helper as h } from "./lib.ts";',
      },
    ],
    [
      "export * from",
      {
        ...start,
        "flow.ts": flow("(a) => helper(a)", 'import { helper } from "./all.ts";'),
        "all.ts": 'export * from "./other.ts"; export * from "./lib.ts";',
        "other.ts": 'export * from "./all.ts"; export const z = 1;',
      },
    ],
    [
      "an import that is exported",
      {
        ...start,
        "flow.ts": flow("(a) => helper(a)", 'import { helper } from "./all.ts";'),
        "all.ts": 'import { helper } from "./lib.ts"; export { helper };',
      },
    ],
    [
      "a default export",
      {
        "flow.ts": flow("(a) => h(a)", 'import h from "./lib.ts";'),
        "lib.ts": lib.replace("export function helper", "export default function helper"),
      },
    ],
    [
      "an unnamed default export",
      {
        "flow.ts": flow("(a) => h(a)", 'import { default as h } from "./lib.ts";'),
        "lib.ts": lib.replace("export function helper", "export default function "),
      },
    ],
    [
      "type imports",
      {
        ...start,
        "flow.ts": flow(
          "(a: T) => helper(a)",
          'import type { T } from "./types.ts"; import { helper, type U } from "./lib.ts"; export type { T } from "./types.ts"; interface I { u: U }',
        ),
      },
    ],
    [
      "other declarations",
      {
        ...start,
        "flow.ts": flow(
          "(a) => helper(a)",
          'import { helper } from "./lib.ts"; import { z } from "zod"; const unused = z.string(); class Unused {}',
        ),
      },
    ],
  ])("stays the same with %s", (_title, files) => {
    expect(digest(files)).toBe(digest(start));
  });

  it.each<[string, Files]>([
    ["a helper", { ...start, "lib.ts": lib.replace("inner(x) + k", "inner(x) - k") }],
    ["a helper's helper", { ...start, "lib.ts": lib.replace("return x;", "return -x;") }],
    ["a constant", { ...start, "lib.ts": lib.replace("k = 1", "k = 2") }],
    ["which helper it is", { ...start, "lib.ts": lib.replace("inner(x) + k", "k + inner(x)") }],
  ])("changes with %s", (_title, files) => {
    expect(digest(files)).not.toBe(digest(start));
  });

  it("follows members of namespaces, also re-exported ones, and nothing else of them", () => {
    const files = (extra: string, value = 1) => ({
      "flow.ts": flow(
        "() => [ns.a(), all.inner.a()]",
        'import * as ns from "./lib.ts"; import * as all from "./all.ts";',
      ),
      "lib.ts": `export function a() { return ${value}; }\n${extra}`,
      "all.ts": 'export * as inner from "./lib.ts";',
    });
    // `all.inner` is a namespace as a value: all of it counts. A direct member does not bring the others in.
    const direct = (extra: string) =>
      digest({ ...files(extra), "flow.ts": flow("() => ns.a()", 'import * as ns from "./lib.ts";') });
    expect(direct("")).toBe(direct("export function b() {}"));
    expect(digest(files(""))).not.toBe(digest(files("export function b() {}")));
    expect(digest(files("", 1))).not.toBe(digest(files("", 2)));
    const renamed = (name: string) =>
      digest({
        "flow.ts": flow(`() => lib.${name}()`, 'import { lib } from "./all.ts";'),
        "all.ts": 'export * as lib from "./lib.ts";',
        "lib.ts": `export function ${name}() { return 1; }`,
      });
    expect(
      identifyOne({
        "flow.ts": flow("() => lib.a()", 'import { lib } from "./all.ts";'),
        "all.ts": 'export * as lib from "./lib.ts";',
        "lib.ts": "export function a() { return 1; }\nexport let b = 1; export function c() { b++; }",
      }).undecided,
    ).toEqual([]);
    expect(renamed("a")).not.toBe(renamed("b"));
  });

  it("hashes cycles without regard to where they are entered by others or how they are named", () => {
    const cycle = (even: string, odd: string, step = 1) =>
      `function ${even}(n) { return n === 0 || ${odd}(n - ${step}); }\nfunction ${odd}(n) { return n !== 0 && ${even}(n - 1); }`;
    const base = digest(flow("(n) => even(n)", cycle("even", "odd")));
    expect(digest(flow("(n) => a(n)", cycle("a", "b").split("\n").reverse().join("\n")))).toBe(base);
    expect(digest(flow("(n) => odd(n)", cycle("even", "odd")))).not.toBe(base);
    expect(digest(flow("(n) => even(n)", cycle("even", "odd", 2)))).not.toBe(base);
    const split = {
      "flow.ts": flow(
        "(n) => even(n)",
        'import { odd } from "./odd.ts";\nexport function even(n) { return n === 0 || odd(n - 1); }',
      ),
      "odd.ts": 'import { even } from "./flow.ts";\nexport function odd(n) { return n !== 0 && even(n - 1); }',
    };
    expect(digest(split)).toBe(base);
  });

  it("tells functions that call each other from functions that call themselves", () => {
    const both = digest(flow("(n) => a(n)", "function a(n) { return b(n); }\nfunction b(n) { return a(n); }"));
    const self = digest(flow("(n) => a(n)", "function a(n) { return a(n); }"));
    expect(both).not.toBe(self);
  });

  it("counts another task by its name only", () => {
    const files = (name: string, body: string, call = "other(1)") => ({
      "flow.ts": flow(`() => ${call}`, 'import { other } from "./lib.ts"; import * as lib from "./lib.ts";'),
      "lib.ts": `import { task } from "firesteel";\nexport const other = task("${name}", () => ${body});`,
    });
    const base = digest(files("o", "1"));
    expect(digest(files("o", "2"))).toBe(base);
    expect(digest(files("p", "1"))).not.toBe(base);
    expect(digest(files("o", "1", "lib.other(1)"))).toBe(digest(files("o", "2", "lib.other(1)")));
    const recursive = identifyOne(flow("(n) => n ? t(n - 1) : 0"));
    expect(recursive.parts.map(({ kind, name }) => `${kind} ${name}`)).toEqual(["body t", "task t"]);
  });

  it("counts packages by name, version and what is imported", () => {
    const files = (name: string) =>
      flow("() => [z.a(), other()]", `import * as z from "zod"; import { ${name} as other } from "lodash";`);
    const base = digest(files("map"));
    expect(digest(files("map"), { versions: { unused: "2.0.0" } })).toBe(base);
    expect(digest(files("map"), { versions: { zod: "2.0.0" } })).not.toBe(base);
    expect(digest(files("filter"))).not.toBe(base);
    expect(digest(flow("() => read()", 'import { readFile as read } from "node:fs/promises";'))).not.toBe(
      digest(flow("() => read()", 'import { rm as read } from "node:fs/promises";')),
    );
  });

  it("counts an export of firesteel by a version of its own, so that a release leaves results as they are", () => {
    const at = (firesteel: string, names: string) =>
      digest(
        flow(`() => [${names}]`, `import { add, sub, nothing } from "firesteel"; import * as f from "firesteel";`),
        {
          versions: { firesteel },
        },
      );
    expect(at("2.0.0", "add, f.add")).toBe(at("1.0.0", "add, f.add"));
    expect(at("2.0.0", "f")).toBe(at("1.0.0", "f"));
    expect(at("1.0.0", "sub")).not.toBe(at("1.0.0", "add"));
    expect(at("1.0.0", "f")).not.toBe(at("1.0.0", "f.add"));
    // What firesteel does not export may come with any release.
    expect(at("2.0.0", "nothing")).not.toBe(at("1.0.0", "nothing"));
    expect(exportVersion("add")).toMatch(/^\d+$/);
    expect(exportVersion("toString")).toBeUndefined();
  });

  it("counts JSON by content and CommonJS by text", () => {
    const json = (text: string) =>
      digest({ "flow.ts": flow("() => data.a", 'import data from "./d.json" with { type: "json" };'), "d.json": text });
    expect(json('{"a": 1}')).toBe(json('{ "a":1 }\n'));
    expect(json('{"a": 1}')).not.toBe(json('{"a": 2}'));
    const cjs = (text: string, other = "1") =>
      digest({
        "flow.ts": flow("() => lib.a", 'import lib from "./lib.cjs";'),
        "lib.cjs": `${text}; exports.o = require("./o.cjs")`,
        "o.cjs": `module.exports = ${other};`,
      });
    expect(cjs("exports.a = 1")).toBe(cjs("exports.a = 1"));
    expect(cjs("exports.a = 1")).not.toBe(cjs("exports.a = 2"));
    expect(cjs("exports.a = 1")).not.toBe(cjs("exports.a = 1", "2"));
  });

  it("takes import.meta.url relative to the project", () => {
    const body = flow("() => new URL('x', import.meta.url)");
    expect(digest({ "flow.ts": body })).not.toBe(digest({ "deep/flow.ts": body }));
    const at = (root: string) => {
      const modules = modulesOf({ "flow.ts": body }).map((module) => ({ ...module, url: `${root}flow.ts` }));
      return identifyModules({ modules, ...tasksOf(modules), root, constantValue: () => undefined }).get("t")?.digest;
    };
    expect(at("file:///one/")).toBe(at("file:///two/deeper/"));
  });

  it("counts constants by their value where there is one", () => {
    const value = (code: string, values: Record<string, string>) =>
      digest(flow("() => [k, list]", `const k = ${code}; const list = [k];`), {
        constantValue: (_url, name) => values[name],
      });
    const base = value("1 + 1", { k: "aa", list: "bb" });
    expect(value("2", { k: "aa", list: "bb" })).toBe(base);
    expect(value("1 + 1", { k: "aa", list: "cc" })).not.toBe(base);
    expect(value("1 + 1", { k: "aa" })).not.toBe(base);
    expect(value("1 + 1", { k: "aa" })).not.toBe(value("1 + 1", {}));
  });

  it("counts each name of a destructured declaration by itself", () => {
    const pick = (name: string, init = "f()") =>
      digest(flow(`() => ${name}`, `const { a, b: [b, c = a] } = ${init}; function f() { return { a: 1, b: [2] }; }`));
    expect(new Set([pick("a"), pick("b"), pick("c"), pick("a", "f(1)")]).size).toBe(4);
  });

  it("counts statements that run at load and get hold of a thing, in their order", () => {
    const made = (after: string, other = "") =>
      digest({
        "flow.ts": flow(
          "() => app.get(helper())",
          `import { app } from "./app.ts"; import "./other.ts"; function helper() { return 1; }\n${after}`,
        ),
        "app.ts": "export const app = create(); function create() { return new Map(); }",
        "other.ts": `import { app } from "./app.ts";\n${other}`,
      });
    const base = made("app.use(1); app.use(2);");
    expect(made("app.use(1);\n// x\napp.use(2);")).toBe(base);
    expect(made("app.use(2); app.use(1);")).not.toBe(base);
    expect(made("app.use(1); app.use(2); unrelated(3);")).toBe(base);
    expect(made("app.use(1); app.use(2); unrelated(helper());")).toBe(base);
    expect(made("app.use(1); app.use(2); helper.x = 1;")).not.toBe(base);
    expect(made("app.use(1); app.use(2);", "app.use(3);")).not.toBe(base);
  });

  it("lists what it is made of, each thing alone", () => {
    const parts = (value: number) => identifyOne({ ...start, "lib.ts": lib.replace("k = 1", `k = ${value}`) }).parts;
    expect(parts(1).map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      "body t",
      "function helper",
      "function inner",
      "constant k",
    ]);
    expect(
      parts(1)
        .filter((part, index) => part.digest !== parts(2)[index]?.digest)
        .map(({ name, text }) => [name, text]),
    ).toEqual([["k", "k = 1"]]);
  });
});

describe("what cannot be decided", () => {
  it.each<[string, string, string]>([
    ["dynamic import", "() => import('./x.ts')", ""],
    ["dynamic import in a helper", "() => h()", "async function h() { return (await import('./x.ts')).y; }"],
    ["eval", "(a) => eval(a)", ""],
    ["new Function", "(a) => new Function(a)()", ""],
    ["Function", "(a) => Function(a)()", ""],
    [
      "require of a variable",
      "(a) => require(a)",
      'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    ],
    ["import.meta.resolve", "() => import.meta.resolve('x')", ""],
    ["an assigned variable", "() => n", "let n = 0; export function set(x) { n = x; }"],
    ["a counter", "() => n++", "let n = 0;"],
    ["a variable assigned by destructuring", "() => n", "let n = 0; export function set(x) { [n] = x; }"],
    ["a variable assigned by an object pattern", "() => n", "let n = 0; export function set(x) { ({ n } = x); }"],
    ["a variable of a loop", "() => n", "let n = 0; export function set(x) { for (n of x); }"],
    ["a cache", "(k) => cache.get(k) ?? cache.set(k, 1)", "const cache = new Map();"],
    [
      "a cache filled elsewhere",
      "(k) => cache.get(k)",
      "const cache = new Map(); export const fill = (k) => cache.set(k, 1);",
    ],
    ["an array", "(k) => list", "const list = []; export function add(k) { list.push(k); }"],
    ["a property", "() => state.x", "const state = { x: 1 }; export function set(x) { state.x.y = x; }"],
    ["a deleted property", "() => state.x", "const state = { x: 1 }; export function drop() { delete state['x']; }"],
    ["Object.assign", "() => state.x", "const state = { x: 1 }; export function set(x) { Object.assign(state, x); }"],
    [
      "a local that stands for it",
      "() => state.x",
      "const state = { x: [] }; export function set(v) { const { x } = state; const y = x; y.push(v); }",
    ],
    [
      "an element of it",
      "() => rows",
      "const rows = [{}]; export function set(v) { for (const row of rows) row.v = v; }",
    ],
    ["a fetched part of it", "() => rows", "const rows = new Map(); export function set(v) { rows.get(1).push(v); }"],
    ["a class's static field", "() => C.n", "class C { static n = 0; static up() { C.n++; } }"],
    ["a class's static field by this", "() => C.n", "class C { static n = 0; static up() { this.n++; } }"],
    ["an instance of a class with state", "() => c.n", "class C { n = 0; up() { this.n++; } } const c = new C();"],
    [
      "an instance of a class that inherits state",
      "() => c.n",
      "class C { #n = 0; up() { this.#n++; } } class D extends C {} const c = new D();",
    ],
    ["an object with state", "() => c.n", "const c = { n: 0, up() { this.n++; } };"],
    ["a regular expression with memory", "(s) => re.test(s)", "const re = /x/g;"],
    ["an iterator", "() => it.next()", "const it = make(); function make() { return [1].values(); }"],
    ["a function property", "() => h()", "function h() { return h.n; } export function set(x) { h.n = x; }"],
    ["a local of code that runs at load", "() => next()", "const next = (() => { let n = 0; return () => ++n; })();"],
    [
      "a cache in such code",
      "(k) => get(k)",
      "const get = (() => { const seen = new Set(); return (k) => seen.add(k); })();",
    ],
    ["spread arguments", "...args", "const args = [];"],
    ["a name that leads nowhere", "() => x()", 'import { x } from "./nowhere.ts";'],
  ])("lists %s", (_title, body, before) => {
    expect(reasons(flow(body, before))).toHaveLength(1);
  });

  it.each<[string, string, string]>([
    ["locals", "(a) => { let n = 0; const m = new Map(); for (const x of a) { n += x; m.set(x, n); } return m; }", ""],
    [
      "state that is changed while loading",
      "() => [map, n, list, C.x]",
      "const map = new Map(); map.set(1, 2); let n = 0; n = 1; const list = []; [1].forEach((x) => list.push(x)); (() => { list.push(3); })(); class C { static x = 1; static { C.x = 2; } }",
    ],
    ["copies", "() => { const copy = [...list]; copy.push(1); return list.slice().sort(); }", "const list = [2];"],
    ["shadowed names", "(cache) => { cache.set(1, 2); let n = 0; n++; }", "const cache = new Map(); let n = 1;"],
    ["state nobody here reaches", "() => 1", "let n = 0; export function up() { n++; }"],
    ["a class that is made anew", "() => new C().up()", "class C { n = 0; up() { this.n++; } }"],
    ["a regular expression without memory", "(s) => re.test(s)", "const re = /x/;"],
    [
      "require of a literal",
      "() => require('node:fs')",
      'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    ],
    ["globals", "() => [Date.now(), process.env.X, globalThis.x]", ""],
    ["a method called like a changing one on a package", "() => z.set(1)", 'import z from "zod";'],
  ])("does not list %s", (_title, body, before) => {
    expect(reasons(flow(body, before))).toEqual([]);
  });

  it("does not take a default export through export *", () => {
    const files = {
      "flow.ts": flow("() => x()", 'import x from "./all.ts";'),
      "all.ts": 'export * from "./lib.ts";',
      "lib.ts": "export default () => 1;",
    };
    expect(reasons(files)).toEqual(["cannot be resolved: x"]);
  });

  it("names the place", () => {
    const code = identifyOne({
      "flow.ts": flow("() => helper()", 'import { helper } from "./lib.ts";'),
      "lib.ts": "\nlet n = 0;\nexport function helper() {\n  return  n++;\n}",
    });
    expect(code.undecided).toEqual([
      { reason: "module state changes after load: n", file: "file:///project/lib.ts", line: 4, column: 11 },
    ]);
  });

  it("lists the locals that a task made inside a function captures", () => {
    const made = (body: string) =>
      reasons(
        `import { task } from "firesteel";\nconst k = 1;\nexport function make(n) { const local = n; return task("t", ${body}); }`,
      );
    expect(made("(a) => { const b = a; return b + k; }")).toEqual([]);
    expect(made("(a) => a + local")).toEqual(["captures the local local"]);
    expect(made("(a) => () => n")).toEqual(["captures the local n"]);
    expect(made("() => this.x")).toEqual(["captures this"]);
    expect(made("() => arguments[0]")).toEqual(["captures arguments"]);
    expect(made("function () { return this; }")).toEqual([]);
    expect(made("n")).toEqual(["captures the local n"]);
    expect(reasons('import { task } from "firesteel";\nfor (const n of [1]) { task("t", () => n); }')).toEqual([
      "captures the local n",
    ]);
  });

  it("says so when the call cannot be found", () => {
    const modules = modulesOf({ "flow.ts": flow("() => 1") });
    const request = { modules, constantValue: () => undefined, taskNameOf: () => undefined };
    const task = { name: "t", url: modules[0]?.url ?? "", line: 1, column: 1 };
    expect(identifyModules({ ...request, tasks: [task] }).get("t")?.undecided).toHaveLength(1);
    expect(
      identifyModules({ ...request, tasks: [{ ...task, url: "file:///elsewhere.ts" }] }).get("t")?.undecided,
    ).toHaveLength(1);
  });
});

describe("a code index", () => {
  it("gives the same identities after updates, and after it was saved and read", () => {
    const first = modulesOf({
      "flow.ts": flow("() => h()", 'import { h } from "./lib.ts";'),
      "lib.ts": "export const h = () => 1;",
    });
    const second = modulesOf({
      "flow.ts": flow("() => h()", 'import { h } from "./lib.ts";'),
      "lib.ts": "export const h = () => 2;",
    });
    const request = { ...tasksOf(first), constantValue: () => undefined };
    const cold = (modules: typeof first) => identifyModules({ ...request, modules });
    const index = createCodeIndex();
    for (const module of first) index.update(module);
    expect(index.identify(request)).toEqual(cold(first));
    for (const module of second) index.update(module);
    expect(index.identify(request)).toEqual(cold(second));
    const again = createCodeIndex(JSON.parse(JSON.stringify(index.save())));
    const known = second.map((module) => again.update(module));
    expect(known).toEqual(second.map((module) => index.update(module)));
    expect(again.identify(request)).toEqual(cold(second));
    again.remove(second[1]?.url ?? "");
    expect(again.identify(request).get("t")?.undecided).toHaveLength(1);
  });

  it("keeps names that objects have by themselves apart", () => {
    expect(
      identify({ "flow.ts": flow("() => [constructor(), toString]", "function constructor() { return 1; }") })
        .get("t")
        ?.parts.map(({ name }) => name),
    ).toEqual(["t", "constructor"]);
  });
});
