import { describe, expect, it } from "vitest";
import { createCodeIndex } from "../../../src/hash/code/identify.ts";
import { modulesOf, tasksOf } from "./project.ts";

const found = (body: string) => {
  const index = createCodeIndex();
  const modules = modulesOf({
    "flow.ts": `import { task } from "firesteel";\nimport { other } from "./lib.ts"; import * as lib from "./lib.ts";\nexport const t = task("t", (x) => {\n${body}\n});\nfunction plain(x) { return x; }`,
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
  ])("is not found in %s", (body) => {
    expect(found(body)).toEqual([]);
  });
});
