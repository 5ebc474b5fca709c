/**
 * A real Livy 0.9 with a cluster of its own inside a network namespace: `unshare -n node session-host.ts FOLDER LIVY_HOME`. Livy and the ResourceManager are reached through the Unix sockets `livy.sock` and `yarn.sock` in the
 * folder; Spark may use what lies in its `warehouse`.
 *
 * The driver of a session listens on every address of the machine whatever its settings say; in here there is only the loopback interface. Ends when its input does.
 */

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { createServer, request, type Server } from "node:http";
import { join } from "node:path";
import { startCluster, stopCluster } from "../../cluster/cluster.ts";

const [folder = "", livyHome = ""] = process.argv.slice(2);
const directory = join(folder, "cluster");
execFileSync("ip", ["link", "set", "lo", "up"]);
const stop = new AbortController();
process.stdin.resume();
const ended = once(process.stdin, "close").then(() => stop.abort());
try {
  const warehouse = join(folder, "warehouse");
  await mkdir(warehouse);
  const { livyUrl, resourceManagerUrl } = await startCluster({
    directory,
    livyHome,
    allow: [warehouse],
    signal: stop.signal,
  });
  const servers = [await pass("livy.sock", livyUrl), await pass("yarn.sock", resourceManagerUrl)];
  console.log("ready");
  await ended;
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
} finally {
  await stopCluster({ directory, wipe: true });
}

/** Passes what comes to a socket on to a server. */
async function pass(socket: string, base: string): Promise<Server> {
  const server = createServer((asked, answer) => {
    const { method, url, headers } = asked;
    const passed = request(new URL(url ?? "/", base), { method: method ?? "GET", headers }, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(answer);
    });
    passed.on("error", () => answer.destroy());
    asked.pipe(passed);
  });
  server.listen(join(folder, socket));
  await once(server, "listening");
  return server;
}
