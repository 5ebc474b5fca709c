/**
 * firesteel beside redun: the same workloads, in the same run, on the same machine and Postgres server.
 *
 * `npm run bench -- redun [--quick] [WORKLOAD...]`; `--quick` gives redun a small part of each workload. Every figure is one run in a new process, cold on an empty part of the database, then all cached; the time is
 * from the request to the durable end, without the start of the process. Where redun's size is smaller than ours, the ratio is that of tasks per second.
 */

import { join } from "node:path";
import { startPostgres, type TestPostgres } from "../test/postgres.ts";
import { tableSizes } from "./database.ts";
import { report } from "./figures.ts";
import { createProject, type Project, runInOwnProcess } from "./orchestrator.ts";
import { installRedun, runRedun } from "./redun/redun.ts";

interface Workload {
  readonly name: string;
  /** Our task. */
  readonly task: string;
  readonly sizes: readonly number[];
  /** redun's sizes, and those with `--quick`. */
  readonly redun: readonly number[];
  readonly quick: readonly number[];
  /** Distinct calls below the root. */
  readonly calls: (size: number) => number;
}

const WORKLOADS: readonly Workload[] = [
  {
    name: "independent",
    task: "bench.independent",
    sizes: [1000, 5000, 50_000],
    redun: [1000, 5000],
    quick: [200],
    calls: (count) => count,
  },
  { name: "fib", task: "bench.fib", sizes: [18, 25], redun: [18], quick: [12], calls: (n) => 2 * n },
  {
    name: "map-reduce",
    task: "bench.reduced",
    sizes: [2000],
    redun: [2000],
    quick: [200],
    calls: (count) => count + 1,
  },
  {
    name: "tree",
    task: "bench.tree",
    sizes: [12],
    redun: [12],
    quick: [6],
    calls: (depth) => 3 * 2 ** depth - 2,
  },
];

const FLOW = `
import { map, task } from "firesteel";
const numbers = (count: number, salt: number) => Array.from({ length: count }, (_, i) => salt * 1_000_000 + i);
export const one = task("bench.one", (n: number) => n + 1);
export const independent = task("bench.independent", (count: number, salt: number) => map(one, numbers(count, salt)));
export const add = task("bench.add", (a: number, b: number) => a + b);
export const fib = task("bench.fib", (n: number, salt: number): number => (n < 2 ? n + salt : add(fib(n - 1, salt), fib(n - 2, salt))));
export const total = task("bench.total", (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0));
export const reduced = task("bench.reduced", (count: number, salt: number) => total(map(one, numbers(count, salt))));
export const grow = task("bench.grow", (depth: number, place: number, salt: number): number =>
  depth === 0 ? place + salt : add(grow(depth - 1, 2 * place, salt), grow(depth - 1, 2 * place + 1, salt)));
export const tree = task("bench.tree", (depth: number, salt: number) => grow(depth, 1, salt));
`;

interface Measured {
  readonly product: "firesteel" | "redun";
  readonly database: string;
  readonly workload: string;
  readonly size: number;
  readonly calls: number;
  readonly coldSeconds: number;
  readonly cachedSeconds: number;
  readonly coldJobs: number;
  readonly cachedJobs: number;
}

const flags = process.argv.slice(3);
const quick = flags.includes("--quick");
const wanted = flags.filter((flag) => !flag.startsWith("--"));
const unknown = wanted.find((name) => !WORKLOADS.some((workload) => workload.name === name));
if (unknown !== undefined)
  throw new Error(`no workload ${unknown}; there are ${WORKLOADS.map(({ name }) => name).join(", ")}`);
const chosen = WORKLOADS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));

const measured: Measured[] = [];
const python = await installRedun();
await using project = await createProject({ "flows/bench.ts": FLOW });
const postgres = await startPostgres();
try {
  const ours = await postgres.createDatabase("firesteel");
  const theirs = await postgres.createDatabase("redun");
  for (const workload of chosen) await measureWorkload(workload, ours, theirs, project);
  await print(postgres);
} finally {
  await postgres.stop();
}

