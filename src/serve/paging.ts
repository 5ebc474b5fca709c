/**
 * Pages and times of requests: checked here, so that handlers see plain values.
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Duration, type TimestampSchema, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, FiresteelError } from "../errors.ts";
import type { EpochMs, PageRequest } from "../evaluate/ports.ts";

/** The size of a page: the default for 0, never more than the maximum. */
export function pageSize(requested: number, byDefault: number, maximum: number): number {
  if (requested < 0) throw new FiresteelError(Code.invalidArgument, `page size is negative: ${requested}`);
  return requested === 0 ? byDefault : Math.min(requested, maximum);
}

/** The page that a list request asks for. */
export function pageRequest(request: { readonly pageSize: number; readonly pageToken: string }): PageRequest {
  const limit = pageSize(request.pageSize, 50, 1000);
  return request.pageToken === "" ? { limit } : { limit, cursor: request.pageToken };
}

/** The longest that Node's timers can wait, in ms: almost 25 days. A longer timer would fire at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/** A duration in ms; undefined for none, and for one that no timer can wait for. */
export function millisecondsOf(duration: Duration | undefined, subject: string): number | undefined {
  if (duration === undefined) return undefined;
  const milliseconds = Number(duration.seconds) * 1000 + duration.nanos / 1e6;
  if (milliseconds < 0) throw new FiresteelError(Code.invalidArgument, `${subject} is negative: ${milliseconds} ms`);
  return milliseconds > MAX_TIMER_MS ? undefined : milliseconds;
}

/** A point in time as a message; nothing for null. */
export function timestamp(at: EpochMs | null): MessageInitShape<typeof TimestampSchema> | undefined {
  return at === null ? undefined : timestampFromMs(at);
}

/** The object without its members that are null or undefined: how optional fields are left unset. */
export function present<T extends object>(record: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== null && value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

/** The text; an error that names the field when it is empty. */
export function required(text: string, field: string): string {
  if (text === "") throw new FiresteelError(Code.invalidArgument, `request has an empty field: ${field}`);
  return text;
}
