/**
 * Entry of the flow host's thread.
 *
 * `shared[0]` is the item whose synchronous part runs now (0: none), `shared[1]` the last item that was started: with these the serving thread knows whom to blame when this thread hangs or dies.
 */

import { parentPort, workerData } from "node:worker_threads";
import { writeParquet } from "../../data/write-parquet.ts";
import { errorRecord } from "../../evaluate/failure.ts";
import { decodeValue } from "../../hash/value.ts";
import type { FromWorker, LoadRequest, RunItem, RunResult, ToWorker } from "./messages.ts";
import { loadRuntime, type Runtime } from "./runtime.ts";

const { request, shared } = workerData as { readonly request: LoadRequest; readonly shared: Int32Array };
const port = parentPort!;
const send = (message: FromWorker) => port.postMessage(message);

let finished: RunResult[] = [];

/** Results that come in one turn of the event loop go over as one message. */
function finish(result: RunResult): void {
  if (finished.push(result) > 1) return;
  setImmediate(() => {
    send({ kind: "results", results: finished });
    finished = [];
  });
}

function run(runtime: Runtime, items: readonly RunItem[]): void {
  for (const item of items) {
    Atomics.store(shared, 0, item.id);
    Atomics.store(shared, 1, item.id);
    void runtime.run(item).then(finish);
  }
  Atomics.store(shared, 0, 0);
}

try {
  const runtime = await loadRuntime(request);
  port.on("message", (message: ToWorker) => {
    switch (message.kind) {
      case "run":
        run(runtime, message.items);
        break;
      case "ping":
        send({ kind: "pong", id: message.id });
        break;
      case "parquet":
        writeParquet(decodeValue(message.rows) as readonly unknown[], message.columns, message.uri).then(
          (count) => send({ kind: "parquet", id: message.id, count, error: null }),
          (error: unknown) => send({ kind: "parquet", id: message.id, count: null, error: errorRecord(error) }),
        );
        break;
    }
  });
  send({ kind: "loaded", code: runtime.code });
} catch (error) {
  send({ kind: "failed", error: errorRecord(error) });
}
