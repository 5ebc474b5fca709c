/** The real thing: YARN, Livy and Spark jobs, started and stopped; every process and port is looked for afterwards. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type ClusterInfo,
  type ClusterOptions,
  clusterStatus,
  startCluster,
  stopCluster,
} from "../../cluster/cluster.ts";
import { ensureInstalled } from "../../cluster/install.ts";
import { killLivy, type LivyInfo, startLivy, stopLivy } from "../../cluster/livy.ts";
import { findLivyArchive, installLivyArchive } from "../../cluster/livy-archive.ts";
import { identify, isAlive, markedProcesses, signalAll } from "../../cluster/processes.ts";
import { type ClusterState, readState } from "../../cluster/state.ts";
import { LIVY_ARCHIVES } from "../livy-archives.ts";

const owner = fileURLToPath(new URL("./owner.ts", import.meta.url));
const onLinux = process.platform === "linux";
let folder: string;
const owners: ChildProcess[] = [];

const COUNT = `import sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print("rows", spark.range(1000).where("id % 7 = 0").count(), flush=True)
time.sleep(float(sys.argv[1]))
spark.stop()
`;

beforeAll(async () => {
  await ensureInstalled();
  folder = await mkdtemp(join(tmpdir(), "firesteel-cluster-"));
  await mkdir(join(folder, "jobs"));
  await writeFile(join(folder, "jobs", "count.py"), COUNT);
}, 600_000);
afterAll(async () => {
  for (const child of owners) child.kill("SIGKILL");
  for (const name of await readdir(folder)) await stopCluster({ directory: join(folder, name), wipe: true });
  await rm(folder, { recursive: true, force: true });
});

async function until<T>(what: string, look: () => Promise<T | undefined | false>, timeoutMs = 200_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await sleep(100);
  }
}

function own(options: ClusterOptions, hold: boolean): { child: ChildProcess; info: Promise<ClusterInfo> } {
  const child = spawn(process.execPath, [owner, JSON.stringify(options), hold ? "hold" : ""], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const info = once(child.stdout ?? child, "data").then(([chunk]) => JSON.parse(String(chunk)) as ClusterInfo);
  owners.push(child);
  return { child, info };
}

async function stateOf(directory: string): Promise<ClusterState> {
  const state = await readState(directory);
  if (state === undefined) throw new Error(`no state in ${directory}`);
  return state;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect({ host: "127.0.0.1", port });
  return new Promise((resolve) => {
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
  }).finally(() => socket.destroy()) as Promise<boolean>;
}

/** Fails unless every process and every port of this start is gone. */
async function expectGone(state: ClusterState): Promise<void> {
  const servers = [...state.processes, ...state.livys.flatMap(({ process }) => process ?? [])];
  expect(servers.filter(isAlive)).toEqual([]);
  expect(markedProcesses(state.id)).toEqual([]);
  const open = await Promise.all(
    Object.entries(state.ports).map(async ([name, port]) => ((await answers(port)) ? [name] : [])),
  );
  expect(open.flat()).toEqual([]);
  expect(existsSync(join(state.directory, "cluster.json"))).toBe(false);
}

interface Batch {
  readonly id: number;
  readonly state: string;
  readonly appId: string | null;
}

async function submit(livy: Pick<LivyInfo, "url">, name: string, seconds = 0): Promise<() => Promise<Batch>> {
  const body = JSON.stringify({ file: `file://${folder}/jobs/count.py`, args: [String(seconds)], name });
  const headers = { "content-type": "application/json", "x-requested-by": "test" };
  const answer = await fetch(`${livy.url}/batches`, { method: "POST", body, headers });
  expect([answer.status, await answer.clone().text()]).toEqual([201, expect.any(String)]);
  const { id } = (await answer.json()) as Batch;
  return async () => (await (await fetch(`${livy.url}/batches/${id}`)).json()) as Batch;
}

const ended = async (look: () => Promise<Batch>): Promise<string> =>
  until("the batch has ended", async () => {
    const { state } = await look();
    return ["success", "dead", "killed", "error"].includes(state) && state;
  });

/** Through node:http, since the DataNode sends a 100 Continue that nobody asked for, which fetch takes for a bad answer. */
async function writeToHdfs(webHdfs: string, name: string, text: string): Promise<number | undefined> {
  const where = await fetch(`${webHdfs}/webhdfs/v1/${name}?op=CREATE&noredirect=true`, { method: "PUT" });
  const { Location } = (await where.json()) as { Location: string };
  const put = request(Location, { method: "PUT" });
  put.end(text);
  const [answer] = (await once(put, "response")) as [IncomingMessage];
  answer.resume();
  return answer.statusCode;
}

