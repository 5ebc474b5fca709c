/** A way to HTTP servers that loses what it is told to lose. Where an answer sends the client to another server, the client is sent through here too. */

import { once } from "node:events";
import { createServer, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** What becomes of a request: it goes through; it is lost before it has any effect; its answer is lost; half of its body arrives, then the connection breaks; another answer is given. */
export type Fate = "pass" | "lostBefore" | "lostAfter" | "cut" | { readonly status: number; readonly body: string };

export class FaultyProxy implements AsyncDisposable {
  readonly url: string;
  /** Decides about each request, by method and path with query. */
  fate: (method: string, path: string) => Fate = () => "pass";
  readonly log: string[] = [];
  readonly #server;

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(target: string): Promise<FaultyProxy> {
    const others: string[] = [];
    const server = createServer(async (incoming, outgoing) => {
      const { method = "", url = "" } = incoming;
      const other = /^\/other(\d+)(\/.*)$/.exec(url);
      const place = new URL(other ? (others[Number(other[1])] ?? "") + other[2] : target + url);
      proxy.log.push(`${method} ${url}`);
      const fate = proxy.fate(method, url);
      const body = await buffer(incoming);
      if (typeof fate === "object")
        return void outgoing.writeHead(fate.status, { "content-type": "application/json" }).end(fate.body);
      if (fate === "lostBefore") return void incoming.socket.destroy();
      const forward = request(place, { method, headers: { ...incoming.headers, host: place.host } });
      if (fate === "cut") {
        forward.on("error", () => undefined);
        forward.write(body.subarray(0, body.length / 2));
        setTimeout(() => {
          forward.destroy();
          incoming.socket.destroy();
        }, 300);
        return;
      }
      forward.end(body);
      const [answer] = (await once(forward, "response")) as [IncomingMessage];
      let content = await buffer(answer);
      if (fate === "lostAfter") return void incoming.socket.destroy();
      const { "content-length": _, "transfer-encoding": __, ...headers } = answer.headers;
      if (String(headers["content-type"]).includes("json"))
        content = Buffer.from(
          content.toString().replace(/("Location":")(https?:\/\/[^/]+)/, (_, key: string, origin: string) => {
            if (!others.includes(origin)) others.push(origin);
            return `${key}${proxy.url}/other${others.indexOf(origin)}`;
          }),
        );
      outgoing.writeHead(answer.statusCode ?? 500, method === "HEAD" ? answer.headers : headers).end(content);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy = new FaultyProxy(server);
    return proxy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}
