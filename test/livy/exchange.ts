/** Requests and answers without sockets. */

export interface Request {
  readonly method: string;
  /** Path with query, unescaped by nobody yet. */
  readonly target: string;
  readonly body: string;
}

/** What becomes of a request. */
export type Answer =
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly type: string;
      readonly body: string;
      readonly headers?: Readonly<Record<string, string>>;
      /** The connection breaks in the middle of the body. */
      readonly cut?: boolean;
    }
  /** The connection is closed without an answer. */
  | { readonly kind: "drop" }
  /** The same, by a reset. */
  | { readonly kind: "reset" }
  /** There is never an answer, and the connection stays. */
  | { readonly kind: "hang" };

export const JSON_TYPE = "application/json;charset=utf-8";

export function json(status: number, body: unknown, headers?: Readonly<Record<string, string>>): Answer {
  return { kind: "answer", status, type: JSON_TYPE, body: JSON.stringify(body), ...(headers ? { headers } : {}) };
}

/** `GET /batches/7/log?size=3` is `GET /batches/x/log`: what scripts name requests by. */
export function requestKind({ method, target }: Request): string {
  const parts = target.split("?")[0]!.split("/").filter(Boolean);
  const at = parts[0] === "ws" ? 2 : 0; // the ResourceManager's are below /ws/v1
  const kind = parts
    .slice(at)
    .map((part, i) => (i > 0 && (parts[at + i - 1]! in NAMES || NAMED.test(part)) ? "x" : part));
  return `${method} /${kind.join("/")}`;
}

/** What is followed by an id or a name. */
const NAMES: Readonly<Record<string, true>> = {
  batches: true,
  sessions: true,
  statements: true,
  apps: true,
  containers: true,
};
const NAMED = /^(application|container)_/;
