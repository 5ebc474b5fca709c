/** Which functions the syntax shows as given to forms, what they are called, and the code that hands out their copies. */
import { describe, expect, it } from "vitest";
import { arrowsOf, arrowsText } from "../../../src/hash/code/arrow-text.ts";
import { summarise } from "../../../src/hash/code/module-graph.ts";
import { lineStarts, placeOf } from "../../../src/hash/code/summary.ts";
import { ROOT } from "./project.ts";

const HEAD = `import { task, map, filter as keep, partial, catchError, cond } from "firesteel"; import * as fire from "firesteel";
import { map as otherMap } from "./lib.ts";
const A = 1, B = 1; function top(n) { return n; } const arrow = (n) => n; let loose = (n) => n; const value = 1;
`;
const url = `${ROOT}flows/my.flow.ts`;
const summaryOf = (body: string, at = url) => summarise(at, HEAD + body, "module");
const found = (body: string) => arrowsOf(url, summaryOf(body), ROOT);
const names = (body: string, at = url) => arrowsOf(at, summaryOf(body, at), ROOT)?.arrows.map(({ name }) => name) ?? [];

describe("a call of a form", () => {
  it.each([
    "map((n) => n, x);",
    "function f(x) { return keep(function (n) { return n; }, x); }",
    "const f = (x) => fire.map((n) => n, x);",
    "class C { m(x) { return map(((n) => n) as never, x); } }",
    "const t = task('t', (x) => [x, partial((a, b) => a, 1)]);",
    "const t = task('t', (x) => catchError(x, () => 1));",
    "const f = (x) => map(top, x);",
    "const f = (x) => map(arrow, ...x);",
    "const f = () => map((n) => { const k = n; class P { #p = 1; q() { return this.#p; } } return [k, new P()]; }, []);",
    "const f = () => map(function () { return [this, arguments, () => arguments]; }, []);",
    "const f = () => map((n) => { for (const [k, { v = k }] of n) if (v) return k; try { return A; } catch (e) { return e; } }, []);",
  ])("gives one arrow in %s", (body) => {
    expect(found(body)).toMatchObject({ arrows: [{}], sites: [{ refused: null }] });
  });

  it.each([
    "otherMap((n) => n, x);",
    "function f(map, x) { return map((n) => n, x); }",
    "x.map((n) => n);",
    "cond((n) => n, 1, 2);",
    "function f(top, x) { return map(top, x); }",
    "map(loose, x); map(value, x); map(Math.sqrt, x); map(String, x);",
    "map(...x, (n) => n); catchError(...x, (n) => n);",
    "map(c ? (n) => n : top, x);",
    "fire['map']((n) => n, x);",
    "map(x, (n) => n);",
    "map();",
  ])("gives none in %s", (body) => {
    expect(found(body)).toBeUndefined();
  });

  it.each([
    ["(k) => map((n) => n + k, [])", "the local k"],
    ["(k) => map((n = k) => n, [])", "the local k"],
    ["() => { class C {} return map((n) => new C(n), []); }", "the local C"],
    ["() => { function g() {} return map(() => () => g(), []); }", "the local g"],
    ["function () { return map(() => this.x, []); }", "this"],
    ["function () { return map(() => new.target, []); }", "new.target"],
    ["class { x = map(() => this, []) }", "this"],
    ["class { #p; f() { return map((o) => #p in o, []); } }", "#p"],
    ["class extends Object { f() { return map(() => super.f(), []); } }", "super"],
    ["(k, l) => map(() => [l, k, l], [])", "the local l, the local k"],
    ["() => map((n) => eval(n), [])", "eval"],
  ])("is refused in %s", (body, what) => {
    const arrows = found(`const f = ${body};`);
    expect(arrows?.arrows).toEqual([]);
    expect(arrows?.sites[0]?.refused).toContain(
      `the function given to map(...) captures ${what}, so it cannot run without the code around it;`,
    );
  });
});

describe("the name", () => {
  const name = (body: string, at = url) => {
    const all = names(body, at);
    expect(all).toHaveLength(1);
    return all[0];
  };

  it("says the module, and is a name that a task can have", () => {
    expect(name("map((n) => n + A, x);")).toMatch(/^arrow\.my\.x[0-9a-f]{12}$/);
    expect(name("map((n) => n + A, x);", `${ROOT}2024 é.ts`)).toMatch(/^arrow\._2024__\.x[0-9a-f]{12}$/);
  });

  it.each([
    ["its place", "\n\n  if (x) { map((n) => n + A, x); }"],
    ["comments, types, names of locals and form", "keep((m: number): number => /* so */ (m + A), x);"],
    ["where else it is", "map((n) => n + A, x); map((k) => k + A, x);"],
  ])("does not depend on %s", (_, body) => {
    expect(name(body)).toBe(name("map((n) => n + A, x);"));
  });

  it.each([
    ["its code", "map((n) => n - A, x);", url],
    ["what it mentions", "map((n) => n + B, x);", url],
    ["its module", "map((n) => n + A, x);", `${ROOT}other/my.flow.ts`],
  ])("depends on %s", (_, body, at) => {
    expect(name(body, at)).not.toBe(name("map((n) => n + A, x);"));
  });
});

it("copies begin behind the text, each in the column of its original, and their lines are told", () => {
  const body =
    "\tmap((n) =>\r\n  n + 1, x);  map(function () {\n\n return `\n` }, x); map(top, x); map(\n(q) => q, x); map((last) => 0, x); // end";
  const text = HEAD + body;
  const arrows = found(body)!;
  const { code, copies } = arrowsText(text, arrows);
  const whole = text + code;
  const lines = lineStarts(whole);
  const originals = arrows.arrows.filter(({ named }) => !named);
  expect(copies).toHaveLength(originals.length);
  expect(originals).toHaveLength(4);
  copies.forEach(({ first, last, line }, index) => {
    const { start, end, line: original, column } = originals[index]!;
    const slice = text.slice(start, end);
    const at = lines[first - 1]! + column - 1;
    expect(whole.slice(at, at + slice.length)).toBe(slice);
    expect(line).toBe(original);
    expect(placeOf(lines, at + slice.length - 1).line).toBe(last);
  });
});
