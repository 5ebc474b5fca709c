/** `checkValid: "shallow"`: when a final value is taken as it is, and when not. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Engine } from "./engine.ts";
import { useTemporaryStore } from "./temporary-store.ts";

const opened = useTemporaryStore();

const IMPORT = `import { readFileSync } from "node:fs"; import { catchError, file, map, task, type File } from "firesteel";\n`;

/** main -> total (shallow) -> length of a file, twice a number */
const FLOW = `${IMPORT}
const root = import.meta.dirname;
export const length = task("$.length", (f: File) => readFileSync(root + "/" + f.path).length);
export const twice = task("$.twice", (n: number) => n * 2);
export const total = task("$.total", { checkValid: "shallow" }, (n: number) => [length(file("data.txt")), twice(n)]);
export const main = task("$.main", (n: number) => ({ total: total(n) }));
`;

describe("a shallow result", () => {
  it("needs one job, and no look at what was read on the way", async () => {
    await using project = await Engine.start(opened.store, { "flow.ts": FLOW, "data.txt": "four" });
    const first = await project.run("main", 1);
    expect(first).toMatchObject({ value: { total: [4, 2] }, ran: ["length", "main", "total", "twice"] });
    await project.write("data.txt", "longer");
    const second = await project.run("main", 1);
    expect(second).toMatchObject({ value: { total: [4, 2] }, ran: [] });
    expect(second.jobs.map((job) => job.task).sort()).toEqual(["main", "total"]);
  });

  it("is not taken when the code of a task below has changed, and is taken again when the edit is undone", async () => {
    await using project = await Engine.start(opened.store, { "flow.ts": FLOW, "data.txt": "four" });
    await project.run("main", 1);
    await project.edit(FLOW.replace("n * 2", "n * 3"));
    expect(await project.run("main", 1)).toMatchObject({ value: { total: [4, 3] }, ran: ["twice"] });
    expect((await project.run("main", 1)).jobs).toHaveLength(2);
    await project.edit(`// a comment\n${FLOW}`);
    await project.write("data.txt", "longer");
    // The last final value is of other code: every call is looked at again.
    expect(await project.run("main", 1)).toMatchObject({ value: { total: [6, 2] }, ran: ["length"] });
  });

  it("is not kept where an error was caught below", async () => {
    const flow = `${IMPORT}
export const fails = task("$.fails", (n: number) => { if (n > 0) throw new Error("no"); return n; });
export const zero = task("$.zero", () => 0);
export const safe = task("$.safe", (n: number) => catchError(fails(n), zero));
export const main = task("$.main", { checkValid: "shallow" }, (n: number) => [safe(n)]);
`;
    await using project = await Engine.start(opened.store, flow);
    expect(await project.run("main", 1)).toMatchObject({ value: [0], ran: ["fails", "main", "safe", "zero"] });
    expect(await project.run("main", 1)).toMatchObject({ value: [0], ran: ["fails"] });
    expect((await project.run("main", 0)).ran).toEqual(["fails", "main", "safe"]);
    expect((await project.run("main", 0)).jobs).toHaveLength(1);
  });

  it.each(["none", "execution"])("is not kept where a task below keeps no results (cache: %s)", async (cache) => {
    await using project = await Engine.start(
      opened.store,
      `${IMPORT}
export const now = task("$.now", { cache: "${cache}" }, (n: number) => n);
export const inner = task("$.inner", (n: number) => now(n));
export const main = task("$.main", { checkValid: "shallow" }, (n: number) => [inner(n), inner(n + 1)]);
`,
    );
    await project.run("main", 1);
    expect((await project.run("main", 1)).ran).toEqual(["now", "now"]);
  });

  it("counts the tasks of a call that was shared, whoever asked for it first", async () => {
    const flow = (times: number) => `${IMPORT}
export const leaf = task("$.leaf", (n: number) => n * ${times});
export const middle = task("$.middle", (n: number) => leaf(n));
export const part = task("$.part", { checkValid: "shallow" }, (n: number) => [middle(n)]);
export const main = task("$.main", (n: number) => [middle(n), part(n), map(part, [n, n])]);
`;
    await using project = await Engine.start(opened.store, flow(2));
    expect((await project.run("main", 1)).value).toEqual([2, [2], [[2], [2]]]);
    await project.edit(flow(5));
    expect(await project.run("main", 1)).toMatchObject({ value: [5, [5], [[5], [5]]], ran: ["leaf"] });
  });

  it("is not taken when the codec of an instance that was given below has changed, wherever the instance came from", async () => {
    const flow = (tax: number) => `import { contextValue, registerCodec, task, withContext } from "firesteel";
class Price { readonly net: number; constructor(net: number) { this.net = net; } gross() { return this.net + ${tax}; } }
registerCodec({ name: "Price", class: Price, encode: (p) => p.net, decode: (n) => new Price(n) });
export const make = task("$.make", { version: "1" }, (n: number) => new Price(n));
export const use = task("$.use", (price: never) => (price as { gross(): number }).gross());
export const plain = task("$.plain", { checkValid: "shallow" }, (n: number) => n);
export const given = task("$.given", { checkValid: "shallow" }, () => use(make(100) as never));
export const seen = task("$.seen", { context: ["price"] }, (_: number) => (contextValue("price") as { gross(): number }).gross());
export const inContext = task("$.inContext", { checkValid: "shallow" }, () => seen(1));
export const main = task("$.main", () => [given(), withContext({ price: make(5) }, inContext()), plain(1)]);
`;
    await using project = await Engine.start(opened.store, flow(10));
    expect((await project.run("main")).value).toEqual([110, 15, 1]);
    expect((await project.run("main")).jobs.map((job) => job.task).sort()).toEqual([
      "given",
      "inContext",
      "main",
      "make",
      "plain",
    ]);
    await project.edit(flow(20));
    const edited = await project.run("main");
    expect(edited).toMatchObject({ value: [120, 25, 1], ran: ["seen", "use"] });
    expect((await project.run("main")).jobs).toHaveLength(5);
    await project.edit(flow(10));
    expect(await project.run("main")).toMatchObject({ value: [110, 15, 1], ran: [] });
  });

  it("is not taken when a file in it is gone, whatever the code", async () => {
    await using project = await Engine.start(opened.store, {
      "flow.ts": `${IMPORT}
export const name = task("$.name", () => "data.txt");
export const main = task("$.main", { checkValid: "shallow" }, () => ({ file: file(name()) }));
`,
      "data.txt": "four",
    });
    const first = await project.run("main");
    await project.write("data.txt", "else");
    const second = await project.run("main");
    expect(second.value).not.toEqual(first.value);
    expect((await project.run("main")).jobs).toHaveLength(1);
    await rm(join(project.root, "data.txt"));
    expect((await project.run("main")).error).toMatchObject({ code: "not_found" });
  });
});
