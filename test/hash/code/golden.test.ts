// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the samples are code in strings
/**
 * The digests of a few projects. A change here makes every recorded result stale: it needs a higher CODE_VERSION.
 * `vitest run test/hash/code/golden.test.ts -u` writes the file anew.
 */
import { expect, it } from "vitest";
import { CODE_VERSION } from "../../../src/hash/code/tokens.ts";
import { type Files, flow, identify } from "./project.ts";

const PROJECTS: Readonly<Record<string, Files>> = {
  literals: {
    "flow.ts": flow("(a, b = 1) => [1.5, 2n, 'x', /y/g, `z${a}`, null, true, undefined, { a, [b]: -0 }, , ...a]"),
  },
  scopes: {
    "flow.ts": flow(
      "({ a, b: [c = a] }, ...d) => { var e = 1; for (const f of d) { let e = f; label: while (e) { if (c) break label; continue; } } return e; }",
    ),
  },
  classes: {
    "flow.ts": flow(
      "() => new C().get()",
      "class B { static s = 1; static { B.t = 2; } }\nexport default class C extends B { #p = 1; get q() { return this.#p; } async *get() { yield* super.x; } }",
    ),
  },
  errors: {
    "flow.ts": flow(
      "async (a) => { try { await a; } catch ({ message }) { throw new Error(message); } finally { switch (a) { case 1: f(); default: } } }",
    ),
  },
  modules: {
    "flow.ts": flow(
      "(n) => [even(n), ns.k, z(n), data, url, other(n)]",
      'import { even } from "./all.ts"; import * as ns from "./lib.ts"; import { z } from "zod"; import data from "./d.json" with { type: "json" };\nconst url = import.meta.url;\nexport const other = task("other", () => 1);',
    ),
    "all.ts": 'export * from "./lib.ts";',
    "lib.ts":
      "export const even = (n) => n === 0 || odd(n - 1);\nfunction odd(n) { return n !== 0 && even(n - 1); }\nexport const { k, ...rest } = make();\nfunction make() { return new Map([[1, 2]]); }",
    "d.json": '{"a": [1, 2]}',
  },
  effects: {
    "flow.ts": flow(
      "() => registry",
      "const registry = create();\nfunction create() { return Object.create(null); }\nregistry.a = 1;\nfor (const x of [1, 2]) registry[x] = x;",
    ),
  },
};

it("keeps the digests of earlier releases", async () => {
  const digests = Object.fromEntries(
    Object.entries(PROJECTS).map(([name, files]) => [name, identify(files).get("t")?.digest]),
  );
  await expect(`${JSON.stringify({ version: CODE_VERSION, digests }, undefined, 2)}\n`).toMatchFileSnapshot(
    "golden.json",
  );
});
