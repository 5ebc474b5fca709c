/**
 * Entry of a child process of the `process` executor: takes the code first, then one item at a time.
 */

import type { LoadRequest, RunItem, RunResult } from "./messages.ts";
import { loadRuntime, type Runtime } from "./runtime.ts";

/** What the parent sends. */
export type ToProcess =
  | { readonly kind: "load"; readonly request: LoadRequest }
  | { readonly kind: "run"; readonly item: RunItem };

// Written at once: what is queued is lost when a body calls `process.exit`, and its last words are the ones that count. (Node has no documented way; its own handle has had this one since 0.x.)
for (const stream of [process.stdout, process.stderr] as readonly BlockingStream[]) stream._handle?.setBlocking?.(true);

interface BlockingStream {
  readonly _handle?: { setBlocking?(on: boolean): void };
}

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
