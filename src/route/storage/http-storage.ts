/**
 * Files by `http:` and `https:` URL, read only.
 *
 * A look is a HEAD request (where the server answers none, the headers of a GET of the first byte). A strong ETag is sent along as a condition of every read of the same file; without one, what the
 * answer says of itself is compared. Content is taken as it is sent, without decoding (`Accept-Encoding: identity` is asked for). What may pass is tried again with growing pauses: no connection, 408, 425, 429, 500, 502,
 * 503, 504.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Agent, Dispatcher } from "undici";
import { Code, FiresteelError } from "../../errors.ts";
import { inputChanged } from "../../evaluate/file-identity.ts";
import type { Digest, ReadableStorage, ReadOptions, StoredFile } from "../../evaluate/ports.ts";
import { collect } from "./collect.ts";
import { digestStream } from "./digest-stream.ts";

/** How long to wait, and how often to try. */
export interface HttpStorageOptions {
  /** Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** Longest silence before an answer begins, default 30,000. */
  readonly headersTimeoutMs?: number;
  /** Longest silence within an answer, default 30,000. */
  readonly bodyTimeoutMs?: number;
  /** How often a request is sent at most, default 4. */
  readonly attempts?: number;
  /** Pause before the second attempt, default 200; each later one is twice as long. A server's Retry-After counts up to 10 s. */
  readonly retryPauseMs?: number;
}

const MAX_REDIRECTS = 5;
const MAX_PAUSE_MS = 10_000;
const PASSING: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Answers to HEAD of servers that know only GET (signed URLs are refused with 403). */
const NO_HEAD: ReadonlySet<number> = new Set([400, 403, 405, 501]);
/** Stamps of whole seconds, on clocks that may differ a little. */
const SETTLED_MS = 2000;

type Answer = Dispatcher.ResponseData;
type Headers = Readonly<Record<string, string>>;

/** Storage for `http:` and `https:` URLs; opens no connection yet. */
export function createHttpStorage(options: HttpStorageOptions = {}): ReadableStorage {
  const { attempts = 4, retryPauseMs = 200 } = options;
  let agent: Promise<Agent> | undefined;

  /** Loaded with the first request: most bodies read local files only. */
  async function dispatcher(): Promise<Agent> {
    agent ??= import("undici").then(
      ({ Agent }) =>
        new Agent({
          connect: { timeout: options.connectTimeoutMs ?? 5_000 },
          headersTimeout: options.headersTimeoutMs ?? 30_000,
          bodyTimeout: options.bodyTimeoutMs ?? 30_000,
        }),
    );
    return agent;
  }

  /** One request and its redirects. */
  async function once(method: "GET" | "HEAD", uri: string, headers: Headers, signal?: AbortSignal): Promise<Answer> {
    let url = new URL(uri);
    for (let hop = 0; ; hop++) {
      const answer = await (await dispatcher()).request({
        origin: url.origin,
        path: url.pathname + url.search,
        method,
        headers: { "accept-encoding": "identity", "user-agent": "firesteel", ...headers },
        signal: signal ?? null,
      });
      const to = answer.headers["location"];
      if (!REDIRECTS.has(answer.statusCode) || typeof to !== "string") return answer;
      await drop(answer);
      if (hop === MAX_REDIRECTS) throw refused(uri, `redirects more than ${MAX_REDIRECTS} times`, answer.statusCode);
      const next = URL.canParse(to, url.href) ? new URL(to, url) : null;
      if (!next || !(next.protocol === "https:" || (next.protocol === "http:" && url.protocol === "http:")))
        throw refused(uri, `redirects to what is no URL of HTTP, or from https to http: ${to}`, answer.statusCode);
      url = next;
    }
  }

  /** An answer that is none of the passing failures. */
  async function send(method: "GET" | "HEAD", uri: string, headers: Headers, signal?: AbortSignal): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      let pause = Math.min(retryPauseMs * 2 ** (attempt - 1), MAX_PAUSE_MS);
      try {
        const answer = await once(method, uri, headers, signal);
        if (attempt === attempts || !PASSING.has(answer.statusCode)) return answer;
        pause = Math.max(pause, retryAfter(answer));
        await drop(answer);
      } catch (error) {
        signal?.throwIfAborted();
        const failure = failed(uri, error);
        if (attempt === attempts || !failure.retryable) throw failure;
      }
      await sleep(pause, undefined, signal ? { signal } : {});
    }
  }

  async function stat(uri: string, signal?: AbortSignal): Promise<StoredFile | null> {
    let answer = await send("HEAD", uri, {}, signal);
    await drop(answer);
    if (NO_HEAD.has(answer.statusCode)) {
      answer = await send("GET", uri, { range: "bytes=0-0" }, signal);
      await drop(answer);
    }
    if (answer.statusCode === 404 || answer.statusCode === 410) return null;
    // The first byte of nothing.
    if (answer.statusCode !== 416 && answer.statusCode >= 300) throw refusal(uri, answer);
    return describe(uri, answer);
  }

  async function* stream(
    uri: string,
    { start = 0, end = Number.POSITIVE_INFINITY, expected, signal }: ReadOptions = {},
  ): AsyncGenerator<Uint8Array> {
    if (end <= start) return;
    const part = start > 0 || end !== Number.POSITIVE_INFINITY;
    const strong = isStrong(expected?.etag) ? expected?.etag : undefined;
    const answer = await send(
      "GET",
      uri,
      {
        ...(part ? { range: `bytes=${start}-${end === Number.POSITIVE_INFINITY ? "" : end - 1}` } : {}),
        ...(strong === undefined ? {} : { "if-match": strong }),
      },
      signal,
    );
    const { statusCode } = answer;
    if (statusCode === 412 || (statusCode < 300 && expected && !isExpected(describe(uri, answer), expected))) {
      await drop(answer);
      throw inputChanged(`file changed since it was looked at: ${uri}`, uri);
    }
    // Nothing is left behind the start.
    if (part && statusCode === 416) return drop(answer);
    if (statusCode !== 200 && statusCode !== 206) {
      await drop(answer);
      throw refusal(uri, answer);
    }
    // Where the server sends everything, what was not asked for is passed over.
    let at = statusCode === 206 ? start : 0;
    if (statusCode === 206 && firstByte(answer) !== start) {
      await drop(answer);
      throw refused(
        uri,
        `answered with another part than the one asked for: ${text(answer, "content-range")}`,
        statusCode,
      );
    }
    try {
      for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
        const wanted = chunk.subarray(Math.max(0, start - at), Math.max(0, end - at));
        at += chunk.length;
        if (wanted.length > 0) yield wanted;
        if (at >= end) return;
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw failed(uri, error);
    } finally {
      answer.body.destroy();
    }
  }

  function digest(uri: string, signal?: AbortSignal): Promise<Digest> {
    return digestStream(() => stream(uri, { signal }), { attempts, pauseMs: retryPauseMs, signal });
  }

  return { stat, stream, digest, read: (uri, { maxBytes, ...read } = {}) => collect(uri, stream(uri, read), maxBytes) };
}

