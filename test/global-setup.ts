/**
 * One cluster for all test files that ask for it: started when the first one asks, stopped after the last test, also on failure and interrupt.
 *
 * Test files run in processes of their own, so they ask over HTTP (`test/cluster.ts`). The cluster belongs to Vitest's main process: should that be killed, the cluster's watchdog ends it.
 */

import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { startCluster, stopCluster } from "../cluster/cluster.ts";
import { startLivy } from "../cluster/livy.ts";
import { findLivyArchive, installLivyArchive } from "../cluster/livy-archive.ts";
import type { TestCluster } from "./cluster.ts";

/** Where an archive of a newer Livy may lie; without one its tests are skipped. */
const ARCHIVES = fileURLToPath(new URL("../../shared/livy", import.meta.url));

const INTERRUPTS = ["SIGINT", "SIGTERM"] as const;

/** Answers whoever asks for the cluster; returns what stops it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const stop = new AbortController();
  let folder: Promise<string> | undefined;
  let cluster: Promise<TestCluster> | undefined;
  const server = createServer((_request, response) => {
    folder ??= mkdtemp(join(tmpdir(), "firesteel-test-"));
    cluster ??= folder.then((path) => start(path, stop.signal));
    cluster.then(
      (value) => response.writeHead(200).end(JSON.stringify(value)),
      (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  project.provide("clusterServer", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const teardown = async () => {
    for (const signal of INTERRUPTS) process.off(signal, interrupt);
    server.close();
    server.closeAllConnections();
    if (folder === undefined) return;
    stop.abort();
    await cluster?.catch(() => undefined);
    const path = await folder;
    await stopCluster({ directory: join(path, "cluster"), wipe: true });
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  };
  // Vitest tears nothing down when a signal ends it.
  const interrupt = (signal: NodeJS.Signals) =>
    void teardown().finally(() => process.exit(128 + constants.signals[signal]));
  for (const signal of INTERRUPTS) process.on(signal, interrupt);
  return teardown;
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
  const archive = await findLivyArchive([ARCHIVES]);
  if (archive === undefined) return { livyUrl, resourceManagerUrl, warehouse };
  const livyHome = await installLivyArchive(archive, { signal, onProgress });
  const { url: livy09Url } = await startLivy({ directory }, { name: "livy09", livyHome, signal, onProgress });
  return { livyUrl, resourceManagerUrl, warehouse, livy09Url };
}
