/** Large values, which lie in files and travel as what stands for them (`hash/stored.ts`). */
import { readdir, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Code, FiresteelError } from "../../src/errors.ts";
import type { CallRecord, StoredValues } from "../../src/evaluate/ports.ts";
import { digestValue } from "../../src/hash/digest.ts";
import { joinList } from "../../src/hash/program.ts";
import { encodeStored } from "../../src/hash/stored.ts";
import { encodeValue } from "../../src/hash/value.ts";
import { Engine } from "./engine.ts";
import { openTemporaryStore } from "./temporary-store.ts";

/** Every result that is data is a file, beside those of a single byte: `undefined` at the end of the arguments counts as left out, and has to be seen. */
const ALL_STORED = { fileBytes: 1 };
const NONE_STORED = { fileBytes: Number.MAX_SAFE_INTEGER };

type Opened = Awaited<ReturnType<typeof openTemporaryStore>>;

async function valueFiles({ directory }: Opened): Promise<string[]> {
  const names = await readdir(join(directory, "values"), { recursive: true }).catch(() => []);
  return names.filter((name) => /[0-9a-f]{64}$/.test(name)).map((name) => join(directory, "values", name));
}

describe("random values", () => {
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom(undefined, null, true, 0, -0, Number.NaN, 2n ** 65n, "", "text", new Date(5)),
      fc.uint8Array({ maxLength: 40 }),
      fc.float64Array({ maxLength: 4 }),
      fc.string({ maxLength: 60 }),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(fc.string({ maxLength: 3 }), tie("value"), { maxKeys: 3 }),
      fc.uniqueArray(fc.string({ maxLength: 3 }), { maxLength: 3 }).map((items) => new Set(items)),
      fc
        .uniqueArray(fc.string({ maxLength: 3 }), { maxLength: 3 })
        .chain((keys) =>
          fc.array(tie("value"), { maxLength: 3 }).map((items) => new Map(keys.map((k, i) => [k, items[i]]))),
        ),
    ),
  }));
  const FLOW = `import { catchAll, cond, eq, filter, flatMap, map, reduce, seq, task, text } from "firesteel";
export const inPlace = task("stored.place", (v: unknown) => v);
export const inThread = task("stored.thread", { executor: "thread" }, (v: unknown) => v);
export const inProcess = task("stored.process", { executor: "process" }, (v: unknown) => v);
export const yes = task("stored.yes", (v: unknown) => true);
export const first = task("stored.first", (a: unknown, b: unknown) => a);
export const word = task("stored.word", () => "a word");
export const handed = task("stored.handed", (v: unknown) => [inPlace(v), inThread(inPlace(v)), inProcess(inThread(v))]);
export const main = task("stored.main", (v: unknown) => ({
  handed: handed(v),
  within: inThread([inPlace(v), { at: inProcess(v), beside: 1 }]),
  member: (inPlace({ member: v, other: 1 }) as any).member,
  length: (inThread([v, 2]) as any).length,
  missing: (inPlace({}) as any).missing,
  mapped: map(inPlace, inPlace([v, v, 3]) as any),
  flat: flatMap(inPlace, inThread([[v], [1, v]]) as any),
  filtered: filter(yes, [inPlace(v), inPlace(1)]),
  reduced: reduce(first, inPlace([v, 1, v]) as any),
  equal: eq(inPlace(v), inProcess(v)),
  chosen: cond(inPlace(true) as any, inThread(v), 0),
  all: catchAll([inPlace(v), inThread(v)]),
  after: seq([inPlace(v), inProcess(v)]),
  text: text\`<\${word()}>\`,
}));
`;
  let some: Opened;
  let none: Opened;
  beforeAll(async () => {
    [some, none] = [await openTemporaryStore(ALL_STORED), await openTemporaryStore(NONE_STORED)];
  });
  afterAll(async () => {
    await some[Symbol.asyncDispose]();
    await none[Symbol.asyncDispose]();
  });

  it("have the same results and identities whether they are stored or not, in every executor, fresh and found again", async () => {
    await using stored = await Engine.start(some.store, FLOW);
    await using whole = await Engine.start(none.store, FLOW);
    const main = async (project: Engine, given: unknown) => {
      const { id } = await project.executions.start({
        task: "stored.main",
        args: { kind: "value", bytes: encodeValue([given]) },
        user: "u",
        reason: "r",
      });
      return await project.end(id);
    };
    const calls = (run: Awaited<ReturnType<typeof main>>) => run.jobs.map(({ evalHash }) => evalHash).sort();
    await fc.assert(
      fc.asyncProperty(value, async (given) => {
        const [a, b] = [await main(stored, given), await main(whole, given)];
        expect([a.error, b.error]).toEqual([null, null]);
        expect(Buffer.compare(a.execution.result!, b.execution.result!)).toBe(0);
        expect(calls(a)).toEqual(calls(b));
        const again = await main(stored, given);
        expect(again.ran).toEqual([]);
        expect(Buffer.compare(again.execution.result!, b.execution.result!)).toBe(0);
      }),
      { numRuns: 15, examples: [[undefined]] },
    );
    expect((await valueFiles(some)).length).toBeGreaterThan(5);
    expect(await valueFiles(none)).toEqual([]);
  });
});

