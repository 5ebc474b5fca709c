/**
 * Why calls run: each is compared with the past, then those of one reason are put together.
 */

import { decodeValue } from "../../hash/decode.ts";
import type { ParameterInfo, UndecidedPlace } from "../code.ts";
import type { Digest, EpochMs, ErrorRecord } from "../ports.ts";
import {
  type ArgumentChanges,
  compareArguments,
  type DatasetNames,
  parameterName,
  preview,
} from "./argument-change.ts";
import { compareVersions, type PartChange } from "./code-change.ts";
import { matchCalls } from "./match.ts";
import type { ExplainStore, RecordedCall } from "./ports.ts";

/** Earlier calls of a task that are looked at. */
const MOST_EARLIER = 10_000;

/** Why a call runs. A call has several reasons where its code and its arguments are new. */
export type Reason =
  /** No result of the task is recorded, of whatever arguments. */
  | { readonly kind: "newTask" }
  /** The task has run, but no earlier call is like this one. */
  | { readonly kind: "newCall" }
  /** The task's code is another one; `changes` is null where the earlier version was not kept. */
  | { readonly kind: "newCode"; readonly changes: readonly PartChange[] | null }
  /** The execution that it is compared with asked for this very call, which failed or was stopped. */
  | { readonly kind: "notFinished"; readonly state: "failed" | "cancelled" }
  /** Other arguments than the call whose place it takes; the examples tell the places inside them. */
  | { readonly kind: "newArguments"; readonly parameters: readonly string[] }
  /** Its code and arguments are those of an earlier call: what is read beside them (option `reads`) or set by callers above (option `context`) is another. Which of these is not recorded. */
  | { readonly kind: "newSurroundings"; readonly reads: readonly string[]; readonly context: readonly string[] }
  /** There is a result, but files or datasets that it names are gone or changed; `places` is empty where that cannot be told any more. */
  | { readonly kind: "invalidResult"; readonly places: readonly string[] }
  /** What the code does cannot be decided from its syntax, so results are not kept. */
  | { readonly kind: "notCacheable"; readonly places: readonly UndecidedPlace[] }
  /** The task's option `cache` says so. */
  | { readonly kind: "noCache"; readonly option: "execution" | "none" }
  /** No result was kept of it, and the task is not defined any more, or as it was then. */
  | { readonly kind: "notKept" };

/** A call to be explained. */
export interface UnexplainedCall {
  readonly task: string;
  readonly code: Digest;
  readonly evalHash: Digest;
  readonly argDigests: readonly Digest[];
  readonly parameters: readonly ParameterInfo[];
  /** What the task's options of these names say. */
  readonly reads: readonly string[];
  readonly context: readonly string[];
  /** The canonical encodings of its arguments; null where they are not recorded. */
  readonly args: () => Promise<readonly Uint8Array[] | null>;
  /** Where it is known without looking at the past. */
  readonly reason: Reason | null;
  /** Bulk tasks: whether its Spark work would be submitted, or is done already; null where that is not known. */
  readonly work: "new" | "done" | null;
  /** Set when it is known that its body fails. */
  readonly failure: ErrorRecord | null;
}

/** One call of a group. */
export interface ExampleCall {
  readonly evalHash: Digest;
  /** Each argument for people, shortened. */
  readonly args: readonly string[];
  /** How its arguments differ from those of the call whose place it takes. */
  readonly arguments: ArgumentChanges | null;
}

/** Calls of one task that run for the same reasons. */
export interface CallGroup {
  readonly task: string;
  readonly calls: number;
  readonly reasons: readonly Reason[];
  readonly work: UnexplainedCall["work"];
  readonly failure: ErrorRecord | null;
  /** The first ones. */
  readonly examples: readonly ExampleCall[];
}

/** What calls are compared with. */
export interface ComparedWith {
  readonly history: ExplainStore;
  /** The execution whose calls are preferred; null where there is none. */
  readonly executionId: string | null;
  /** Only calls that had ended before count. */
  readonly before: EpochMs;
  /** Earlier calls that are asked for again. */
  readonly inUse: ReadonlySet<Digest>;
  /** Examples of a group, at most. */
  readonly examples: number;
  readonly datasetNames: (args: readonly (readonly Uint8Array[])[]) => Promise<DatasetNames>;
}

