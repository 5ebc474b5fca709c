/**
 * Executors of third parties: what makes them, and what is checked of what they give.
 */

import { Code, FiresteelError } from "../errors.ts";
import { Limits } from "../evaluate/limits.ts";
import type { Executor, Outcome } from "../evaluate/ports.ts";
import { leaveOn } from "../evaluate/running.ts";
import { digestValue } from "../hash/digest.ts";
import { holdsStored } from "../hash/stored.ts";
import type { LoadRequest } from "./flow/messages.ts";

/** One version of a project's code with its texts: plain data that can be sent anywhere. Only `encodeCall` needs to look into it. */
export type FlowSource = LoadRequest;

/** What an executor is made of. */
export interface ExecutorContext {
  /** Its name in firesteel.config.ts, by which tasks choose it. */
  readonly name: string;
  /** The code that its bodies are of. */
  readonly flow: FlowSource;
  /** The number of workers that the configuration allows. */
  readonly workers: number;
  /** The options under its name in firesteel.config.ts. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** The default export of an executor's module. Called once for every version of the code; the executor of a version that nobody uses any more is disposed of. */
export type ExecutorFactory = (context: ExecutorContext) => Executor | Promise<Executor>;

/** Makes the executor of a third party, and holds it to the port: what it gives is a checked outcome or a `FiresteelError`, and who cancels has his answer at once. */
export async function createCustomExecutor(factory: ExecutorFactory, context: ExecutorContext): Promise<Executor> {
  const { name } = context;
  const executor = await factory(context);
  if (typeof executor?.run !== "function" || typeof executor[Symbol.asyncDispose] !== "function")
    throw new FiresteelError(
      Code.invalidArgument,
      `executor ${name} has no run(invocation, signal) and [Symbol.asyncDispose](); its module must export a function that makes it`,
    );
  return {
    name,
    async run(invocation, signal) {
      if (signal.aborted) throw FiresteelError.from(signal.reason, Code.cancelled);
      try {
        return checked(name, invocation.task, await leaveOn(signal, executor.run(invocation, signal)));
      } catch (error) {
        if (signal.aborted) throw FiresteelError.from(signal.reason, Code.cancelled);
        throw FiresteelError.from(error, Code.unknown);
      }
    },
    [Symbol.asyncDispose]: async () => executor[Symbol.asyncDispose](),
  };
}

function checked(executor: string, task: string, outcome: Outcome): Outcome {
  const { kind, bytes, digest } = outcome ?? {};
  if (
    (kind === "value" || kind === "expression") &&
    bytes instanceof Uint8Array &&
    digest === digestValue(bytes) &&
    !holdsStored(bytes)
  )
    return { kind, bytes, digest };
  throw new FiresteelError(
    Code.internal,
    `executor ${executor} gave no outcome of task ${task}, or one whose digest is not that of its bytes, or which holds a stored value`,
  );
}

/** Takes one of a number of places; resolves with the function that gives it back, rejects with `cancelled` when the signal aborts first. */
export type TakePlace = (signal: AbortSignal) => Promise<() => void>;

/** A number of places, first come, first served: how many bodies an executor runs at once. */
export function createPlaces(count: number): TakePlace {
  const limits = new Limits({ place: count });
  return (signal) => limits.acquire(["place"], signal);
}
