/**
 * A local cluster: real YARN, Spark and Livy (and HDFS if asked for) as processes of this machine, on the loopback address.
 *
 * Any number may run at once, each in a run folder of its own that holds all its settings, logs and data. A cluster either
 * outlives the process that started it (`detached`) or ends with it: a small watchdog process notices the owner's end through
 * a pipe, so also a kill -9. Should the watchdog be killed as well, the next start or stop in that run folder ends what is left.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { chmod, mkdir, stat } from "node:fs/promises";
import { totalmem, userInfo } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Code, FiresteelError } from "../src/errors.ts";
import { ensureClassArchive, sharingFlags } from "./class-archive.ts";
import { portValues, renderTemplates } from "./conf.ts";
import { askOnce, FRUGAL, type HadoopDaemon, hadoopConf, launchHadoop, sparkConf, waitUntilReady } from "./daemons.ts";
import { cacheFolder, checkFolder, defaultRunFolder } from "./folders.ts";
import { HDFS_DAEMONS, prepareHdfs } from "./hdfs.ts";
import { type ClusterInfo, describe, mainLivy, readiness, servers, url } from "./info.ts";
import { ensureInstalled, type InstallOptions } from "./install.ts";
import { launchLivy, MAIN_LIVY, withLivy } from "./livy.ts";
import { checkLivyHome } from "./livy-archive.ts";
import { lockHolder, withLock } from "./lock.ts";
import { VERSIONS } from "./parts.ts";
import { choosePorts, HDFS_PORTS, type PortName, YARN_PORTS } from "./ports.ts";
import { checkPrerequisites } from "./prerequisites.ts";
import { identify, isAlive, MARKER } from "./processes.ts";
import { endProcesses } from "./shutdown.ts";
import {
  type ClusterState,
  lastPorts,
  lockFolder,
  type ProcessRecord,
  readState,
  rememberPorts,
  removeState,
  wipeFolder,
  writeState,
} from "./state.ts";

export type { ClusterInfo } from "./info.ts";

/** How to start a cluster. */
export interface ClusterOptions extends Pick<InstallOptions, "cache" | "signal" | "onProgress"> {
  /** The run folder: new, empty, or of an earlier cluster. @default `cluster` in the cache */
  readonly directory?: string;
  /** Folders from which Livy takes local job files, beside the run folder. */
  readonly allow?: readonly string[];
  /** @default `LIVY_HOME`, else Livy from Maven Central */
  readonly livyHome?: string;
  /** Also an HDFS, which then is the default file system. */
  readonly hdfs?: boolean;
  /** Memory that YARN hands out. @default 6144, less on a machine with less than 9 GB */
  readonly memoryMb?: number;
  /** Ports that must be these; the others are those of the last start in this folder, else any that are free. */
  readonly ports?: Readonly<Partial<Record<PortName, number>>>;
  /** Ports to take if they are free, where the folder remembers none. */
  readonly preferredPorts?: Readonly<Partial<Record<PortName, number>>>;
  /** Whether it outlives this process. @default false */
  readonly detached?: boolean;
  /** @default 120_000 */
  readonly timeoutMs?: number;
}

/** The answer of {@link clusterStatus}. */
export type ClusterStatus =
  | { readonly state: "up"; readonly info: ClusterInfo }
  | { readonly state: "down"; readonly directory: string; readonly reasons: readonly string[] }
  | { readonly state: "broken"; readonly info: ClusterInfo; readonly reasons: readonly string[] };

/** What names a cluster: its run folder, or the cache whose default one it is. */
export type ClusterPlace = Pick<ClusterOptions, "directory" | "cache">;

// Held for as long as this process lives: a pipe that is collected as garbage would end the cluster.
const watchdogs = new Map<string, ChildProcess>();

function runFolder(place: ClusterPlace): string {
  return checkFolder("the run folder", place.directory ?? defaultRunFolder(place.cache ?? cacheFolder()));
}

