import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Code } from "../src/errors.ts";
import { findProject, loadConfig } from "../src/project.ts";

let root: string;
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "firesteel-project-")));
});
afterEach(() => rm(root, { recursive: true }));

const write = (name: string, text: string): Promise<void> => writeFile(join(root, name), text);

test("the project is the nearest folder above with a configuration", async () => {
  await write("firesteel.config.ts", "");
  await mkdir(join(root, "a", "b"), { recursive: true });
  expect(findProject(join(root, "a", "b"))).toBe(root);
  await write(join("a", "firesteel.config.mts"), "");
  expect(findProject(join(root, "a", "b"))).toBe(join(root, "a"));
});

test("without one the error names the folder", () => {
  expect(() => findProject(root)).toThrow(
    expect.objectContaining({ code: Code.failedPrecondition, message: expect.stringMatching(`: ${root}$`) }),
  );
});

describe("the configuration", () => {
  test("is evaluated as TypeScript, with firesteel and relative modules, and completed", async () => {
    await write("flows.ts", `export const flows: readonly string[] = ["flows/*.ts"];`);
    await write(
      "firesteel.config.ts",
      `import { defineConfig } from "firesteel";\nimport { flows } from "./flows.ts";\nexport default defineConfig({ flows: [...flows], limits: { db: 2 } satisfies Record<string, number> });`,
    );
    await write("package.json", `{"type": "module"}`);
    expect(await loadConfig(root)).toMatchObject({ flows: ["flows/*.ts"], limits: { db: 2 }, database: "embedded" });
  });

  test("is evaluated again when it has changed", async () => {
    await write("firesteel.config.js", `export default { flows: ["a.ts"] };`);
    expect((await loadConfig(root)).flows).toEqual(["a.ts"]);
    await write("firesteel.config.js", `export default Promise.resolve({ flows: ["b.ts"] });`);
    expect((await loadConfig(root)).flows).toEqual(["b.ts"]);
  });

  test.for([
    ["a syntax error", "export default {\n  flows: [,\n", /^firesteel\.config\.ts:\d+:\d+: /],
    ["what it throws", "\n  throw new Error('no luck');", /^firesteel\.config\.ts:2:9: no luck$/],
    [
      "a module that is not there",
      "import './nothing.ts';",
      /^firesteel\.config\.ts: Cannot find module .*nothing\.ts/,
    ],
    ["no default export", "export const a = 1;", /^firesteel\.config\.ts has no default export; write/],
    [
      "an unknown key",
      "export default { flows: ['a'], flow: 1 };",
      /^firesteel\.config\.ts is not valid: unknown key flow$/,
    ],
    [
      "a function in it",
      "export default { flows: ['a'], log: () => 1 };",
      /^firesteel\.config\.ts exports something that is no plain data: /,
    ],
    ["the end of its thread", "process.exit(3);", /^firesteel\.config\.ts ended its thread .*\(exit code 3\)$/],
  ] as const)("with %s is refused, with the place", async ([, text, message]) => {
    await write("package.json", `{"type": "module"}`);
    await write("firesteel.config.ts", text);
    await expect(loadConfig(root)).rejects.toMatchObject({
      code: Code.invalidArgument,
      message: expect.stringMatching(message),
    });
  });
});
