/**
 * Entry of a thread of the `thread` executor: piscina calls {@link run} with one item at a time.
 */

import { workerData } from "node:worker_threads";
import type { LoadRequest, RunItem, RunResult } from "./messages.ts";
import { loadRuntime, type Runtime } from "./runtime.ts";

let runtime: Promise<Runtime> | undefined;

/** Runs one body; loads the code first when this thread is new. */
export async function run(item: RunItem): Promise<RunResult> {
  runtime ??= loadRuntime(workerData as LoadRequest);
  return (await runtime).run(item);
}
