/**
 * How a command reaches the service: the project's server when it is up, else what is recorded, read in this process.
 */

import { Code, FiresteelError } from "../errors.ts";
import { findProject, loadConfig } from "../project.ts";
import { createClient, type FiresteelClient } from "../serve/client.ts";
import type { HistoryPart } from "./history.ts";
import { findServer, type ServerState } from "./server-state.ts";
import { redirectOutput } from "./terminal.ts";

/** A connection of a command. */
export interface Session extends AsyncDisposable {
  readonly root: string;
  readonly client: FiresteelClient;
  /** The project's server; null when only records are read. */
  readonly server: ServerState | null;
}

/** A session that reads: with the project's server, or without one. */
export async function openSession(part: HistoryPart = "records"): Promise<Session> {
  const root = findProject(process.cwd());
  const server = await findServer(root);
  if (server) return connect(root, server);
  const [config, { serveHistory }] = await Promise.all([loadConfig(root), import("./history.ts")]);
  // Flow modules that print while they load must not print into the table.
  redirectOutput((text) => process.stderr.write(text));
  const history = await serveHistory(root, config, part);
  const client = createClient(history.grpcAddress);
  return {
    root,
    client,
    server: null,
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await history[Symbol.asyncDispose]();
    },
  };
}

/**
 * A session with the project's server.
 *
 * @param what what needs it, for the message: `cancelling`
 * @throws FiresteelError `failed_precondition` when none is up
 */
export async function openServerSession(what: string): Promise<Session> {
  const root = findProject(process.cwd());
  const server = await findServer(root);
  if (server) return connect(root, server);
  throw new FiresteelError(
    Code.failedPrecondition,
    `${what} needs a server, and none is up for this project; start one with \`firesteel serve\`: ${root}`,
  );
}

/** A session with a server that is known to be up. */
export function connect(root: string, server: ServerState): Session {
  const client = createClient(server.grpcAddress);
  return { root, client, server, [Symbol.asyncDispose]: async () => client[Symbol.dispose]() };
}