/** How many processes of this cluster have a file in their memory. */
async function mapping(state: ClusterState, file = "none"): Promise<number> {
  const maps = markedProcesses(state.id).map(({ pid }) => readFile(`/proc/${pid}/maps`, "utf8").catch(() => ""));
  return (await Promise.all(maps)).filter((text) => text.includes(file)).length;
}

/** Addresses other than loopback on which processes of this cluster listen. */
async function outsideListeners(state: ClusterState): Promise<string[]> {
  const inodes = new Set<string>();
  for (const { pid } of markedProcesses(state.id)) {
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "");
      inodes.add(/^socket:\[(\d+)\]$/.exec(target)?.[1] ?? "");
    }
  }
  const rows = [await readFile("/proc/net/tcp", "utf8"), await readFile("/proc/net/tcp6", "utf8").catch(() => "")]
    .join("\n")
    .split("\n");
  const listening = rows.map((line) => line.trim().split(/\s+/)).filter((f) => f[3] === "0A" && inodes.has(f[9] ?? ""));
  expect(listening.length).toBeGreaterThan(8);
  // In these files addresses are words of the machine's (little-endian) byte order.
  return listening
    .map((f) => f[1] ?? "")
    .filter((address) => !/^(0000000000000000FFFF0000)?0100007F:|^0{24}01000000:/.test(address));
}

describe("a cluster that was left running by a process that ended", () => {
  const options = (): ClusterOptions => ({
    directory: join(folder, "one"),
    allow: [join(folder, "jobs")],
    detached: true,
  });
  let info: ClusterInfo;
  beforeAll(async () => {
    const { child, info: coming } = own(options(), false);
    const exit = once(child, "exit");
    info = await coming;
    await exit;
  });

  test("is up, and a second start says so and changes nothing", async () => {
    expect(await clusterStatus(options())).toEqual({ state: "up", info: { ...info, started: false } });
    expect(info).toMatchObject({
      started: true,
      detached: true,
      sparkVersion: "3.5.6",
      livyVersion: expect.stringMatching(/^0\.7\.1/),
    });
    expect(await startCluster(options())).toEqual({ ...info, started: false });
    const more = join(folder, "more");
    await expect(startCluster({ ...options(), allow: [more] })).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining(`it takes no job files from ${more}`),
    });
  });

  test("runs a PySpark batch through Livy on YARN, and listens on the loopback address only", async () => {
    const look = await submit({ url: info.livyUrl }, "counts", 3);
    await until("the job runs", async () => (await look()).state === "running");
    if (onLinux) {
      const state = await stateOf(info.directory);
      expect(await outsideListeners(state)).toEqual([]);
      // The driver, at least: the executor may not be there yet.
      expect(await mapping(state, state.paths.classArchive)).toBeGreaterThanOrEqual(1);
    }
    expect(await ended(look)).toBe("success");
    const { appId } = await look();
    const app = await (await fetch(`${info.resourceManagerUrl}/ws/v1/cluster/apps/${appId}`)).json();
    expect(app).toMatchObject({ app: { state: "FINISHED", finalStatus: "SUCCEEDED" } });
    const attempts = await (await fetch(`${info.resourceManagerUrl}/ws/v1/cluster/apps/${appId}/appattempts`)).json();
    const container = (attempts as { appAttempts: { appAttempt: { containerId: string }[] } }).appAttempts.appAttempt[0]
      ?.containerId;
    const log = await fetch(`${info.nodeManagerUrl}/ws/v1/node/containers/${container}/logs/stdout`);
    expect(await log.text()).toContain("rows 143");
  });

  test("takes a second Livy, which recovers its batch after a crash under its old address", async (context) => {
    const archive = await findLivyArchive(LIVY_ARCHIVES);
    if (archive === undefined)
      context.skip("no Livy archive is here (FIRESTEEL_LIVY_ARCHIVES names a folder with one)");
    const livyHome = await installLivyArchive(archive ?? "");
    const second = await startLivy(info, { name: "second", livyHome });
    expect(second.version).toMatch(/^0\.9\.0/);
    expect((await startLivy(info, { name: "second" })).pid).toBe(second.pid);
    const look = await submit(second, "survives", 1);
    const before = await until("the batch is known to YARN", async () => {
      const batch = await look();
      return batch.appId !== null && batch;
    });
    await killLivy(info, "second");
    await until("its port is closed", async () => !(await answers(Number(new URL(second.url).port))));
    // The main Livy is what the cluster's own health is about.
    expect(await clusterStatus(options())).toMatchObject({ state: "up" });
    const again = await startLivy(info, { name: "second" });
    expect({ ...again, pid: 0 }).toEqual({ ...second, pid: 0 });
    expect(await ended(look)).toBe("success");
    expect((await look()).appId).toBe(before.appId);
    await stopLivy(info, "second");
    await expect(stopLivy(info, "third")).rejects.toThrow("cluster has no Livy of this name: third");
  });

  test("is broken while its Livy is dead, and a start brings that back", async () => {
    await killLivy(info, "livy");
    expect(await clusterStatus(options())).toMatchObject({
      state: "broken",
      reasons: ["Livy is not running", expect.any(String)],
    });
    const again = await startCluster(options());
    expect(again).toMatchObject({
      started: false,
      livyUrl: info.livyUrl,
      pids: { NodeManager: info.pids["NodeManager"] },
    });
  });

  test("stops while a job runs: no process, no port and no stranger's process ends with it", async () => {
    const look = await submit({ url: info.livyUrl }, "endless", 600);
    await until("the job runs", async () => (await look()).state === "running");
    const state = await stateOf(info.directory);
    // Children of the servers, spark-submit, drivers, executors.
    if (onLinux) expect(markedProcesses(state.id).length).toBeGreaterThan(6);
    const stranger = spawn("sleep", ["600"]);
    const self = identify(stranger.pid ?? 0);
    if (self === undefined) throw new Error("the stranger is not seen");
    const forged = {
      ...state,
      processes: [...state.processes, { name: "NodeManager", pid: self.pid, startedAt: "long ago", log: "" }],
    };
    await writeFile(join(info.directory, "cluster.json"), JSON.stringify(forged));
    try {
      expect(await stopCluster(options())).toEqual({ stopped: true });
      expect(isAlive(self)).toBe(true);
    } finally {
      stranger.kill("SIGKILL");
    }
    await expectGone(state);
    expect(await clusterStatus(options())).toMatchObject({ state: "down" });
    expect(await stopCluster(options())).toEqual({ stopped: false });
    await writeFile(join(info.directory, "mine.txt"), "kept");
    await stopCluster({ ...options(), wipe: true });
    expect(await readdir(info.directory)).toEqual(["mine.txt"]);
    await expect(startCluster(options())).rejects.toThrow("run folder is neither empty nor a cluster's");
  });
});