/** Explains calls. Groups come in the order of their first calls. */
export async function explainCalls(given: readonly UnexplainedCall[], past: ComparedWith): Promise<CallGroup[]> {
  const unfinished = past.executionId === null ? null : await past.history.unfinishedCalls(past.executionId);
  const calls = given.map((call): UnexplainedCall => {
    const state = unfinished?.get(call.evalHash);
    return call.reason === null && state !== undefined ? { ...call, reason: { kind: "notFinished", state } } : call;
  });
  const byTask = Map.groupBy(
    calls.filter(({ reason }) => reason === null),
    ({ task }) => task,
  );
  const matches = await matchAll(byTask, past);
  const groups = Map.groupBy(calls, (call) => groupKey(call, matches));
  const result: CallGroup[] = [];
  for (const members of groups.values()) {
    const first = members[0]!;
    result.push({
      task: first.task,
      calls: members.length,
      reasons: await reasonsOf(first, matches, past.history),
      work: first.work,
      failure: first.failure,
      examples: await examplesOf(members.slice(0, past.examples), matches, past),
    });
  }
  return result;
}

/** What calls take the place of; `"none"` where the task has no calls at all, nothing where none is like it. */
type Matches = ReadonlyMap<UnexplainedCall, RecordedCall | "none">;

async function matchAll(
  byTask: ReadonlyMap<string, readonly UnexplainedCall[]>,
  { history, executionId, before, inUse }: ComparedWith,
): Promise<Matches> {
  const matches = new Map<UnexplainedCall, RecordedCall | "none">();
  const tasks = [...byTask.keys()];
  const last =
    executionId === null || tasks.length === 0 ? [] : await history.callsOfExecution(executionId, tasks, MOST_EARLIER);
  const lastByTask = Map.groupBy(last, ({ task }) => task);
  for (const [task, calls] of byTask) {
    const earlier = lastByTask.get(task) ?? [];
    const older = await history.callsBefore(task, before, MOST_EARLIER);
    const found = earlier.length > 0 ? matchCalls(calls, earlier, older, inUse) : matchCalls(calls, older, [], inUse);
    for (const call of calls) {
      const match = found.get(call) ?? (earlier.length + older.length === 0 ? "none" : undefined);
      if (match !== undefined) matches.set(call, match);
    }
  }
  return matches;
}

/** Calls of one key are told of together: what their reasons consist of is the same. */
function groupKey(call: UnexplainedCall, matches: Matches): string {
  const match = matches.get(call);
  const compared =
    typeof match === "object" ? [match.code, match.evalHash === call.evalHash, ...differing(call, match)] : match;
  return JSON.stringify([call.task, call.code, call.reason, call.work, call.failure?.message, compared ?? null]);
}

/** Positions of the arguments that differ. */
function differing({ argDigests }: UnexplainedCall, { args }: RecordedCall): number[] {
  const length = Math.max(argDigests.length, args.length);
  return Array.from({ length }, (_, i) => i).filter((i) => argDigests[i] !== args[i]);
}

async function reasonsOf(call: UnexplainedCall, matches: Matches, history: ExplainStore): Promise<readonly Reason[]> {
  if (call.reason !== null) return [call.reason];
  const match = matches.get(call);
  if (match === undefined) return [{ kind: "newCall" }];
  if (match === "none") return [{ kind: "newTask" }];
  const reasons: Reason[] = [];
  if (match.code !== call.code) {
    const [before, after] = await Promise.all([
      history.findTaskVersion(call.task, match.code),
      history.findTaskVersion(call.task, call.code),
    ]);
    reasons.push({ kind: "newCode", changes: before && after ? compareVersions(before, after) : null });
  }
  const positions = differing(call, match);
  if (positions.length > 0) {
    const names = positions.map((i) => parameterName(call.parameters, i));
    reasons.push({ kind: "newArguments", parameters: names });
  }
  if (reasons.length > 0) return reasons;
  const { reads, context } = call;
  return match.evalHash === call.evalHash
    ? [{ kind: "invalidResult", places: [] }]
    : [{ kind: "newSurroundings", reads, context }];
}

async function examplesOf(
  calls: readonly UnexplainedCall[],
  matches: Matches,
  { history, datasetNames }: ComparedWith,
): Promise<ExampleCall[]> {
  const read = await Promise.all(
    calls.map(async (call) => {
      const match = matches.get(call);
      const differs = typeof match === "object" && differing(call, match).length > 0;
      return { call, args: await call.args(), before: differs ? await history.findArguments(match.evalHash) : null };
    }),
  );
  const names = await datasetNames(read.flatMap(({ args, before }) => [args ?? [], before ?? []]));
  return read.map(({ call, args, before }) => ({
    evalHash: call.evalHash,
    args: (args ?? []).map((bytes) => preview(decodeValue(bytes), names)),
    arguments: args && before ? compareArguments(call.parameters, before, args, names) : null,
  }));
}
