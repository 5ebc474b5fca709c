/**
 * The one error class of firesteel and its closed set of codes.
 *
 * The codes are gRPC's own, so that an error crosses the wire without a translation table
 * (https://grpc.io/docs/guides/status-codes/).
 */

import { inspect } from "node:util";

/** Characters that are shown of what was thrown. */
const MOST_TEXT = 500;

/** What kind of failure it is; each has the meaning of the gRPC status of the same name. */
export const Code = {
  /** The caller cancelled, or nobody waits for the result any more. */
  cancelled: "cancelled",
  /** The caller's input is wrong, whatever the state of the system. */
  invalidArgument: "invalid_argument",
  /** A time-out of ours or of the caller ran out. */
  deadlineExceeded: "deadline_exceeded",
  /** The named thing does not exist. */
  notFound: "not_found",
  /** The named thing exists already, with other content. */
  alreadyExists: "already_exists",
  /** The other side refused us: credentials missing or not enough. */
  permissionDenied: "permission_denied",
  /** A limit or a disk is full; trying later can help. */
  resourceExhausted: "resource_exhausted",
  /** The system is not in a state in which this can work; the caller has to change something first. */
  failedPrecondition: "failed_precondition",
  /** Lost a race (an input changed, a lease was taken over); trying again can help. */
  aborted: "aborted",
  /** The feature does not exist here. */
  unimplemented: "unimplemented",
  /** A broken promise of our own code. */
  internal: "internal",
  /** The other side cannot be reached now; trying again can help. */
  unavailable: "unavailable",
  /** Stored data is damaged or contradicts itself. */
  dataLoss: "data_loss",
  /** A task's own body failed; `details.name` and the message are what it threw. */
  unknown: "unknown",
} as const;
export type Code = (typeof Code)[keyof typeof Code];

const CODES: ReadonlySet<unknown> = new Set(Object.values(Code));

/** Codes after which the same call can succeed later without anybody changing anything. */
const RETRYABLE: ReadonlySet<Code> = new Set<Code>([Code.unavailable, Code.aborted, Code.resourceExhausted]);

/** What a {@link FiresteelError} carries beside its message. */
export interface ErrorInit {
  readonly cause?: unknown;
  /** Whether the same call may succeed later; by default decided by the code. */
  readonly retryable?: boolean;
  /** Machine-readable facts: the place, the offending path, the exit code, a traceback. JSON only. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * Thrown for every failure that firesteel reports to a caller.
 *
 * @example
 * ```ts
 * throw new FiresteelError(Code.notFound, "task is not known: sales.revenu");
 * ```
 */
export class FiresteelError extends Error {
  override readonly name: string = "FiresteelError";
  readonly code: Code;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: Code, message: string, init: ErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = code;
    this.retryable = init.retryable ?? RETRYABLE.has(code);
    this.details = init.details ?? {};
  }

  /** Turns anything thrown into a {@link FiresteelError}; one that is one already is returned as it is. */
  static from(reason: unknown, code: Code = Code.internal): FiresteelError {
    if (reason instanceof FiresteelError) return reason;
    if (reason instanceof Error)
      return new FiresteelError(code, reason.message, {
        cause: reason,
        details: { name: reason.name, stack: reason.stack },
      });
    if (typeof reason === "string" && reason !== "") return new FiresteelError(code, reason, { cause: reason });
    return new FiresteelError(code, `${textOf(reason)} was thrown, which is no Error`, { cause: reason });
  }

  // Recognised across worker threads' copies of this module, which `instanceof` alone is not.
  static override [Symbol.hasInstance](value: unknown): boolean {
    // `code` and `retryable` alone would also take in the errors of other libraries (the AWS SDK has both).
    return (
      value instanceof Error && "code" in value && "retryable" in value && "details" in value && CODES.has(value.code)
    );
  }
}

/** What was thrown as JavaScript writes it, in one line. */
function textOf(reason: unknown): string {
  try {
    const text = inspect(reason, {
      depth: 2,
      breakLength: Number.POSITIVE_INFINITY,
      maxArrayLength: 10,
      maxStringLength: 500,
    });
    return text.length <= MOST_TEXT ? text : `${text.slice(0, MOST_TEXT)}...`;
  } catch {
    // Whatever can be thrown, also what throws when it is looked at.
    return `something without a text form (${typeof reason})`;
  }
}
