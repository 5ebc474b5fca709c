/**
 * What explaining needs to know of the past.
 */

import type { PartKind } from "../../hash/code/link.ts";
import type { Digest, EpochMs, ExecutionRecord } from "../ports.ts";

/** One thing that the code of a task is made of, as it was when that version of the task was loaded first. */
export interface CodePart {
  /** `body` is the task's own function, `value` a constant known by its value, `constant` one known by its initialiser, `version` the task's option. */
  readonly kind: PartKind | "version";
  /** Its name in its module; a package with its version. */
  readonly name: string;
  /** From the project's root; empty for what is no code of the project. */
  readonly file: string;
  /** From 1; 0 where it has no place. */
  readonly line: number;
  /** Identity of this thing alone, without what it reaches. */
  readonly digest: Digest;
  /** Digest of the names that it mentions, in their order. */
  readonly mentions: Digest;
  /** Its source text; null where it has none, or one too long to be kept. */
  readonly text: string | null;
  /** A constant's value for people, shortened; null for anything else. */
  readonly value: string | null;
}

/** A version of a task's code, taken apart. */
export interface TaskVersion {
  readonly task: string;
  readonly code: Digest;
  /** The task's own function first, then what it reaches in the order of mention. */
  readonly parts: readonly CodePart[];
}

/** A call whose result is recorded. */
export interface RecordedCall {
  readonly evalHash: Digest;
  readonly task: string;
  readonly code: Digest;
  readonly args: readonly Digest[];
}

/** The past, as it is asked for when something is to be explained; nothing of this is on the way of an evaluation. */
export interface ExplainStore {
  /** Keeps versions of tasks; those that are kept already stay as they are. */
  recordTaskVersions(versions: readonly TaskVersion[]): Promise<void>;
  /** A version of a task; null when it was never loaded by a process that recorded it. */
  findTaskVersion(task: string, code: Digest): Promise<TaskVersion | null>;
  /** Executions of a task that were started before a time, newest first. */
  executionsBefore(task: string, before: EpochMs, limit: number): Promise<readonly ExecutionRecord[]>;
  /** Calls by eval hash of which an execution got no result. */
  unfinishedCalls(executionId: string): Promise<ReadonlyMap<Digest, "failed" | "cancelled">>;
  /** The calls of the given tasks of which an execution got a result, and one is recorded; each once, in the order of their jobs, at most `limit` of each task. */
  callsOfExecution(executionId: string, tasks: readonly string[], limit: number): Promise<readonly RecordedCall[]>;
  /** Calls by eval hash. */
  findRecordedCalls(evalHashes: readonly Digest[]): Promise<ReadonlyMap<Digest, RecordedCall>>;
  /** Calls of a task that had ended before a time, newest first. */
  callsBefore(task: string, before: EpochMs, limit: number): Promise<readonly RecordedCall[]>;
  /** The canonical encodings of a recorded call's arguments; null when the call is not recorded. */
  findArguments(evalHash: Digest): Promise<readonly Uint8Array[] | null>;
}
