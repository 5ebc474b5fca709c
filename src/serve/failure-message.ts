/**
 * Failures on the wire: {@link FiresteelError} and stored errors to and from the `Failure` message.
 */

import { create, type JsonObject, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, FiresteelError } from "../errors.ts";
import type { ErrorRecord } from "../evaluate/ports.ts";
import { type Failure, FailureSchema } from "../gen/firesteel/v1/failure_pb.ts";

/** The number of each code as gRPC and Connect have it (https://grpc.io/docs/guides/status-codes/). */
export const CODE_NUMBERS: Readonly<Record<Code, number>> = {
  cancelled: 1,
  unknown: 2,
  invalid_argument: 3,
  deadline_exceeded: 4,
  not_found: 5,
  already_exists: 6,
  permission_denied: 7,
  resource_exhausted: 8,
  failed_precondition: 9,
  aborted: 10,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  data_loss: 15,
};

const CODES = new Map<number, Code>([
  ...Object.entries(CODE_NUMBERS).map(([code, number]) => [number, code as Code] as const),
  // The two statuses that have no code of their own here.
  [11, Code.invalidArgument],
  [16, Code.permissionDenied],
]);

/** The code of a gRPC status number; `unknown` for a number that gRPC does not define. */
export function codeFromNumber(number: number): Code {
  return CODES.get(number) ?? Code.unknown;
}

const RETRYABLE_CODES: ReadonlySet<string> = new Set<Code>([Code.unavailable, Code.aborted, Code.resourceExhausted]);

/** A stored error as a message. */
export function failureFromRecord(error: ErrorRecord): MessageInitShape<typeof FailureSchema> {
  const { stack, details } = error;
  return {
    code: error.code,
    name: error.name,
    message: error.message,
    path: [...(error.path ?? [])],
    retryable: RETRYABLE_CODES.has(error.code),
    ...(stack === undefined ? {} : { stack }),
    ...(details === undefined ? {} : { details: jsonObject(details) }),
  };
}

/** Bytes that the failure of a call may take: it travels in a trailer, and clients allow 8 KiB for all of them together. */
const MAX_DETAIL_BYTES = 4000;
/** Characters of a failed call's message in the status itself; it is percent-encoded there. */
export const MAX_STATUS_MESSAGE = 1000;

/** The failure of a call as a message: without the stack, and with the large details left out. */
export function failureFromError(error: FiresteelError): Failure {
  const { stack: _stack, ...details } = jsonObject(error.details);
  const kept: JsonObject = {};
  let left = MAX_DETAIL_BYTES;
  const message = clip(error.message, left / 2);
  left -= Buffer.byteLength(message);
  for (const [key, value] of Object.entries(details)) {
    const size = key.length + Buffer.byteLength(JSON.stringify(value));
    if (size > left) {
      kept[key] = "(too large for the status of a call)";
      continue;
    }
    left -= size;
    kept[key] = value;
  }
  const name = typeof error.details["name"] === "string" ? error.details["name"] : error.name;
  return create(FailureSchema, { code: error.code, name, message, details: kept, retryable: error.retryable });
}

/** The error that a failed call's `Failure` tells of. */
export function errorFromFailure(failure: Failure): FiresteelError {
  const code = (Object.hasOwn(CODE_NUMBERS, failure.code) ? failure.code : Code.unknown) as Code;
  return new FiresteelError(code, failure.message, { retryable: failure.retryable, details: failure.details ?? {} });
}

/** Cuts a text to about a number of bytes. */
export function clip(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  // `stream` keeps a character that the cut has halved from becoming U+FFFD.
  return `${new TextDecoder().decode(Buffer.from(text).subarray(0, bytes - 3), { stream: true })}...`;
}

/** A record of facts as a JSON object; what JSON cannot say is dropped. */
export function jsonObject(record: Readonly<Record<string, unknown>>): JsonObject {
  return JSON.parse(
    JSON.stringify(record, (_key, value: unknown) => (typeof value === "bigint" ? value.toString() : value)),
  ) as JsonObject;
}
