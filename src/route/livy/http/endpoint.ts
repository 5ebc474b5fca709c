/**
 * One server of a cluster over HTTP: its connections, credentials, TLS and time-outs. What answers mean is for the clients above it.
 */

import { readFile } from "node:fs/promises";
import type { SecureContextOptions } from "node:tls";
import { buildConnector, type Dispatcher, Pool } from "undici";
import { Code, FiresteelError } from "../../../errors.ts";
import { type ClusterAuth, createCredentials } from "./credentials.ts";

/** Files in PEM, read again for every new connection, so that renewed ones are taken. */
export interface TlsFiles {
  /** Certificates of the authorities to trust instead of the usual ones. */
  readonly ca?: string;
  /** Our certificate, for servers that want one; with `key`. */
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
  /** Name that the server's certificate must carry, when it is not the host's. */
  readonly serverName?: string;
}

/** How long to wait, in ms. */
export interface TimeOuts {
  /** For a connection, default 5,000. */
  readonly connectMs?: number;
  /** For an answer to begin, default 60,000. A DELETE may take twice this. */
  readonly headersMs?: number;
  /** Longest silence within an answer, default 30,000. */
  readonly bodyMs?: number;
}

/** How a server is reached. */
export interface EndpointAccess {
  readonly auth?: ClusterAuth;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly tls?: TlsFiles;
  readonly timeOuts?: TimeOuts;
  /** Most connections at once, default 8. */
  readonly connections?: number;
}

export interface EndpointOptions extends EndpointAccess {
  /** Name of the cluster, for messages. */
  readonly cluster: string;
  /** Which setting of the cluster the URL is, for messages. */
  readonly setting: string;
  /** Base URL; a path in it (a gateway's prefix) is kept, and a user and password in it are used. */
  readonly url: string;
}

/** A whole answer. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  /** Where it sends us, without what would be secret in it; empty where it does not. */
  readonly location: string;
  readonly text: string;
}

/** A server that can be asked. */
export interface Endpoint extends AsyncDisposable {
  /** The base URL without credentials and without a slash at its end. */
  readonly url: string;
  /** Rejects with undici's error when no whole answer came, and with `permission_denied` when there are no credentials to show; then nothing was sent. */
  request(
    method: Dispatcher.HttpMethod,
    path: string,
    options?: {
      readonly signal?: AbortSignal | undefined;
      /** Sent as JSON. */
      readonly body?: unknown;
      readonly headers?: Readonly<Record<string, string>>;
    },
  ): Promise<Answer>;
}

/**
 * Makes an endpoint; opens no connection yet.
 *
 * @throws FiresteelError `invalid_argument` for a URL that is none
 */
export function createEndpoint(options: EndpointOptions): Endpoint {
  const { cluster, setting, tls, timeOuts = {}, connections = 8 } = options;
  const base = URL.parse(options.url);
  if (base === null || (base.protocol !== "http:" && base.protocol !== "https:")) {
    throw new FiresteelError(
      Code.invalidArgument,
      `cluster ${cluster}: ${setting} must be http(s)://host:port[/path]: ${options.url}`,
    );
  }
  const prefix = base.pathname.replace(/\/+$/, "");
  const url = base.origin + prefix;
  const credentials = createCredentials(`cluster ${cluster}`, options.auth ?? authIn(base), { cluster });
  const { connectMs = 5_000, headersMs = 60_000, bodyMs = 30_000 } = timeOuts;
  const pool = new Pool(base.origin, {
    connections,
    connect: tls === undefined ? { timeout: connectMs } : connectWith(tls, connectMs),
    headersTimeout: headersMs,
    bodyTimeout: bodyMs,
    keepAliveTimeout: 10_000,
  });

  return {
    url,
    request: async (method, path, { signal, body, headers } = {}) => {
      const answer = await credentials.show({ method, url: url + path, signal: signal ?? null }, (own) =>
        pool.request({
          method,
          path: prefix + path,
          headers: {
            accept: "application/json",
            ...(body === undefined ? {} : { "content-type": "application/json" }),
            ...own,
            ...options.headers,
            ...headers,
          },
          body: body === undefined ? null : JSON.stringify(body),
          signal: signal ?? null,
          headersTimeout: method === "DELETE" ? 2 * headersMs : headersMs,
        }),
      );
      const { statusCode: status, headers: got } = answer;
      return {
        status,
        contentType: String(got["content-type"] ?? ""),
        location: String(got["location"] ?? "").replace(/[?#].*/, ""),
        text: await answer.body.text(),
      };
    },
    [Symbol.asyncDispose]: () => pool.destroy(),
  };
}

function authIn(url: URL): ClusterAuth {
  return url.username === ""
    ? { kind: "none" }
    : { kind: "basic", user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
}

/** Makes connections with what the files hold at that moment. */
export function connectWith(files: TlsFiles, timeout: number): buildConnector.connector {
  return (options, done) => {
    readTls(files).then(
      (secure) => buildConnector({ ...secure, timeout })(options, done),
      (error: unknown) => done(error as Error, null),
    );
  };
}

/** The settings of a TLS connection. */
export async function readTls(files: TlsFiles): Promise<SecureContextOptions & { readonly servername?: string }> {
  const contents = async (path: string | undefined, key: string) =>
    path === undefined ? {} : { [key]: await readFile(path, "utf8") };
  const parts = await Promise.all([contents(files.ca, "ca"), contents(files.cert, "cert"), contents(files.key, "key")]);
  return Object.assign(
    {},
    ...parts,
    files.passphrase === undefined ? {} : { passphrase: files.passphrase },
    files.serverName === undefined ? {} : { servername: files.serverName },
  ) as SecureContextOptions & { readonly servername?: string };
}
