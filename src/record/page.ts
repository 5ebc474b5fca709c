/** Pages, newest first, cut by a table's `seq` column: the cursor is the last row's number, so rows that come meanwhile move nothing. */

import { Code, FiresteelError } from "../errors.ts";
import type { Page, PageRequest } from "../evaluate/ports.ts";

/** Rows of one page at most, whatever is asked for. */
const PAGE_ROWS = 10_000;

/** A checked page request. */
export interface PagePlan {
  readonly limit: number;
  /** Only rows before this number; null for the first page. */
  readonly before: number | null;
}

/** Checks limit and cursor; throws `invalid_argument`. */
export function planPage(request: PageRequest): PagePlan {
  if (!Number.isSafeInteger(request.limit) || request.limit < 1)
    throw new FiresteelError(Code.invalidArgument, `page limit must be a whole number above 0: ${request.limit}`);
  if (request.cursor !== undefined && !/^\d{1,15}$/.test(request.cursor))
    throw new FiresteelError(Code.invalidArgument, `page cursor is not one that was given out: ${request.cursor}`);
  return {
    limit: Math.min(request.limit, PAGE_ROWS),
    before: request.cursor === undefined ? null : Number(request.cursor),
  };
}

/** Makes a page of up to `limit + 1` rows that were read. */
export function cutPage<R extends { readonly seq: number | string }, T>(
  rows: readonly R[],
  plan: PagePlan,
  convert: (row: R) => T,
): Page<T> {
  const shown = rows.slice(0, plan.limit);
  const last = shown.at(-1);
  return {
    rows: shown.map(convert),
    nextCursor: rows.length > plan.limit && last !== undefined ? String(last.seq) : null,
  };
}

/** A time column in milliseconds since the epoch. */
export function toMs(time: Date): number;
export function toMs(time: Date | null): number | null;
export function toMs(time: Date | null): number | null {
  return time === null ? null : time.getTime();
}

/** Milliseconds since the epoch as both drivers take a time. */
export function toTime(ms: number): string;
export function toTime(ms: number | null): string | null;
export function toTime(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
