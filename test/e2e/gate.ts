/** A way to a server that can be shut: while it is, the port refuses connections, as when the server is down. */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export interface Gate extends AsyncDisposable {
  readonly url: string;
  open(): Promise<void>;
  /** Also cuts what is connected. */
  shut(): Promise<void>;
}

/** An open gate to the server of a URL. */
export async function createGate(target: string): Promise<Gate> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  let own = 0;

  async function open(): Promise<void> {
    server = createServer((client) => {
      const behind = connect(Number(port), hostname);
      for (const [from, to] of [
        [client, behind],
        [behind, client],
      ] as const) {
        sockets.add(from);
        from.on("error", () => to.destroy());
        from.on("close", () => {
          sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
    server.listen(own, "127.0.0.1");
    await once(server, "listening");
    own = (server.address() as AddressInfo).port;
  }

  async function shut(): Promise<void> {
    if (server === undefined) return;
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
    server = undefined;
  }

  await open();
  return { url: `http://127.0.0.1:${own}`, open, shut, [Symbol.asyncDispose]: shut };
}
