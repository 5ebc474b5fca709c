// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the samples are code in strings
import { describe, expect, it } from "vitest";
import { flow, identifyOne } from "./project.ts";

const digest = (body: string, before = "") => {
  const code = identifyOne(flow(body, before));
  expect(code.undecided).toEqual([]);
  return code.digest;
};

/** Bodies of a task that are the same code. */
const SAME: Readonly<Record<string, readonly string[]>> = {
  "comments and white space": ["(a) => a + 1", "(a) =>\n  // one\n  a /* two */ +\n 1", "/** doc */ (a)=>a+1"],
  parentheses: ["(a) => a + 1", "((a) => ((a) + (1)))", "a => (a + 1)"],
  quotes: ['() => "it\'s"', "() => 'it\\'s'", '() => "\\u0069t\'s"'],
  "numbers by value": ["() => [1000, 255, 0.5]", "() => [1_000, 0xff, .5]"],
  semicolons: ["() => { f(); return 1; }", "() => { f()\n return 1 }", "() => { ; f();; return 1;;; }"],
  "trailing commas": ["(a, b) => f(a, [b], { a })", "(a, b,) => f(a, [b,], { a, },)"],
  types: [
    "(a, b = 1) => { const c = a; return c[b]; }",
    "(a: string, b: number = 1): string => { const c: string = a as string; return (c! satisfies string)[b as number]; }",
    "<T,>(a: T, b = 1): unknown => { type X = T; interface Y { z: X } const c = a; return c[b]!; }",
  ],
  "type arguments": ["(a) => f(new Map(), g(a))", "(a) => f<number>(new Map<string, Set<number>>(), g<string>(a))"],
  "optional parameters and this": [
    "function (a) { return a; }",
    "function (this: Date, a?: number): unknown { return a; }",
  ],
  "names of locals": [
    "(a, b) => { const c = a; let d = b; return { c, d: d }; }",
    "(x, y) => { const a = x; let b = y; return { c: a, d: b }; }",
  ],
  "names of parameters in patterns": ["({ a, b: [c] }, ...d) => [a, c, d]", "({ a: x, b: [y] }, ...z) => [x, y, z]"],
  "names of inner functions": [
    "() => { return f(1); function f(n) { return n ? f(n - 1) : 0; } }",
    "() => { return g(1); function g(m) { return m ? g(m - 1) : 0; } }",
  ],
  "the own name of a function": ["function me(n) { return me(n); }", "function you(n) { return you(n); }"],
  "names of inner classes": ["() => class A { static b = A; }", "() => class B { static b = B; }"],
  labels: [
    "() => { a: for (;;) { b: for (;;) { continue a; } } }",
    "() => { b: for (;;) { a: for (;;) { continue b; } } }",
  ],
  "catch parameters": [
    "() => { try { f(); } catch (e) { g(e); } }",
    "() => { try { f(); } catch (error: unknown) { g(error); } }",
  ],
  "keys as strings": ["() => ({ a: 1, 'b': 2, 3: 4 })", "() => ({ 'a': 1, b: 2, '3': 4 })"],
  "class members that are types": [
    "() => class { x; #y = 1; get z() { return this.#y; } }",
    "() => class<T> implements I<T> { private readonly x?: T; declare w: T; readonly #y: number = 1; get z(): number { return this.#y; } [key: string]: unknown }",
  ],
  overloads: [
    "() => { function f(a) { return a; } return f; }",
    "() => { function f(a: string): string; function f(a: number): number; function f(a: any) { return a; } return f; }",
  ],
  "var in a block": ["() => { if (f()) { var x = 1; } return x; }", "() => { if (f()) { var y = 1; } return y; }"],
};

