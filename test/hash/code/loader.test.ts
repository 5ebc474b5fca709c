import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
// Loaded before any loader is installed, so that it is no module of the projects below.
import "../../../src/define/call-site.ts";
import type { CallSite } from "../../../src/define/call-site.ts";
import { createCodeIndex } from "../../../src/hash/code/identify.ts";
import { installLoader, type Loader } from "../../../src/hash/code/loader.ts";

let folder: string;
let loader: Loader | undefined;

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "firesteel-loader-")));
});

afterEach(() => {
  loader?.[Symbol.dispose]();
  loader = undefined;
  rmSync(folder, { recursive: true });
});

const CALL_SITE = new URL("../../../src/define/call-site.ts", import.meta.url).href;

/** Writes files, installs a loader whose firesteel is a small one that keeps call sites, and gives what a test asks for. */
function project(files: Readonly<Record<string, string>>, snapshot?: Readonly<Record<string, string>>) {
  const all: Record<string, string> = {
    "firesteel/index.mjs": `import { callSite } from ${JSON.stringify(CALL_SITE)};
export const made = [];
export function task(name) { made.push({ name, ...callSite() }); return { taskName: name }; }
export const ns = { task };`,
    ...files,
  };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const url = (name: string) => pathToFileURL(join(folder, name)).href;
  const index = createCodeIndex();
  const texts = snapshot && new Map(Object.entries(snapshot).map(([name, text]) => [url(name), text]));
  loader = installLoader({
    firesteel: { url: url("firesteel/index.mjs"), version: "1.2.3" },
    index,
    ...(texts === undefined ? {} : { snapshot: texts }),
  });
  const current = loader;
  const load = (name: string): Promise<Record<string, unknown>> => import(url(name));
  const identify = async () => {
    const { made } = (await load("firesteel/index.mjs")) as { made: (CallSite & { name: string })[] };
    return index.identify({
      tasks: made,
      taskNameOf: (at, name) => (current.binding(at, name)?.value as { taskName?: string } | undefined)?.taskName,
      constantValue(at, name) {
        const value = current.binding(at, name)?.value;
        return value === undefined || typeof value === "function" ? undefined : JSON.stringify(value);
      },
    });
  };
  return { url, load, identify, loader: current };
}

