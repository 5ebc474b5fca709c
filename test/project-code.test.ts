import { mkdir, mkdtemp, realpath, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openProjectCode, type ProjectCode } from "../src/project-code.ts";

const WAIT = { timeout: 30_000 };

let folder: string;
let root: string;
let code: ProjectCode;

const write = (name: string, text: string): Promise<void> => writeFile(join(root, name), text);
const flow = (name: string, body = "1"): string =>
  `import { task } from "firesteel";\nexport const t = task("${name}", () => ${body});\n`;
const tasks = (): string[] => [...code.current.tasks.keys()].sort();

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "firesteel-code-")));
  // Below a hidden folder, as a copy of a project may be.
  root = join(folder, ".work/project");
  await mkdir(join(root, "flows/deep"), { recursive: true });
  await mkdir(join(root, "lib"));
  await write("package.json", '{ "type": "module" }');
  await write("lib/one.ts", "export const one = 1;\n");
  await write("flows/a.ts", `import { one } from "../lib/one.ts";\n${flow("a", "one")}`);
  code = await openProjectCode({
    root,
    flows: ["flows/**/*.ts"],
    workers: 1,
    spark: () => null,
    onVersion: () => undefined,
    onProblem: () => undefined,
    onMended: () => undefined,
  });
});
afterEach(async () => {
  await code[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

test("new flow modules are taken in, renamed and removed ones leave", async () => {
  await write("flows/deep/b.ts", flow("b"));
  await expect.poll(tasks, WAIT).toEqual(["a", "b"]);
  await rename(join(root, "flows/deep/b.ts"), join(root, "flows/b.txt"));
  await expect.poll(tasks, WAIT).toEqual(["a"]);
});

test("an edited helper outside of the flow modules' folder makes a new version", async () => {
  const before = code.current.version;
  await write("lib/one.ts", "export const one = 2;\n");
  await expect.poll(() => code.current.version, WAIT).not.toBe(before);
});

test("a new module that does not parse leaves the old version in place until it is repaired", async () => {
  const before = code.current.version;
  await write("flows/c.ts", "export const = 1;\n");
  await expect.poll(() => code.problem?.message, WAIT).toContain("flows/c.ts");
  expect(code.current.version).toBe(before);
  await write("flows/c.ts", flow("c"));
  await expect.poll(tasks, WAIT).toEqual(["a", "c"]);
  expect(code.problem).toBeNull();
});