test("a cluster with HDFS ends with the process that started it, though that was killed", async () => {
  const directory = join(folder, "owned");
  const { child, info } = own({ directory, hdfs: true }, true);
  const { webHdfsUrl, livyUrl } = await info;
  const state = await stateOf(directory);
  expect((await fetch(`${livyUrl}/batches`)).status).toBe(200);
  expect(await writeToHdfs(webHdfsUrl ?? "", "a.txt", "hello")).toBe(201);
  expect(await (await fetch(`${webHdfsUrl}/webhdfs/v1/a.txt?op=OPEN`)).text()).toBe("hello");
  child.kill("SIGKILL");
  await until("the state is gone", async () => (await readState(directory)) === undefined);
  await expectGone(state);
});

test("an owner killed during the start, and the watchdog with it, leaves only what the next stop ends", async () => {
  const directory = join(folder, "halfway");
  const { child, info } = own({ directory }, true);
  info.catch(() => undefined);
  const state = await until("the NodeManager was started", async () => {
    const seen = await readState(directory);
    return seen?.processes.length === 2 && seen;
  });
  signalAll(state.watchdog ? [state.watchdog] : [], "SIGKILL");
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(await clusterStatus({ directory })).toMatchObject({ state: "broken" });
  expect(await stopCluster({ directory, wipe: true })).toEqual({ stopped: true });
  await expectGone(state);
  expect(existsSync(directory)).toBe(false);
});

test("a port that is taken is named, before anything starts", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as { port: number };
  try {
    const directory = join(folder, "taken");
    await expect(startCluster({ directory, ports: { resourceManagerWeb: port } })).rejects.toMatchObject({
      code: "failed_precondition",
      message: `port for resourceManagerWeb is in use or not allowed: ${port}`,
    });
    expect(await clusterStatus({ directory })).toMatchObject({ state: "down" });
  } finally {
    taken.close();
  }
});

test("a server that cannot come up is named with its log, a start can be called off, and neither leaves anything behind", async () => {
  const directory = join(folder, "failing");
  const home = join(folder, "no-livy");
  await mkdir(join(home, "jars"), { recursive: true });
  await writeFile(join(home, "jars", "livy-server-0.jar"), "");
  const error = await startCluster({ directory, livyHome: home }).catch((e: Error) => e.message);
  expect(error).toMatch(
    /^Livy ended while it started:\n[\s\S]*LivyServer[\s\S]*\(all of it: .*failing\/logs\/livy-livy\.log\)$/,
  );
  const off = new AbortController();
  const progress: string[] = [];
  const onProgress = (line: string): void => {
    progress.push(line);
    off.abort(new Error("called off"));
  };
  await expect(startCluster({ directory, signal: off.signal, onProgress })).rejects.toThrow("called off");
  expect(progress).toHaveLength(1);
  expect(existsSync(join(directory, "cluster.json"))).toBe(false);
});
