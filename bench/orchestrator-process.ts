/** An orchestrator in a process of its own, for one execution: started by `startOwnProcess`, which sends what to run and gets the figures. */

import { readFile } from "node:fs/promises";
import type { JsonValue } from "@bufbuild/protobuf";
import { openStore } from "../src/record/store.ts";
import { storeLocation } from "../src/store-location.ts";
import { cpuOf } from "./figures.ts";
import { configOf, type Settings, serve } from "./orchestrator.ts";

/** What to run. */
export interface ProcessRequest {
  readonly root: string;
  readonly settings: Settings;
  /** Null: nothing new, only what a killed orchestrator left, to its end. */
  readonly execution: readonly [task: string, args: JsonValue[]] | null;
}

/** What came of it. */
export interface ProcessFigures {
  /** From the request (or the start of the orchestrator) to the durable end. */
  readonly seconds: number;
  /** CPU time of this process and its children meanwhile. */
  readonly cpuSeconds: number;
  /** The most memory that this process ever had. */
  readonly peakMb: number;
  readonly jobs: number;
  /** Jobs whose bodies ran. */
  readonly ran: number;
}

process.once("message", async (request: ProcessRequest) => {
  process.send?.(await run(request));
  process.disconnect();
});

async function run({ root, settings, execution }: ProcessRequest): Promise<ProcessFigures> {
  const start = performance.now();
  const serving = await serve(root, settings);
  const cpu = cpuOf(process.pid);
  let seconds: number;
  let id: string;
  if (execution) ({ id, seconds } = await serving.run(...execution));
  else {
    const { executions } = await serving.client.executions.listExecutions({});
    id = executions[0]!.id;
    const { execution: ended } = await serving.client.executions.waitExecution({ id });
    if (ended?.error) throw new Error(ended.error.message);
    seconds = (performance.now() - start) / 1000;
  }
  const cpuSeconds = (cpuOf(process.pid) - cpu) / 1000;
  // Not `resourceUsage`: its figure starts with that of the process that made this one.
  const peak = /VmHWM:\s*(\d+) kB/.exec(await readFile("/proc/self/status", "utf8"))?.[1];
  await serving[Symbol.asyncDispose]();
  await using store = await openStore(storeLocation(root, configOf(settings)));
  let jobs = 0;
  let ran = 0;
  for await (const some of store.readJobs(id)) {
    jobs += some.length;
    ran += some.filter((job) => !job.cached).length;
  }
  return { seconds, cpuSeconds, peakMb: Math.round((Number(peak) * 1024) / 1e6), jobs, ran };
}
