/** Every way a request to S3 can fail, as one {@link FiresteelError} each. */

import { Code, FiresteelError } from "../../errors.ts";

interface SdkError {
  readonly name?: string | undefined;
  readonly message?: string | undefined;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
  readonly $response?: { readonly statusCode?: number };
}

/** Errors of the chain that looks for credentials. */
const UNCONFIGURED = /credential|token is expired/i;

/** The HTTP status of an answer; undefined when there was none. */
export function statusOf(error: unknown): number | undefined {
  const { $metadata, $response } = error as SdkError;
  return $metadata?.httpStatusCode ?? $response?.statusCode;
}

/** How often the SDK has sent the request. */
export function attemptsOf(error: unknown): number {
  return (error as SdkError).$metadata?.attempts ?? 1;
}

/** `broke`: the answer had begun. */
export function s3Error(uri: string, reason: unknown, broke = false): FiresteelError {
  if (reason instanceof FiresteelError) return reason;
  const { name = "", message = "", code = "" } = reason as SdkError;
  const status = statusOf(reason);
  const words =
    [name, message || code].filter((part) => part !== "" && part !== "Error").join(": ") || `HTTP ${status}`;
  const hint = /region is missing/i.test(message)
    ? "; set `storage.s3.region` in firesteel.config.ts, or AWS_REGION"
    : "";
  return new FiresteelError(codeOf(status, `${name} ${message}`, code), `S3 refused ${uri}: ${words}${hint}`, {
    cause: reason,
    details: { uri, ...(status === undefined ? {} : { status }), ...(broke ? { lost: true } : {}) },
  });
}

function codeOf(status: number | undefined, words: string, code: string): Code {
  if (status === 401 || status === 403 || /AccessDenied/.test(words)) return Code.permissionDenied;
  if (status === 404) return Code.notFound;
  if (status === 429 || /SlowDown|TooManyRequests/.test(words)) return Code.resourceExhausted;
  if (status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 409)
    return Code.invalidArgument;
  if (status === undefined && UNCONFIGURED.test(words)) return Code.permissionDenied;
  if (/region is missing/i.test(words)) return Code.failedPrecondition;
  if (/CERT|SIGNED|SSL|TLS|ALTNAME/.test(code)) return Code.failedPrecondition;
  return Code.unavailable;
}
