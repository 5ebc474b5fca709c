/**
 * What a cluster's servers are shown so that they let us in.
 *
 * Secrets that change are read when they are needed: a file at every request, a command's output again after a stated time and whenever a server says 401, a provider at every request (SPNEGO's tokens are good for one).
 */

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { Code, FiresteelError } from "../../errors.ts";
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

/** Where the headers of one cluster's requests come from. */
export interface Credentials {
  /** Whether other headers can come after a 401. */
  readonly renewable: boolean;
  /** Rejects with `permission_denied` when they cannot be had. */
  headers: HeaderProvider;
}

const COMMAND_MS = 30_000;
const REFRESH_MS = 300_000;

/** Credentials. `subject` is whose they are, for messages, and `details` goes with the errors. */
export function createCredentials(
  subject: string,
  auth: ClusterAuth,
  details: Readonly<Record<string, unknown>> = {},
): Credentials {
  const orDenied = orDeniedFor(subject, details);
  const fixed = (headers: Readonly<Record<string, string>>): Credentials => ({
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

function fromCommand(orDenied: OrDenied, command: readonly string[], refreshMs: number): Credentials {
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
