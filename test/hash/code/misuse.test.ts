// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the samples are code in strings
import { describe, expect, it } from "vitest";
import { createCodeIndex } from "../../../src/hash/code/identify.ts";
import { modulesOf, tasksOf } from "./project.ts";

const found = (body: string) => {
  const index = createCodeIndex();
  const modules = modulesOf({
    "flow.ts": `import { task, eq, map as each, text } from "firesteel"; import * as fire from "firesteel";\nimport { other } from "./lib.ts"; import * as lib from "./lib.ts";\nexport const t = task("t", async (x) => {\n${body}\n});\nfunction plain(x) { return x; }`,
    "lib.ts": 'import { task } from "firesteel";\nexport const other = task("sales.other", (x) => x);',
  });
  for (const module of modules) index.update(module);
  return index.findMisuse(tasksOf(modules).taskNameOf);
};

describe("misuse of lazy results", () => {
  it.each([
    ["if (other(1)) x();", 5],
    ["const r = other(1); if (r) x();", 25],
    ["const r = lib.other(1); return !r;", 33],
    ["const r = t(1); return r && x;", 24],
    ["return other(1) || x;", 8],
    ["return x === other(1);", 14],
    ["while (other(1)) x();", 8],
    ["return other(1) ? 1 : 2;", 8],
    ["if (other(1).deep[0]) x();", 5],
    ["const { a: { b }, c = 1 } = other(1); if (b) x();", 43],
    ["const r = await other(1); if (r) x();", 31],
    ["if (eq(x, 1)) x();", 5],
    ["if (fire.lt(x, 1)) x();", 5],
    ["return text`a${x}` === x;", 8],
    ["return each(x, y) ?? x;", 8],
    ["switch (other(1)) { case 1: return 1; }", 9],
    ["const r = other(1); return r.map(x);", 28],
    ["return other(1).list.filter(x);", 8],
    ["return () => { const r = other(1); { return [r == 1]; } };", 46],
  ])("is found in %s", (body, column) => {
    expect(found(body)).toEqual([expect.objectContaining({ file: "file:///project/flow.ts", line: 4, column })]);
  });

  it.each([
    "if (plain(1)) x();",
    "const r = other(1); return [r, r.x];",
    "const r = other(1); { const r = 1; if (r) x(); } return r;",
    "const r = plain(other(1)); return !r;",
    "const other = plain; if (other(1)) x();",
    "return other(1) + 1;",
    "return other(1).list[0];",
    "const { a } = plain(1); if (a) x();",
    "return lib.other(1);",
    "if (fire.isLazy(x)) x();",
    "return [1].map(other);",
    "return plain(1).map(x);",
  ])("is not found in %s", (body) => {
    expect(found(body)).toEqual([]);
  });
});

it.each([
  ["if (other(1)) x();", "a condition on it always holds; write cond(condition, then, otherwise)"],
  ["return !other(1);", "! of it is always false; write not(condition)"],
  ["return other(1) && x;", "&& always takes the same side; write and(a, b)"],
  ["return other(1) ?? x;", "?? always takes the same side; write cond(eq(a, null), b, a)"],
  ["return x != other(1);", "!= compares it as an object; write ne(a, b)"],
  ["return other(1).map(x);", "it has no method map; write map(task, list)"],
  ["return other(1).trim();", "it has no method trim; write it in the body of a task that receives the value"],
])("%s says what to write instead", (body, reason) => {
  expect(found(body).map(({ message }) => message)).toEqual([
    `the result of sales.other is lazy, so ${reason}, or decide in a task that receives it`,
  ]);
});

it("names a form by its name", () => {
  expect(found("if (each(x, y)) x();")[0]?.message).toMatch(/^the result of map\(\.\.\.\) is lazy, so/);
});
