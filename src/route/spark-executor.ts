/**
 * The executor of bulk tasks: runs the body (it only describes work), then has the work done on a cluster, once, however many ask for it.
 *
 * Of one piece of work there is one run in a process (joined by its key), one in all processes (a claim in the store), and none when a committed result is still there.
 */

import { DatasetValue, type FileValue } from "../define/external.ts";
import { cond } from "../define/forms.ts";
import { isWork, type SparkWork } from "../define/work.ts";
import { Code, FiresteelError } from "../errors.ts";
import type {
  BulkResult,
  DatasetRecord,
  DatasetStore,
  Executor,
  Invocation,
  Outcome,
  Plan,
  Progress,
  Storage,
  SubmissionStore,
} from "../evaluate/ports.ts";
import { decodeValue } from "../hash/decode.ts";
import { digestValue } from "../hash/digest.ts";
import { encodeProgram } from "../hash/program.ts";
import { readStored } from "../hash/stored.ts";
import type { RouteQuestion } from "./livy/clusters/routing.ts";
import type { Gateway } from "./livy/gateway.ts";
import { obtainResult } from "./livy/submissions/attempts.ts";
import { findValidResult, fingerprintOf } from "./livy/submissions/commit.ts";
import { patiently, patientStorage, type StorageWait } from "./livy/submissions/patient-storage.ts";
import { type PreparedWork, preparedWork } from "./livy/submissions/prepare.ts";
import {
  checksOf,
  findChangedFile,
  findStranger,
  inputChanged,
  inputsOf,
  SINGLE_OUTPUT,
} from "./livy/submissions/spec.ts";
import type { Staging } from "./livy/submissions/staging.ts";
import { pause } from "./livy/waiting.ts";
import { sparkSettings } from "./spark-settings.ts";

export interface SparkExecutorOptions {
  /** Runs the TypeScript body. */
  readonly host: Executor;
  readonly gateway: Gateway;
  readonly store: SubmissionStore & DatasetStore;
  readonly storage: Storage;
  readonly staging: Staging;
  /** One that writes nothing, for plans. */
  readonly planStaging: Staging;
  /** Told what a look-up of the committed result of a piece of work gave; one that is joined while it runs is not looked up. */
  readonly onLookup?: (result: "hit" | "miss" | "invalid") => void;
  /** How long an aborted invocation waits for the application's end to be confirmed before it rejects, default 10,000; the stopping goes on all the same. */
  readonly cancelWaitMs?: number;
}

/** A run of one piece of work that several invocations may wait for. */
interface Shared {
  readonly result: Promise<BulkResult>;
  readonly controller: AbortController;
  readonly listeners: Set<Progress>;
  waiters: number;
  /** What was told last. */
  told: Parameters<Progress> | null;
}

