/**
 * A header provider for Kerberos: each `Authorization: Negotiate` comes from `spnego.py`, a process that keeps the tickets. It is started when it is first needed, again after it has ended, and ends with the orchestrator.
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { HeaderProviderFactory } from "firesteel";

/** `options` of the provider; all may be left out. */
interface SpnegoOptions {
  /** What to log in with; without it the tickets of the default cache are used (`kinit`). */
  readonly keytab?: string;
  /** Whose key of the keytab; the first one's without it. */
  readonly principal?: string;
  /** Host in the server's principal `HTTP/host`, where it is not that of the URL (a load balancer's). */
  readonly host?: string;
  /** A Python that has gssapi. */
  readonly python?: string;
  /** Kerberos settings other than the machine's. */
  readonly krb5Conf?: string;
}

interface Waiter {
  readonly resolve: (token: string) => void;
  readonly reject: (error: Error) => void;
}

const HELPER = fileURLToPath(new URL("./spnego.py", import.meta.url));
/** A KDC that does not answer is tried by the library for about this long. */
const TOKEN_MS = 30_000;

const createSpnegoProvider: HeaderProviderFactory = ({ options }) => {
  const { keytab, principal, host, python = "/usr/bin/python3", krb5Conf } = options as SpnegoOptions;
  let helper: ChildProcessWithoutNullStreams | null = null;
  /** In the order in which they asked, which is that of the answers. */
  const waiters: Waiter[] = [];

  function start(): ChildProcessWithoutNullStreams {
    const child = spawn(python, [HELPER], {
      env: {
        ...process.env,
        ...(keytab === undefined ? {} : { KEYTAB: keytab }),
        ...(principal === undefined ? {} : { PRINCIPAL: principal }),
        ...(krb5Conf === undefined ? {} : { KRB5_CONFIG: krb5Conf }),
      },
    });
    let complaint = "";
    child.stderr.on("data", (text) => (complaint = `${complaint}${text}`.slice(-500)));
    const end = (why: string) => {
      if (helper !== child) return;
      helper = null;
      for (const { reject } of waiters.splice(0)) reject(new Error(`${HELPER} ended: ${complaint.trim() || why}`));
    };
    child.on("error", ({ message }) => end(message));
    child.on("close", (code, signal) => end(`exit code ${code ?? signal}`));
    child.stdin.on("error", () => {}); // Its end is told above.
    createInterface({ input: child.stdout }).on("line", (line) => {
      const { token, error } = JSON.parse(line) as { readonly token?: string; readonly error?: string };
      const waiter = waiters.shift();
      if (token === undefined) waiter?.reject(new Error(error));
      else waiter?.resolve(token);
    });
    // The orchestrator does not stay for it.
    for (const handle of [child, child.stdin, child.stdout, child.stderr]) (handle as unknown as Socket).unref();
    return child;
  }

  async function tokenFor(server: string): Promise<string> {
    helper ??= start();
    const { stdin } = helper;
    const asked = helper;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    waiters.push({ resolve, reject });
    stdin.write(`${server}\n`);
    const timer = setTimeout(() => asked.kill("SIGKILL"), TOKEN_MS);
    return promise.finally(() => clearTimeout(timer));
  }

  return async ({ url }) => ({ authorization: `Negotiate ${await tokenFor(host ?? new URL(url).hostname)}` });
};

export default createSpnegoProvider;
