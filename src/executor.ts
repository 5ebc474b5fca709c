/**
 * `firesteel/executor`: what a third party's executor is made with. See `docs/executors.md`.
 */

import { fileURLToPath } from "node:url";
import { codeExtension } from "./package-info.ts";

export type { Resources } from "./define/task-options.ts";
export { Code, type ErrorInit, FiresteelError } from "./errors.ts";
export type {
  DatasetFile,
  DatasetRecord,
  Executor,
  Invocation,
  InvocationOptions,
  Outcome,
  Progress,
} from "./evaluate/ports.ts";
export {
  createPlaces,
  type ExecutorContext,
  type ExecutorFactory,
  type FlowSource,
  type TakePlace,
} from "./route/custom-executor.ts";
export { decodeAnswer, encodeCall } from "./route/flow/body-call.ts";
export { withTimeout } from "./route/flow/time-out.ts";

/** Path of the body runner: `node <bodyRunner>` takes the bytes of `encodeCall` on its standard input and writes those of `decodeAnswer` to its standard output. */
export const bodyRunner: string = fileURLToPath(new URL(`./route/flow/run-body${codeExtension}`, import.meta.url));
