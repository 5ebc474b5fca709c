/**
 * The limits of the evaluator: how its cost grows, how deep it goes, what executors add, what a kill costs, large values, code identity. Each beside its target.
 *
 * `npm run bench -- evaluator [--full] [NAME...]`; `--full` grows to a million tasks. Unless said otherwise a figure is one execution in a new process on Postgres, from the request to the durable end.
 */

import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { JsonValue } from "@bufbuild/protobuf";
import { createCodeIndex, type SavedCodeIndex } from "../src/hash/code/identify.ts";
import { digestValue } from "../src/hash/digest.ts";
import { type LoadedFlowCode, loadFlowCode } from "../src/route/flow/flow-code.ts";
import { modulesOf, ROOT, tasksOf } from "../test/hash/code/project.ts";
import { startPostgres } from "../test/postgres.ts";
import { EVALUATOR_FLOW, manyModules, NEIGHBOURS } from "./evaluator-flows.ts";
import { median, report } from "./figures.ts";
import { createProject, runInOwnProcess, startOwnProcess } from "./orchestrator.ts";
import type { ProcessFigures } from "./orchestrator-process.ts";

const CORES = 2;
const TASK_MS = 10;
const KILLED_TASKS = 10_000;
const KILLED_TASK_MS = 5;
const LARGE_BYTES = 50_000_000;

const flags = process.argv.slice(3);
const full = flags.includes("--full");
const PARTS = { growth, depth, fib, executors, kill, large, identity } as const;
const names = Object.keys(PARTS) as (keyof typeof PARTS)[];
const wanted = flags.filter((flag) => !flag.startsWith("--"));
const unknown = wanted.find((name) => !names.some((known) => known === name));
if (unknown !== undefined) throw new Error(`no part ${unknown}; there are ${names.join(", ")}`);

const rows: [what: string, figure: string, target: string][] = [];
const figures: Record<string, number> = {};

await using project = await createProject({ "flows/bench.ts": EVALUATOR_FLOW });
const { root } = project;
const postgres = await startPostgres();
try {
  for (const name of names) if (wanted.length === 0 || wanted.includes(name)) await PARTS[name]();
  report(["what", "figure", "target"], rows, figures);
} finally {
  await postgres.stop();
}

function tell(what: string, figure: number, text: string, target: string): void {
  rows.push([what, text, target]);
  figures[what] = figure;
  console.log(`${what}: ${text}`);
}

function execute(task: string, args: JsonValue[], database = postgres.url): Promise<ProcessFigures> {
  return runInOwnProcess({ root, settings: { database }, execution: [task, args] });
}

function rate(count: number, { seconds }: ProcessFigures): number {
  return Math.round(count / seconds);
}

/** Independent tasks by `map`: time a task from the smallest to the largest, and memory. */
async function growth(): Promise<void> {
  let first: number | undefined;
  const sizes = [1000, 10_000, 100_000, ...(full ? [1_000_000] : [])];
  for (const [salt, size] of sizes.entries()) {
    for (const phase of ["cold", "cached"]) {
      const run = await execute("bench.independent", [size, salt]);
      if (run.jobs !== size + 1) throw new Error(`${run.jobs} jobs instead of ${size + 1}`);
      const us = (run.seconds * 1e6) / size;
      const cpu = (run.cpuSeconds * 1e6) / size;
      const memory = size === 1_000_000 ? `; peak under ${Math.round(2 ** 31 / 1e6)} MB` : "";
      const target =
        phase === "cold" ? (first === undefined ? "" : `at most ${(first * 1.3).toFixed(0)} us${memory}`) : "";
      tell(
        `${size} independent tasks, ${phase}`,
        us,
        `${us.toFixed(0)} us a task, ${cpu.toFixed(0)} of CPU; peak ${run.peakMb} MB`,
        target,
      );
      figures[`${size} independent tasks, ${phase}, peak MB`] = run.peakMb;
      first ??= us;
    }
  }
}

/** Calls inside each other: as arguments, and as results. */
async function depth(): Promise<void> {
  for (const [salt, size] of [10_000, 100_000].entries())
    for (const task of ["chain", "tail"])
      for (const phase of ["cold", "cached"]) {
        const run = await execute(`bench.${task}`, [size, 100 + salt]);
        const calls = rate(size, run);
        const us = ((run.cpuSeconds * 1e6) / size).toFixed(0);
        const target = size < 100_000 ? "" : phase === "cold" ? "completes" : "20,000/s";
        tell(`${task} of ${size}, ${phase}`, calls, `${calls}/s, ${us} us of CPU each, peak ${run.peakMb} MB`, target);
      }
}

async function fib(): Promise<void> {
  for (const phase of ["cold", "cached"]) {
    const run = await execute("bench.fib", [25, 200]);
    tell(
      `fib(25), ${phase}`,
      run.seconds * 1000,
      `${Math.round(run.seconds * 1000)} ms, ${Math.round(run.cpuSeconds * 1000)} of CPU, ${run.jobs} jobs`,
      "",
    );
  }
}

