/**
 * Entry of the flow host's thread.
 *
 * `shared[0]` is the item whose synchronous part runs now (0: none) or, when this thread ends, the one that ended it; `shared[1]` the last item that was started: with these the serving thread knows whom to
 * blame when this thread hangs or dies. `shared[2]`, written there, is the last check that was given up: neither it nor one before it is begun.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { parentPort, workerData } from "node:worker_threads";
import { writeParquet } from "../../data/write-parquet.ts";
import { errorRecord } from "../../evaluate/failure.ts";
import { decodeValue } from "../../hash/decode.ts";
import type { FromWorker, LoadRequest, RunItem, RunResult, ToWorker } from "./messages.ts";
import { packResults, unpackItems } from "./packing.ts";
import { loadRuntime, type Runtime } from "./runtime.ts";

const { request, shared } = workerData as { readonly request: LoadRequest; readonly shared: Int32Array };
const port = parentPort!;
const send = (message: FromWorker, transfer: readonly ArrayBuffer[] = []) => port.postMessage(message, [...transfer]);

/** The item on whose behalf code runs, also in its timers and after its awaits. */
const current = new AsyncLocalStorage<number>();
process.on("exit", () => {
  Atomics.store(shared, 0, current.getStore() ?? Atomics.load(shared, 0));
});

// The body that began it may have ended long ago, with a result: then nothing else would tell of the error.
process.on("uncaughtExceptionMonitor", (error) => console.error("error that nobody caught, in code of a task:", error));

let finished: RunResult[] = [];

/** Results that come in one turn of the event loop go over as one message. */
function finish(result: RunResult): void {
  if (finished.push(result) > 1) return;
  setImmediate(() => {
    const results = packResults(finished);
    finished = [];
    send(
      { kind: "results", results },
      [results.buffer, ...results.large].map((bytes) => bytes.buffer as ArrayBuffer),
    );
  });
}

/** How long bodies are begun without a pause, in ms: then results go over, and are kept whatever happens next. */
const SLICE_MS = 10;
const waiting: RunItem[] = [];
let begun = 0;

function run(runtime: Runtime, items: readonly RunItem[]): void {
  const idle = waiting.length === 0;
  waiting.push(...items);
  if (idle) begin(runtime);
}

/** Begins the bodies that wait, in slices. */
function begin(runtime: Runtime): void {
  const until = performance.now() + SLICE_MS;
  while (begun < waiting.length) {
    const item = waiting[begun++]!;
    Atomics.store(shared, 0, item.id);
    Atomics.store(shared, 1, item.id);
    void current.run(item.id, () => runtime.run(item)).then(finish);
    if (performance.now() > until) break;
  }
  Atomics.store(shared, 0, 0);
  if (begun < waiting.length) {
    setImmediate(begin, runtime);
    return;
  }
  waiting.length = 0;
  begun = 0;
}

try {
  const runtime = await loadRuntime(request);
  port.on("message", (message: ToWorker) => {
    switch (message.kind) {
      case "run":
        run(runtime, unpackItems(message.items, runtime.codes));
        break;
      case "ping":
        send({ kind: "pong", id: message.id });
        break;
      case "check":
        Atomics.store(shared, 0, message.id);
        if (message.id > Atomics.load(shared, 2))
          send({ kind: "checked", id: message.id, error: runtime.check(message.task, message.args) });
        Atomics.store(shared, 0, 0);
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