const LARGE = `import { readdirSync, rmSync } from "node:fs";
import { cond, eq, file, task } from "firesteel";
export const make = task("$.make", (fill: number) => new Uint8Array(200_000).fill(fill));
export const list = task("$.list", (n: number) => Array.from({ length: 50_000 }, (_, i) => i * n));
export const hand = task("$.hand", (bytes: Uint8Array) => bytes);
export const measure = task("$.measure", (bytes: Uint8Array) => [bytes.length, bytes[0], bytes.buffer.byteLength]);
export const both = task("$.both", (many: Uint8Array[]) => many.reduce((sum, bytes) => sum + bytes.length, 0));
export const main = task("$.main", (fill: number) => measure(hand(make(fill))));
export const pair = task("$.pair", () => both([make(1), make(2), make(1)]));
export const result = task("$.result", () => [make(1), 5]);
export const names = task("$.names", () => [new Uint8Array(200_000), file("data.txt")]);
export const shallow = task("$.shallow", { checkValid: "shallow" }, () => ({ made: make(3) }));
export const above = task("$.above", () => measure(shallow().made));
// Deletes all large values when the first one has been used.
export const wipe = task("$.wipe", { cache: "none" }, (folder: string, _after: unknown) => {
  for (const name of readdirSync(folder)) rmSync(folder + "/" + name, { recursive: true });
  return 0;
});
export const second = task("$.second", (bytes: Uint8Array, _after: unknown) => bytes.length);
export const lostByBody = task("$.lostByBody", (folder: string) => second(make(7), wipe(folder, measure(make(7)))));
export const size = task("$.size", (list: number[]) => list.length);
export const lostByIndex = task("$.lostByIndex", (folder: string) => {
  const made = list(8);
  return cond(eq(wipe(folder, size(made)), 0), made[9], 0);
});
export const items = task("$.items", () => {
  const made = list(2);
  return [made.length, ...Array.from({ length: 100 }, (_, i) => made[i * 100])];
});
`;