/** Makes the executor. It does not own the host, the gateway or the store. */
export function createSparkExecutor(options: SparkExecutorOptions): Executor {
  const { host, gateway, store, storage, staging, planStaging, cancelWaitMs = 10_000, onLookup } = options;
  const running = new Map<string, Shared>();
  /** Runs that are being cancelled; a new one of the same work waits for them. */
  const leaving = new Map<string, Promise<unknown>>();
  const told = new Set<string>();

  async function run(invocation: Invocation, signal: AbortSignal): Promise<Outcome> {
    const tell = (line: string) => invocation.onProgress?.(line);
    const { work, prepared } = await prepare(invocation, signal, staging, { clock: gateway.clock, tell, signal });
    const shared = running.get(prepared.key) ?? share(prepared, invocation);
    const result = await join(shared, prepared.key, invocation, signal);
    return outcomeOf(work, result, prepared.inputs);
  }

  /** Runs the body, which only describes work, and looks for that work's result. */
  async function plan(invocation: Invocation, signal: AbortSignal): Promise<Plan> {
    const { work, prepared } = await prepare(invocation, signal, planStaging, null);
    const found = await findValidResult(store, storage, prepared.key);
    return { work: prepared.key, outcome: found && outcomeOf(work, found, prepared.inputs) };
  }

  /** @param wait how a warehouse that gives no answer is waited for; null: that is told at once */
  async function prepare(
    invocation: Invocation,
    signal: AbortSignal,
    to: Staging,
    wait: StorageWait | null,
  ): Promise<{
    readonly work: SparkWork;
    readonly prepared: PreparedWork & { readonly inputs: readonly FileValue[] };
  }> {
    const { tags, cluster, labels = {}, resources } = invocation.options;
    const asked: Omit<RouteQuestion, "inputs"> = { task: invocation.task, tags, cluster, labels };
    gateway.check(asked);
    const work = workOf(await host.run(invocation, signal), invocation.task);
    signal.throwIfAborted();
    const datasets = await locate(
      work,
      invocation,
      wait === null ? storage : patientStorage(storage, gateway.warehouse, wait),
    );
    const question: RouteQuestion = {
      ...asked,
      inputs: [...datasets.values()].map(({ location }) => placeOf(location)),
      ...(work.kind === "sparkApp" ? { isApp: true } : {}),
    };
    const [first] = gateway.candidates(question);
    const make = () => preparedWork({ work, question, datasets, cluster: first, staging: to, resources });
    const prepared = await (wait === null ? make() : patiently(wait, make));
    return { work, prepared: { ...prepared, inputs: [...prepared.files, sparkSettings(gateway, question)] } };
  }

  /** What firesteel wrote lies in its warehouse; in which attempt's folder is chance. */
  function placeOf(location: string): string {
    const { warehouse } = gateway;
    return location.startsWith(`${warehouse}/`) ? warehouse : location;
  }

  /** Where each input can be read now; the invocation's own places first. */
  async function locate(
    work: SparkWork,
    { datasets }: Invocation,
    files: Storage,
  ): Promise<ReadonlyMap<string, DatasetRecord>> {
    const places = new Map<string, DatasetRecord>();
    for (const [, { identity }] of inputsOf(work)) {
      if (places.has(identity)) continue;
      let change: { readonly location: string; readonly words: string } | null = null;
      for (const place of [
        ...datasets.filter((one) => one.identity === identity),
        ...(await store.findDataset(identity)),
      ]) {
        const words =
          (await findChangedFile(files, place)) ??
          // An application reads whatever lies there.
          (work.kind === "sparkApp" ? await findStranger(files, place.location, checksOf(place)) : null);
        if (words === null) {
          places.set(identity, place);
          break;
        }
        change ??= { location: place.location, words };
      }
      if (places.has(identity)) continue;
      if (change === null)
        throw new FiresteelError(Code.notFound, `no place is known where dataset can be read: ${identity}`);
      throw inputChanged(change.location, change.words);
    }
    return places;
  }

  function share(prepared: PreparedWork, invocation: Invocation): Shared {
    const controller = new AbortController();
    const listeners = new Set<Progress>();
    const shared: Shared = { controller, listeners, waiters: 0, told: null, result: begin() };
    async function begin(): Promise<BulkResult> {
      await Promise.resolve(); // `shared` is there from here on.
      const tell: Progress = (...progress) => {
        shared.told = progress;
        for (const listener of listeners) listener(...progress);
      };
      try {
        await leaving.get(prepared.key);
        const { task, executionId, jobId, user, evalHash, options } = invocation;
        const origin = { task, executionId, jobId, user, evalHash, tags: options.tags };
        const { signal } = controller;
        const result = await obtainResult({ prepared, origin, gateway, store, storage, tell, told, onLookup, signal });
        // Also when it was committed long ago, by a submission of another execution.
        tell("its result is committed", result.submissionId);
        return result;
      } finally {
        if (running.get(prepared.key) === shared) running.delete(prepared.key);
      }
    }
    running.set(prepared.key, shared);
    shared.result.catch(() => {}); // Whoever waits hears of it; after a cancellation nobody may.
    return shared;
  }

  /** Waits for a shared run; the last one who leaves ends it. */
  async function join(
    shared: Shared,
    key: string,
    { onProgress, task }: Invocation,
    signal: AbortSignal,
  ): Promise<BulkResult> {
    signal.throwIfAborted();
    shared.waiters++;
    if (onProgress !== undefined) {
      shared.listeners.add(onProgress);
      if (shared.told !== null) onProgress(...shared.told);
    }
    const aborted = Promise.withResolvers<never>();
    const leave = () => aborted.reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    aborted.promise.catch(() => {});
    try {
      return await Promise.race([shared.result, aborted.promise]);
    } catch (error) {
      if (!signal.aborted) throw error;
      if (shared.waiters > 1)
        throw new FiresteelError(
          Code.cancelled,
          `task ${task} was cancelled; others wait for the same work, which goes on`,
        );
      const settled = shared.result.then(
        () => {},
        () => {},
      );
      running.delete(key);
      leaving.set(key, settled);
      void settled.then(() => leaving.get(key) === settled && leaving.delete(key));
      shared.controller.abort(new FiresteelError(Code.cancelled, `task ${task} was cancelled`));
      const late = new AbortController();
      const confirmed = await Promise.race([
        settled.then(() => true),
        pause(gateway.clock, cancelWaitMs, late.signal).then(
          () => false,
          () => false,
        ),
      ]);
      late.abort();
      throw new FiresteelError(
        Code.cancelled,
        confirmed
          ? `task ${task} was cancelled`
          : `task ${task} was cancelled; its Spark application is still being stopped`,
      );
    } finally {
      signal.removeEventListener("abort", leave);
      if (onProgress !== undefined) shared.listeners.delete(onProgress);
      shared.waiters--;
    }
  }

  return { name: "spark", takesStored: true, run, plan, [Symbol.asyncDispose]: async () => {} };
}

