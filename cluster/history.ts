/** A Spark History Server on a running cluster: shows applications whose event logs are in its folder, long after YARN has forgotten them. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { clusterEnvironment, jvmFlags, type Launch, launch, waitUntilReady } from "./daemons.ts";
import { url } from "./info.ts";
import { type ClusterRef, changeState } from "./livy.ts";
import { choosePorts, HISTORY_PORTS } from "./ports.ts";
import { isAlive, signalAll, waitForEnd } from "./processes.ts";
import { type ClusterState, lastPorts, rememberPorts, writeState } from "./state.ts";

const NAME = "HistoryServer";

/** A history server, and what a job has to be told so that it is shown there. */
export interface HistoryInfo {
  readonly historyServerUrl: string;
  /** `conf` of jobs. */
  readonly conf: Readonly<Record<string, string>>;
}

/** How {@link startHistoryServer} works. */
export interface HistoryOptions {
  /** @default 120_000 */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Adds a history server to a running cluster and waits until it answers; one that runs is returned as it is. It ends with the cluster.
 *
 * @throws FiresteelError `failedPrecondition` when no cluster is up there; `unavailable` with the log's tail when it does not come up, and then it is not left running.
 */
export async function startHistoryServer(cluster: ClusterRef, options: HistoryOptions = {}): Promise<HistoryInfo> {
  const { signal, timeoutMs = 120_000 } = options;
  return changeState(cluster, signal, async (before) => {
    if (before.processes.some((one) => one.name === NAME && isAlive(one))) return infoOf(before);
    const ports = await choosePorts(HISTORY_PORTS, {}, await lastPorts(before.directory));
    const others = before.processes.filter(({ name }) => name !== NAME);
    const state: ClusterState = { ...before, ports: { ...before.ports, ...ports } };
    await rememberPorts(state.directory, state.ports);
    await mkdir(eventFolder(state), { recursive: true });
    const server = await launch(commandOf(state));
    const started = await writeState({ ...state, processes: [...others, server] });
    try {
      const check = { title: "Spark's History Server", url: `${url(started, "historyServer")}/api/v1/applications` };
      const ready = (text: string) => (text.startsWith("[") ? state.versions.spark : undefined);
      await waitUntilReady({ ...check, ready, processes: [server] }, timeoutMs, signal);
    } catch (error) {
      signalAll([server].filter(isAlive), "SIGKILL");
      await waitForEnd([server], 10_000);
      await writeState(before);
      throw error;
    }
    return infoOf(started);
  });
}

function eventFolder({ directory }: ClusterState): string {
  return join(directory, "spark-events");
}

function commandOf(state: ClusterState): Launch {
  const settings = {
    "spark.history.fs.logDirectory": pathToFileURL(eventFolder(state)).href,
    "spark.history.fs.update.interval": "1s",
    "spark.history.ui.port": String(state.ports["historyServer"]),
  };
  const flags = Object.entries(settings).map(([key, value]) => `-D${key}=${value}`);
  const main = "org.apache.spark.deploy.history.HistoryServer";
  return {
    name: NAME,
    command: join(state.paths.java, "bin", "java"),
    args: [...jvmFlags(state, "256m"), ...flags, "-cp", join(state.paths.sparkHome, "jars", "*"), main],
    cwd: state.directory,
    env: clusterEnvironment(state),
    log: join(state.directory, "logs", `${NAME}.log`),
  };
}

function infoOf(state: ClusterState): HistoryInfo {
  return {
    historyServerUrl: url(state, "historyServer"),
    conf: { "spark.eventLog.enabled": "true", "spark.eventLog.dir": pathToFileURL(eventFolder(state)).href },
  };
}
