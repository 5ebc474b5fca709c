/** What the writer can write: each kind of record is one value of {@link WriteKind}, defined beside its table. */

import type { Db } from "./database.ts";

/**
 * Groups of tables that are written in the order of the requests. Between lanes the order inside one transaction cannot be seen. Also the order in which one transaction visits the tables:
 * the same everywhere, so that two processes that write the same keys wait for each other and do not deadlock.
 */
export const LANES = [
  "claim",
  "code",
  "call",
  "shallow",
  "job",
  "dataset",
  "file-stat",
  "execution",
  "submission",
  "log",
  "result",
  "cluster",
] as const;
export type Lane = (typeof LANES)[number];

/** Who writes: passed to every statement that stores an owner. */
export interface Writing {
  /** Id of this process's owner row. */
  readonly owner: string;
  /** How long an owner lives without renewing. */
  readonly leaseMs: number;
  /** Other processes may have the database open. */
  readonly shared: boolean;
  /** Whether this process has been able to renew its own lease for as long as a lease lasts: if not, others may have been as unable. */
  mayEndOthers(): boolean;
}

/** Statements that are ready to run; gives one answer for each payload. */
export type Prepared<R> = (db: Db, writing: Writing) => Promise<readonly R[]>;

/** One kind of write. `P` is the payload of one request, `R` its answer. */
export interface WriteKind<P, R> {
  readonly name: string;
  readonly lane: Lane;
  /**
   * Run once more when the answer of a commit was lost and the batch turns out to be committed: for kinds whose requests need an answer, and which give the same one when repeated.
   * The others are skipped then.
   */
  readonly repeatable: boolean;
  /** Nobody waits for such a request: a few of them may gather some more before they are written. */
  readonly patient?: true;
  /** Such a request depends on no other of its lane: it goes before those of the same transaction, so that all of them are one group. */
  readonly first?: true;
  /**
   * Turns the payloads of consecutive requests, in their order, into something to run inside a transaction. What is computed here overlaps with the transaction before, and is kept when the
   * batch has to be sent again.
   */
  prepare(payloads: readonly P[]): Prepared<R>;
  /** Done and awaited before the transaction begins: what must be durable outside of the database before a row names it. */
  before?(payloads: readonly P[]): Promise<void>;
  /** The halves of a payload of several records, or null for one that cannot be divided: when some of it is refused, the rest is still written. */
  halve?(payload: P): readonly [P, P] | null;
  /** Told when a request was accepted into the queue. */
  queued?(payload: P): void;
  /** Told after the commit (or the final failure) of the payloads, before the requests' promises settle. */
  settled?(payloads: readonly P[], committed: boolean): void;
}

/** Answers for kinds that have none to give. */
export function noAnswers(payloads: readonly unknown[]): readonly undefined[] {
  return new Array<undefined>(payloads.length).fill(undefined);
}
