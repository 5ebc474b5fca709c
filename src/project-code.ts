/**
 * The code of a project over time: loads it, watches its files, and puts a new version in the place of the old one. A version that does not load leaves the old one in place.
 */

import { once } from "node:events";
import { relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { type FSWatcher, watch } from "chokidar";
import { glob, isDynamicPattern } from "tinyglobby";
import type { StorageConfig } from "./config.ts";
import type { ValueFolder } from "./data/value-folder.ts";
import { Code, FiresteelError } from "./errors.ts";
import type { Executor } from "./evaluate/ports.ts";
import { type LoadedFlowCode, loadFlowCode, type MakeExecutor } from "./route/flow/flow-code.ts";

/** Edits that come within this time, in ms, are one new version. */
const SETTLE_MS = 100;

/** Files that can be part of the code. */
const SOURCE = /\.(?:[cm]?[jt]sx?|json)$/;

/** What {@link openProjectCode} takes. */
export interface ProjectCodeOptions {
  readonly root: string;
  /** How bodies reach HDFS and S3. */
  readonly storage?: StorageConfig;
  /** Flow modules: paths or globs from the root. */
  readonly flows: readonly string[];
  readonly workers: number;
  /** Where workers put large results. */
  readonly values?: ValueFolder | null;
  readonly spark: (host: Executor) => Executor | null;
  /** Makes the executors of third parties, by name. */
  readonly executors?: ReadonlyMap<string, MakeExecutor>;
  /** Names of the configured limits. */
  readonly limits?: readonly string[];
  /** Told of a new version, and of one that does not load. */
  readonly onVersion: (code: LoadedFlowCode) => void;
  readonly onProblem: (error: FiresteelError) => void;
  /** Told when the code loads again, and is the version that went on serving. */
  readonly onMended: () => void;
}

/** A project's code that follows its files. */
export interface ProjectCode extends AsyncDisposable {
  readonly current: LoadedFlowCode;
  /** What is wrong with the files as they are now; null when `current` is what they say. */
  readonly problem: FiresteelError | null;
}

/** Loads the code and goes on watching it. Rejects when it does not load. */
export async function openProjectCode(options: ProjectCodeOptions): Promise<ProjectCode> {
  let current!: LoadedFlowCode;
  let problem: FiresteelError | null = null;
  let timer: NodeJS.Timeout | undefined;
  const versions = new Set<LoadedFlowCode>();

  const reload = async () => {
    try {
      const next = await load(options, current);
      const mended = problem !== null;
      problem = null;
      watcher.add(filesOf(next));
      // Also where all identities are the same (a comment, a renamed local): then a stack trace shows today's lines.
      if (next.version !== current.version) options.onVersion(next);
      else if (mended) options.onMended();
      const old = current;
      old.retire().then(
        () => versions.delete(old),
        (error: unknown) => options.onProblem(FiresteelError.from(error)),
      );
      current = next;
      versions.add(next);
    } catch (error) {
      problem = FiresteelError.from(error);
      options.onProblem(problem);
    }
  };

  const watcher = watchFolders(options);
  await once(watcher, "ready");
  watcher.on("error", (error) => options.onProblem(FiresteelError.from(error)));
  // What changes while the code is being loaded for the first time is taken in after that.
  const first = load(options, undefined).then((code) => {
    current = code;
    versions.add(code);
    watcher.add(filesOf(code));
  });
  let reloading = first;
  watcher.on("all", (event) => {
    if (event === "addDir" || event === "unlinkDir") return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      reloading = reloading.then(reload);
      // The first load's failure is told by `openProjectCode` itself.
      reloading.catch(() => undefined);
    }, SETTLE_MS);
  });
  try {
    await first;
  } catch (error) {
    clearTimeout(timer);
    await watcher.close();
    throw error;
  }

  return {
    get current() {
      return current;
    },
    get problem() {
      return problem;
    },
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      await watcher.close();
      await reloading;
      await Promise.all([...versions].map((version) => version[Symbol.asyncDispose]()));
    },
  };
}

/** Watches the folders of flow modules; others' files are added when they turn out to be part of the code. */
function watchFolders(options: ProjectCodeOptions): FSWatcher {
  return watch(flowFolders(options), {
    ignoreInitial: true,
    ignored: (path, stats) =>
      isForeign(relative(options.root, path)) || (stats?.isFile() === true && !SOURCE.test(path)),
  });
}

/** The folders in which flow modules can turn up. */
function flowFolders({ root, flows }: ProjectCodeOptions): string[] {
  const folders = flows.map((pattern) => {
    const parts = pattern.split("/");
    const dynamic = parts.findIndex((part) => isDynamicPattern(part));
    return resolve(root, ...parts.slice(0, dynamic < 0 ? -1 : dynamic));
  });
  return [...new Set(folders)];
}

/** Whether a path from the root is none of the author's code: of a package, or in a hidden folder such as `.firesteel`. */
function isForeign(path: string): boolean {
  return path.split(sep).some((part) => part === "node_modules" || (/^\.[^.]/.test(part) && !SOURCE.test(part)));
}

async function flowFiles({ root, flows }: ProjectCodeOptions): Promise<string[]> {
  return (await glob([...flows], { cwd: root, absolute: true, ignore: ["**/node_modules/**"] })).sort();
}

async function load(options: ProjectCodeOptions, before: LoadedFlowCode | undefined): Promise<LoadedFlowCode> {
  const modules = await flowFiles(options);
  if (modules.length === 0)
    throw new FiresteelError(
      Code.notFound,
      `no flow module matches \`flows\` in firesteel.config.ts: ${options.flows.join(", ")}`,
    );
  return loadFlowCode({
    root: options.root,
    ...(options.storage ? { storage: options.storage } : {}),
    modules,
    workers: options.workers,
    values: options.values ?? null,
    spark: options.spark,
    ...(options.executors ? { executors: options.executors } : {}),
    ...(options.limits ? { limits: options.limits } : {}),
    ...(before ? { before } : {}),
  });
}

function filesOf(code: LoadedFlowCode): string[] {
  return code.sources.filter((url) => url.startsWith("file:")).map((url) => fileURLToPath(url));
}
