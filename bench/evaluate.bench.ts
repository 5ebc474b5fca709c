/**
 * How much the evaluator costs: independent trivial tasks through a whole orchestrator, cold and cached, on both databases.
 *
 * Each figure is the median of {@link RUNS} runs. "cached" is a new orchestrator on the same store. All records are written: calls, arguments, results, jobs with times.
 */

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromJson } from "@bufbuild/protobuf";
import { ListValueSchema } from "@bufbuild/protobuf/wkt";
import { pino } from "pino";
import { parseConfig } from "../src/config.ts";
import { startOrchestrator } from "../src/main.ts";
import { createClient } from "../src/serve/client.ts";
import { startPostgres } from "../test/postgres.ts";
import { median, report } from "./figures.ts";

const RUNS = 3;
const SIZES = [1000, 5000];

const FLOW = `
import { map, task } from "firesteel";
export const one = task("bench.one", (n: number) => n + 1);
export const main = task("bench.main", (count: number, salt: number) => map(one, Array.from({ length: count }, (_, i) => salt * 1_000_000 + i)));
`;

const root = await mkdtemp(join(tmpdir(), "firesteel-bench-"));
const postgres = await startPostgres();
try {
  await mkdir(join(root, "flows"));
  await writeFile(join(root, "flows", "bench.ts"), FLOW);
  await writeFile(join(root, "package.json"), '{"type":"module"}');
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
  await rm(root, { recursive: true, force: true });
}

/** Time of one execution in a new orchestrator, from the request to its durable end. */
async function seconds(database: string, size: number, salt: number): Promise<number> {
  const config = parseConfig({ flows: ["flows/*.ts"], grpcPort: 0, httpPort: 0, database }, "bench");
  const orchestrator = await startOrchestrator({
    root,
    config,
    log: pino({ level: "silent" }),
    localCluster: async () => null,
  });
  try {
    using client = createClient(orchestrator.grpcAddress);
    await client.tasks.listTasks({});
    const start = performance.now();
    const { execution } = await client.executions.startExecution({
      task: "bench.main",
      jsonArguments: fromJson(ListValueSchema, [size, salt]),
    });
    const ended = await client.executions.waitExecution({ id: execution!.id });
    const time = (performance.now() - start) / 1000;
    if (ended.execution?.error) throw new Error(ended.execution.error.message);
    return time;
  } finally {
    await orchestrator.stop();
  }
}