/** 10 ms of CPU in each body, counted by the thread itself: other load on the machine shows in the first share only. The start of the threads or processes is counted in; with more tasks it weighs less. */
async function executors(): Promise<void> {
  for (const executor of ["process", "thread"])
    for (const count of [1000, 4000]) {
      const run = await execute(`bench.${executor}`, [count, 300 + count]);
      const user = (count * TASK_MS) / 1000;
      const share = user / (run.seconds * CORES);
      const ofCpu = user / run.cpuSeconds;
      const what = `${executor} executor, ${count} tasks of ${TASK_MS} ms`;
      tell(what, share, `${percent(share)} of two cores, ${percent(ofCpu)} of the CPU that was used`, "90 %");
      figures[`${what}, share of CPU used`] = ofCpu;
    }
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

/** A killed orchestrator: bodies that had ended and run again, told by the lines that they write. */
async function kill(): Promise<void> {
  const log = join(root, "killed.log");
  await writeFile(log, "");
  const lines = async () => (await readFile(log, "utf8")).split("\n").slice(0, -1);
  const settings = { database: postgres.url };
  const { child, figures: first } = startOwnProcess({
    root,
    settings,
    execution: ["bench.killed", [KILLED_TASKS, log]],
  });
  const died = first.then(
    () => Promise.reject(new Error("the execution ended before it was killed")),
    () => undefined,
  );
  while ((await lines()).length < KILLED_TASKS * 0.4) await Promise.race([sleep(50), died]);
  child.kill("SIGKILL");
  await died;
  const before = new Set(await lines());
  const resumed = await runInOwnProcess({ root, settings, execution: null });
  const all = await lines();
  if (new Set(all).size !== KILLED_TASKS) throw new Error(`${new Set(all).size} of ${KILLED_TASKS} tasks ran`);
  const again = all.slice(before.size).filter((line) => before.has(line)).length;
  tell(
    `kill -9 after ${before.size} tasks of ${KILLED_TASK_MS} ms`,
    again * KILLED_TASK_MS,
    `${again * KILLED_TASK_MS} ms of finished work done again, to the end in ${resumed.seconds.toFixed(1)} s`,
    "250 ms",
  );
}

/** 50 MB from task to task: `hand` returns what it was given, `measure` its length. */
async function large(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "firesteel-bench-"));
  const plain: number[] = [];
  for (let run = 0; run < 3; run++) {
    const bytes = new Uint8Array(LARGE_BYTES).fill(run + 1);
    const start = performance.now();
    digestValue(bytes);
    await using file = await open(join(folder, String(run)), "w");
    await file.writeFile(bytes);
    await file.datasync();
    plain.push((performance.now() - start) / 1000);
  }
  await rm(folder, { recursive: true, force: true });
  const small = await execute("bench.handed", [1, 1, 400]);
  const one = await execute("bench.handed", [1, LARGE_BYTES, 401]);
  const four = await execute("bench.handed", [4, LARGE_BYTES, 410]);
  const extra = one.seconds - small.seconds;
  const allowed = median(plain) * 1.5;
  tell(
    "50 MB made, handed on, measured",
    extra * 1000,
    `${Math.round(extra * 1000)} ms more than with one byte; digest and written file ${Math.round(median(plain) * 1000)} ms`,
    `${Math.round(allowed * 1000)} ms`,
  );
  tell("4 values of 50 MB", four.peakMb, `peak ${four.peakMb} MB, ${small.peakMb} with one byte`, "400 MB");
}

/** From texts to all identities, and again after an edit of one file; then a whole load of the project, which also starts a thread and imports the modules there. */
async function identity(): Promise<void> {
  const identifyAll = (what: string, target: string, edited: readonly string[], saved?: SavedCodeIndex) => {
    const files = { ...manyModules() };
    for (const name of edited) files[`flows/${name}.ts`] = manyModules(1)[`flows/${name}.ts`]!;
    const modules = modulesOf(files);
    const tasks = tasksOf(modules);
    const start = performance.now();
    const index = createCodeIndex(saved);
    for (const module of modules) index.update(module);
    const found = index.identify({ ...tasks, root: ROOT, constantValue: () => undefined });
    const ms = performance.now() - start;
    if (found.size !== 2000) throw new Error(`${found.size} tasks instead of 2,000`);
    tell(what, ms, `${Math.round(ms)} ms`, target);
    return index.save();
  };
  const first = identifyAll("identity of 500 modules, 2,000 tasks, cold", "1,000 ms", []);
  const second = identifyAll("identity, one file edited", "50 ms", ["m499"], first);
  identifyAll(`identity, a file edited that ${NEIGHBOURS} others import`, "50 ms", ["m499", "m3"], second);

  await using own = await createProject(manyModules());
  const modules = Array.from({ length: 500 }, (_, i) => join(own.root, `flows/m${i}.ts`));
  const edit = (name: string) => writeFile(join(own.root, `flows/${name}.ts`), manyModules(1)[`flows/${name}.ts`]!);
  const load = (before?: LoadedFlowCode) =>
    loadFlowCode({ root: own.root, modules, workers: CORES, spark: () => null, ...(before ? { before } : {}) });
  // The thread that loads is one of this process, so its CPU time counts.
  const timed = async (what: string, target: string, before?: LoadedFlowCode): Promise<LoadedFlowCode> => {
    const start = performance.now();
    const cpu = process.cpuUsage();
    const code = await load(before);
    const ms = performance.now() - start;
    const { user, system } = process.cpuUsage(cpu);
    tell(what, ms, `${Math.round(ms)} ms, ${Math.round((user + system) / 1000)} of CPU`, target);
    return code;
  };
  const cold = await timed("load of 500 modules, 2,000 tasks, cold", "");
  if (cold.tasks.size !== 2000) throw new Error(`${cold.tasks.size} tasks instead of 2,000`);
  const same = await timed("load, nothing edited", "", cold);
  await edit("m499");
  const edited = await timed("load, one file edited", "", same);
  const changed = [...edited.tasks].filter(([name, task]) => task.code !== cold.tasks.get(name)?.code).length;
  if (changed !== 4) throw new Error(`the edit changed ${changed} tasks instead of 4`);
  await edit("m3");
  const imported = await timed(`load, a file edited that ${NEIGHBOURS} others import`, "", edited);
  for (const code of [cold, same, edited, imported]) await code[Symbol.asyncDispose]();
}
