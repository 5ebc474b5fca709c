/** HDFS on a cluster: its default file system from the start, or added to a running cluster beside the local disk, which then stays the default one. */
import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { portValues, renderTemplates } from "./conf.ts";
import { formatCommand, type HadoopDaemon, hadoopConf, launchHadoop, waitUntilReady } from "./daemons.ts";
import { hdfsReadiness, url } from "./info.ts";
import { type ClusterRef, changeState } from "./livy.ts";
import { choosePorts, HDFS_PORTS } from "./ports.ts";
import { isAlive, signalAll, waitForEnd } from "./processes.ts";
import { type ClusterState, lastPorts, type ProcessRecord, rememberPorts, writeState } from "./state.ts";
import { runTool } from "./tool.ts";

/** The servers of HDFS. */
export const HDFS_DAEMONS: readonly HadoopDaemon[] = ["NameNode", "DataNode"];

/** Where an HDFS is. */
export interface HdfsInfo {
  /** `hdfs://host:port`. */
  readonly hdfsUrl: string;
  /** The NameNode's HTTP address, which serves WebHDFS. */
  readonly webHdfsUrl: string;
}

/** Writes the settings of the servers and, the first time, makes an empty file system. */
export async function prepareHdfs(state: ClusterState, signal: AbortSignal | undefined): Promise<void> {
  const conf = hadoopConf(state.directory);
  await renderTemplates("hdfs", conf, { ...portValues(state.ports), RUN: state.directory });
  // The servers refuse to start without the folders of their web pages, which the jars lack. WebHDFS needs none of them.
  for (const name of ["hdfs", "datanode", "static"]) {
    await mkdir(join(conf, "webapps", name, "WEB-INF"), { recursive: true });
  }
  const formatted = join(state.directory, "name-node", "formatted");
  const isFormatted = await stat(formatted).then(
    () => true,
    () => false,
  );
  if (isFormatted) return;
  await runTool({ what: "making an empty HDFS", signal, ...formatCommand(state) });
  await writeFile(formatted, "");
}

/** How {@link startHdfs} works. */
export interface HdfsOptions {
  /** @default 90_000 */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((line: string) => void) | undefined;
}

/**
 * Adds an HDFS to a running cluster and waits until it takes files; one that runs is returned as it is. It ends with the cluster.
 *
 * @throws FiresteelError `failedPrecondition` when no cluster is up there; `unavailable` with the log's tail when it does not come up, and then it is not left running.
 */
export async function startHdfs(cluster: ClusterRef, options: HdfsOptions = {}): Promise<HdfsInfo> {
  const { signal, onProgress, timeoutMs = 90_000 } = options;
  return changeState(cluster, signal, async (before) => {
    if (!before.settings.hdfs) {
      const ports = await choosePorts(HDFS_PORTS, {}, await lastPorts(before.directory));
      let state: ClusterState = { ...before, ports: { ...before.ports, ...ports } };
      await rememberPorts(state.directory, state.ports);
      await prepareHdfs(state, signal);
      const own: ProcessRecord[] = [];
      try {
        for (const daemon of HDFS_DAEMONS) {
          own.push(await launchHadoop(state, daemon));
          state = await writeState({ ...state, processes: [...before.processes, ...own] });
        }
        await waitUntilReady(hdfsReadiness(state), timeoutMs, signal);
      } catch (error) {
        signalAll(own.filter(isAlive), "SIGKILL");
        await waitForEnd(own, 10_000);
        await writeState(before);
        throw error;
      }
      await writeState({ ...state, settings: { ...state.settings, hdfs: true } });
      onProgress?.(`HDFS ${state.versions.hadoop} is up: ${url(state, "nameNode", "hdfs")}`);
      return hdfsInfo(state);
    }
    return hdfsInfo(before);
  });
}

function hdfsInfo(state: ClusterState): HdfsInfo {
  return { hdfsUrl: url(state, "nameNode", "hdfs"), webHdfsUrl: url(state, "nameNodeWeb") };
}
