/**
 * The `thread` executor: bodies in a pool of worker threads (piscina), each loaded with exactly the code that was identified.
 *
 * Cancelling and time-outs end the thread. A body that ends its thread fails; the pool replaces the thread.
 */

import { Piscina } from "piscina";
import { Code, FiresteelError } from "../../errors.ts";
import { errorFromRecord } from "../../evaluate/failure.ts";
import { Limits } from "../../evaluate/limits.ts";
import type { Executor } from "../../evaluate/ports.ts";
import { codeExtension } from "../../package-info.ts";
import type { LoadRequest, RunItem, RunResult } from "./messages.ts";
import { withTimeout } from "./time-out.ts";

/** Makes the executor for one version of the code; threads start when they are needed and end after 30 s without work. */
export function createThreadExecutor(request: LoadRequest, workers: number): Executor {
  const closing = new AbortController();
  let nextId = 1;
  const places = new Limits({ thread: workers });
  const pool = new Piscina({
    filename: new URL(`./pool-thread${codeExtension}`, import.meta.url).href,
    name: "run",
    workerData: request,
    minThreads: 0,
    maxThreads: workers,
    idleTimeout: 30_000,
    recordTiming: false,
  });
  return {
    name: "thread",
    takesStored: true,
    async run({ task, code, args, context, datasets, options }, signal) {
      const item: RunItem = { id: nextId++, task, code, args, context, datasets };
      const stop = AbortSignal.any([signal, closing.signal]);
      if (stop.aborted) throw FiresteelError.from(stop.reason, Code.cancelled);
      const leave = await places.acquire(["thread"], stop);
      // The time runs from here: waiting for a free thread is none of the body's.
      const result = await withTimeout(task, options.timeoutMs, stop, async (inner) => {
        try {
          return (await pool.run(item, { signal: inner })) as RunResult;
        } catch (error) {
          if (inner.aborted) throw inner.reason;
          throw new FiresteelError(Code.unknown, `task ${task} ended its thread: ${(error as Error).message}`, {
            cause: error,
            details: { name: (error as Error).name },
          });
        }
      }).finally(leave);
      if (result.ok) return result.outcome;
      throw errorFromRecord(result.error);
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new FiresteelError(Code.cancelled, "this version of the code was closed"));
      await pool.destroy();
    },
  };
}
