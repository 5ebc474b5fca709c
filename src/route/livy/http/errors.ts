/**
 * Every way a Livy request can fail, as one {@link FiresteelError} each: the only place that knows the forms of Livy's and of undici's errors.
 *
 * Livy answers errors as `{"msg": ...}`, as a bare JSON string, as HTML (Jetty's and proxies' own pages) or with an empty body. A 400 can mean a request that will never work, a name that is taken,
 * or a server with too much to do; only the words tell. They are kept as Livy said them.
 */

import { Code, FiresteelError } from "../../../errors.ts";
import type { Answer } from "./endpoint.ts";

/** What went wrong with a request, as far as it decides what to do next. */
export const LivyFailure = {
  /** The name of the new batch is in use; nothing was submitted. */
  duplicateName: "duplicateName",
  /** The server creates as many sessions as it may; nothing was submitted. */
  tooManySessions: "tooManySessions",
  /** The request itself is refused; nothing was submitted, though Livy may keep a batch of that name that never starts. */
  rejected: "rejected",
  /** There are no credentials, or none that are good now: nobody is let in, whatever he asks for. */
  unauthorized: "unauthorized",
  /** We are known, and may not do this. */
  forbidden: "forbidden",
  /** The batch does not exist, was deleted, or was forgotten. */
  notFound: "notFound",
  /** A 5xx or an answer that makes no sense: whether the request had an effect is not known. */
  server: "server",
  /** No connection was made: the request had no effect. */
  unreachable: "unreachable",
  /** The connection broke or no answer came in time: whether the request had an effect is not known. */
  noAnswer: "noAnswer",
  /** We stopped waiting. */
  cancelled: "cancelled",
} as const;
export type LivyFailure = (typeof LivyFailure)[keyof typeof LivyFailure];

/** Which {@link LivyFailure} an error is; undefined for an error of another origin. */
export function livyFailureOf(error: unknown): LivyFailure | undefined {
  if (!(error instanceof FiresteelError)) return undefined;
  const kind = error.details["kind"];
  return Object.values(LivyFailure).find((known) => known === kind);
}

/** The request an error is about, for its message. */
export interface RequestSubject {
  readonly cluster: string;
  /** Method and path, `POST /batches`. */
  readonly request: string;
}

const UNTIL = 2_000;

/** Livy's own words in the body of an error, whatever its form; the status alone when there are none. */
export function wordsOf(status: number, body: string, contentType = ""): string {
  const text = body.trim();
  if (text === "") return `HTTP ${status}`;
  try {
    const json = JSON.parse(text) as unknown;
    if (typeof json === "string") return json.slice(0, UNTIL);
    if (typeof json === "object" && json !== null) {
      for (const key of ["msg", "message", "error"]) {
        const words = (json as Record<string, unknown>)[key];
        if (typeof words === "string") return words.slice(0, UNTIL);
      }
    }
    return text.slice(0, UNTIL);
  } catch {
    if (!contentType.includes("html") && !text.startsWith("<")) return text.slice(0, UNTIL);
    const plain = text
      .replace(/<(script|style)[\s\S]*?<\/\1>/gi, " ")
      .replace(/<[^>]*>/g, " ")
      .replace(/&nbsp;/g, " ")
      .replace(/&lt;/g, "<")
      .replace(/&gt;/g, ">")
      .replace(/&quot;/g, '"')
      .replace(/&#39;/g, "'")
      .replace(/&amp;/g, "&")
      .replace(/\s+/g, " ")
      .trim();
    return `HTTP ${status}: ${plain.slice(0, 500) || "an HTML page"}`;
  }
}

/** Whether the body of an error has one of the two forms that Livy gives what it says itself: `{"msg": ...}` and a JSON string. */
function isLivys(body: string): boolean {
  try {
    const json = JSON.parse(body) as unknown;
    return typeof json === "string" || typeof (json as { msg?: unknown } | null)?.msg === "string";
  } catch {
    return false;
  }
}

/** The error for an answer with a status that is not 2xx. */
export function errorOfAnswer(
  subject: RequestSubject,
  { status, text: body, contentType, location }: Answer,
): FiresteelError {
  const words = wordsOf(status, body, contentType);
  const make = (code: Code, kind: LivyFailure, says = "refused") =>
    new FiresteelError(code, `cluster ${subject.cluster} ${says} ${subject.request}: ${words}`, {
      details: { kind, cluster: subject.cluster, status, words },
    });
  if (status >= 500 || status === 408) return make(Code.unavailable, LivyFailure.server, "failed at");
  if (status === 401 || status === 407) return make(Code.permissionDenied, LivyFailure.unauthorized);
  if (status === 403) return make(Code.permissionDenied, LivyFailure.forbidden);
  // A proxy whose backend is away, or whose path is wrong, says 404 too: that is no word about a batch.
  if (status === 404)
    return isLivys(body)
      ? make(Code.notFound, LivyFailure.notFound, "does not know")
      : make(Code.unavailable, LivyFailure.server, "has something before it that does not know the path of");
  if (status === 429 || /too many sessions/i.test(words))
    return make(Code.resourceExhausted, LivyFailure.tooManySessions);
  // 0.6 to 0.9: "[Rejected, Reason: ]Duplicate session name: Some(x) for session 9".
  if (/duplicate session name/i.test(words)) return make(Code.alreadyExists, LivyFailure.duplicateName);
  // A log-in page in front of the server answers with a redirect; following it would post to somewhere else.
  if (status >= 300 && status < 400)
    return make(
      Code.permissionDenied,
      LivyFailure.unauthorized,
      `sends us to ${location || "elsewhere"} instead of answering`,
    );
  return make(Code.invalidArgument, LivyFailure.rejected);
}

/** The error for an answer with a good status that is not what Livy answers. */
export function errorOfNonsense(
  subject: RequestSubject,
  status: number,
  body: string,
  contentType: string,
): FiresteelError {
  const words = wordsOf(status, body, contentType);
  return new FiresteelError(
    Code.unavailable,
    `cluster ${subject.cluster} answered ${subject.request} with something that is not Livy's: ${words}`,
    {
      details: { kind: LivyFailure.server, cluster: subject.cluster, status, words },
    },
  );
}

/** Codes after which the request certainly never left this process. */
const NOT_SENT: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** The error for a request that got no answer. */
export function errorOfFailure(subject: RequestSubject, reason: unknown, aborted: boolean): FiresteelError {
  const { code, words } = describe(reason);
  if (aborted) {
    return new FiresteelError(Code.cancelled, `cluster ${subject.cluster}: ${subject.request} was given up`, {
      cause: reason,
      details: { kind: LivyFailure.cancelled, cluster: subject.cluster },
    });
  }
  const kind = NOT_SENT.has(code) ? LivyFailure.unreachable : LivyFailure.noAnswer;
  return new FiresteelError(
    Code.unavailable,
    `cluster ${subject.cluster} gave no answer to ${subject.request}: ${words}`,
    {
      cause: reason,
      details: { kind, cluster: subject.cluster, words },
    },
  );
}

function describe(reason: unknown): { readonly code: string; readonly words: string } {
  // Several addresses of one host failed: each has its own error, alike in all that matters.
  const one = reason instanceof AggregateError && reason.errors.length > 0 ? (reason.errors[0] as unknown) : reason;
  if (!(one instanceof Error)) return { code: "", words: String(one) };
  const code = String((one as { code?: unknown }).code ?? "");
  const words = one.message.includes(code) ? one.message : `${code}: ${one.message}`;
  return { code, words: words || one.name };
}
