/**
 * Retries: whether a body that failed is run again, and when.
 */

import type { RetryOptions } from "../define/task-options.ts";
import { Code, FiresteelError } from "../errors.ts";
import { isInputChanged } from "./failure.ts";

/** Retry options with all defaults filled in; without `only` every error is worth another run. */
export interface RetryPolicy {
  readonly max: number;
  readonly backoffMs: number;
  readonly factor: number;
  readonly maxBackoffMs: number;
  readonly only: ReadonlySet<string> | null;
}

/** The policy of a task's option. */
export function retryPolicy(option: number | RetryOptions | undefined): RetryPolicy {
  const { max, backoffMs, factor, maxBackoffMs, only } =
    typeof option === "object" ? option : ({ max: option ?? 0 } as RetryOptions);
  return {
    max,
    backoffMs: backoffMs ?? 200,
    factor: factor ?? 2,
    maxBackoffMs: maxBackoffMs ?? 10_000,
    only: only ? new Set(only) : null,
  };
}

/**
 * Whether a failure is worth another run. Never what was cancelled, nor an input that changed (the execution looks at its inputs again), nor an argument that its schema refused: a second run would be
 * given the same.
 */
export function mayRetry({ only }: RetryPolicy, error: unknown): error is FiresteelError {
  if (!(error instanceof FiresteelError) || error.code === Code.cancelled || isInputChanged(error)) return false;
  const { kind, name } = error.details as { readonly kind?: unknown; readonly name?: unknown };
  if (kind === "schema") return false;
  return only === null || only.has(error.code) || only.has(typeof name === "string" ? name : error.name);
}

/** How long to wait in ms before the retry after `tried` earlier ones: exponential, and between half of it and all of it by chance, so that those who failed together do not come back together. */
export function retryPause(policy: RetryPolicy, tried: number, random: () => number = Math.random): number {
  const full = Math.min(policy.backoffMs * policy.factor ** tried, policy.maxBackoffMs);
  return Math.round(full * (0.5 + random() / 2));
}