async function measureWorkload(workload: Workload, ours: string, theirs: string, { root }: Project): Promise<void> {
  const salt = 10 * (1 + WORKLOADS.indexOf(workload));
  for (const [i, size] of workload.sizes.entries())
    for (const [name, database] of [
      ["Postgres", ours],
      ["PGlite", "embedded"],
    ] as const) {
      const run = () => runInOwnProcess({ root, settings: { database }, execution: [workload.task, [size, salt + i]] });
      await measure("firesteel", name, workload, size, run);
    }
  for (const [i, size] of (quick ? workload.quick : workload.redun).entries())
    for (const [name, database] of [
      ["Postgres", theirs],
      ["SQLite", `sqlite:///${join(root, "redun.db")}`],
    ] as const)
      await measure("redun", name, workload, size, () => runRedun(python, database, workload.name, size, salt + i));
}

async function measure(
  product: Measured["product"],
  database: string,
  workload: Workload,
  size: number,
  run: () => Promise<{ readonly seconds: number; readonly jobs: number }>,
): Promise<void> {
  const cold = await run();
  const cached = await run();
  measured.push({
    ...{ product, database, workload: workload.name, size, calls: workload.calls(size) },
    ...{ coldSeconds: cold.seconds, cachedSeconds: cached.seconds, coldJobs: cold.jobs, cachedJobs: cached.jobs },
  });
  console.log(
    `${workload.name} ${size}, ${product} on ${database}: cold ${cold.seconds.toFixed(2)} s, cached ${cached.seconds.toFixed(2)} s`,
  );
}

function coldRate(run: Measured): number {
  return run.calls / run.coldSeconds;
}

function cachedRate(run: Measured): number {
  return run.calls / run.cachedSeconds;
}

/** The run of redun to hold ours against: on Postgres for ours on Postgres, on SQLite for ours on PGlite; of the same size, else of the largest. */
function counterpart(run: Measured): Measured | undefined {
  const database = run.database === "Postgres" ? "Postgres" : "SQLite";
  const same = measured.filter(
    (other) => other.product === "redun" && other.workload === run.workload && other.database === database,
  );
  return same.find((other) => other.size === run.size) ?? same.at(-1);
}

function times(run: Measured, rate: (run: Measured) => number): string {
  if (run.product === "redun") return "";
  const other = counterpart(run);
  if (other === undefined) return "";
  const ratio = (rate(run) / rate(other)).toFixed(0);
  return other.size === run.size ? `${ratio} x` : `${ratio} x of the rate at ${other.size}`;
}

async function print({ url }: TestPostgres): Promise<void> {
  const sizes: Record<string, { readonly rowsPerCall: number; readonly bytesPerCall: number }> = {};
  const rows: (string | number)[][] = measured.map((run) => [
    `${run.workload} ${run.size}`,
    `${run.product}, ${run.database}`,
    Math.round(coldRate(run)),
    times(run, coldRate),
    Math.round(cachedRate(run)),
    times(run, cachedRate),
    run.coldJobs,
    run.cachedJobs,
  ]);
  for (const product of ["firesteel", "redun"] as const) {
    const tables = await tableSizes(url.replace(/postgres$/, product));
    const calls = measured
      .filter((run) => run.product === product && run.database === "Postgres")
      .reduce((sum, run) => sum + run.calls, 0);
    const rowsPerCall = tables.reduce((sum, table) => sum + table.rows, 0) / calls;
    const bytesPerCall = Math.round(tables.reduce((sum, table) => sum + table.bytes, 0) / calls);
    sizes[product] = { rowsPerCall, bytesPerCall };
    rows.push([
      `${product}'s Postgres after all`,
      `${rowsPerCall.toFixed(1)} rows, ${bytesPerCall} bytes a call`,
      ...["", "", "", "", "", ""],
    ]);
  }
  report(["workload", "", "cold, calls/s", "to redun", "cached, calls/s", "to redun", "jobs, cold", "cached"], rows, {
    runs: measured,
    databases: sizes,
  });
  const grown = measured.filter((run) => run.product === "firesteel" && run.cachedJobs > run.coldJobs);
  if (grown.length > 0)
    throw new Error(`a warm run has more jobs than the cold one: ${grown.map((run) => run.workload).join(", ")}`);
}