describe("the loader", () => {
  it("keeps texts and resolutions of the project's modules, and nothing of packages", async () => {
    const { load, loader, url, identify } = project({
      "p/package.json": '{"type": "module"}',
      "p/flow.ts": `import { task } from "firesteel";
import { z } from "dep";
import { deep } from "@scope/dep/deep.js";
import data from "./d.json" with { type: "json" };
import lib from "./lib.cjs";
import unnamed from "./unnamed.mts";
import { old } from "./old/old.js";
import { join } from "node:path";
const k: number = 40 + 2;
export const t = task("t", (): unknown => [k, z, deep, data, lib, unnamed, old, join]); // the end`,
      "p/d.json": '{"a": 1}',
      "p/lib.cjs": 'require("./more.cjs"); require("fs"); exports.a = 1;',
      "p/more.cjs": "",
      "p/unnamed.mts": "export default { a: 1 as number };",
      "p/old/package.json": "{}",
      "p/old/old.js": "exports.old = 1;",
      "p/node_modules/dep/package.json": '{"name": "dep", "version": "4.5.6", "main": "main.cjs"}',
      "p/node_modules/dep/main.cjs": "exports.z = 1;",
      "p/node_modules/@scope/dep/package.json": '{"name": "@scope/dep", "version": "7.8.9", "type": "module"}',
      "p/node_modules/@scope/dep/deep.js": "export const deep = 1;",
    });
    await load("p/flow.ts");
    expect(Object.fromEntries([...loader.modules.values()].map((module) => [module.url, module.kind]))).toEqual({
      [url("p/flow.ts")]: "module",
      [url("p/d.json")]: "json",
      [url("p/lib.cjs")]: "commonjs",
      [url("p/more.cjs")]: "commonjs",
      [url("p/unnamed.mts")]: "module",
      [url("p/old/old.js")]: "commonjs",
    });
    expect(loader.modules.get(url("p/flow.ts"))?.imports).toMatchObject({
      firesteel: { kind: "package", name: "firesteel", version: "1.2.3" },
      dep: { kind: "package", name: "dep", version: "4.5.6", subpath: "main.cjs" },
      "@scope/dep/deep.js": { kind: "package", name: "@scope/dep", version: "7.8.9", subpath: "deep.js" },
      "./lib.cjs": { kind: "local", url: url("p/lib.cjs") },
      "node:path": { kind: "builtin", name: "node:path" },
    });
    expect(loader.modules.get(url("p/lib.cjs"))?.imports).toMatchObject({ fs: { kind: "builtin", name: "node:fs" } });
    expect(loader.binding(url("p/flow.ts"), "k")).toEqual({ value: 42 });
    expect(loader.binding(url("p/unnamed.mts"), "*default*")).toEqual({ value: { a: 1 } });
    expect(loader.binding(url("p/flow.ts"), "constructor")).toBeUndefined();
    const code = (await identify()).get("t");
    expect(code?.undecided).toEqual([]);
    expect(code?.parts.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      "body t",
      "value k",
      "package dep/main.cjs@4.5.6 z",
      "package @scope/dep/deep.js@7.8.9 deep",
      "json d.json",
      "commonjs lib.cjs",
      "commonjs more.cjs",
      "builtin node:fs *",
      "value *default*",
      "commonjs old.js",
      "builtin node:path join",
    ]);
  });

  it("loads the snapshot's text instead of the file's", async () => {
    const files = {
      "flow.mts": 'import { b } from "./b.mjs"; export const a: number = 1 + b;',
      "b.mjs": "export const b = 1;",
    };
    const { load } = project(files, { "flow.mts": 'import { b } from "./b.mjs"; export const a: number = 10 + b;' });
    expect((await load("flow.mts"))["a"]).toBe(11);
  });

  it("takes another version of a value, not of the text that makes it", async () => {
    const { load, loader, url } = project({
      "flow.mts": "export let n = 1; n = 2; export const later = () => 1; export class C {}",
    });
    await load("flow.mts");
    expect(loader.binding(url("flow.mts"), "n")).toEqual({ value: 2 });
    expect(loader.binding(url("flow.mts"), "later")).toBeUndefined();
  });

  it.each([
    ["a syntax error", "bad.mts", "export const a: number = 1;\n\tconst b = (;\n", 2, 13],
    ["an enum", "enum.mts", "export const a = 1;\nexport enum E { x }", 2, 8],
    ["a parameter property", "property.mts", "export class A { constructor(private x: number) {} }", 1, 30],
  ])("shows the place of %s", async (_title, name, text, line, column) => {
    const { load } = project({ [name]: text, "flow.mts": `import "./${name}";` });
    const error = await load("flow.mts").catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "invalid_argument", details: { file: join(folder, name), line, column } });
    expect((error as Error).message).toContain(`${name}:${line}:${column}: `);
    expect((error as Error).message).toContain(`> ${line} | ${text.split("\n")[line - 1]}\n`);
  });

  it("refuses TypeScript that is CommonJS", async () => {
    const { load } = project({ "flow.cts": "export const a = 1;" });
    await expect(load("flow.cts")).rejects.toMatchObject({ code: "invalid_argument" });
  });

  it("is one at a time, and gone when disposed", async () => {
    const { loader: first } = project({});
    expect(() => project({})).toThrow("installed on this thread already");
    first[Symbol.dispose]();
    project({});
  });
});

describe("a call site", () => {
  it("names the syntax node of every way to write the call", async () => {
    const { load, identify } = project({
      "flow.mts": `import { task, ns } from "firesteel"; import * as all from "firesteel"; import { task as other } from "firesteel";
export const a = task("a", () => 1), b = task<string>("b", (x: Map<string, (y: 1) => 2>) => 2);
export const c = ns.task("c", () => 3), d = all . task("d", () => 4), e = other("e", () => 5);
export const f = (task)("f", () => 6), g = task!("g", () => 7), h = (task as typeof task)("h", () => 8);
export const i = ns["task"]("i", () => 9), j = ns?.task("j", () => 10), k = task?.("k", () => 11), l = (0, task)("l", () => 12);
export default task
  ("m", () => 13);\u2028 task("n", () => 14);
const make = (name: string, n: number) => task(name, () => 15);
make("o", 15);`,
    });
    await load("flow.mts");
    const codes = await identify();
    expect(
      [...codes].map(([name, { parts, undecided }]) => [name, undecided.length, parts[0]?.text?.match(/\d+$/)?.[0]]),
    ).toEqual([..."abcdefghijklmno"].map((name, index) => [name, 0, `${index + 1}`]));
  });
});
