/**
 * WebHDFS, the REST API of HDFS: of the NameNodes themselves, or of a gateway before them (HttpFS, Knox).
 *
 * Content goes by two steps: the NameNode names a DataNode, and that one is asked. Our credentials are shown to the configured hosts alone. What may pass is tried again with growing pauses; a NameNode that is
 * standby or does not answer makes way for the next one.
 */

import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { text as textOf } from "node:stream/consumers";
import { Agent, type Dispatcher } from "undici";
import { Code, FiresteelError } from "../../errors.ts";
import { createCredentials, type Shown } from "../livy/http/credentials.ts";
import { connectWith, type EndpointAccess, readTls } from "../livy/http/endpoint.ts";
import { pauseBefore } from "./digest-stream.ts";
import { escapePath } from "./location.ts";
import { brokenConnection, type HdfsSubject, remoteError } from "./webhdfs-errors.ts";

/** How an HDFS is reached. */
export interface WebHdfsAccess extends Omit<EndpointAccess, "connections"> {
  /** Base URLs, each as far as before `/webhdfs/v1`: one for each NameNode. */
  readonly urls: readonly string[];
  /** Who we say we are where nobody asks for proof. */
  readonly user?: string;
  /** How often a request is sent at most, default 4. */
  readonly attempts?: number;
  /** Pause before the second attempt, in ms, default 200; each later one is twice as long. */
  readonly retryPauseMs?: number;
}

type Parameters = Readonly<Record<string, string | number | boolean>>;
type Answer = Dispatcher.ResponseData;

/** One HDFS. Paths are unescaped and without a slash at their start. */
export class WebHdfs {
  readonly attempts: number;
  readonly retryPauseMs: number;
  readonly #access: WebHdfsAccess;
  readonly #credentials: ReturnType<typeof createCredentials>;
  readonly #agent: Agent;
  readonly #origins: ReadonlySet<string>;
  /** Counts up with each NameNode that was no good. */
  #turn = 0;

