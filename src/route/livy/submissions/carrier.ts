/**
 * What carries an attempt to Spark: a Livy batch (`batch-carrier.ts`) or a statement of a warm session (`statement-carrier.ts`). The life of a submission (`submission.ts`) is one for both; this is what it asks of either.
 */

import type { FiresteelError } from "../../../errors.ts";
import type { SubmissionFailure } from "../../../evaluate/ports.ts";
import type { Claim, Verdict } from "../witness/verdict.ts";
import type { RowChange } from "./submission-row.ts";

/** How waiting for a place ended. */
export type Admitted =
  /** There is one: a POST may follow. `cause` and `change` are for the row. */
  { readonly kind: "admitted"; readonly cause: string; readonly change: RowChange } | Refused;

/** How a POST ended. */
export type Posted =
  /** It exists: Livy's, or on YARN. `cause` and `change` are for the row. */
  | { readonly kind: "made"; readonly cause: string; readonly change: RowChange; readonly told: string }
  /** It does not exist, and the same may be sent again. `counts`: this cannot go on for ever. */
  | { readonly kind: "again"; readonly why: string; readonly counts: boolean }
  | Refused;

/** It will never be taken. */
export interface Refused {
  readonly kind: "refused";
  readonly failure: SubmissionFailure;
  readonly error: FiresteelError | null;
}

/** Looks at what was posted, until it is disposed of. */
export interface Sight extends Disposable {
  /** When Livy last showed it, ms since the epoch; null: never. */
  readonly seenAt: number | null;
  /** The next look that says something new (with `every` in any case): that it lives, or how it ended as far as Livy knows. The row is up to date with it. Null when there was none within the time. */
  next(withinMs: number, every: boolean, signal: AbortSignal): Promise<Claim | "lives" | null>;
}

/** The way of one attempt. What it learns it writes to the row. Waiting ends with the signals' reasons. */
export interface Carrier {
  /** Waits for a place and takes it; the row's listeners are told why. */
  admit(signal: AbortSignal): Promise<Admitted>;
  /** Takes the place of what lives, or may live, already. */
  occupy(): void;
  /** Gives the place back, if it has one. */
  release(): void;
  /** Sends it, once, and finds out what became of it. The signal stops the waiting, not the request. */
  post(signal: AbortSignal): Promise<Posted>;
  /** Finds out what became of an earlier POST; `why` there is doubt. */
  resolve(why: string, signal: AbortSignal): Promise<Posted>;
  sight(): Sight;
  /** What follows from a claim, after the manifest was looked for in vain. `doubtMs`: from when the doubt began to when this claim was heard. */
  judge(claim: Claim, doubtMs: number, signal: AbortSignal): Promise<Verdict>;
  /**
   * Stops it for certain; returns how that was confirmed.
   *
   * @param succeeded looks for a manifest; when it is there the job was faster than we, and null is returned
   */
  stop(succeeded: () => Promise<boolean>, signal: AbortSignal): Promise<string | null>;
  /** Copies all of its log that can still be had. */
  copyLog(signal: AbortSignal): Promise<void>;
  /** After an end that the manifest told: waits until it is over for Livy too, or sees to that. Settles in any case. */
  linger(signal: AbortSignal): Promise<void>;
  /** Whether the manifest shows its end long before Livy does, so that it is looked for meanwhile. */
  readonly endsEarly: boolean;
}
