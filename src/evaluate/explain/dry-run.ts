/**
 * Dry runs: what an execution would run if it were started now, and why.
 *
 * **Code parts.** The identity of a task is made of parts: its own function, the helpers it reaches, constants, packages. When a version of a task is loaded for the first time its parts are kept beside the
 * identity, with their texts (`ports.ts`), so that a later version can be compared with it (`code-change.ts`).
 *
 * **Evaluation.** A dry run is an evaluation like any other: calls are looked up and validated, files and datasets are looked at. In the place of bodies it has a hook: a call that is not found stays
 * unsettled, and so does all that waits for it, in whatever form; what is independent goes on. When nothing moves any more, the calls that were not found are those that would run first. What they would call
 * in turn is unknown; what waits for them is counted in the programs that were entered. Nothing is recorded (but the stat cache, which says nothing of runs), claimed or submitted.
 *
 * **Bulk tasks.** Their bodies only describe Spark work, so they are asked for it (`Executor.plan`): where that very work is done already nothing would be submitted, its result is known, and the dry run goes on behind it.
 *
 * **Reasons.** Each call is compared with the one whose place it most likely takes (`match.ts`), first among the calls of the last execution of the same root, and told apart by code and arguments
 * (`reasons.ts`). A call of a task with the same arguments is new code; one with the same code has other arguments, which `argument-change.ts` compares member by member.
 */

import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Code, FiresteelError } from "../../errors.ts";
import { findExternals } from "../../hash/scan.ts";
import { type Bodies, type BodyRequest, invocationOf, mentionsExternals } from "../bodies.ts";
import { keepsResult, UNKNOWN } from "../calls.ts";
import type { FlowCode, TaskInfo } from "../code.ts";
import { EVALUATION_WORLD, Evaluation, type Frame } from "../evaluation.ts";
import { errorRecord } from "../failure.ts";
import type { Inputs, InputsContext } from "../inputs.ts";
import type { Settled } from "../job.ts";
import type { DatasetRecord, ErrorRecord, JobRecord, Plan, Store } from "../ports.ts";
import { StoredReader } from "../stored-values.ts";
import { readOnlyStore } from "./read-only-store.ts";
import type { Reason, UnexplainedCall } from "./reasons.ts";
import { type WaitingCalls, waitingCalls } from "./waiting.ts";

/** What a dry run needs. */
export interface DryRunContext {
  readonly store: Store;
  readonly bodies: Pick<Bodies, "stillValid" | "invalidPlaces">;
  readonly inputs: InputsContext;
  readonly code: FlowCode;
  readonly user: string;
}

/** What a dry run found, not compared with the past yet. */
export interface Findings {
  /** The calls whose bodies would run first, in the order in which they were met. */
  readonly missed: readonly UnexplainedCall[];
  /** Jobs that would take a recorded result. */
  readonly hits: readonly JobRecord[];
  readonly waiting: readonly WaitingCalls[];
  /** Why the execution would fail; null where that is not known. */
  readonly failure: ErrorRecord | null;
}

/** Evaluates a call as far as that goes without running anything. Rejects with `cancelled` when the signal aborts. */
export async function dryRun(
  { store, bodies, inputs, code, user }: DryRunContext,
  task: string,
  args: Uint8Array,
  signal: AbortSignal,
): Promise<Findings> {
  const readOnly = readOnlyStore(store);
  // Rows made in TypeScript are written where they can be thrown away again.
  const literals = await mkdtemp(join(tmpdir(), "firesteel-dry-run-"));
  const frames: Frame[] = [];
  const missed: Promise<UnexplainedCall>[] = [];
  const executionId = randomUUID();
  code.retain();
  try {
    const evaluation = new Evaluation(
      {
        ...EVALUATION_WORLD,
        executionId,
        user,
        code,
        store: readOnly.store,
        bodies: {
          stillValid: (bytes, seen) => bodies.stillValid(bytes, seen),
          invalidPlaces: (bytes, seen) => bodies.invalidPlaces(bytes, seen),
          start(request) {
            const planned = plan(request, signal);
            missed.push(describe(request, planned, store));
            planned.then(
              (known) =>
                request.ended(known?.outcome ? { ok: true, value: known.outcome } : { ok: false, error: UNKNOWN }),
              (error: unknown) => request.ended({ ok: false, error }),
            );
            return () => undefined;
          },
        },
        inputs: { ...inputs, store: readOnly.store },
        literals: pathToFileURL(literals).href,
        onJob: () => undefined,
        entered: (frame) => frames.push(frame),
      },
      signal,
    );
    const settled: Settled = await evaluation.run(task, args).catch((error: unknown) => {
      signal.throwIfAborted();
      return { ok: false as const, error: errorRecord(error, [task]) };
    });
    return {
      missed: await Promise.all(missed),
      hits: [...readOnly.jobs.values()].filter(({ cached }) => cached),
      waiting: waitingCalls(frames),
      failure: settled.ok ? null : settled.error,
    };
  } finally {
    code.release();
    await rm(literals, { recursive: true, force: true });
  }
}

/** What a bulk task's body would come to; null for a body that is more than a description. */
async function plan(request: BodyRequest, signal: AbortSignal): Promise<Plan | null> {
  const { job, code, inputs } = request;
  const executor = code.executor(job.task);
  return executor.plan
    ? executor.plan(
        invocationOf(request, await argumentDatasets(job.args, inputs), () => undefined),
        signal,
      )
    : null;
}

async function argumentDatasets(args: readonly Uint8Array[], inputs: Inputs): Promise<readonly DatasetRecord[]> {
  const identities = new Set(
    args.filter(mentionsExternals).flatMap((bytes) => findExternals(bytes).datasets.map(({ identity }) => identity)),
  );
  const found = await Promise.all([...identities].map((identity) => inputs.locate(identity)));
  return found.filter((record) => record !== null);
}

async function describe(request: BodyRequest, planned: Promise<Plan | null>, store: Store): Promise<UnexplainedCall> {
  // Now: a job that has ended holds them no longer.
  const { task, evalHash, args, argDigests, invalid } = request.job;
  let work: UnexplainedCall["work"] = null;
  let failure: ErrorRecord | null = null;
  try {
    const known = await planned;
    if (known) work = known.outcome === null ? "new" : "done";
  } catch (error) {
    failure = errorRecord(error, [task.name]);
  }
  return {
    task: task.name,
    code: task.code,
    evalHash,
    argDigests,
    parameters: task.parameters,
    reads: task.options.reads ?? [],
    context: task.options.context ?? [],
    args: async () => wholeArguments(args, store),
    reason: request.replace ? { kind: "invalidResult", places: invalid ?? [] } : withoutCache(task),
    work,
    failure,
  };
}

/** Arguments to be shown; null where a stored value among them is lost. */
async function wholeArguments(args: readonly Uint8Array[], store: Store): Promise<readonly Uint8Array[] | null> {
  try {
    return await new StoredReader(store.stored).wholeOf(args);
  } catch (error) {
    if (error instanceof FiresteelError && error.code === Code.dataLoss) return null;
    throw error;
  }
}

/** Why no result of a task is ever found; null where one can be. */
export function withoutCache(task: TaskInfo): Reason | null {
  if (keepsResult(task)) return null;
  const { cache } = task.options;
  return cache === "none" || cache === "execution"
    ? { kind: "noCache", option: cache }
    : { kind: "notCacheable", places: task.undecided };
}