/** The work that a body described. */
function workOf(outcome: Outcome, task: string): SparkWork {
  const stored = readStored(outcome.bytes) !== null;
  const value = outcome.kind === "value" && !stored ? decodeValue(outcome.bytes) : null;
  if (isWork(value)) return value;
  const given = stored
    ? "a large value"
    : outcome.kind === "expression"
      ? "a lazy expression"
      : value === null
        ? "null"
        : Array.isArray(value)
          ? "a list"
          : typeof value === "object"
            ? `a value of class ${value?.constructor?.name ?? "Object"}`
            : `a ${typeof value}`;
  throw new FiresteelError(
    Code.invalidArgument,
    `task ${task} is tagged bulk-data and must return sql\`...\`, pyspark({ file: ... }) or sparkApp({ file: ... }); drop the tag if it needs no cluster. It returned ${given}`,
  );
}

/**
 * What is recorded of the call. The project's files that are part of the work (a Python file, jars) and the cluster's settings are in it, although its value does not mention them: what a recorded result names has to
 * be there unchanged, so an edited job file makes the task describe its work again.
 */
function outcomeOf(work: SparkWork, result: BulkResult, inputs: readonly FileValue[]): Outcome {
  const { kind, bytes } = encodeProgram(cond(true, resultOf(work, result), inputs));
  return { kind, bytes, digest: digestValue(bytes) };
}

function resultOf(work: SparkWork, result: BulkResult): unknown {
  const of = (name: string) => {
    const dataset = result.outputs[name];
    if (dataset === undefined)
      throw new FiresteelError(Code.dataLoss, `committed result of work ${result.work} lacks output ${name}`);
    return new DatasetValue(dataset.identity);
  };
  if (work.kind === "fingerprint") return fingerprintOf(result);
  if (work.kind === "sql" || work.outputs === null) return of(SINGLE_OUTPUT);
  return { outputs: Object.fromEntries(Object.keys(work.outputs).map((name) => [name, of(name)])) };
}
