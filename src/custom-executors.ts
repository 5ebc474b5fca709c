/**
 * Loads the modules of executors that firesteel.config.ts names. They belong to whoever runs the orchestrator, and run on its serving thread; the bodies of tasks must not.
 */

import type { Config } from "./config.ts";
import { importFactory } from "./configured-module.ts";
import { createCustomExecutor, type ExecutorFactory } from "./route/custom-executor.ts";
import type { MakeExecutor } from "./route/flow/flow-code.ts";

/**
 * The executors of a configuration by name, each to be made once for every version of the code.
 *
 * @throws FiresteelError `invalid_argument` for a module that cannot be loaded or has no function as its default export
 */
export async function loadExecutors(
  root: string,
  { executors, workers }: Pick<Config, "executors" | "workers">,
): Promise<ReadonlyMap<string, MakeExecutor>> {
  const found = new Map<string, MakeExecutor>();
  for (const [name, entry] of Object.entries(executors)) {
    const { module, options = {} } = typeof entry === "string" ? { module: entry } : entry;
    const factory = await importFactory<ExecutorFactory>(
      root,
      module,
      `executor ${name}`,
      "(context) => ({ name, run, [Symbol.asyncDispose] })",
    );
    found.set(name, (flow) => createCustomExecutor(factory, { name, flow, workers, options }));
  }
  return found;
}