describe("a large value", () => {
  let opened: Opened;
  let project: Engine;
  beforeAll(async () => {
    opened = await openTemporaryStore();
    project = await Engine.start(opened.store, { "flow.ts": LARGE, "data.txt": "d" });
  });
  afterAll(async () => {
    await project[Symbol.asyncDispose]();
    await opened[Symbol.asyncDispose]();
  });

  it("is written once, and the evaluator and the store are told its name instead of its bytes", async () => {
    const recorded: CallRecord[] = [];
    const watched = new Proxy(opened.store, {
      get(target, key) {
        if (key !== "recordCalls") return Reflect.get(target, key, target);
        return (calls: readonly CallRecord[], replace?: boolean) => {
          recorded.push(...calls);
          return target.recordCalls(calls, replace);
        };
      },
    });
    await using own = await Engine.start(watched, LARGE);
    expect((await own.run("main", 9)).value).toEqual([200_000, 9, 200_000]);
    const name = digestValue(encodeValue(new Uint8Array(200_000).fill(9)));
    expect((await valueFiles(opened)).filter((path) => path.endsWith(name))).toHaveLength(1);
    const made = recorded.filter(({ task }) => /make|hand|measure/.test(task));
    expect(made.map(({ outcome }) => outcome.digest === name)).toEqual([true, true, false]);
    expect(made.flatMap(({ args, outcome }) => [...args, outcome].filter(({ bytes }) => bytes.length > 60))).toEqual(
      [],
    );
    expect(made[1]!.args.map(({ digest }) => digest)).toEqual([name]);
    const stored = await opened.store.findCallRecord(made[1]!.evalHash);
    expect([...stored!.args, stored!.outcome].map(({ bytes }) => digestValue(bytes))).toEqual([name, name]);
  });

  it("is known by its digest as a part of an argument too, and whole in the result of an execution", async () => {
    expect((await project.run("pair")).value).toBe(600_000);
    expect((await project.run("pair")).ran).toEqual([]);
    const { value } = await project.run("result");
    expect(value).toEqual([new Uint8Array(200_000).fill(1), 5]);
  });

  it("that names files is not stored away: they are looked at as ever", async () => {
    expect(await project.run("names")).toMatchObject({ ran: ["names"] });
    expect((await project.run("names")).ran).toEqual([]);
  });

  it.each(["removed", "cut"] as const)("whose file was %s is made again", async (how) => {
    const fill = how === "removed" ? 20 : 21;
    const first = await project.run("main", fill);
    const name = digestValue(encodeValue(new Uint8Array(200_000).fill(fill)));
    const path = (await valueFiles(opened)).find((file) => file.endsWith(name))!;
    if (how === "removed") await rm(path);
    else await truncate(path, 100);
    // The file is there again when the other two are looked up.
    const second = await project.run("main", fill);
    expect(second.value).toEqual(first.value);
    expect(second.ran).toEqual(["make"]);
    expect((await project.run("main", fill)).ran).toEqual([]);
    expect(await valueFiles(opened)).toContain(path);
  });

  it("in a shallow result is missed there too", async () => {
    expect((await project.run("above")).value).toEqual([200_000, 3, 200_000]);
    expect((await project.run("above")).ran).toEqual([]);
    const name = digestValue(encodeValue(new Uint8Array(200_000).fill(3)));
    await rm((await valueFiles(opened)).find((file) => file.endsWith(name))!);
    expect(await project.run("above")).toMatchObject({ value: [200_000, 3, 200_000], ran: ["make"] });
  });

  it("that goes while an execution uses it fails who needs it, and the next execution makes it again", async () => {
    const folder = join(opened.directory, "values");
    const { error } = await project.run("lostByBody", folder);
    expect(error).toMatchObject({ code: "data_loss", message: expect.stringContaining("no longer there") });
    // The call that has its result no more is made again, and wiped again by the same execution.
    expect((await project.run("lostByBody", folder)).ran).toContain("make");
    await rm(folder, { recursive: true });
    expect((await project.run("main", 7)).value).toEqual([200_000, 7, 200_000]);
  });

  it("that goes before the evaluator looks into it fails that look", async () => {
    const { error } = await project.run("lostByIndex", join(opened.directory, "values"));
    expect(error).toMatchObject({ code: "data_loss", message: expect.stringContaining("no longer there") });
  });

  it("is read a few times at most by who takes a hundred items of it", async () => {
    let reads = 0;
    const { stored } = opened.store;
    const counting: StoredValues = {
      ...stored,
      read: (value) => {
        reads++;
        return stored.read(value);
      },
    };
    const watched = new Proxy(opened.store, {
      get: (target, key) => (key === "stored" ? counting : Reflect.get(target, key, target)),
    });
    await using own = await Engine.start(watched, LARGE);
    expect((await own.run("items")).value).toEqual([50_000, ...Array.from({ length: 100 }, (_, i) => i * 200)]);
    expect(reads).toBeGreaterThan(0);
    expect(reads).toBeLessThan(10);
  });

  it("cannot be named by a client: bytes are bytes, and what stands for one is refused", async () => {
    const forged = encodeStored({ digest: digestValue(encodeValue(new Uint8Array(200_000).fill(1))), length: 200_005 });
    expect((await project.run("hand", forged)).value).toEqual(forged);
    const start = (bytes: Uint8Array) =>
      project.executions.start({ task: project.name("hand"), args: { kind: "value", bytes }, user: "u", reason: "r" });
    await expect(start(joinList([forged]))).rejects.toThrow(
      new FiresteelError(
        Code.invalidArgument,
        `arguments of ${project.name("hand")} hold a stored value, which only workers make`,
      ),
    );
  });
});
