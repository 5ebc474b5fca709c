/**
 * `firesteel cluster`: the local cluster, real YARN, Spark and Livy on this machine.
 */

import { type ClusterInfo, clusterStatus, startCluster, stopCluster } from "../../cluster/cluster.ts";
import { LOCAL_PORTS } from "../config.ts";
import { findProject } from "../project.ts";
import { ExitCode } from "./exit-code.ts";
import { formatAge } from "./format.ts";
import { onInterrupt } from "./interrupt.ts";
import { paint, paintError, print, say } from "./terminal.ts";

/** What the command line says of any of the three. */
export interface ClusterPlaceOptions {
  readonly directory?: string;
}

/** What the command line says of a start. */
export interface ClusterUpOptions extends ClusterPlaceOptions {
  readonly livyHome?: string;
  readonly allow: readonly string[];
  readonly hdfs: boolean;
}

/** Starts the cluster, which then outlives this command. Ctrl-C gives the start up and leaves nothing behind. */
export async function clusterUp({ directory, livyHome, allow, hdfs }: ClusterUpOptions): Promise<ExitCode> {
  const stop = new AbortController();
  using _interrupts = onInterrupt(() => {
    say("giving up; ending what was started");
    stop.abort(new Error("start was interrupted"));
  });
  try {
    const info = await startCluster({
      detached: true,
      hdfs,
      allow: [...new Set([...allow, ...projectFolder()])],
      signal: stop.signal,
      onProgress: say,
      // A server that was started before the cluster looks for it there.
      ...(directory === undefined ? { preferredPorts: LOCAL_PORTS } : { directory }),
      ...(livyHome === undefined ? {} : { livyHome }),
    });
    say(info.started ? paintError("green", "cluster is up") : "cluster was up already");
    printCluster(info);
    return ExitCode.ok;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    return ExitCode.interrupted;
  }
}

/** Livy takes job files from allowed folders only: the project's is one. */
function projectFolder(): string[] {
  try {
    return [findProject(process.cwd())];
  } catch {
    // Outside of a project there is none to allow.
    return [];
  }
}

/** Stops the cluster. */
export async function clusterDown(options: ClusterPlaceOptions & { readonly wipe: boolean }): Promise<ExitCode> {
  const { directory, wipe } = options;
  const { stopped } = await stopCluster({ wipe, onProgress: say, ...(directory === undefined ? {} : { directory }) });
  say(stopped ? "cluster is stopped" : "no cluster was up");
  return ExitCode.ok;
}

/** Says how the cluster is; exit code 1 when it does not take work. */
export async function clusterState({ directory }: ClusterPlaceOptions): Promise<ExitCode> {
  const status = await clusterStatus(directory === undefined ? {} : { directory });
  const word = status.state === "up" ? paint("green", "up") : paint("red", status.state);
  print(`cluster is ${word}${status.state === "down" ? `: ${status.directory}` : ""}`);
  for (const reason of status.state === "up" ? [] : status.reasons) print(`  ${reason}`);
  if (status.state !== "down") printCluster(status.info);
  return status.state === "up" ? ExitCode.ok : ExitCode.failed;
}

function printCluster(info: ClusterInfo): void {
  const fields: readonly (readonly [string, string])[] = [
    ["Livy", `${info.livyUrl}  (${info.livyVersion})`],
    ["YARN", `${info.resourceManagerUrl}  (${info.hadoopVersion})`],
    ["HDFS", info.hdfsUrl ?? ""],
    ["Spark", `${info.sparkVersion}  in ${info.sparkHome}`],
    ["folder", info.directory],
    ["logs", info.logs],
    ["started", formatAge(Date.parse(info.startedAt), Date.now())],
  ];
  for (const [name, value] of fields) if (value !== "") print(`  ${name.padEnd(8)} ${value}`);
}
