/**
 * One call of a body as bytes, for executors that run it behind a pipe or a socket: what to run, and what came of it.
 */

import { deserialize, serialize } from "node:v8";
import { Code, FiresteelError } from "../../errors.ts";
import { errorFromRecord } from "../../evaluate/failure.ts";
import type { Invocation, Outcome } from "../../evaluate/ports.ts";
import type { LoadRequest, RunItem, RunResult } from "./messages.ts";

interface BodyCall {
  readonly request: LoadRequest;
  readonly item: RunItem;
}

/** The bytes that the body runner takes on its standard input: the code and the call. */
export function encodeCall(flow: LoadRequest, { task, code, args, datasets, context }: Invocation): Uint8Array {
  return serialize({
    request: flow,
    item: { id: 1, task, code, args, datasets, context },
  } satisfies BodyCall);
}

/** Reads {@link encodeCall}'s bytes. */
export function decodeCall(bytes: Uint8Array): BodyCall {
  return deserialize(bytes) as BodyCall;
}

/** The bytes that the body runner writes to its standard output. */
export function encodeAnswer(result: RunResult): Uint8Array {
  return serialize(result);
}

/**
 * The outcome in the body runner's answer.
 *
 * @throws FiresteelError what the body threw; `data_loss` for bytes that are no answer
 */
export function decodeAnswer(bytes: Uint8Array): Outcome {
  let result: RunResult;
  try {
    result = deserialize(bytes) as RunResult;
  } catch (error) {
    throw new FiresteelError(
      Code.dataLoss,
      `answer of the body runner is damaged (${bytes.length} bytes): ${(error as Error).message}`,
      { cause: error },
    );
  }
  if (result.ok) return result.outcome;
  throw errorFromRecord(result.error);
}