/** Bodies of which each is other code than every other. */
const DIFFERENT: Readonly<Record<string, readonly string[]>> = {
  literals: [
    "() => 1",
    "() => 2",
    "() => '1'",
    "() => 1n",
    "() => -1",
    "() => null",
    "() => undefined",
    "() => true",
    "() => /1/",
    "() => /1/g",
    "() => `1`",
    "() => [1]",
    "() => { return 1; }",
    "async () => 1",
    "function () { return 1; }",
  ],
  "lone surrogates": ["() => '\\ud800'", "() => '\\ud801'", "() => '\\ufffd'", "() => '\\\\ud800'"],
  "binding structure": [
    "(a, b) => [a, b]",
    "(a, b) => [b, a]",
    "(a, b) => [a, a]",
    "(a) => [a, b]",
    "(a, b) => [a, c]",
  ],
  shadowing: [
    "(a) => { { const a = 1; f(a); } return a; }",
    "(a) => { { const b = 1; f(a); } return a; }",
    "(a) => { { const b = 1; f(b); } return b; }",
  ],
  "default parameter scopes": [
    "(a, f = () => a) => { var a = 2; return f(); }",
    "(a, f = () => a) => { a = 2; return f(); }",
    "(a, f = () => a) => { var b = 2; return f(); }",
    "(a, f = () => a) => { var a; return a; }",
    "(a, f = () => a) => { var b; return b; }",
  ],
  "a var of a parameter's name": [
    "(a) => { var a; return a; }",
    "(a) => { var b; return b; }",
    "(a) => { var b; return a; }",
  ],
  globals: ["() => Math.max(1)", "() => Math.min(1)", "() => console.max(1)"],
  operators: [
    "(a, b) => a + b",
    "(a, b) => a - b",
    "(a, b) => a && b",
    "(a, b) => a || b",
    "(a, b) => a ?? b",
    "(a, b) => (a, b)",
    "(a, b) => a ** b",
  ],
  "optional chaining": [
    "(a) => a.b.c",
    "(a) => a?.b.c",
    "(a) => a.b?.c",
    "(a) => (a?.b).c",
    "(a) => a?.['b'].c",
    "(a) => a.b.c()",
    "(a) => a.b.c?.()",
  ],
  assignment: [
    "(a) => { a = 1; }",
    "(a) => { a += 1; }",
    "(a) => { a ??= 1; }",
    "(a) => { a++; }",
    "(a) => { ++a; }",
    "(a) => { a--; }",
  ],
  destructuring: [
    "({ a }) => a",
    "({ b: a }) => a",
    "([a]) => a",
    "([, a]) => a",
    "({ a = 1 }) => a",
    "({ ...a }) => a",
    "(...a) => a",
    "({ ['a']: a }) => a",
  ],
  templates: [
    "(a) => `${a}`",
    "(a) => `${a} `",
    "(a) => f`${a}`",
    "(a) => f`\\u0061${a}`",
    "(a) => f`a${a}`",
    "(a) => `a${a}`",
  ],
  objects: [
    "(a) => ({ a })",
    "(a) => ({ b: a })",
    "(a) => ({ get a() { return 1; } })",
    "(a) => ({ a() { return 1; } })",
    "(a) => ({ a: function () { return 1; } })",
    "(a) => ({ ...a })",
    "(a) => ({ [a]: 1 })",
  ],
  prototypes: ["(__proto__) => ({ __proto__ })", "(__proto__) => ({ __proto__: __proto__ })"],
  functions: [
    "() => f(() => 1)",
    "() => f(async () => 1)",
    "() => f(function () { return 1; })",
    "() => f(function* () { yield 1; })",
    "() => f(async function* () { yield 1; })",
    "() => f(function* () { yield* 1; })",
  ],
  classes: [
    "() => class {}",
    "() => class A {}",
    "() => class extends B {}",
    "() => class { a }",
    "() => class { static a }",
    "() => class { #a }",
    "() => class { a() {} }",
    "() => class { static a() {} }",
    "() => class { get a() {} }",
    "() => class { static { f(); } }",
    "() => class { constructor() {} }",
    "() => class { ['a']() {} }",
  ],
  "private names": ["() => class { #a; has(o) { return #a in o; } }", "() => class { #a; has(o) { return o.#a; } }"],
  loops: [
    "(a) => { for (const x of a) f(x); }",
    "(a) => { for (const x in a) f(x); }",
    "(a) => { for (let x of a) f(x); }",
    "(a) => { for (let x = 0; x < a; x++) f(x); }",
    "(a) => { while (a) f(a); }",
    "(a) => { do f(a); while (a); }",
    "async (a) => { for (const x of a) f(x); }",
    "async (a) => { for await (const x of a) f(x); }",
  ],
  labels: [
    "() => { a: for (;;) { b: for (;;) { continue a; } } }",
    "() => { a: for (;;) { b: for (;;) { continue b; } } }",
    "() => { a: for (;;) { b: for (;;) { break a; } } }",
    "() => { a: for (;;) { b: for (;;) { continue; } } }",
  ],
  switch: [
    "(a) => { switch (a) { case 1: f(); default: g(); } }",
    "(a) => { switch (a) { case 1: f(); break; default: g(); } }",
    "(a) => { switch (a) { default: g(); case 1: f(); } }",
    "(a) => { switch (a) { case 1: case 2: f(); default: g(); } }",
  ],
  try: [
    "() => { try { f(); } catch { g(); } }",
    "() => { try { f(); } catch (e) { g(); } }",
    "() => { try { f(); } finally { g(); } }",
    "() => { try { f(); } catch { } finally { g(); } }",
  ],
  "empty bodies": ["(a) => { if (a); f(); }", "(a) => { if (a) f(); }", "(a) => { f(); }"],
  "this and friends": [
    "function () { return this; }",
    "function () { return arguments; }",
    "function () { return new.target; }",
    "() => import.meta.url",
    "() => import.meta.dirname",
  ],
  holes: ["() => [1, , 2]", "() => [1, undefined, 2]", "() => [1, 2]", "() => [1, 2, ,]"],
  spread: ["(a) => f(a)", "(a) => f(...a)", "(a) => [...a]", "(a) => new f(a)", "(a) => new f(...a)"],
};

