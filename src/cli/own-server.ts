/**
 * A server in this process, for `serve` and for a `run` that finds none.
 */

import type { Logger } from "pino";
import { clusterStatus } from "../../cluster/cluster.ts";
import type { Config } from "../config.ts";
import { startOrchestrator } from "../main.ts";
import type { WatchedConfig } from "../watched-config.ts";
import { removeServerState, removeServerStateNow, type ServerState, writeServerState } from "./server-state.ts";

/** A server in this process that other commands can find; disposing stops it and leaves executions to the next one. */
export interface OwnServer extends AsyncDisposable {
  readonly state: ServerState;
  /** Settles when it stopped: with the reason when it had to by itself. */
  readonly stopped: Promise<Error | null>;
}

/** Starts the orchestrator of a project and says so. */
export async function startOwnServer(options: {
  readonly root: string;
  readonly config: Config;
  readonly log: Logger;
  readonly command: ServerState["command"];
  /** Its file is followed; absent: the configuration stays as it is. */
  readonly watched?: WatchedConfig;
}): Promise<OwnServer> {
  const { root, config, log, command, watched } = options;
  const running = await startOrchestrator({ root, config, log, localCluster, ...(watched ? { watched } : {}) });
  const { grpcAddress, httpAddress, stopped } = running;
  // Also when a second Ctrl-C ends the process at once.
  const forget = () => removeServerStateNow(root);
  process.once("exit", forget);
  let stopping: Promise<void> | undefined;
  const stop = () => {
    // First the file: nobody should come while it stops.
    stopping ??= removeServerState(root)
      .then(() => running.stop())
      .finally(() => process.off("exit", forget));
    return stopping;
  };
  try {
    const state = await writeServerState(root, { grpcAddress, httpAddress, command });
    return { state, stopped: stopped.finally(() => removeServerState(root)), [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** An orchestrator in this process that only explains: nobody finds it, and it takes nothing over. */
export async function startExplainer(options: {
  readonly root: string;
  readonly config: Config;
  readonly log: Logger;
}): Promise<{ readonly grpcAddress: string } & AsyncDisposable> {
  const config = { ...options.config, grpcPort: 0, httpPort: 0 };
  const { grpcAddress, stop } = await startOrchestrator({ ...options, config, localCluster, takeOver: false });
  return { grpcAddress, [Symbol.asyncDispose]: stop };
}

/** The addresses of the cluster that `firesteel cluster up` started, or null. */
async function localCluster(): Promise<{ readonly livyUrl: string; readonly resourceManagerUrl: string } | null> {
  const status = await clusterStatus();
  return status.state === "down" ? null : status.info;
}
