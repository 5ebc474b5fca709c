/**
 * Database errors into {@link FiresteelError}s: the only place that knows SQLSTATEs and the words of the drivers.
 *
 * SQLSTATEs: https://www.postgresql.org/docs/18/errcodes-appendix.html
 */

import { Code, FiresteelError } from "../errors.ts";

/** What a failed write means for the writer. */
export type Failure =
  /** The connection or the server went away, or a lock race was lost: the same statements can be sent again. */
  | "transient"
  /** The rows themselves were refused; other rows can still be written. */
  | "data"
  /** Nothing can be written any more: full disk, missing table, no permission, lost lease. */
  | "permanent";

/** 40001 serialization failure, 40P01 deadlock, 53300 too many connections, 57P01-57P03 shutdown and start-up, 57P05 and 25P03 idle time-outs, 57014 statement time-out. */
const TRANSIENT_STATES: ReadonlySet<string> = new Set([
  "40001",
  "40P01",
  "53300",
  "57P01",
  "57P02",
  "57P03",
  "57P05",
  "25P03",
  "57014",
]);
const TRANSIENT_NODE: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ENOENT",
]);
/** What `pg` throws without a code when a connection ends under a query. */
const TRANSIENT_TEXT =
  /Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|Client was closed/;

/** The SQLSTATE, the Node error code or null, looked for along the cause chain (and in the parts of an AggregateError, which Node throws for `localhost`). */
export function errorCode(error: unknown): string | null {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 10; depth++) {
    const code: unknown = "code" in at ? at.code : undefined;
    if (typeof code === "string" && !(at instanceof FiresteelError)) return code;
    at = at instanceof AggregateError && at.errors.length > 0 ? at.errors[0] : at.cause;
  }
  return null;
}

/** Whether the same statements can succeed later without anybody changing anything. */
export function isTransient(error: unknown): boolean {
  const code = errorCode(error);
  if (code !== null) return code.startsWith("08") || TRANSIENT_STATES.has(code) || TRANSIENT_NODE.has(code);
  return error instanceof Error && TRANSIENT_TEXT.test(error.message);
}

/** Our own refusals of single records. */
const DATA_CODES: ReadonlySet<Code> = new Set<Code>([Code.notFound, Code.alreadyExists, Code.invalidArgument]);

/** Sorts a failed write; an error that is not the database's own is the fault of the row that caused it. */
export function classify(error: unknown): Failure {
  if (error instanceof FiresteelError) return DATA_CODES.has(error.code) ? "data" : "permanent";
  if (isTransient(error)) return "transient";
  const code = errorCode(error);
  if (code === null || !/^[0-9A-Z]{5}$/.test(code)) return "data";
  // 22 data exception, 23 constraint violation, 54 program limit (an index key that is too long).
  return /^(22|23|54)/.test(code) ? "data" : "permanent";
}

/** Makes a {@link FiresteelError} of anything a database call threw; `subject` says what was being done. */
export function fromDatabase(error: unknown, subject: string): FiresteelError {
  if (error instanceof FiresteelError) return error;
  const sqlstate = errorCode(error);
  const text = error instanceof Error ? error.message || String(error.cause ?? error.name) : String(error);
  const init = { cause: error, details: sqlstate === null ? {} : { sqlstate } };
  return new FiresteelError(
    codeOf(error, sqlstate),
    `${subject}: ${text}${sqlstate === null ? "" : ` (${sqlstate})`}`,
    init,
  );
}

function codeOf(error: unknown, state: string | null): Code {
  if (isTransient(error)) return Code.unavailable;
  if (state === null) return Code.internal;
  if (state === "23505") return Code.alreadyExists;
  if (state.startsWith("22") || state.startsWith("23") || state.startsWith("54")) return Code.invalidArgument;
  if (state.startsWith("28") || state === "42501") return Code.permissionDenied;
  if (state.startsWith("3D") || state.startsWith("42") || state === "25006") return Code.failedPrecondition;
  if (state.startsWith("53")) return Code.resourceExhausted;
  if (state === "XX001" || state === "XX002") return Code.dataLoss;
  return Code.internal;
}
