/** Livy servers on a running cluster: the one that comes with it, and others beside it. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Code, FiresteelError } from "../src/errors.ts";
import { overrideSettings, renderTemplates } from "./conf.ts";
import { clusterEnvironment, hadoopConf, jvmFlags, launch, type Readiness, waitUntilReady } from "./daemons.ts";
import { checkFolder } from "./folders.ts";
import { checkLivyHome } from "./livy-archive.ts";
import { withLock } from "./lock.ts";
import { choosePorts } from "./ports.ts";
import { descendants, isAlive, signalAll, waitForEnd } from "./processes.ts";
import { type ClusterState, type LivyRecord, lockFolder, type ProcessRecord, readState, writeState } from "./state.ts";

/** The name of the Livy that comes with a cluster. */
export const MAIN_LIVY = "livy";

/** A Livy server that answers. */
export interface LivyInfo {
  readonly name: string;
  readonly url: string;
  readonly version: string;
  readonly home: string;
  readonly pid: number;
  readonly log: string;
}

/** How to start a Livy server. */
export interface LivyOptions {
  /** Names its folder below the run folder; a name used before continues with that one's port and recovery state. */
  readonly name: string;
  /** By default the one of the cluster's main Livy. */
  readonly livyHome?: string;
  readonly port?: number;
  /** Folders whose local job files it takes, beside the run folder; by default those of the cluster. */
  readonly allow?: readonly string[];
  /** Lines of livy.conf to add or replace; null removes one of ours. `livy.spark.master = local[2]` goes without YARN. */
  readonly conf?: Readonly<Record<string, string | null>>;
  /** @default 90_000 */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((line: string) => void) | undefined;
}

/** What names a cluster: its run folder, as in the result of `startCluster`. */
export interface ClusterRef {
  readonly directory: string;
}

const OPENED = [
  "java.lang.invoke",
  "java.lang",
  "java.nio",
  "java.util.concurrent.atomic",
  "sun.nio.ch",
  "java.net",
  "java.io",
  "sun.util.calendar",
];
const EXPORTED = ["sun.net.dns", "sun.net.util", "sun.security.x509", "sun.security.util"];
/** What Livy and the Hadoop client in it reach by reflection and Java 16 closed. */
const LIVY_FLAGS = [
  "-XX:+IgnoreUnrecognizedVMOptions",
  ...OPENED.map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
  ...EXPORTED.map((name) => `--add-exports=java.base/${name}=ALL-UNNAMED`),
];

/** How to know that a Livy answers; the result is its version. */
export function livyReadiness(url: string, processes: readonly ProcessRecord[]): Readiness {
  return {
    title: "Livy",
    url: `${url}/version`,
    processes,
    ready: (text) => /"version"\s*:\s*"([^"]+)"/.exec(text)?.[1],
  };
}

/** Prepares the folder and starts the server; it does not answer yet. The caller holds the run folder's lock. */
export async function launchLivy(
  state: ClusterState,
  home: string,
  port: number,
  options: LivyOptions,
): Promise<LivyRecord> {
  const folder = join(state.directory, "livy", options.name);
  const conf = join(folder, "conf");
  await mkdir(join(folder, "state"), { recursive: true });
  const allow = (options.allow ?? state.settings.allow).map((entry) => checkFolder("a folder of job files", entry));
  // Livy compares text: a folder must end in a slash, or its neighbours with longer names count too.
  const whitelist = [state.directory, ...allow].map((entry) => `${entry}/`).join(",");
  await renderTemplates("livy", conf, { PORT_LIVY: port, ALLOW: whitelist, LIVY_RUN: folder });
  await overrideSettings(join(conf, "livy.conf"), options.conf ?? {});
  // Livy's own YARN client finds the ResourceManager through the class path, not through HADOOP_CONF_DIR.
  const classPath = [`${home}/jars/*`, conf, hadoopConf(state.directory)].join(":");
  const process = await launch({
    name: options.name === MAIN_LIVY ? "Livy" : `Livy ${options.name}`,
    command: join(state.paths.java, "bin", "java"),
    args: [...jvmFlags(state, "512m"), ...LIVY_FLAGS, "-cp", classPath, "org.apache.livy.server.LivyServer"],
    cwd: folder,
    env: {
      ...clusterEnvironment(state),
      LIVY_HOME: home,
      LIVY_CONF_DIR: conf,
      LIVY_LOG_DIR: join(state.directory, "logs"),
    },
    log: join(state.directory, "logs", `livy-${options.name}.log`),
  });
  return { name: options.name, url: `http://127.0.0.1:${port}`, version: "", home, process };
}