async function becomeReady(state: ClusterState, options: ClusterOptions): Promise<ClusterState> {
  const began = Date.now();
  // The first failure ends the waiting for the others.
  const failed = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, failed.signal]) : failed.signal;
  const versions = readiness(state).map(async (check) => {
    try {
      const version = await waitUntilReady(check, options.timeoutMs ?? 120_000, signal);
      options.onProgress?.(`${check.title} ${version} is up after ${((Date.now() - began) / 1000).toFixed(1)} s`);
      return version;
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  });
  const ends = await Promise.allSettled(versions);
  if (failed.signal.aborted) throw failed.signal.reason;
  const livyVersion = ends.at(-1)?.status === "fulfilled" ? await versions.at(-1) : undefined;
  const main = mainLivy(state);
  const named = main && livyVersion ? withLivy(state, { ...main, version: livyVersion }) : state;
  return writeState({ ...named, phase: "up" });
}

function startWatchdog(state: ClusterState): ProcessRecord {
  const entry = fileURLToPath(new URL(`./watchdog${extname(import.meta.url)}`, import.meta.url));
  const log = join(state.directory, "logs", "watchdog.log");
  const output = openSync(log, "a");
  const child = spawn(process.execPath, [entry, state.directory, state.id], {
    detached: true,
    stdio: ["pipe", output, output],
  });
  closeSync(output);
  const self = child.pid === undefined ? undefined : identify(child.pid);
  if (self === undefined) throw new FiresteelError(Code.internal, `watchdog could not be started: ${process.execPath}`);
  child.unref();
  // The pipe is a socket, though its type does not say so; a broken one only means that the watchdog is gone.
  (child.stdin as unknown as { unref?(): void } | null)?.unref?.();
  child.stdin?.on("error", () => undefined);
  watchdogs.set(state.directory, child);
  return { name: "watchdog", ...self, log };
}

