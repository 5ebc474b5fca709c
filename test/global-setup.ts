/**
 * One cluster for all test files that ask for it: started when the first one asks, stopped after the last test, also on failure and interrupt (see `cluster-sweeper.ts`).
 *
 * Test files run in processes of their own, so they ask over HTTP (`test/cluster.ts`).
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { startCluster } from "../cluster/cluster.ts";
import { type HdfsInfo, startHdfs } from "../cluster/hdfs.ts";
import { startLivy } from "../cluster/livy.ts";
import { findLivyArchive, installLivyArchive } from "../cluster/livy-archive.ts";
import type { TestCluster } from "./cluster.ts";
import { LIVY_ARCHIVES } from "./livy-archives.ts";

const SWEEPER = fileURLToPath(new URL("./cluster-sweeper.ts", import.meta.url));

/** Answers whoever asks for the cluster; returns what stops it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const stop = new AbortController();
  let sweeper: ChildProcess | undefined;
  let folder = "";
  let cluster: Promise<TestCluster> | undefined;
  let hdfs: Promise<HdfsInfo> | undefined;
  const begin = async () => {
    folder = await mkdtemp(join(tmpdir(), "firesteel-test-"));
    // Detached: Ctrl-C must not reach it.
    sweeper = spawn(process.execPath, [SWEEPER, folder], { detached: true, stdio: ["pipe", "ignore", "inherit"] });
    return start(folder, stop.signal);
  };
  const server = createServer(({ url }, response) => {
    cluster ??= begin();
    if (url === "/hdfs")
      hdfs ??= cluster.then(() => startHdfs({ directory: join(folder, "cluster") }, { signal: stop.signal }));
    (url === "/hdfs" ? hdfs! : cluster).then(
      (value) => response.writeHead(200).end(JSON.stringify(value)),
      (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  project.provide("clusterServer", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return async () => {
    server.close();
    server.closeAllConnections();
    stop.abort();
    await Promise.allSettled([cluster, hdfs]);
    if (sweeper === undefined) return;
    const swept = once(sweeper, "exit");
    sweeper.stdin?.end();
    const [code] = await swept;
    if (code !== 0) throw new Error(`test cluster was not stopped and removed: exit code ${code}`);
  };
}

async function start(folder: string, signal: AbortSignal): Promise<TestCluster> {
  const onProgress = (line: string) => console.log(`test cluster: ${line}`);
  const warehouse = join(folder, "warehouse");
  await mkdir(warehouse);
  await chmod(folder, 0o755);
  const { directory, livyUrl, resourceManagerUrl } = await startCluster({
    directory: join(folder, "cluster"),
    allow: [warehouse],
    signal,
    onProgress,
  });
  const archive = await findLivyArchive(LIVY_ARCHIVES);
  if (archive === undefined) return { directory, livyUrl, resourceManagerUrl, warehouse };
  const livyHome = await installLivyArchive(archive, { signal, onProgress });
  const { url: livy09Url } = await startLivy({ directory }, { name: "livy09", livyHome, signal, onProgress });
  return { directory, livyUrl, resourceManagerUrl, warehouse, livy09Url, livy09Home: livyHome };
}
