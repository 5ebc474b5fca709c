/** The executor of a third party: the example of the documentation, as a project would configure it. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { loadExecutors } from "../../../src/custom-executors.ts";
import type { Invocation } from "../../../src/evaluate/ports.ts";
import { decodeValue } from "../../../src/hash/decode.ts";
import { digestValue } from "../../../src/hash/digest.ts";
import { encodeStored } from "../../../src/hash/stored.ts";
import { encodeValue } from "../../../src/hash/value.ts";
import { createCustomExecutor } from "../../../src/route/custom-executor.ts";
import { loadFlowCode } from "../../../src/route/flow/flow-code.ts";
import { startBench, testExecutor } from "./executor.suite.ts";

const EXAMPLE = fileURLToPath(new URL("../../../examples/executors/command-executor.ts", import.meta.url));
const executors = await loadExecutors("/", { workers: 2, executors: { command: EXAMPLE } });

testExecutor("command", (request) => executors.get("command")!(request), { ends: "its process", calls: 6 });

it("is the one that the documentation shows", async () => {
  const example = await readFile(EXAMPLE, "utf8");
  expect(example.split("\n").length).toBeLessThan(100);
  expect(await readFile(new URL("../../../docs/executors.md", import.meta.url), "utf8")).toContain(example);
});

async function folder(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "firesteel-custom-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  for (const [name, text] of Object.entries({ "package.json": '{"type": "module"}', ...files }))
    await writeFile(join(root, name), text);
  return root;
}

it("the last lines of a worker that ended are in its error, with the exit code", async () => {
  await using bench = await startBench(
    `import { task } from "firesteel";
export const dies = task("dies", () => { console.log("last words"); process.exit(9); });`,
    (request) => executors.get("command")!(request),
  );
  await expect(bench.call("dies", [])).rejects.toMatchObject({
    message: "task dies ended its process: exit code 9\nlast words",
    details: { exitCode: 9, signal: null },
  });
});

it("gives whole values: one that only names a stored value is refused, although its digest is the value's", async () => {
  const value = encodeValue("far away");
  const digest = digestValue(value);
  const executor = await createCustomExecutor(
    () => ({
      name: "forger",
      run: async () => ({ kind: "value", bytes: encodeStored({ digest, length: value.length }), digest }),
      [Symbol.asyncDispose]: async () => undefined,
    }),
    { name: "forger", flow: { root: "/", modules: [] }, workers: 1, options: {} },
  );
  await expect(executor.run({ task: "t" } as Invocation, new AbortController().signal)).rejects.toMatchObject({
    code: "internal",
    message: expect.stringContaining("executor forger gave no outcome of task t"),
  });
});

it("is chosen by its name, gets its options and the resources of the task, and new code when it changes", async () => {
  const root = await folder({
    "spy.ts": `import type { ExecutorFactory } from "firesteel/executor";
import start from ${JSON.stringify(EXAMPLE)};
export const seen: unknown[] = [];
const make: ExecutorFactory = async (context) => {
  const inner = await start({ ...context, options: {} });
  return {
    ...inner,
    run: (invocation, signal) => {
      seen.push([context.options["greeting"], invocation.options.resources]);
      return inner.run(invocation, signal);
    },
  };
};
export default make;`,
  });
  const custom = await loadExecutors(root, {
    workers: 1,
    executors: { spy: { module: "spy.ts", options: { greeting: "hello" } } },
  });
  const seen = ((await import(join(root, "spy.ts"))) as { readonly seen: readonly unknown[] }).seen;
  for (const result of [1, 2]) {
    await writeFile(
      join(root, "flow.ts"),
      `import { task } from "firesteel";
export const main = task("main", { executor: "spy", resources: { memory: "2g", gpus: 1 } }, () => [${result}, process.pid]);`,
    );
    await using code = await loadFlowCode({
      root,
      modules: [join(root, "flow.ts")],
      workers: 1,
      spark: () => null,
      executors: custom,
    });
    const task = code.tasks.get("main")!;
    const executor = code.executor(task);
    expect(executor.name).toBe("spy");
    const invocation: Invocation = {
      jobId: "job",
      executionId: "execution",
      task: "main",
      code: task.code,
      evalHash: "0".repeat(64),
      args: [],
      datasets: [],
      options: { tags: [], resources: task.options.resources! },
      user: "tester",
    };
    const outcome = await executor.run(invocation, new AbortController().signal);
    const [value, pid] = decodeValue(outcome.bytes) as readonly number[];
    expect(value).toBe(result);
    expect(pid).not.toBe(process.pid);
  }
  expect(seen).toEqual(Array.from({ length: 2 }, () => ["hello", { memory: "2g", gpus: 1 }]));
});

it.each([
  ["that is not there", "", "executor bad cannot be loaded from bad.ts"],
  ["without a factory", "export const a = 1;", "executor bad: bad.ts has no function as its default export"],
])("a module %s is refused", async (_, text, message) => {
  const root = await folder(text === "" ? {} : { "bad.ts": text });
  await expect(loadExecutors(root, { workers: 1, executors: { bad: "bad.ts" } })).rejects.toMatchObject({
    code: "invalid_argument",
    message: expect.stringContaining(message),
  });
});

it.each([
  ["nothing to run", "export default () => ({});", "executor bad has no run(invocation, signal)"],
  [
    "an outcome whose digest is wrong",
    'export default () => ({ run: async () => ({ kind: "value", bytes: new Uint8Array([1]), digest: "0" }), async [Symbol.asyncDispose]() {} });',
    "executor bad gave no outcome of task main",
  ],
])("an executor that gives %s is refused", async (_, text, message) => {
  const root = await folder({ "bad.ts": text });
  const make = (await loadExecutors(root, { workers: 1, executors: { bad: "bad.ts" } })).get("bad")!;
  const run = async () => {
    await using executor = await make({ root, modules: [] });
    return executor.run({ task: "main" } as Invocation, new AbortController().signal);
  };
  await expect(run()).rejects.toMatchObject({ message: expect.stringContaining(message) });
});