  constructor(authority: string, access: WebHdfsAccess) {
    const { attempts = 4, retryPauseMs = 200, timeOuts = {}, tls } = access;
    const { connectMs = 5_000, headersMs = 60_000, bodyMs = 30_000 } = timeOuts;
    this.#access = access;
    this.attempts = attempts;
    this.retryPauseMs = retryPauseMs;
    this.#origins = new Set(access.urls.map((url) => new URL(url).origin));
    this.#credentials = createCredentials(`storage hdfs://${authority}`, access.auth ?? { kind: "none" });
    this.#agent = new Agent({
      connect: tls === undefined ? { timeout: connectMs } : connectWith(tls, connectMs),
      headersTimeout: headersMs,
      bodyTimeout: bodyMs,
    });
  }

  /** An operation of the NameNode, sent again while its failure may pass: only for what may happen twice. */
  call(
    method: "GET" | "PUT" | "DELETE",
    op: string,
    subject: HdfsSubject,
    parameters: Parameters = {},
  ): Promise<unknown> {
    return this.#again(subject, () => this.callOnce(method, op, subject, parameters));
  }

  /** An operation of the NameNode, sent once; undefined when the answer is empty. */
  async callOnce(
    method: "GET" | "PUT" | "DELETE",
    op: string,
    subject: HdfsSubject,
    parameters: Parameters = {},
  ): Promise<unknown> {
    const answer = await this.#ask(method, this.#url(op, subject, parameters), subject);
    const body = await this.#whole(answer, subject);
    return body === "" ? undefined : parsed(body, subject);
  }

  /** The checksum that HDFS keeps of a file. */
  checksum(subject: HdfsSubject): Promise<unknown> {
    return this.#again(subject, async () => {
      const answer = await this.#content("GETFILECHECKSUM", subject, {});
      return parsed(await this.#whole(answer, subject), subject);
    });
  }

  /** Content from a byte on; `length` must not be 0, and `offset` must lie within the file. */
  open(
    subject: HdfsSubject,
    offset: number,
    length: number,
  ): Promise<AsyncIterable<Uint8Array> & { destroy(): unknown }> {
    return this.#again(subject, async () => (await this.#content("OPEN", subject, { offset, length })).body);
  }

  /** Writes a new file, whose folders are made. Sent once: after a failure there may be a part of it. */
  async create(subject: HdfsSubject, bytes: Uint8Array): Promise<void> {
    const url = this.#url("CREATE", subject, { overwrite: false, noredirect: true });
    const answer = await this.#ask("PUT", url, subject);
    const to = await this.#locationIn(answer, url, subject);
    if (to === null) throw remoteError(subject, answer.statusCode, "answered CREATE without naming where to write");
    // Not undici, which fails at the `100 Continue` that a DataNode sends without being asked for it.
    const { statusCode, text } = await this.#show("PUT", to, subject, (headers) =>
      this.#send(to, headers, bytes, subject),
    );
    if (statusCode >= 300) throw remoteError(subject, statusCode, text);
  }

  /** Tries again what may pass. */
  async #again<T>(subject: HdfsSubject, ask: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await ask();
      } catch (error) {
        subject.signal?.throwIfAborted();
        if (attempt === this.attempts || !(error instanceof FiresteelError && error.code === Code.unavailable))
          throw error;
      }
      await pauseBefore(attempt, this.retryPauseMs, subject.signal);
    }
  }

  #url(op: string, { path }: HdfsSubject, parameters: Parameters): URL {
    const { urls, user } = this.#access;
    const base = urls[this.#turn % urls.length]!.replace(/\/+$/, "");
    const url = new URL(`${base}/webhdfs/v1/${escapePath(path)}`);
    url.searchParams.set("op", op);
    if (user !== undefined) url.searchParams.set("user.name", user);
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, String(value));
    return url;
  }

  /** An answer with content: of the DataNode that the NameNode names, or at once where a gateway stands before both. */
  async #content(op: string, subject: HdfsSubject, parameters: Parameters): Promise<Answer> {
    const url = this.#url(op, subject, { ...parameters, noredirect: true });
    const first = await this.#ask("GET", url, subject);
    if (first.statusCode < 300 && !isJson(first)) return first;
    const to = await this.#locationIn(first, url, subject);
    if (to === null) throw remoteError(subject, first.statusCode, `answered ${op} with neither content nor a place`);
    return this.#ask("GET", to, subject);
  }

  /** Where an answer sends us. */
  async #locationIn(answer: Answer, from: URL, subject: HdfsSubject): Promise<URL | null> {
    const body = await this.#whole(answer, subject);
    const header = answer.headers["location"];
    const named =
      typeof header === "string"
        ? header
        : body === ""
          ? undefined
          : (parsed(body, subject) as { Location?: unknown }).Location;
    return typeof named === "string" && URL.canParse(named, from.href) ? new URL(named, from) : null;
  }

  /** Sends a request; to the configured hosts with our credentials. */
  #show<A extends Shown>(
    method: "GET" | "PUT" | "DELETE",
    url: URL,
    { signal }: HdfsSubject,
    send: (headers: Readonly<Record<string, string>>) => Promise<A>,
  ): Promise<A> {
    if (!this.#origins.has(url.origin)) return send({});
    return this.#credentials.show({ method, url: url.href, signal: signal ?? null }, (own) =>
      send({ ...own, ...this.#access.headers }),
    );
  }

  /** A good answer, or the error of a bad one. */
  async #ask(method: "GET" | "PUT" | "DELETE", url: URL, subject: HdfsSubject): Promise<Answer> {
    const turn = this.#turn;
    const answer = await this.#show(method, url, subject, (headers) =>
      this.#agent
        .request({
          origin: url.origin,
          path: url.pathname + url.search,
          method,
          headers,
          signal: subject.signal ?? null,
        })
        .catch((error: unknown) => {
          subject.signal?.throwIfAborted();
          if (this.#origins.has(url.origin)) this.#next(turn);
          throw brokenConnection(subject, url.host, error);
        }),
    );
    if (answer.statusCode < 400) return answer;
    const error = remoteError(subject, answer.statusCode, await answer.body.text().catch(() => ""));
    if (error.details["standby"] === true) this.#next(turn);
    throw error;
  }

  async #whole(answer: Answer, subject: HdfsSubject): Promise<string> {
    return answer.body.text().catch((error: unknown) => {
      subject.signal?.throwIfAborted();
      throw brokenConnection(subject, "the server", error);
    });
  }

  /** Turns to the next NameNode, unless another request has done so. */
  #next(turn: number): void {
    if (this.#turn === turn) this.#turn++;
  }

  async #send(
    url: URL,
    own: Readonly<Record<string, string>>,
    bytes: Uint8Array,
    subject: HdfsSubject,
  ): Promise<Shown & { readonly text: string }> {
    const { tls, timeOuts } = this.#access;
    const headers = { ...own, "content-type": "application/octet-stream", "content-length": bytes.length };
    const secure = url.protocol === "https:" && tls ? await readTls(tls) : {};
    const start = url.protocol === "https:" ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => {
        if (subject.signal?.aborted) reject(subject.signal.reason);
        else reject(brokenConnection(subject, url.host, error));
      };
      const sending = start(
        url,
        {
          ...secure,
          method: "PUT",
          headers,
          timeout: timeOuts?.headersMs ?? 60_000,
          ...(subject.signal ? { signal: subject.signal } : {}),
        },
        (answer) => {
          const { statusCode = 0, headers } = answer;
          const body = { dump: async () => {} };
          textOf(answer).then((text) => resolve({ statusCode, headers, body, text }), fail);
        },
      );
      sending.on("error", fail);
      sending.on("timeout", () => sending.destroy(new Error("it is silent for too long")));
      sending.end(bytes);
    });
  }
}

function isJson(answer: Answer): boolean {
  return String(answer.headers["content-type"] ?? "").startsWith("application/json");
}

function parsed(body: string, subject: HdfsSubject): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw remoteError(subject, 200, body);
  }
}
