/**
 * How often evaluation found what it looked for: plain numbers, since a warm execution looks up tens of thousands of calls a second.
 *
 * A look-up *hits* when there is a result and the files and datasets that it names are as they were; it is *invalid* when they are not, and a *miss* when there is no result.
 *
 * An *early cutoff* is a hit where something had to run and made no difference: a look-up of a call of which an argument came out of a body that ran in the same execution (at any distance: through calls, forms and
 * fields), so that nothing ran for it although something before it did; or of bulk work that a body described which had to run. Of calls that are asked for more than once in an execution the first time counts.
 */

/** Look-ups of one kind. */
export interface LookupTally {
  hit: number;
  miss: number;
  invalid: number;
}

/** What one orchestrator's evaluations found. */
export class Tally {
  /** Results of calls, by what they were looked up for: one step, or the final value of a task that is checked shallowly. */
  readonly call: LookupTally = { hit: 0, miss: 0, invalid: 0 };
  readonly shallow: LookupTally = { hit: 0, miss: 0, invalid: 0 };
  /** Committed results of bulk work. */
  readonly work: LookupTally = { hit: 0, miss: 0, invalid: 0 };
  /** Executions by their end. */
  readonly executions: Record<"succeeded" | "failed" | "cancelled", number> = { succeeded: 0, failed: 0, cancelled: 0 };
  /** Early cutoffs at calls and at bulk work. */
  readonly cutoffs: { call: number; work: number } = { call: 0, work: 0 };
}

/** Counts a look-up of bulk work, which a body has just described. */
export function countWork({ work, cutoffs }: Tally, result: keyof LookupTally): void {
  work[result]++;
  if (result === "hit") cutoffs.work++;
}