/** What an answer says of its file. */
function describe(uri: string, answer: Answer): StoredFile {
  const total = /\/(\d+)$/.exec(text(answer, "content-range"))?.[1];
  const length = answer.statusCode === 206 || answer.statusCode === 416 ? total : text(answer, "content-length");
  const bytes = length === undefined || length === "" ? -1 : Number(length);
  const modifiedMs = Date.parse(text(answer, "last-modified"));
  const modified = Number.isNaN(modifiedMs) ? "" : `${BigInt(modifiedMs) * 1_000_000n}`;
  const tag = text(answer, "etag");
  const strong = /^".*"$/.test(tag) ? tag : undefined;
  const etag =
    strong ?? (modified !== "" && bytes >= 0 ? `${text(answer, "last-modified")}, ${bytes} bytes` : undefined);
  const now = Date.parse(text(answer, "date"));
  // Many servers make their ETags of the time in seconds and the length.
  const settled =
    modified === "" ? strong !== undefined : (Number.isNaN(now) ? Date.now() : now) - modifiedMs > SETTLED_MS;
  return { uri, bytes, modified, ...(etag === undefined ? {} : { etag, stamp: etag }), settled };
}

/** Whether the answer to a GET is of the file that was looked at. It need not tell the length. */
function isExpected(now: StoredFile, expected: StoredFile): boolean {
  if (isStrong(now.etag) || isStrong(expected.etag)) return now.etag === expected.etag;
  return now.modified === expected.modified && (now.bytes < 0 || expected.bytes < 0 || now.bytes === expected.bytes);
}

function isStrong(etag: string | undefined): boolean {
  return etag?.startsWith('"') === true;
}

function firstByte(answer: Answer): number {
  return Number(/^bytes (\d+)-/.exec(text(answer, "content-range"))?.[1] ?? Number.NaN);
}

function text(answer: Answer, header: string): string {
  const value = answer.headers[header];
  return typeof value === "string" ? value : "";
}

function retryAfter(answer: Answer): number {
  const said = text(answer, "retry-after");
  const ms = /^\d+$/.test(said) ? Number(said) * 1000 : Date.parse(said) - Date.now();
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), MAX_PAUSE_MS);
}

/** Reads off a short rest, so that the connection can be used again, and closes on a long one. */
async function drop(answer: Answer): Promise<void> {
  await answer.body.dump({ limit: 16_384 }).catch(() => undefined);
}

/** The error of a status. */
function refusal(uri: string, { statusCode }: Answer): FiresteelError {
  const details = { uri, status: statusCode };
  switch (statusCode) {
    case 401:
    case 403:
      return new FiresteelError(Code.permissionDenied, `server refuses to give the file (${statusCode}): ${uri}`, {
        details,
      });
    case 404:
    case 410:
      return new FiresteelError(Code.notFound, `file does not exist (${statusCode}): ${uri}`, { details });
    case 429:
      return new FiresteelError(Code.resourceExhausted, `server asks for fewer requests (429): ${uri}`, { details });
  }
  if (PASSING.has(statusCode))
    return new FiresteelError(Code.unavailable, `server cannot give the file now (${statusCode}): ${uri}`, { details });
  return refused(uri, `answered with status ${statusCode}`, statusCode);
}

function refused(uri: string, what: string, status: number): FiresteelError {
  return new FiresteelError(Code.failedPrecondition, `server ${what}: ${uri}`, { details: { uri, status } });
}

/** The error of a connection. */
function failed(uri: string, reason: unknown): FiresteelError {
  if (reason instanceof FiresteelError) return reason;
  const { code = "", message } = reason as { readonly code?: string; readonly message: string };
  if (/CERT|SIGNED|SSL|TLS|ALTNAME/.test(code))
    return new FiresteelError(Code.failedPrecondition, `server's certificate is not trusted (${code}): ${uri}`, {
      cause: reason,
      details: { uri },
    });
  if (code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT")
    return new FiresteelError(Code.unavailable, `server is silent for too long: ${uri}`, {
      cause: reason,
      details: { uri, lost: true },
    });
  return new FiresteelError(
    Code.unavailable,
    `server cannot be reached or the connection broke (${message || code}): ${uri}`,
    {
      cause: reason,
      details: { uri, lost: true },
    },
  );
}