async function prepareFolder(state: ClusterState): Promise<void> {
  const { directory, settings } = state;
  const { classArchive } = state.paths;
  for (const name of ["logs", "tmp", "staging", "containers", "container-logs", "resource-manager"]) {
    await mkdir(join(directory, name), { recursive: true });
  }
  // The NodeManager refuses a folder that is not 0755, whatever the umask made of it.
  for (const name of ["containers", "container-logs"]) await chmod(join(directory, name), 0o755);
  const values = {
    ...portValues(state.ports),
    RUN: directory,
    ID: state.id,
    MARKER,
    USER: userInfo().username,
    DEFAULT_FS: settings.hdfs ? url(state, "nameNode", "hdfs") : "file:///",
    MEMORY_MB: settings.memoryMb,
    SPARK_HOME: state.paths.sparkHome,
    PYTHON: state.paths.python,
    JVM_FLAGS: [...FRUGAL, ...(classArchive === undefined ? [] : sharingFlags(classArchive))].join(" "),
  };
  await renderTemplates("hadoop", hadoopConf(directory), values);
  await renderTemplates("spark", sparkConf(directory), values);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Starts all servers at once; the NodeManager and Livy wait for the ResourceManager by themselves. */
async function bringUp(planned: ClusterState, livyHome: string, options: ClusterOptions): Promise<ClusterState> {
  let state = planned;
  try {
    await prepareFolder(state);
    await writeState(state);
    if (!state.detached) state = await writeState({ ...state, watchdog: startWatchdog(state) });
    if (state.settings.hdfs) await prepareHdfs(state, options.signal);
    const daemons: HadoopDaemon[] = ["ResourceManager", "NodeManager", ...(state.settings.hdfs ? HDFS_DAEMONS : [])];
    for (const daemon of daemons) {
      state = await writeState({ ...state, processes: [...state.processes, await launchHadoop(state, daemon)] });
    }
    const port = state.ports["livy"] ?? 0;
    state = await writeState(withLivy(state, await launchLivy(state, livyHome, port, { name: MAIN_LIVY })));
    return await becomeReady(state, options);
  } catch (error) {
    await endAll(state, true);
    throw error;
  }
}

async function endAll(state: ClusterState, atOnce: boolean): Promise<void> {
  await endProcesses(state, atOnce);
  watchdogs.delete(state.directory);
  await removeState(state.directory);
}

/** What of these options a running cluster does not have. */
function differences(state: ClusterState, options: ClusterOptions): string[] {
  const missing = (options.allow ?? [])
    .map((folder) => checkFolder("a folder of job files", folder))
    .filter((folder) => !state.settings.allow.includes(folder));
  const main = mainLivy(state);
  const ports = Object.entries(options.ports ?? {}).filter(([name, port]) => state.ports[name] !== port);
  return [
    ...missing.map((folder) => `it takes no job files from ${folder}`),
    ...(options.hdfs && !state.settings.hdfs ? ["it has no HDFS"] : []),
    ...(options.memoryMb !== undefined && options.memoryMb !== state.settings.memoryMb
      ? [`its memory is ${state.settings.memoryMb} MB`]
      : []),
    ...(options.livyHome !== undefined && main && main.home !== options.livyHome
      ? [`its Livy is the one in ${main.home}`]
      : []),
    ...ports.map(([name, port]) => `its port for ${name} is ${state.ports[name]}, not ${port}`),
  ];
}

/** Takes over a cluster whose servers all run; undefined when there is none and a new one has to be started. */
async function joinRunning(options: ClusterOptions, directory: string): Promise<ClusterInfo | undefined> {
  const state = await readState(directory);
  if (state === undefined) return undefined;
  const dead = state.processes.filter((server) => !isAlive(server)).map(({ name }) => name);
  if (state.phase === "up" && dead.length === 0) {
    const different = differences(state, options);
    if (different.length > 0) {
      throw new FiresteelError(
        Code.failedPrecondition,
        `a cluster is up in ${directory}, but ${different.join("; ")}. Stop it first, or use another run folder`,
      );
    }
    const main = mainLivy(state);
    if (main?.process && isAlive(main.process)) {
      // Not given up on when it is slow: jobs may be running on it.
      return describe(await becomeReady(state, { ...options, onProgress: undefined }), false);
    }
    if (main) {
      options.onProgress?.("Livy is not running: starting it again");
      const livy = await launchLivy(state, main.home, Number(new URL(main.url).port), { name: MAIN_LIVY });
      return describe(await becomeReady(await writeState(withLivy(state, livy)), options), false);
    }
  }
  options.onProgress?.(
    `removing what is left of an earlier cluster${dead.length > 0 ? ` (${dead.join(", ")} not running)` : ""}`,
  );
  await endAll(state, true);
  return undefined;
}

/**
 * Starts a cluster and waits until it takes work, installing first what is missing; one that is up is returned as it is.
 *
 * `signal` ends the start, not a cluster that is up.
 *
 * @throws FiresteelError `failedPrecondition` for missing programs, a taken port, a run folder that is something else's, or a
 * running cluster with other settings; `unavailable` with the end of the log of the server that did not come up. Nothing is
 * left running after an error.
 */
export async function startCluster(given: ClusterOptions = {}): Promise<ClusterInfo> {
  const directory = runFolder(given);
  const named = given.livyHome ?? process.env["LIVY_HOME"];
  const options: ClusterOptions = named ? { ...given, livyHome: await checkLivyHome(named) } : given;
  const allow = (options.allow ?? []).map((folder) => checkFolder("a folder of job files", folder));
  const { signal, onProgress } = options;
  const onWait = (pid: number): void =>
    onProgress?.(`waiting for process ${pid}, which is starting or stopping this cluster`);
  return withLock(lockFolder(directory), { signal, onWait }, async () => {
    const running = await joinRunning(options, directory);
    if (running) return running;
    const last = await lastPorts(directory);
    const parts = options.livyHome ? (["spark", "hadoop"] as const) : (["spark", "hadoop", "livy"] as const);
    const installed = await ensureInstalled({ ...options, parts });
    const { java } = await checkPrerequisites(["java"]);
    const { python = "", sparkHome = "", hadoopJars = "" } = installed;
    const livyHome = options.livyHome ?? installed.livyHome ?? "";
    const classArchive = await ensureClassArchive({ home: sparkHome, python }, java, options);
    const memoryMb = options.memoryMb ?? Math.max(2048, Math.min(6144, Math.floor((totalmem() / 2 ** 20) * 0.7)));
    onProgress?.(`starting YARN ${VERSIONS.hadoop}, Spark ${VERSIONS.spark} and Livy in ${directory}`);
    const names: PortName[] = [...YARN_PORTS, ...(options.hdfs ? HDFS_PORTS : [])];
    for (let attempt = 1; ; attempt++) {
      const ports = await choosePorts(
        names,
        options.ports ?? {},
        attempt === 1 ? { ...options.preferredPorts, ...last } : {},
      );
      await rememberPorts(directory, ports);
      const planned: ClusterState = {
        format: 1,
        id: randomUUID(),
        directory,
        startedAt: new Date().toISOString(),
        phase: "starting",
        detached: options.detached ?? false,
        versions: { spark: VERSIONS.spark, hadoop: VERSIONS.hadoop },
        paths: { java: java.path, python, sparkHome, hadoopJars, classArchive },
        ports,
        settings: { allow, hdfs: options.hdfs ?? false, memoryMb },
        processes: [],
        livys: [],
      };
      try {
        return describe(await bringUp(planned, livyHome, options), true);
      } catch (error) {
        // Somebody took a port between our look and the daemon's start; other ports will do, unless it was asked for.
        const taken =
          error instanceof FiresteelError && error.code === Code.aborted ? error.details["port"] : undefined;
        const fixed = Object.values(options.ports ?? {}).some((port) => port === taken);
        if (taken === undefined || fixed || attempt === 3) throw error;
        onProgress?.(`port ${taken} was taken meanwhile: starting again with other ports`);
      }
    }
  });
}

/** How to stop a cluster. */
export interface StopOptions extends ClusterPlace {
  /** Also removes the run folder with its logs, HDFS and the memory of past batches. */
  readonly wipe?: boolean;
  /** Stops only the cluster with this id, not another one that was started in the folder since. */
  readonly onlyId?: string;
  readonly onProgress?: ((line: string) => void) | undefined;
}

/**
 * Stops a cluster with everything that runs on it; running jobs are lost.
 *
 * A start that is under way is waited for. Does nothing when no cluster is there (apart from the wipe).
 *
 * @returns whether there was one.
 */
export async function stopCluster(options: StopOptions = {}): Promise<{ readonly stopped: boolean }> {
  const directory = runFolder(options);
  if (!(await exists(directory))) return { stopped: false };
  const onWait = (pid: number): void =>
    options.onProgress?.(`waiting for process ${pid}, which is starting or stopping this cluster`);
  return withLock(lockFolder(directory), { onWait }, async () => {
    const state = await readState(directory);
    if (state && options.onlyId !== undefined && state.id !== options.onlyId) return { stopped: false };
    if (state) await endAll(state, options.wipe ?? false);
    if (options.wipe) await wipeFolder(directory);
    return { stopped: state !== undefined };
  });
}

/** Looks at a cluster without changing anything; `broken` names every server that is gone or does not answer. */
export async function clusterStatus(place: ClusterPlace = {}): Promise<ClusterStatus> {
  const directory = runFolder(place);
  const state = await readState(directory);
  if (state === undefined) return { state: "down", directory, reasons: [] };
  const info = describe(state, false);
  const busy = state.phase === "starting" ? await lockHolder(lockFolder(directory)) : undefined;
  if (busy) return { state: "down", directory, reasons: [`process ${busy.pid} is starting it`] };
  // Others are stopped and started by whoever added them.
  const stopped = mainLivy(state)?.process ? [] : ["Livy is not running"];
  const dead = servers(state)
    .filter((server) => !isAlive(server))
    .map((server) => `${server.name} is not running, its log is ${server.log}`);
  const answers = await Promise.all(
    readiness(state).map(async (check) =>
      (await askOnce(check)) === undefined ? [`${check.title} does not answer on ${check.url}`] : [],
    ),
  );
  const reasons = [...stopped, ...dead, ...answers.flat()];
  return reasons.length === 0 ? { state: "up", info } : { state: "broken", info, reasons };
}
