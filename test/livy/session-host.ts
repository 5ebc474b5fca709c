/**
 * A real Livy 0.9 with a cluster of its own inside a network namespace, reached through a Unix socket: `unshare -n node session-host.ts FOLDER LIVY_HOME`.
 *
 * The driver of a session listens on every address of the machine whatever its settings say; in here there is only the loopback interface. Ends when its input does.
 */

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { join } from "node:path";
import { startCluster, stopCluster } from "../../cluster/cluster.ts";

const [folder = "", livyHome = ""] = process.argv.slice(2);
const directory = join(folder, "cluster");
execFileSync("ip", ["link", "set", "lo", "up"]);
const stop = new AbortController();
process.stdin.resume();
const ended = once(process.stdin, "close").then(() => stop.abort());
try {
  const { livyUrl } = await startCluster({ directory, livyHome, signal: stop.signal });
  const server = createServer((asked, answer) => {
    const { method, url, headers } = asked;
    const passed = request(new URL(url ?? "/", livyUrl), { method: method ?? "GET", headers }, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(answer);
    });
    passed.on("error", () => answer.destroy());
    asked.pipe(passed);
  });
  server.listen(join(folder, "livy.sock"));
  await once(server, "listening");
  console.log("ready");
  await ended;
  server.close();
  server.closeAllConnections();
} finally {
  await stopCluster({ directory, wipe: true });
}
