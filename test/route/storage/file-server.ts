/** A real HTTP server with files in memory: HEAD, GET, ranges, strong ETags, If-Match. Single paths can be given an answer of their own. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Served {
  readonly body: Uint8Array;
  /** Headers instead of ETag and Last-Modified. */
  readonly headers?: Readonly<Record<string, string>>;
}

export type Answering = (request: IncomingMessage, response: ServerResponse, count: number) => void;

export class FileServer implements AsyncDisposable {
  readonly files = new Map<string, Served>();
  readonly answers = new Map<string, Answering>();
  /** `METHOD path` of every request, in order. */
  readonly log: string[] = [];
  readonly #server: Server;
  readonly url: string;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("request", (request, response) => this.#answer(request, response));
  }

  static async start(): Promise<FileServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new FileServer(server);
  }

  put(path: string, body: string | Uint8Array, headers?: Readonly<Record<string, string>>): void {
    this.files.set(path, {
      body: typeof body === "string" ? Buffer.from(body) : body,
      ...(headers ? { headers } : {}),
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? "";
    this.log.push(`${request.method} ${path}`);
    const own = this.answers.get(path);
    if (own) return own(request, response, this.log.filter((line) => line.endsWith(` ${path}`)).length);
    const file = this.files.get(path);
    if (!file) return void response.writeHead(404).end("no such file");
    const { body } = file;
    const headers = file.headers ?? { etag: etagOf(body), "last-modified": "Wed, 01 Jan 2020 00:00:00 GMT" };
    const wanted = request.headers["if-match"];
    if (wanted !== undefined && wanted !== headers["etag"]) return void response.writeHead(412, headers).end();
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const start = Number(range?.[1] ?? 0);
    const end = Math.min(body.length, range?.[2] ? Number(range[2]) + 1 : body.length);
    if (range && start >= body.length)
      return void response.writeHead(416, { ...headers, "content-range": `bytes */${body.length}` }).end();
    const part = body.subarray(start, end);
    response.writeHead(range ? 206 : 200, {
      ...headers,
      "content-length": part.length,
      ...(range ? { "content-range": `bytes ${start}-${end - 1}/${body.length}` } : {}),
    });
    response.end(request.method === "HEAD" ? undefined : part);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export function etagOf(body: Uint8Array): string {
  return `"${createHash("md5").update(body).digest("hex")}"`;
}
