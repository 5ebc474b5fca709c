import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { createProcessExecutor } from "../../../src/route/flow/process-executor.ts";
import { createThreadExecutor } from "../../../src/route/flow/thread-executor.ts";
import { startBench, testExecutor } from "./executor.suite.ts";

testExecutor("inline", (_, host) => host, { ends: "its thread" });
testExecutor("thread", (request) => createThreadExecutor(request, 2), { ends: "its thread" });
testExecutor("process", (request) => createProcessExecutor(request, 2), { ends: "its process" });

const FLOW = `import { appendFileSync } from "node:fs";
import { task } from "firesteel";
export const pid = task("pid", () => process.pid);
export const dies = task("dies", (lines: number) => {
  for (let i = 0; i < lines; i++) console.error("line " + i);
  process.exit(9);
});
export const killed = task("killed", async () => { process.kill(process.pid, "SIGKILL"); await new Promise(() => {}); });
export const busy = task("busy", (log: string) => {
  appendFileSync(log, "x");
  for (const until = performance.now() + 5; performance.now() < until; );
});
export const slow = task("slow", () => new Promise((resolve) => setTimeout(() => resolve(1), 400)));
`;

it("short bodies in place have their results one by one, not when the last of many has run", async () => {
  await using bench = await startBench(FLOW, (_, host) => host);
  const log = join(bench.root, "busy.txt");
  const runs = Array.from({ length: 200 }, () => bench.value("busy", [log]));
  await Promise.race(runs);
  expect((await readFile(log, "utf8")).length).toBeLessThan(150);
  await Promise.all(runs);
});

it("a process stays for the next body, and another one takes its place when it died", async () => {
  await using bench = await startBench(FLOW, (request) => createProcessExecutor(request, 1));
  const first = await bench.value("pid", []);
  expect(first).not.toBe(process.pid);
  expect(await bench.value("pid", [])).toBe(first);
  await expect(bench.call("killed", [])).rejects.toMatchObject({
    message: "task killed ended its process: signal SIGKILL",
  });
  expect(await bench.value("pid", [])).not.toBe(first);
});

it("the last lines of a process that ended are in its error", async () => {
  const printed = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  onTestFinished(() => printed.mockRestore());
  await using bench = await startBench(FLOW, (request) => createProcessExecutor(request, 1));
  const error = await bench.call("dies", [2000]).catch((reason: unknown) => reason as Error);
  expect(error).toMatchObject({
    message: expect.stringMatching(/^task dies ended its process: exit code 9\n[\s\S]*line 1999$/),
    details: { exitCode: 9, signal: null },
  });
  expect((error as Error).message.length).toBeLessThan(2200);
  expect(printed.mock.calls.join("")).toContain("line 0\nline 1\n");
});

it.each([
  ["process", createProcessExecutor],
  ["thread", createThreadExecutor],
] as const)("waiting for a free %s does not count as the body's time", async (_, create) => {
  await using bench = await startBench(FLOW, (request) => create(request, 1));
  await bench.value("slow", []);
  const runs = Array.from({ length: 4 }, () => bench.value("slow", [], { timeoutMs: 1200 }));
  expect(await Promise.all(runs)).toEqual([1, 1, 1, 1]);
});

it.each([
  ["process", createProcessExecutor],
  ["thread", createThreadExecutor],
] as const)("closing the %s executor ends what runs", async (_, create) => {
  const bench = await startBench(FLOW, (request) => create(request, 1));
  const run = bench.call("slow", []);
  run.catch(() => undefined);
  await bench[Symbol.asyncDispose]();
  await expect(run).rejects.toMatchObject({ code: "cancelled" });
  await expect(bench.call("slow", [])).rejects.toMatchObject({ code: "cancelled" });
});
