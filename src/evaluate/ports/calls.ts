/** Calls and their results. */

import type { Digest } from "../../hash/digest.ts";
import type { StoredValue } from "../../hash/stored.ts";
import type { EpochMs } from "./time.ts";

/** What one run of a body gave: a value, or an expression that still has to be evaluated. */
export interface Outcome {
  readonly kind: "value" | "expression";
  /** Canonical CBOR, or what stands for a stored value (`hash/stored.ts`); an expression is a program (`hash/program.ts`). */
  readonly bytes: Uint8Array;
  /** Of the value. */
  readonly digest: Digest;
}

/** A finished call: the one-step result of a body. */
export interface CallRecord {
  readonly evalHash: Digest;
  readonly task: string;
  readonly code: Digest;
  /** Digest and encoding of each argument. */
  readonly args: readonly { readonly digest: Digest; readonly bytes: Uint8Array }[];
  readonly outcome: Outcome;
  readonly executor: string;
  readonly startedAt: EpochMs;
  readonly endedAt: EpochMs;
}

/** A call found in the store. */
export interface CachedCall {
  readonly evalHash: Digest;
  readonly outcome: Outcome;
}

/** The final value of a call, and the code that it went through: valid as long as that is unchanged. */
export interface ShallowRecord {
  readonly evalHash: Digest;
  /** Canonical CBOR. */
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  /** Name and code of every task below the call, and of the codecs (`codec:...`) of the instances that were given there. */
  readonly tasks: readonly (readonly [string, Digest])[];
}

/** The files of stored values (`hash/stored.ts`). */
export interface StoredValues {
  /** The canonical encoding. Rejects with `data_loss` when the file is gone or has another length. */
  read(stored: StoredValue): Promise<Uint8Array>;
  /** The same piece by piece. */
  chunks(stored: StoredValue): AsyncIterable<Uint8Array>;
  /** Whether the files of all of these are there, with the right lengths. */
  allThere(stored: readonly StoredValue[]): Promise<boolean>;
}

/** Calls and their results. */
export interface CallStore {
  readonly stored: StoredValues;
  /** Looks many calls up in one query (1,000 to 4,000 at a time are cheapest); sees what was recorded in this process even before it is durable. A call whose result is lost (a large value's file is gone) is not found. */
  findCalls(evalHashes: readonly Digest[]): Promise<ReadonlyMap<Digest, CachedCall>>;
  /**
   * Reads ahead: the calls of the last execution of this root that recorded jobs, those first whose jobs started first, some thousand at a time.
   *
   * Their order is a hint and not a promise; what the code of now does not ask for is among them. Nothing is read before the first `next()`, and each block when it is asked for.
   *
   * @param args the root's arguments as its execution record has them
   */
  previousCalls(task: string, args: Uint8Array): AsyncIterable<readonly CachedCall[]>;
  /**
   * Records finished calls with their arguments and results; many at once cost a fraction. The first record of an eval hash wins; `replace` (the old result is invalid) overwrites it. One promise for all,
   * which rejects when one of them is refused (the others are recorded all the same).
   */
  recordCalls(calls: readonly CallRecord[], replace?: boolean): Promise<void>;
  /** Final values of calls of tasks that are checked shallowly; one is not found when a stored value in it is lost. */
  findShallow(evalHashes: readonly Digest[]): Promise<ReadonlyMap<Digest, ShallowRecord>>;
  /** Records the final value of a call; the last record of an eval hash counts. */
  recordShallow(record: ShallowRecord): Promise<void>;
  /** The whole record of a call with its arguments; null when it is not known or some of it is lost. */
  findCallRecord(evalHash: Digest): Promise<CallRecord | null>;
  /** Takes or renews the lease on a call; false when another live owner holds it. */
  claimCall(evalHash: Digest): Promise<boolean>;
  /** Gives a lease back. */
  releaseCall(evalHash: Digest): Promise<void>;
  /** A value by its digest, or null. Only values that are too large for the row of their call (over 512 bytes) can be found so. */
  findValue(digest: Digest): Promise<Uint8Array | null>;
  /** Stores a large value piece by piece, once; durable when this resolves. A call that is recorded later with the same value finds it stored. */
  putValue(digest: Digest, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void>;
  /** Like `findValue`, piece by piece. With `verify` the digest is compared first; a value that differs is removed and not found. */
  openValue(
    digest: Digest,
    verify?: boolean,
  ): Promise<{ readonly length: number; readonly chunks: AsyncIterable<Uint8Array> } | null>;
}
