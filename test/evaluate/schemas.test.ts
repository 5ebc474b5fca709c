/** Argument schemas of real libraries, from the front door to the body. */
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dataset } from "../../src/define/forms.ts";
import { Engine } from "./engine.ts";
import { useTemporaryStore } from "./temporary-store.ts";

const opened = useTemporaryStore();
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "firesteel-schemas-"));
  await symlink(fileURLToPath(new URL("../../node_modules", import.meta.url)), join(root, "node_modules"));
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});
const start = (text: string) => Engine.start(opened.store, text, { root });

const LIBRARIES = {
  zod: `import { z } from "zod";
const args = [z.object({ days: z.array(z.int()) }), z.string().transform((text) => text.length).default(7)];`,
  valibot: `import * as v from "valibot";
const args = [v.object({ days: v.array(v.pipe(v.number(), v.integer())) }), v.optional(v.pipe(v.string(), v.transform((text) => text.length)), "1234567")];`,
  arktype: `import { type } from "arktype";
const args = [type({ days: "number.integer[]" }), type("string").pipe((text) => text.length).default("1234567")];`,
};

describe.each(Object.entries(LIBRARIES))("schemas of %s", (library, text) => {
  // arktype takes a default in objects only.
  const flow = `import { task } from "firesteel";
${library === "arktype" ? text.replace('.default("1234567")', "") : text}
export const total = task("$.total.${library}", { args }, (order, size) => [order.days.reduce((a, b) => a + b, 0), size]);
export const inner = task("$.inner.${library}", (order: never) => total(order, "a"));
`;
  const name = `total.${library}`;

  it("give the body what they make of the arguments", async () => {
    await using engine = await start(flow);
    expect(engine.code.tasks.get(engine.name(name))).toMatchObject({
      schemas: library,
      undecided: [],
      parameters: [
        { name: "order", optional: false },
        { name: "size", optional: library !== "arktype" },
      ],
    });
    expect((await engine.run(name, { days: [1, 2] }, "four")).value).toEqual([3, 4]);
    if (library !== "arktype") expect((await engine.run(name, { days: [1, 2] })).value).toEqual([3, 7]);
    expect((await engine.run(name, { days: [1, 2] }, "four")).ran).toEqual([]);
  });

  it("refuse at the front door, with the place", async () => {
    await using engine = await start(flow);
    await expect(engine.start(name, [{ days: [1, "2"] }, 5])).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(/^argument 1 of \S+ at \.days\[1\]: .+; argument 2 of \S+: .+/),
      details: {
        name: "SchemaError",
        issues: [
          { argument: 0, path: ".days[1]" },
          { argument: 1, path: "" },
        ],
      },
    });
    await expect(engine.start(name, [])).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(engine.start(name, [{ days: [] }, "x", 1])).rejects.toMatchObject({
      message: expect.stringContaining("takes"),
    });
    // What is known already is checked, also beside data that is not.
    await expect(engine.start(name, [dataset("nowhere"), 5])).rejects.toMatchObject({
      message: expect.stringMatching(/^argument 2 of /),
    });
  });

  it("refuse before the body runs, where the arguments come from other tasks", async () => {
    await using engine = await start(flow);
    const { error } = await engine.run(`inner.${library}`, { days: ["x"] });
    expect(error).toMatchObject({
      code: "invalid_argument",
      name: "SchemaError",
      message: expect.stringMatching(/^argument 1 of \S+ at \.days\[0\]: /),
      path: [`inner.${library}`, name],
    });
  });
});

describe("schemas", () => {
  it("are code of the task, and nothing else in its options is", async () => {
    const text = (limit: number, more = "") => `import { task } from "firesteel";
import { z } from "zod";
const day = z.int().transform((n) => n + bonus());
function bonus() { return ${limit}; }
export const main = task("$.main", { ${more} args: [day] }, (n) => n * 2);
export const options = { description: "a", args: [day] };
export const apart = task("$.apart", options, (n) => n * 2);
`;
    await using engine = await start(text(10));
    expect(await engine.run("main", 1)).toMatchObject({ value: 22, ran: ["main"] });
    expect(await engine.run("apart", 1)).toMatchObject({ value: 22, ran: ["apart"] });
    await engine.edit(text(10, "retries: 3, description: 'x',"));
    expect((await engine.run("main", 1)).ran).toEqual([]);
    await engine.edit(text(20));
    expect(await engine.run("main", 1)).toMatchObject({ value: 42, ran: ["main"] });
    expect(await engine.run("apart", 1)).toMatchObject({ value: 42, ran: ["apart"] });
  });

  it("of the whole list decide how many there are", async () => {
    await using engine = await start(`import { task } from "firesteel";
import { z } from "zod";
export const main = task("$.main", { args: z.tuple([z.string(), z.number().optional()], z.boolean()) }, (...all) => all.length);
`);
    expect((await engine.run("main", "a")).value).toBe(1);
    expect((await engine.run("main", "a", 1, true, false)).value).toBe(4);
    await expect(engine.start("main", ["a", 1, "x"])).rejects.toMatchObject({
      message: expect.stringMatching(/^argument 3 of /),
    });
    await expect(engine.start("main", [])).rejects.toMatchObject({ code: "invalid_argument" });
  });

  it("that wait for something are left to the body's side, and are not run again for nothing", async () => {
    await using engine = await start(`import { task } from "firesteel";
import { z } from "zod";
const known = z.string().refine(async (name) => name === "a", "unknown name");
export const main = task("$.main", { retries: 5, executor: "thread", args: [known] }, (name) => name);
`);
    expect((await engine.run("main", "a")).value).toBe("a");
    const started = await engine.start("main", ["b"]);
    const { error } = await engine.end(started.id);
    expect(error).toMatchObject({ code: "invalid_argument", message: expect.stringMatching(/: unknown name$/) });
    expect((await engine.end(started.id)).jobs).toHaveLength(1);
  });

  it("that end the thread cost only the call that is checked", async () => {
    await using engine = await start(`import { task } from "firesteel";
import { z } from "zod";
export const main = task("$.main", { args: [z.string().refine(() => process.exit(3))] }, (name) => name);
export const other = task("$.other", { args: [z.string()] }, (name) => name);
`);
    expect((await engine.run("main", "b")).error).toMatchObject({
      message: expect.stringMatching(/ended its thread by process.exit\(3\)$/),
    });
    expect((await engine.run("other", "a")).value).toBe("a");
  });

  it("whose check never ends cost the front door a moment", async () => {
    await using engine = await start(`import { task } from "firesteel";
import { z } from "zod";
export const main = task("$.main", { timeoutMs: 300, args: [z.string().refine(() => { for (;;); })] }, (name) => name);
export const other = task("$.other", () => 1);
`);
    const { error } = await engine.run("main", "b");
    expect(error).toMatchObject({ code: "deadline_exceeded" });
    expect((await engine.run("other")).value).toBe(1);
  });
});
