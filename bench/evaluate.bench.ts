/**
 * How much the evaluator costs: independent trivial tasks through a whole orchestrator, cold and cached, on both databases.
 *
 * Each figure is the median of {@link RUNS} runs. "cached" is a new orchestrator on the same store. All records are written: calls, arguments, results, jobs with times.
 */

import { startPostgres } from "../test/postgres.ts";
import { median, report } from "./figures.ts";
import { createProject, serve } from "./orchestrator.ts";

const RUNS = 3;
const SIZES = [1000, 5000];

const FLOW = `
import { map, task } from "firesteel";
export const one = task("bench.one", (n: number) => n + 1);
export const main = task("bench.main", (count: number, salt: number) => map(one, Array.from({ length: count }, (_, i) => salt * 1_000_000 + i)));
`;

await using project = await createProject({ "flows/bench.ts": FLOW });
const postgres = await startPostgres();
try {
  const rows: (string | number)[][] = [];
  const figures: Record<string, number> = {};
  let salt = 0;
  for (const [name, database] of [
    ["PGlite", "embedded"],
    ["Postgres", postgres.url],
  ] as const) {
    for (const size of SIZES) {
      const cold: number[] = [];
      const cached: number[] = [];
      for (let run = 0; run < RUNS; run++) {
        salt++;
        cold.push(await seconds(database, size, salt));
        cached.push(await seconds(database, size, salt));
      }
      const rate = (times: readonly number[]) => Math.round(size / median(times));
      rows.push([name, size, rate(cold), rate(cached)]);
      figures[`${name} ${size} cold`] = rate(cold);
      figures[`${name} ${size} cached`] = rate(cached);
    }
  }
  report(["database", "tasks", "cold, tasks/s", "cached, tasks/s"], rows, figures);
} finally {
  await postgres.stop();
}

/** Time of one execution in a new orchestrator. */
async function seconds(database: string, size: number, salt: number): Promise<number> {
  await using serving = await serve(project.root, { database });
  return (await serving.run("bench.main", [size, salt])).seconds;
}