describe("the code of a task", () => {
  it.each(Object.entries(SAME))("stays the same for %s", (_title, bodies) => {
    expect(new Set(bodies.map((body) => digest(body))).size).toBe(1);
  });

  it.each(Object.entries(DIFFERENT))("tells apart %s", (_title, bodies) => {
    const unique = [...new Set(bodies)];
    expect(new Set(unique.map((body) => digest(body))).size).toBe(unique.length);
  });

  it("differs between all samples that are not the same code", () => {
    const groups = [...Object.values(SAME).map((bodies) => bodies[0] as string), ...Object.values(DIFFERENT).flat()];
    const byDigest = Map.groupBy(new Set(groups), (body) => digest(body));
    const merged = [...byDigest.values()].filter((bodies) => bodies.length > 1);
    // Samples that stand in two tables under other local names or layout.
    for (const bodies of merged)
      expect(new Set(bodies.map((body) => body.replace(/\s/g, "").replace(/\b[a-z]\b/g, "x"))).size).toBe(1);
  });

  it("takes long chains of operators", () => {
    expect(digest(`(x) => ${Array(20_000).fill("x").join(" + ")}`)).not.toBe(
      digest(`(x) => ${Array(20_001).fill("x").join(" + ")}`),
    );
  });

  it("does not count how the module is written around it", () => {
    const plain = digest("(a) => h(a) + k", "const k = g();\nfunction h(x) { return x; }\nfunction g() { return 2; }");
    const other = identifyOne(
      'import { task } from "firesteel";\nexport class Unused {}\nfunction two() { return 2; }\nexport function helper(y: number) { return y }\nconst constant = two();\nexport const t = task("t", (b: number) => helper(b) + constant);',
    ).digest;
    expect(other).toBe(plain);
  });
});

describe("parameters", () => {
  it("are described with their constant defaults", () => {
    const body =
      '(a, b = 1, c = [-2, "x", { d: null }] as const, { e } = {}, f = g(), h = -0, i = 2n, j?: string, k = `l`, ...m) => a';
    expect(identifyOne(flow(body)).params).toEqual([
      { name: "a", hasDefault: false, optional: false, rest: false },
      { name: "b", hasDefault: true, constantDefault: 1, optional: false, rest: false },
      { name: "c", hasDefault: true, constantDefault: [-2, "x", { d: null }], optional: false, rest: false },
      { name: "", hasDefault: true, constantDefault: {}, optional: false, rest: false },
      { name: "f", hasDefault: true, optional: false, rest: false },
      { name: "h", hasDefault: true, optional: false, rest: false },
      { name: "i", hasDefault: true, optional: false, rest: false },
      { name: "j", hasDefault: false, optional: true, rest: false, type: "string" },
      { name: "k", hasDefault: true, constantDefault: "l", optional: false, rest: false },
      { name: "m", hasDefault: false, optional: false, rest: true },
    ]);
  });

  it("have the types that a front door can check", () => {
    const body =
      "(a: number, b: readonly string[] = [], c: Dataset = x, d: Array<Date>, e: Map<string, number>, f: number | string, ...g: bigint[]) => a";
    expect(identifyOne(flow(body)).params?.map(({ type }) => type)).toEqual([
      "number",
      "string[]",
      "Dataset",
      "Date[]",
      undefined,
      undefined,
      "bigint[]",
    ]);
  });

  it("are those of a function that is named", () => {
    const files = {
      "flow.ts": flow("helper", 'import { helper } from "./lib.ts";'),
      "lib.ts": "export function helper(this: void, a = 3) { return a; }",
    };
    expect(identifyOne(files).params).toEqual([
      { name: "a", hasDefault: true, constantDefault: 3, optional: false, rest: false },
    ]);
    expect(identifyOne(flow("wrap((a) => a)", "const wrap = (f) => f;")).params).toBeUndefined();
  });
});
