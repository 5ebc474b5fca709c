/**
 * Loads the modules of executors that firesteel.config.ts names. They belong to whoever runs the orchestrator, and run on its serving thread; the bodies of tasks must not.
 */

import { registerHooks } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Config } from "./config.ts";
import { Code, FiresteelError } from "./errors.ts";
import { codeExtension } from "./package-info.ts";
import { createCustomExecutor, type ExecutorFactory } from "./route/custom-executor.ts";
import type { MakeExecutor } from "./route/flow/flow-code.ts";

let hooked = false;

/** The bare specifiers mean the running copy, also where none is installed. */
function hookSpecifiers(): void {
  if (hooked) return;
  hooked = true;
  const own = new Map([
    ["firesteel", new URL(`./index${codeExtension}`, import.meta.url).href],
    ["firesteel/executor", new URL(`./executor${codeExtension}`, import.meta.url).href],
  ]);
  registerHooks({
    resolve(specifier, context, next) {
      const url = own.get(specifier);
      return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
    },
  });
}

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
    hookSpecifiers();
    const url = pathToFileURL(resolve(root, module)).href;
    const loaded = await import(url).catch((error: unknown) => {
      throw new FiresteelError(
        Code.invalidArgument,
        `executor ${name} cannot be loaded from ${module}: ${(error as Error)?.message ?? error}`,
        { cause: error },
      );
    });
    const factory = (loaded as { readonly default?: ExecutorFactory }).default;
    if (typeof factory !== "function")
      throw new FiresteelError(
        Code.invalidArgument,
        `executor ${name}: ${module} has no function as its default export; write \`export default (context) => ({ name, run, [Symbol.asyncDispose] })\``,
      );
    found.set(name, (flow) => createCustomExecutor(factory, { name, flow, workers, options }));
  }
  return found;
}
