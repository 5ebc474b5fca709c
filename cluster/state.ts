/**
 * What is known of a cluster, in the file `cluster.json` of its run folder.
 *
 * The file is written before the first process starts and after each one, so that whatever happens in between, the next start
 * or stop finds everything. Without the file there is no cluster.
 */
import { randomUUID } from "node:crypto";
import { readdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { Code, FiresteelError } from "../src/errors.ts";
import type { ProcessIdentity } from "./processes.ts";

/** A process of the cluster, and the file that holds its output. */
export interface ProcessRecord extends ProcessIdentity {
  readonly name: string;
  readonly log: string;
}

/** A Livy server on the cluster. */
export interface LivyRecord {
  readonly name: string;
  readonly url: string;
  /** As the server itself says; empty until it has answered. */
  readonly version: string;
  readonly home: string;
  /** Absent while it is stopped or killed on purpose. */
  readonly process?: ProcessRecord | undefined;
}

/** The content of `cluster.json`. */
export interface ClusterState {
  readonly format: 1;
  /** Marks the cluster's processes (see processes.ts); new for every start. */
  readonly id: string;
  readonly directory: string;
  readonly startedAt: string;
  readonly phase: "starting" | "up";
  readonly detached: boolean;
  readonly versions: { readonly spark: string; readonly hadoop: string };
  readonly paths: {
    readonly java: string;
    readonly python: string;
    readonly sparkHome: string;
    readonly hadoopJars: string;
    /** See `class-archive.ts`. */
    readonly classArchive?: string | undefined;
  };
  readonly ports: Readonly<Record<string, number>>;
  readonly settings: { readonly allow: readonly string[]; readonly hdfs: boolean; readonly memoryMb: number };
  readonly processes: readonly ProcessRecord[];
  readonly watchdog?: ProcessRecord | undefined;
  readonly livys: readonly LivyRecord[];
}

const processRecord: z.ZodType<ProcessRecord> = z.object({
  name: z.string(),
  pid: z.number(),
  startedAt: z.string(),
  log: z.string(),
});

const livyRecord: z.ZodType<LivyRecord> = z.object({
  name: z.string(),
  url: z.string(),
  version: z.string(),
  home: z.string(),
  process: processRecord.optional(),
});

const clusterState: z.ZodType<ClusterState> = z.object({
  format: z.literal(1),
  id: z.string(),
  directory: z.string(),
  startedAt: z.string(),
  phase: z.enum(["starting", "up"]),
  detached: z.boolean(),
  versions: z.object({ spark: z.string(), hadoop: z.string() }),
  paths: z.object({
    java: z.string(),
    python: z.string(),
    sparkHome: z.string(),
    hadoopJars: z.string(),
    classArchive: z.string().optional(),
  }),
  ports: z.record(z.string(), z.number()),
  settings: z.object({ allow: z.array(z.string()), hdfs: z.boolean(), memoryMb: z.number() }),
  processes: z.array(processRecord),
  watchdog: processRecord.optional(),
  livys: z.array(livyRecord),
});

const stateFile = (directory: string): string => join(directory, "cluster.json");
/** Survives a stop: says that the folder is ours, and lets the next start take the same ports. */
const markFile = (directory: string): string => join(directory, ".firesteel-cluster.json");

/** The folder of the lock that guards the run folder. */
export const lockFolder = (directory: string): string => join(directory, "lock");

/** Everything that a start makes in the run folder. */
const CONTENT = [
  "conf",
  "spark-conf",
  "logs",
  "tmp",
  "staging",
  "containers",
  "container-logs",
  "resource-manager",
  "name-node",
  "data-node",
  "spark-events",
  "livy",
];

async function writeWhole(file: string, value: unknown): Promise<void> {
  const draft = `${file}.${randomUUID()}.draft`;
  await writeFile(draft, `${JSON.stringify(value, undefined, 2)}\n`);
  await rename(draft, file);
}

async function readWhole(file: string): Promise<string | undefined> {
  return readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
}

/** The state of the cluster in this folder; undefined when there is none. */
export async function readState(directory: string): Promise<ClusterState | undefined> {
  const text = await readWhole(stateFile(directory));
  if (text === undefined) return undefined;
  try {
    return clusterState.parse(JSON.parse(text));
  } catch (cause) {
    throw new FiresteelError(
      Code.dataLoss,
      `cluster state cannot be read, end its processes by hand and remove the file: ${stateFile(directory)}`,
      { cause },
    );
  }
}

/** Replaces the state as a whole; a reader sees the old one or the new one. */
export async function writeState(state: ClusterState): Promise<ClusterState> {
  await writeWhole(stateFile(state.directory), state);
  return state;
}

/** Forgets the cluster, once none of its processes is left. */
export async function removeState(directory: string): Promise<void> {
  await rm(stateFile(directory), { force: true });
}

/**
 * The ports of the last start in this folder.
 *
 * @throws FiresteelError `failedPrecondition` when the folder holds something that is not a cluster's: a start and a wipe would
 * mix with it.
 */
export async function lastPorts(directory: string): Promise<Readonly<Record<string, number>>> {
  const text = await readWhole(markFile(directory));
  if (text !== undefined) {
    const read = z.object({ ports: z.record(z.string(), z.number()) }).safeParse(JSON.parse(text));
    return read.success ? read.data.ports : {};
  }
  const others = (await readdir(directory)).filter((name) => name !== "lock");
  if (others.length > 0) {
    throw new FiresteelError(
      Code.failedPrecondition,
      `run folder is neither empty nor a cluster's: ${directory} (it holds ${others[0]})`,
    );
  }
  return {};
}

/** Marks the folder as a cluster's, with these ports. */
export async function rememberPorts(directory: string, ports: Readonly<Record<string, number>>): Promise<void> {
  await writeWhole(markFile(directory), { ports });
}

/** Removes what the cluster made, and the folder itself if nothing else is in it; touches no folder that is not marked as ours. */
export async function wipeFolder(directory: string): Promise<void> {
  if ((await readWhole(markFile(directory))) !== undefined) {
    for (const name of CONTENT) await rm(join(directory, name), { recursive: true, force: true, maxRetries: 3 });
    await rm(markFile(directory), { force: true });
  }
  await rm(lockFolder(directory), { recursive: true, force: true });
  await rmdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOTEMPTY" && error.code !== "ENOENT") throw error;
  });
}
