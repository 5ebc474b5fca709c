/** What is counted of look-ups: hits, misses, invalid results and early cutoffs. */
import { describe, expect, it } from "vitest";
import type { Tally } from "../../src/evaluate/tally.ts";
import { Engine } from "./engine.ts";
import { useTemporaryStore } from "./temporary-store.ts";

const opened = useTemporaryStore();

const IMPORT = `import { add, cond, eq, field, file, map, readText, task, type File } from "firesteel";\n`;

/** What a run adds to the counts. */
async function counted(project: Engine, ...args: readonly unknown[]) {
  const copy = ({ call, shallow, cutoffs }: Tally) => ({ ...call, shallow: shallow.hit, cutoffs: cutoffs.call });
  const before = copy(project.tally);
  const run = await project.run("main", ...args);
  expect(run.error).toBeNull();
  const after = copy(project.tally);
  const added = Object.entries(after).map(([key, value]) => [key, value - before[key as keyof typeof before]] as const);
  return { ran: run.ran, ...(Object.fromEntries(added) as ReturnType<typeof copy>) };
}

describe("look-ups", () => {
  const FLOW = `${IMPORT}
const PLUS = 1;
export const half = task("$.half", (n: number) => Math.floor((n + PLUS) / 2));
export const twice = task("$.twice", (n: number) => n * 2);
export const other = task("$.other", (n: number) => n);
export const main = task("$.main", (n: number) => [twice(half(n)), other(n)]);
`;

  it("are misses at first and hits the next time, and no hit is an early cutoff where nothing ran", async () => {
    await using project = await Engine.start(opened.store, FLOW);
    expect(await counted(project, 4)).toMatchObject({ hit: 0, miss: 4, cutoffs: 0 });
    expect(await counted(project, 4)).toMatchObject({ hit: 4, miss: 0, cutoffs: 0 });
  });

  it("are cutoffs where an argument ran anew and came out as before, and there only", async () => {
    await using project = await Engine.start(opened.store, FLOW);
    await project.run("main", 4);
    // Of new code, with the old result: `twice` need not run. `other` depends on nothing that ran.
    await project.edit(FLOW.replace("PLUS = 1", "PLUS = 0"));
    expect(await counted(project, 4)).toMatchObject({ ran: ["half"], hit: 3, miss: 1, cutoffs: 1 });
    // With another result it has to.
    await project.edit(FLOW.replace("PLUS = 1", "PLUS = 8"));
    expect(await counted(project, 4)).toMatchObject({ ran: ["half", "twice"], cutoffs: 0 });
  });

  it.each([
    ["a field", "twice(half(n).at)", "({ at: Math.floor((n + PLUS) / 2) })"],
    ["an operator", "twice(add(half(n), 1))", "Math.floor((n + PLUS) / 2)"],
    ["a condition", "cond(eq(half(n), 2), twice(half(n)), 0)", "Math.floor((n + PLUS) / 2)"],
    ["another call", "twice(pass(half(n)))", "Math.floor((n + PLUS) / 2)"],
    ["a list", "map(twice, half(n))", "[Math.floor((n + PLUS) / 2)]"],
    ["an object", "twice(field({ a: { b: half(n) } }.a.b, 0))", "[Math.floor((n + PLUS) / 2)]"],
  ])("are cutoffs behind %s too", async (_, expression, half) => {
    const flow = `${IMPORT}
const PLUS = 1;
export const half = task("$.half", (n: number): any => ${half});
export const twice = task("$.twice", (n: number) => n * 2);
export const pass = task("$.pass", { cache: "none" }, (n: number) => n);
export const main = task("$.main", (n: number) => ${expression});
`;
    await using project = await Engine.start(opened.store, flow);
    await project.run("main", 4);
    await project.edit(flow.replace("PLUS = 1", "PLUS = 0"));
    expect((await counted(project, 4)).cutoffs).toBe(1);
  });

  it("are cutoffs at a shallow result, and none below it", async () => {
    const flow = `${IMPORT}
const PLUS = 1;
export const half = task("$.half", (n: number) => Math.floor((n + PLUS) / 2));
export const inner = task("$.inner", (n: number) => n * 2);
export const total = task("$.total", { checkValid: "shallow" }, (n: number) => inner(n));
export const main = task("$.main", (n: number) => total(half(n)));
`;
    await using project = await Engine.start(opened.store, flow);
    await project.run("main", 4);
    await project.edit(flow.replace("PLUS = 1", "PLUS = 0"));
    expect(await counted(project, 4)).toMatchObject({ ran: ["half"], shallow: 1, cutoffs: 1 });
  });

  it("are invalid where a file in the result is not what it was", async () => {
    const flow = `${IMPORT}
import { writeFile } from "firesteel";
export const write = task("$.write", () => writeFile("out.txt", "made"));
export const main = task("$.main", () => ({ out: write() }));
`;
    await using project = await Engine.start(opened.store, flow);
    await project.run("main");
    await project.write("out.txt", "changed by hand");
    expect(await counted(project)).toMatchObject({ ran: ["write"], hit: 1, invalid: 1 });
  });
});
