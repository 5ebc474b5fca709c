/** Puts a double on two ports of the loopback address, one for Livy and one for YARN, with what only sockets can do wrong: refused, reset and broken connections. */

import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { createFileStorage } from "../../src/route/storage/file-storage.ts";
import { Double, type DoubleOptions } from "./double.ts";
import type { Answer, Request } from "./exchange.ts";

/** A double that listens. */
export class Served implements AsyncDisposable {
  readonly double: Double;
  readonly #livy: Port;
  readonly #yarn: Port;

  constructor(double: Double) {
    this.double = double;
    this.#livy = new Port((request) => double.handle(request));
    this.#yarn = new Port((request) => double.handleYarn(request));
  }

  get url(): string {
    return this.#livy.url;
  }

  get resourceManagerUrl(): string {
    return this.#yarn.url;
  }

  /** Most connections that Livy had at once. */
  get mostConnections(): number {
    return this.#livy.most;
  }

  async open(): Promise<this> {
    await this.#livy.open();
    await this.#yarn.open();
    this.double.yarn.origin = this.#yarn.url;
    return this;
  }

  /** Livy's process is killed: connections break, new ones are refused. */
  async crash(options?: { readonly submitters?: boolean }): Promise<void> {
    this.double.crash(options);
    await this.#livy.close();
  }

  /** Livy is started again, at the same address. */
  async start(options?: { readonly recovery?: boolean }): Promise<void> {
    await this.#livy.close();
    this.double.start(options);
    await this.#livy.open();
  }

  /** Livy cannot be reached for a while; it lives on. */
  async disconnect(): Promise<void> {
    await this.#livy.close();
  }

  async reconnect(): Promise<void> {
    await this.#livy.open();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#livy.close();
    await this.#yarn.close();
  }
}

/** A double on ports of this process, with jobs that read and write local files. */
export function serveDouble(options: Partial<DoubleOptions> = {}): Promise<Served> {
  return new Served(new Double({ files: createFileStorage(), ...options })).open();
}

/** One listening address; it stays the same when it is closed and opened again. */
class Port {
  readonly #handle: (request: Request) => Promise<Answer>;
  #server: Server | null = null;
  #port = 0;
  #open = 0;
  most = 0;

  constructor(handle: (request: Request) => Promise<Answer>) {
    this.#handle = handle;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async open(): Promise<void> {
    if (this.#server !== null) return;
    const server = createServer((asked, response) => {
      const answered = text(asked)
        .then((body) => this.#handle({ method: asked.method ?? "", target: asked.url ?? "/", body }))
        .then((answer) => give(answer, response));
      // The other side may be gone, and a mistake of the double's own must not look like an answer of Livy's.
      answered.catch((error: unknown) => {
        if (!response.destroyed) console.error(error);
        response.destroy();
      });
    });
    server.on("connection", (socket) => {
      this.most = Math.max(this.most, ++this.#open);
      socket.once("close", () => this.#open--);
    });
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
}

function give(answer: Answer, response: ServerResponse): void {
  switch (answer.kind) {
    case "hang":
      return;
    case "drop":
      response.destroy();
      return;
    case "reset":
      response.socket?.resetAndDestroy();
      return;
    case "answer": {
      const body = Buffer.from(answer.body);
      response.writeHead(answer.status, {
        "content-type": answer.type,
        "content-length": body.length,
        ...answer.headers,
      });
      if (answer.cut) response.write(body.subarray(0, Math.floor(body.length / 2)), () => response.destroy());
      else response.end(body);
    }
  }
}
