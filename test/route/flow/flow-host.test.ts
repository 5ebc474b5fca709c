import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { encodeValue } from "../../../src/hash/value.ts";
import { FlowHost } from "../../../src/route/flow/flow-host.ts";
import { type Bench, startBench } from "./executor.suite.ts";

/** What loading these files is refused with. */
async function refusal(files: Readonly<Record<string, string>>): Promise<unknown> {
  const root = await mkdtemp(join(tmpdir(), "firesteel-host-"));
  try {
    await writeFile(join(root, "package.json"), '{"type": "module"}');
    for (const [name, text] of Object.entries(files)) await writeFile(join(root, name), text);
    const modules = Object.keys(files).map((name) => join(root, name));
    return await FlowHost.start({ root, modules }).then(
      async (host) => {
        await host[Symbol.asyncDispose]();
        return undefined;
      },
      (error: unknown) => error,
    );
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

const ONE = `import { task } from "firesteel";\n`;

it.each<[string, Readonly<Record<string, string>>, object]>([
  [
    "a syntax error, with its place",
    { "flow.ts": `${ONE}export const t = task("t", () => 1 +);\n` },
    { code: "invalid_argument", message: expect.stringMatching(/flow\.ts:2:\d+/) },
  ],
  [
    "syntax that type stripping cannot strip",
    { "flow.ts": `${ONE}enum Color { red }\nexport const t = task("t", () => Color.red);\n` },
    { code: "invalid_argument", message: expect.stringMatching(/flow\.ts:2:1/) },
  ],
  [
    "two tasks of one name, with both places",
    {
      "a.ts": `${ONE}export const t = task("same", () => 1);\n`,
      "b.ts": `${ONE}\nexport const t = task("same", () => 1);\n`,
    },
    {
      code: "already_exists",
      message: expect.stringMatching(/^two tasks have one name: same, at .*a\.ts:2:18 and at .*b\.ts:3:18$/),
    },
  ],
  [
    "a module that throws",
    { "flow.ts": `${ONE}throw new RangeError("no such day");\n` },
    {
      code: "invalid_argument",
      message: expect.stringMatching(/^flow\.ts cannot be loaded: no such day, at flow\.ts:\d+:7$/),
      details: { name: "RangeError" },
    },
  ],
  [
    "an import that is not there",
    { "flow.ts": `import "./nowhere.ts";\n` },
    { code: "invalid_argument", message: expect.stringMatching(/^flow\.ts cannot be loaded: .*nowhere\.ts/) },
  ],
  [
    "a module that ends its thread",
    { "flow.ts": `process.exit(4);\n` },
    { code: "invalid_argument", message: "flow code ended its thread while it was loaded (exit code 4)" },
  ],
  [
    "a wrong option, with its place",
    { "flow.ts": `${ONE}export const t = task("t", { cache: "nowhere" }, () => 1);\n` },
    {
      code: "invalid_argument",
      message: expect.stringMatching(
        /^task t has a wrong option at .*flow\.ts:2:18: cache must be "store", "execution" or "none", not 'nowhere'$/,
      ),
    },
  ],
])("refuses %s", async (_, files, error) => {
  expect(await refusal(files)).toMatchObject(error);
});

const FLOW = `import { task } from "firesteel";
import { helper } from "./helper.ts";
export const version = task("version", () => helper());
export const exits = task("exits", () => process.exit(1));
export const slow = task("slow", async () => { await new Promise((resolve) => setTimeout(resolve, 300)); return "slow"; });
`;

it("starts again with the same code, whatever the files say by then", async () => {
  const root = await mkdtemp(join(tmpdir(), "firesteel-host-"));
  const call = (task: string, host: FlowHost) =>
    host.run(
      {
        jobId: "j",
        executionId: "e",
        task,
        code: host.tasks.find(({ name }) => name === task)!.code,
        evalHash: "0".repeat(64),
        args: [],
        datasets: [],
        options: { tags: [] },
        user: "u",
      },
      new AbortController().signal,
    );
  try {
    await writeFile(join(root, "package.json"), '{"type": "module"}');
    await writeFile(join(root, "flow.ts"), FLOW);
    await writeFile(join(root, "helper.ts"), 'export const helper = () => "old";\n');
    await using host = await FlowHost.start({ root, modules: [join(root, "flow.ts")] });
    const old = encodeValue("old");
    expect((await call("version", host)).bytes).toEqual(old);
    await writeFile(join(root, "helper.ts"), 'export const helper = () => "new";\n');
    await expect(call("exits", host)).rejects.toMatchObject({
      message: "task exits ended its thread by process.exit(1)",
    });
    expect((await call("version", host)).bytes).toEqual(old);
    await writeFile(join(root, "flow.ts"), "this is no TypeScript");
    await expect(call("exits", host)).rejects.toThrow();
    expect((await call("version", host)).bytes).toEqual(old);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

it("does what was asked of it before its thread died: rows are written all the same", async () => {
  await using bench = await startBench(
    FLOW.replace('import { helper } from "./helper.ts";\n', "const helper = () => 1;\n"),
    (_, host) => host,
  );
  const exits = bench.call("exits", []);
  exits.catch(() => undefined);
  const uri = pathToFileURL(join(bench.root, "rows.parquet")).href;
  const count = bench.host.writeParquet(encodeValue([{ a: 1 }]), { a: "int" }, uri);
  await expect(exits).rejects.toThrow();
  expect(await count).toBe(1);
});

it("refuses work after it was closed, and gives up what runs", async () => {
  const bench = await startBench(
    FLOW.replace('import { helper } from "./helper.ts";\n', "const helper = () => 1;\n"),
    (_, host) => host,
  );
  const running = bench.call("slow", []);
  running.catch(() => undefined);
  await bench[Symbol.asyncDispose]();
  await expect(running).rejects.toMatchObject({ code: "cancelled" });
  await expect(bench.call("slow", [])).rejects.toMatchObject({ code: "cancelled" });
  await expect(bench.host.writeParquet(encodeValue([]), {}, "file:///x")).rejects.toMatchObject({ code: "cancelled" });
});

const LATE = `import { task } from "firesteel";
const forever = { "~standard": { version: 1, vendor: "test", validate: (value: unknown) => { while (value === 1); return { value }; } } } as const;
export const busy = task("busy", () => { for (const end = performance.now() + 1500; performance.now() < end; ); });
export const spin = task("spin", () => { for (;;); });
export const checked = task("checked", { args: [forever as never] }, () => 1);
export const other = task("other", () => 1);
`;

it.each<[string, (bench: Bench) => Promise<unknown>]>([
  [
    "a body",
    (bench) => expect(bench.call("spin", [], { timeoutMs: 100 })).rejects.toMatchObject({ code: "deadline_exceeded" }),
  ],
  ["a check of arguments", (bench) => bench.host.checkArguments("checked", [encodeValue(1)])],
])("is not lost to %s that never ends and comes to its turn after everybody gave it up", async (_, endless) => {
  await using bench = await startBench(LATE, (_request, host) => host);
  const busy = bench.call("busy", []);
  await sleep(100);
  await endless(bench);
  await busy;
  expect(await bench.value("other", [])).toBe(1);
});
