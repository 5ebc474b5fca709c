/**
 * Installs what the local cluster needs into the cache, once.
 *
 * Every part is installed into a new folder of its own; the last step writes a small record, `parts/<name>.json`, that names
 * folder and version, by rename. The record is the installation: what was interrupted has none and is thrown away by the next
 * run, a program that a killed installer left behind goes on in a folder that nobody will look at, and a virtual environment
 * (which cannot be moved) never has to be. A lock keeps a second installer waiting.
 */
import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Code, FiresteelError } from "../src/errors.ts";
import { cacheFolder, checkFolder } from "./folders.ts";
import { withLock } from "./lock.ts";
import { hadoopPart, isComplete, livyPart, type Part, requirementsPart, sparkPart } from "./parts.ts";
import { checkPrerequisites, type Prerequisite } from "./prerequisites.ts";

/** How {@link ensureInstalled} works. */
export interface InstallOptions {
  /** @default {@link cacheFolder} */
  readonly cache?: string;
  /** Only these; by default all three. Python tests need `spark` alone; `livy` is not needed with another LIVY_HOME. */
  readonly parts?: readonly PartName[];
  /** Ends the installation; what was not finished is done again next time. */
  readonly signal?: AbortSignal | undefined;
  /** Gets one short line for each step, and one every 15 s while a step takes long. */
  readonly onProgress?: ((line: string) => void) | undefined;
}

/** The parts of the local cluster. */
export type PartName = "spark" | "hadoop" | "livy";

/** Where things are; a part that was not asked for may be missing. */
export interface Installation {
  readonly cache: string;
  /** A Python with PySpark. */
  readonly python?: string;
  /** SPARK_HOME. */
  readonly sparkHome?: string;
  /** Folder with the jars of YARN and HDFS. */
  readonly hadoopJars?: string;
  /** LIVY_HOME. */
  readonly livyHome?: string;
}

const PARTS: Readonly<Record<PartName, Part>> = { spark: sparkPart, hadoop: hadoopPart, livy: livyPart };
const ALL_PARTS: readonly PartName[] = ["spark", "hadoop", "livy"];
const HEARTBEAT_MS = 15_000;

const recordsFolder = (cache: string): string => join(cache, "parts");
const foldersFolder = (cache: string): string => join(cache, "installed");

interface PartRecord {
  readonly version: string;
  /** Name below `installed`. */
  readonly folder: string;
}

async function readRecord(cache: string, name: string): Promise<PartRecord | undefined> {
  const text = await readFile(join(recordsFolder(cache), `${name}.json`), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const { version, folder } = JSON.parse(text) as { version?: unknown; folder?: unknown };
    return typeof version === "string" && typeof folder === "string" ? { version, folder } : undefined;
  } catch {
    // A damaged record is no record: the part is installed again.
    return undefined;
  }
}

/** The part's folder if it is installed in this version and complete. */
async function installedFolder(cache: string, part: Part): Promise<string | undefined> {
  const record = await readRecord(cache, part.name);
  if (record?.version !== part.version) return undefined;
  const folder = join(foldersFolder(cache), record.folder);
  return (await isComplete(part, folder)) ? folder : undefined;
}

/** Removes what no record names: leftovers of interrupted runs, and versions replaced before this run. */
async function removeUnrecorded(cache: string): Promise<void> {
  const names = (await readdir(recordsFolder(cache))).filter((name) => name.endsWith(".json"));
  const records = await Promise.all(names.map((name) => readRecord(cache, name.slice(0, -".json".length))));
  const kept = new Set(records.map((record) => record?.folder));
  for (const name of await readdir(foldersFolder(cache))) {
    if (!kept.has(name)) await rm(join(foldersFolder(cache), name), { recursive: true, force: true, maxRetries: 3 });
  }
}

async function installPart(
  cache: string,
  part: Part,
  tools: Readonly<Record<Prerequisite, { path: string; version: string } | undefined>>,
  options: InstallOptions,
): Promise<void> {
  const name = `${part.name}-${part.version.slice(0, 20)}-${randomUUID().slice(0, 8)}`;
  const folder = join(foldersFolder(cache), name);
  await mkdir(folder, { recursive: true });
  const started = Date.now();
  const seconds = (): string => `${Math.round((Date.now() - started) / 1000)} s`;
  options.onProgress?.(`installing ${part.title}`);
  const beat = setInterval(() => options.onProgress?.(`still installing ${part.title}, ${seconds()}`), HEARTBEAT_MS);
  try {
    await part.install({ folder, log: join(cache, "logs", `install-${part.name}.log`), tools, signal: options.signal });
    if (!(await isComplete(part, folder))) {
      throw new FiresteelError(
        Code.internal,
        `${part.title} was installed without ${part.requires.join(" or ")}: ${folder}`,
      );
    }
    const draft = join(recordsFolder(cache), `${part.name}.${randomUUID()}.draft`);
    await writeFile(draft, JSON.stringify({ version: part.version, folder: name } satisfies PartRecord));
    await rename(draft, join(recordsFolder(cache), `${part.name}.json`));
  } catch (error) {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    throw error;
  } finally {
    clearInterval(beat);
  }
  options.onProgress?.(`installed ${part.title} in ${seconds()}`);
}

