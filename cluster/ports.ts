/** Ports on the loopback address. */
import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";
import { Code, FiresteelError } from "../src/errors.ts";

/** The ports that YARN and the first Livy need, by what listens there. */
export const YARN_PORTS = [
  "livy",
  "resourceManager",
  "resourceManagerWeb",
  "scheduler",
  "tracker",
  "admin",
  "nodeManager",
  "nodeManagerWeb",
  "localizer",
  "collector",
] as const;

/** The ports that HDFS needs beside them. */
export const HDFS_PORTS = ["nameNode", "nameNodeWeb", "dataNode", "dataNodeWeb", "dataNodeIpc"] as const;

/** The port of a history server. */
export const HISTORY_PORTS = ["historyServer"] as const;

/** What a port is for. */
export type PortName = (typeof YARN_PORTS)[number] | (typeof HDFS_PORTS)[number] | (typeof HISTORY_PORTS)[number];

// Below the range from which systems take the local ports of outgoing connections (Linux 32768, others 49152): a port that is
// free now stays free until the daemon listens, unless somebody else picks the same one of these.
const LOWEST = 20_000;
const HIGHEST = 32_000;

async function hold(port: number): Promise<Server | undefined> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE" || error.code === "EACCES") resolve(undefined);
      else reject(error);
    });
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => resolve(server));
  });
}

/**
 * A free port for each name: the one asked for, else the one used last time if it is free, else any.
 *
 * @throws FiresteelError `failedPrecondition` when a port that was asked for is taken.
 */
export async function choosePorts<N extends string>(
  names: readonly N[],
  asked: Readonly<Partial<Record<string, number>>>,
  last: Readonly<Partial<Record<string, number>>> = {},
): Promise<Record<N, number>> {
  const held: Server[] = [];
  const chosen: Partial<Record<N, number>> = {};
  const take = async (name: N, port: number): Promise<boolean> => {
    const server = await hold(port);
    if (server === undefined) return false;
    held.push(server);
    chosen[name] = port;
    return true;
  };
  try {
    for (const name of names) {
      const port = asked[name];
      if (port !== undefined && !(await take(name, port))) {
        throw new FiresteelError(Code.failedPrecondition, `port for ${name} is in use or not allowed: ${port}`, {
          details: { port, name },
        });
      }
    }
    for (const name of names) {
      const before = last[name];
      if (chosen[name] !== undefined || (before !== undefined && (await take(name, before)))) continue;
      let tries = 0;
      while (!(await take(name, randomInt(LOWEST, HIGHEST)))) {
        if (++tries === 200) throw new FiresteelError(Code.resourceExhausted, `no free port was found for ${name}`);
      }
    }
    return chosen as Record<N, number>;
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}
