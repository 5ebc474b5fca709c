/**
 * Entry of a child process of the `process` executor: takes the code first, then one item at a time.
 */

import type { LoadRequest, RunItem, RunResult } from "./messages.ts";
import { loadRuntime, type Runtime } from "./runtime.ts";

/** What the parent sends. */
export type ToProcess =
  | { readonly kind: "load"; readonly request: LoadRequest }
  | { readonly kind: "run"; readonly item: RunItem };

let runtime: Promise<Runtime> | undefined;

process.on("message", (message: ToProcess) => {
  if (message.kind === "load") runtime = loadRuntime(message.request);
  else void answer(message.item);
});
// The parent is gone: nobody waits for what runs here.
process.on("disconnect", () => process.exit(0));

async function answer(item: RunItem): Promise<void> {
  const result: RunResult = await runtime!.then((loaded) => loaded.run(item));
  process.send?.(result);
}