/**
 * Makes sure that these parts are installed, and returns their folders in the same order.
 *
 * When all are, it only looks at a few files. Otherwise it first names everything that the machine lacks for the missing ones.
 */
export async function ensureParts(parts: readonly Part[], options: InstallOptions): Promise<string[]> {
  const cache = checkFolder("the cache folder", options.cache ?? cacheFolder());
  const look = (): Promise<(string | undefined)[]> => Promise.all(parts.map((part) => installedFolder(cache, part)));
  const present = await look();
  if (present.every((folder) => folder !== undefined)) return present;
  const lock = {
    signal: options.signal,
    onWait: (pid: number) => options.onProgress?.(`waiting for another installer (process ${pid})`),
  };
  return withLock(join(cache, "lock"), lock, async () => {
    const folders = await look();
    const missing = parts.filter((_, index) => folders[index] === undefined);
    const tools = await checkPrerequisites([...new Set(missing.flatMap((part) => part.needs))]);
    await mkdir(recordsFolder(cache), { recursive: true });
    await mkdir(foldersFolder(cache), { recursive: true });
    await removeUnrecorded(cache);
    // Two at a time: pip beside Maven. Two Mavens would fight over the local repository.
    const [withMaven, others] = [
      missing.filter((p) => p.needs.includes("maven")),
      missing.filter((p) => !p.needs.includes("maven")),
    ];
    const failed = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, failed.signal]) : failed.signal;
    const inTurn = async (queue: readonly Part[]): Promise<void> => {
      try {
        for (const part of queue) await installPart(cache, part, tools, { ...options, signal });
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    };
    // Both ends are waited for: nothing may go on once the lock is given back.
    const ends = await Promise.allSettled([inTurn(withMaven), inTurn(others)]);
    if (ends.some((end) => end.status === "rejected")) {
      options.signal?.throwIfAborted();
      throw failed.signal.reason;
    }
    const done = await look();
    return done.map((folder, index) => {
      if (folder === undefined)
        throw new FiresteelError(Code.internal, `part is not there after its installation: ${parts[index]?.title}`);
      return folder;
    });
  });
}

/**
 * Installs what is missing of the local cluster, and says where everything is.
 *
 * With nothing to do it takes some milliseconds and starts no process. Safe to interrupt at any moment and to call from any
 * number of processes.
 *
 * @throws FiresteelError `failedPrecondition` naming every missing program; `unavailable` with the end of the log when pip or
 * Maven fails; the signal's reason when aborted.
 */
export async function ensureInstalled(options: InstallOptions = {}): Promise<Installation> {
  const names = options.parts ?? ALL_PARTS;
  const folders = await ensureParts(
    names.map((name) => PARTS[name]),
    options,
  );
  const of = (name: PartName): string | undefined => folders[names.indexOf(name)];
  const [spark, hadoop, livy] = [of("spark"), of("hadoop"), of("livy")];
  return {
    cache: resolve(options.cache ?? cacheFolder()),
    ...(spark && { python: join(spark, "bin", "python"), sparkHome: join(spark, "spark") }),
    ...(hadoop && { hadoopJars: join(hadoop, "jars") }),
    ...(livy && { livyHome: livy }),
  };
}

/**
 * A Python with PySpark, installed if it is not yet there: the one that runs the cluster's jobs.
 *
 * With `requirements` (the path of a pip requirements file) it is another one that has those packages too.
 */
export async function pythonPath(options: InstallOptions & { readonly requirements?: string } = {}): Promise<string> {
  const [spark = ""] = await ensureParts([sparkPart], options);
  if (options.requirements === undefined) return join(spark, "bin", "python");
  const file = resolve(options.requirements);
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new FiresteelError(Code.notFound, `requirements file cannot be read: ${file}`, { cause });
  });
  const [venv = ""] = await ensureParts([requirementsPart(file, text, spark)], options);
  return join(venv, "bin", "python");
}