/** The state with this Livy in place of an earlier one of its name. */
export function withLivy(state: ClusterState, livy: LivyRecord): ClusterState {
  return { ...state, livys: [...state.livys.filter(({ name }) => name !== livy.name), livy] };
}

/** Changes a running cluster while nobody else does. @throws FiresteelError `failedPrecondition` when none is up there */
export async function changeState<T>(
  cluster: ClusterRef,
  signal: AbortSignal | undefined,
  body: (state: ClusterState) => Promise<T>,
): Promise<T> {
  return withLock(lockFolder(cluster.directory), { signal }, async () => {
    const state = await readState(cluster.directory);
    if (state === undefined)
      throw new FiresteelError(Code.failedPrecondition, `no cluster is up in ${cluster.directory}`);
    return body(state);
  });
}

async function endLivy(
  state: ClusterState,
  name: string,
  end: (process: ProcessRecord) => Promise<void>,
): Promise<void> {
  const livy = state.livys.find((record) => record.name === name);
  if (livy === undefined) throw new FiresteelError(Code.notFound, `cluster has no Livy of this name: ${name}`);
  if (livy.process) await end(livy.process);
  const { process: _, ...stopped } = livy;
  await writeState(withLivy(state, stopped));
}

/**
 * Starts a Livy on a running cluster and waits until it answers; one that runs under this name already is returned as it is.
 *
 * Batches of an earlier one of the same name are recovered, whether it was stopped or killed.
 *
 * @throws FiresteelError `failedPrecondition` when no cluster is up there or the port is taken; `unavailable` with the log's
 * tail when it does not come up.
 */
export async function startLivy(cluster: ClusterRef, options: LivyOptions): Promise<LivyInfo> {
  if (!/^[\w-]+$/.test(options.name)) {
    throw new FiresteelError(
      Code.invalidArgument,
      `a Livy's name may only have letters, digits, _ and -: ${options.name}`,
    );
  }
  return changeState(cluster, options.signal, async (state) => {
    const before = state.livys.find(({ name }) => name === options.name);
    if (before?.process && isAlive(before.process)) return livyInfo(before);
    const home = options.livyHome ? await checkLivyHome(options.livyHome) : (before ?? state.livys[0])?.home;
    if (home === undefined)
      throw new FiresteelError(Code.invalidArgument, "livyHome is needed: the cluster has no Livy to take it from");
    const last = before ? Number(new URL(before.url).port) : undefined;
    const { livy: port } = await choosePorts(
      ["livy"],
      options.port ? { livy: options.port } : {},
      last ? { livy: last } : {},
    );
    const launched = await launchLivy(state, home, port, options);
    const next = await writeState(withLivy(state, launched));
    try {
      const check = livyReadiness(launched.url, launched.process ? [launched.process] : []);
      const version = await waitUntilReady(check, options.timeoutMs ?? 90_000, options.signal);
      const livy = { ...launched, version };
      await writeState(withLivy(next, livy));
      options.onProgress?.(`Livy ${version} is up: ${livy.url}`);
      return livyInfo(livy);
    } catch (error) {
      await endLivy(next, options.name, kill);
      throw error;
    }
  });
}

async function kill(process: ProcessRecord): Promise<void> {
  signalAll([process], "SIGKILL");
  await waitForEnd([process], 10_000);
}

/** Stops a Livy; its batches run on in YARN, and a later start under its name finds them again. */
export async function stopLivy(cluster: ClusterRef, name: string): Promise<void> {
  await changeState(cluster, undefined, (state) =>
    endLivy(state, name, async (process) => {
      signalAll([process], "SIGTERM");
      if (!(await waitForEnd([process], 10_000))) await kill(process);
    }),
  );
}

/**
 * Kills a Livy as a crash would: at once, by SIGKILL.
 *
 * With `submitters` the spark-submit processes that it had started die with it, as on a machine that fails.
 */
export async function killLivy(
  cluster: ClusterRef,
  name: string,
  options: { readonly submitters?: boolean } = {},
): Promise<void> {
  await changeState(cluster, undefined, (state) =>
    endLivy(state, name, async (process) => {
      const children = options.submitters ? descendants([process]) : [];
      signalAll(children, "SIGKILL");
      await kill(process);
    }),
  );
}

/** A record that has a process, as callers see it. */
export function livyInfo(livy: LivyRecord): LivyInfo {
  const { name, url, version, home } = livy;
  return { name, url, version, home, pid: livy.process?.pid ?? 0, log: livy.process?.log ?? "" };
}
