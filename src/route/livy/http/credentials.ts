/**
 * What a cluster's servers are shown so that they let us in.
 *
 * Secrets that change are read when they are needed: a file at every request, a command's output again after a stated time and whenever a server says 401, a provider at every request (SPNEGO's tokens are good for one).
 *
 * A server that let us in may give a cookie for that: Hadoop's filter, which Livy, YARN and HDFS have in front of them, gives `hadoop.auth`, signed, good for ten hours or until the server starts again. Where it was given for a ticket or a password it is
 * shown from then on, to that server alone, until it is refused. Without it a cluster under Kerberos or LDAP would cost a ticket or a log-in at every tick.
 */

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { Code, FiresteelError } from "../../../errors.ts";
import { LivyFailure } from "./errors.ts";

/** A request that needs headers. */
export interface HeaderRequest {
  readonly method: string;
  readonly url: string;
  /** The same request was just answered with 401: headers like those given before are not good any more. */
  readonly again: boolean;
  readonly signal: AbortSignal | null;
}

/** Gives the headers that let a request in, `{ authorization: "Negotiate ..." }`. */
export type HeaderProvider = (
  request: HeaderRequest,
) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;

/**
 * Makes the header provider of a cluster; what a module of `auth: { kind: "provider", module }` exports as its default.
 *
 * @example
 * ```ts
 * import type { HeaderProviderFactory } from "firesteel";
 *
 * const provider: HeaderProviderFactory = ({ options }) => async ({ url }) => ({
 *   authorization: `Negotiate ${await spnegoToken(new URL(url).hostname, options["keytab"])}`,
 * });
 * export default provider;
 * declare function spnegoToken(host: string, keytab: unknown): Promise<string>;
 * ```
 */
export type HeaderProviderFactory = (context: {
  readonly cluster: string;
  readonly options: Readonly<Record<string, unknown>>;
}) => HeaderProvider | Promise<HeaderProvider>;

/** How a cluster wants to be talked to. */
export type ClusterAuth =
  | { readonly kind: "none" }
  | { readonly kind: "basic"; readonly user: string; readonly password: string }
  | { readonly kind: "basic"; readonly user: string; readonly passwordFile: string }
  | { readonly kind: "bearer"; readonly token: string }
  | { readonly kind: "bearer"; readonly tokenFile: string }
  /** Prints the token. Run again after `refreshMs`, default 300,000, and after a 401. */
  | { readonly kind: "bearer"; readonly tokenCommand: readonly string[]; readonly refreshMs?: number }
  | { readonly kind: "provider"; readonly headers: HeaderProvider };

/** What of an answer decides whether credentials were good. */
export interface Shown {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Of an answer that is thrown away. */
  readonly body: { dump(): Promise<unknown> };
}

/** What lets the requests to one cluster in. */
export interface Credentials {
  /**
   * Sends a request with headers that let it in, and once more with others when it is answered with 401: a filter in front says that before the request has any effect. Rejects with `permission_denied` when
   * there are no headers to show; then nothing was sent.
   */
  show<A extends Shown>(
    request: Omit<HeaderRequest, "again">,
    send: (headers: Readonly<Record<string, string>>) => Promise<A>,
  ): Promise<A>;
}

/** Where headers come from. */
interface Source {
  /** Whether other headers can come after a 401. */
  readonly renewable: boolean;
  readonly headers: HeaderProvider;
}

const COMMAND_MS = 30_000;
const REFRESH_MS = 300_000;

/** Credentials. `subject` is whose they are, for messages, and `details` goes with the errors. */
export function createCredentials(
  subject: string,
  auth: ClusterAuth,
  details: Readonly<Record<string, unknown>> = {},
): Credentials {
  const { renewable, headers } = sourceOf(auth, orDeniedFor(subject, details));
  /** By the server's origin. */
  const kept = new Map<string, Kept>();
  return {
    show: async (request, send) => {
      const { origin } = new URL(request.url);
      const ask = async (again: boolean) => {
        const own = await headers({ ...request, again });
        const answer = await send(own);
        const cookie = hadoopCookie(answer.headers["set-cookie"]);
        const [scheme] = (own["authorization"] ?? "").split(" ");
        if (cookie !== null && (scheme === "Negotiate" || scheme === "Basic"))
          kept.set(origin, { cookie, beside: scheme === "Basic" });
        return answer;
      };
      const known = kept.get(origin);
      if (known !== undefined) {
        const { cookie, beside } = known;
        const answer = await send({ ...(beside ? await headers({ ...request, again: false }) : {}), cookie });
        if (answer.statusCode !== 401) return answer;
        await answer.body.dump();
        if (kept.get(origin) === known) kept.delete(origin);
      }
      const answer = await ask(false);
      if (answer.statusCode !== 401 || !renewable) return answer;
      await answer.body.dump();
      return ask(true);
    },
  };
}

