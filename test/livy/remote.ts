/** A double in another process, and the orders it takes. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Batch } from "./batch.ts";
import type { DoubleOptions } from "./double.ts";
import type { Chaos, Fault } from "./faults.ts";
import type { JobPlan } from "./job.ts";
import type { Entry } from "./ledger.ts";

export type ProcessOptions = Omit<DoubleOptions, "files" | "clock">;

/** What a double can be told. */
export interface Control {
  /** The next requests of a kind (`GET /batches/x`) have these faults; null lets one through. */
  fault(kind: string, ...faults: readonly (Fault | null)[]): Promise<void>;
  chaos(chaos: Chaos | null): Promise<void>;
  /** The next batches go like this. */
  plan(...plans: readonly JobPlan[]): Promise<void>;
  /** All other batches go like this; null leaves it to their job files. */
  planAll(plan: JobPlan | null): Promise<void>;
  /** Batches whose names start so go like this, one after another; the last one goes on. */
  planFor(start: string, ...plans: readonly JobPlan[]): Promise<void>;
  /** Jobs that begin from now on do not end before they are released. */
  hold(): Promise<void>;
  /** Lets the job of a name end, or all of them and those that follow. */
  release(name?: string): Promise<void>;
  crash(how?: { readonly submitters?: boolean }): Promise<void>;
  start(how?: { readonly recovery?: boolean }): Promise<void>;
  /** As ten minutes after the end. */
  forget(which: string): Promise<void>;
  /** A batch of somebody else; gives its id. */
  stranger(name: string | null, state: Batch["state"]): Promise<number>;
  /** Livy shows this state in the place of the true one, until null. */
  lie(which: string, state: string | null): Promise<void>;
  yarn(how: { readonly down?: boolean; readonly refusesKills?: boolean }): Promise<void>;
  /** The ResourceManager forgets an application. */
  forgetApplication(appId: string): Promise<void>;
  ledger(): Promise<readonly Entry[]>;
  /** Kinds of all requests so far, in order. */
  requests(): Promise<readonly string[]>;
  /** Requests of a kind so far. */
  count(kind: string): Promise<number>;
}

/** A double that runs elsewhere. */
export interface Remote extends AsyncDisposable {
  readonly url: string;
  readonly resourceManagerUrl: string;
  readonly pid: number;
  readonly control: Control;
}

/** One call of a method of {@link Control}, over IPC. */
export interface Order {
  readonly id: number;
  readonly method: keyof Control;
  readonly args: readonly unknown[];
}

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

const METHODS: Readonly<Record<keyof Control, true>> = {
  fault: true,
  chaos: true,
  plan: true,
  planAll: true,
  planFor: true,
  hold: true,
  release: true,
  crash: true,
  start: true,
  forget: true,
  stranger: true,
  lie: true,
  yarn: true,
  forgetApplication: true,
  ledger: true,
  requests: true,
  count: true,
};

/** Starts a double in a process of its own. */
export async function spawnDouble(options: ProcessOptions = {}): Promise<Remote> {
  const child = fork(fileURLToPath(new URL("./process.ts", import.meta.url)), [JSON.stringify(options)]);
  const waiting = new Map<
    number,
    { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }
  >();
  let last = 0;
  const ready = new Promise((resolve, reject) => waiting.set(0, { resolve, reject }));
  child.on("message", ({ id, value, error }: Reply) => {
    const one = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) one?.resolve(value);
    else one?.reject(new Error(error));
  });
  child.once("exit", (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`the double ended: ${signal ?? code}`));
  });
  const call = (method: keyof Control, args: readonly unknown[]) =>
    new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject });
      child.send({ id: last, method, args } satisfies Order);
    });
  const control = Object.fromEntries(
    (Object.keys(METHODS) as (keyof Control)[]).map((method) => [method, (...args: unknown[]) => call(method, args)]),
  ) as unknown as Control;
  const { url, resourceManagerUrl } = (await ready) as { readonly url: string; readonly resourceManagerUrl: string };
  return {
    url,
    resourceManagerUrl,
    pid: child.pid ?? 0,
    control,
    [Symbol.asyncDispose]: () => end(child),
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.disconnect();
  await exit;
}
