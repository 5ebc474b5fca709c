/** The flows of `evaluator.bench.ts`. */

export const EVALUATOR_FLOW = `
import { appendFileSync } from "node:fs";
import { map, task } from "firesteel";

const numbers = (count: number, salt: number) => Array.from({ length: count }, (_, i) => salt * 10_000_000 + i);
export const one = task("bench.one", (n: number) => n + 1);
// The number of results, not the results: their way to the client is not what is measured.
export const independent = task("bench.independent", (count: number, salt: number) => map(one, numbers(count, salt)).length);

export const chain = task("bench.chain", (depth: number, salt: number) => {
  let value: number = salt * 10_000_000;
  for (let i = 0; i < depth; i++) value = one(value);
  return value;
});
export const tail = task("bench.tail", (depth: number, salt: number): number => (depth === 0 ? salt : tail(depth - 1, salt)));

export const add = task("bench.add", (a: number, b: number) => a + b);
export const fib = task("bench.fib", (n: number, salt: number): number => (n < 2 ? n + salt : add(fib(n - 1, salt), fib(n - 2, salt))));

// The kernel brings the time of a thread up to date at its ticks, every 4 ms, and when that of the whole process is asked for: without this 10 ms took 11.9.
const used = (): number => {
  process.cpuUsage();
  const { user, system } = process.threadCpuUsage();
  return user + system;
};
const burn = (ms: number): void => {
  const end = used() + ms * 1000;
  while (used() < end);
};
export const busyProcess = task("bench.busy-process", { executor: "process", version: "1" }, (n: number) => {
  burn(10);
  return n;
});
export const busyThread = task("bench.busy-thread", { executor: "thread", version: "1" }, (n: number) => {
  burn(10);
  return n;
});
export const inProcesses = task("bench.process", (count: number, salt: number) => map(busyProcess, numbers(count, salt)).length);
export const inThreads = task("bench.thread", (count: number, salt: number) => map(busyThread, numbers(count, salt)).length);

export const step = task("bench.step", { version: "1" }, ({ n, log }: { n: number; log: string }) => {
  const end = performance.now() + 5;
  while (performance.now() < end);
  appendFileSync(log, \`\${n}\\n\`);
  return n;
});
export const killed = task("bench.killed", (count: number, log: string) => map(step, Array.from({ length: count }, (_, n) => ({ n, log }))).length);

export const make = task("bench.make", (bytes: number, fill: number) => new Uint8Array(bytes).fill(fill));
export const hand = task("bench.hand", (bytes: Uint8Array) => bytes);
export const measure = task("bench.measure", (bytes: Uint8Array) => bytes.length);
export const handed = task("bench.handed", (count: number, bytes: number, salt: number) =>
  Array.from({ length: count }, (_, i) => measure(hand(make(bytes, (salt + i) % 256)))));
`;

/** Modules that import from one of the first 50. */
export const NEIGHBOURS = 9;

/** 500 modules of four tasks each, by path. `constant` is in each of them: another one is an edit of all. */
export function manyModules(constant = 0): Record<string, string> {
  const files: Record<string, string> = {};
  for (let i = 0; i < 500; i++) {
    const tasks = Array.from(
      { length: 4 },
      (_, k) =>
        `export const t${k} = task("m${i}.t${k}", (rows: readonly number[]) => {\n` +
        `  const kept = rows.filter((row) => row % ${k + 2} !== CONSTANT);\n` +
        `  return kept.map((row) => scale(row)).reduce((a, b) => a + b, 0);\n});\n`,
    );
    const lines = [
      'import { task } from "firesteel";',
      ...(i < 50 ? [] : [`import { scale as base } from "./m${i % 50}.ts";`]),
      `const CONSTANT = ${constant};`,
      `export const scale = (n: number): number => ${i < 50 ? "n" : "base(n)"} * ${i + 1} + CONSTANT;`,
      ...tasks,
    ];
    files[`flows/m${i}.ts`] = lines.join("\n");
  }
  return files;
}