/** A cookie of Hadoop's filter. */
interface Kept {
  readonly cookie: string;
  /** It is shown beside what it was given for, which costs nothing. */
  readonly beside: boolean;
}

/** The cookie of Hadoop's filter in an answer, as it is sent back; null where there is none or it is taken away. */
function hadoopCookie(setCookie: string | readonly string[] | undefined): string | null {
  const lines = typeof setCookie === "string" ? [setCookie] : (setCookie ?? []);
  const pair = lines.map((line) => line.split(";")[0]!).find((one) => one.startsWith("hadoop.auth="));
  return pair === undefined || pair === "hadoop.auth=" ? null : pair;
}

function sourceOf(auth: ClusterAuth, orDenied: OrDenied): Source {
  const fixed = (headers: Readonly<Record<string, string>>): Source => ({
    renewable: false,
    headers: () => headers,
  });
  const read = (what: string, secret: () => string | Promise<string>, toHeader: (secret: string) => string) => ({
    renewable: true,
    headers: async () => ({ authorization: toHeader(await orDenied(what, secret)) }),
  });
  switch (auth.kind) {
    case "none":
      return fixed({});
    case "basic": {
      if ("password" in auth) return fixed({ authorization: basic(auth.user, auth.password) });
      const { user, passwordFile } = auth;
      return read(
        "password file",
        () => secretIn(passwordFile),
        (password) => basic(user, password),
      );
    }
    case "bearer": {
      if ("token" in auth) return fixed({ authorization: `Bearer ${auth.token}` });
      if ("tokenFile" in auth)
        return read(
          "token file",
          () => secretIn(auth.tokenFile),
          (token) => `Bearer ${token}`,
        );
      return fromCommand(orDenied, auth.tokenCommand, auth.refreshMs ?? REFRESH_MS);
    }
    case "provider":
      return {
        renewable: true,
        headers: (request) => orDenied("header provider", () => auth.headers(request)),
      };
  }
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

async function secretIn(path: string): Promise<string> {
  return secretOf(await readFile(path, "utf8"), path);
}

function secretOf(text: string, origin: string): string {
  const secret = text.trim();
  if (secret === "") throw new Error(`${origin} is empty`);
  return secret;
}

function fromCommand(orDenied: OrDenied, command: readonly string[], refreshMs: number): Source {
  const [program = "", ...args] = command;
  let token: Promise<string> | null = null;
  let until = 0;
  const run = async (): Promise<string> => {
    const { stdout } = await promisify(execFile)(program, args, { timeout: COMMAND_MS });
    return secretOf(stdout, `output of ${program}`);
  };
  const fresh = (again: boolean): Promise<string> => {
    if (token === null || again || Date.now() >= until) {
      until = Date.now() + refreshMs;
      const asked = run();
      // What failed is tried again by the next request.
      asked.catch(() => {
        if (token === asked) token = null;
      });
      token = asked;
    }
    return token;
  };
  return {
    renewable: true,
    headers: async ({ again }) => ({
      authorization: `Bearer ${await orDenied("token command", () => fresh(again))}`,
    }),
  };
}

type OrDenied = <T>(what: string, get: () => T | Promise<T>) => Promise<T>;

function orDeniedFor(subject: string, details: Readonly<Record<string, unknown>>): OrDenied {
  return async (what, get) => {
    try {
      return await get();
    } catch (reason) {
      const words = reason instanceof Error ? reason.message.trim() : String(reason);
      // The standard message of a failed command repeats its line, which may hold a secret; what it printed to stderr says why.
      const stderr = (reason as { stderr?: unknown } | null)?.stderr;
      const said = typeof stderr === "string" && stderr.trim() !== "" ? stderr.trim().slice(-500) : words;
      throw new FiresteelError(Code.permissionDenied, `${subject}: ${what} gave no credentials: ${said}`, {
        cause: reason,
        details: { ...details, kind: LivyFailure.unauthorized, words: `${what} gave no credentials: ${said}` },
      });
    }
  };
}
