/** Where a demo runs: a folder of its own inside the example, so that the copy of the project finds the same `node_modules`. */

import { cp, mkdir, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stopCluster } from "../cluster/cluster.ts";
import { identify, isAlive } from "../cluster/processes.ts";

const EXAMPLE = fileURLToPath(new URL("../examples/flights", import.meta.url));
const PLACE = join(EXAMPLE, ".firesteel");
const PREFIX = "demo-";

/** The folder of a demo; disposing removes it. */
export interface DemoFolder extends AsyncDisposable {
  readonly path: string;
  /** The copy of the example. */
  readonly project: string;
  /** The run folder of the cluster. */
  readonly cluster: string;
}

/** Makes the folder with a fresh copy of the example. Removes what demos that were killed have left. */
export async function openDemoFolder(): Promise<DemoFolder> {
  await removeLeft();
  const path = await makeFolder();
  const remove = () => removeFolder(path);
  try {
    await writeFile(join(path, "owner.json"), JSON.stringify(identify(process.pid)));
    const project = join(path, "project");
    await mkdir(project);
    for (const name of await readdir(EXAMPLE)) {
      if (name !== "node_modules" && name !== ".firesteel")
        await cp(join(EXAMPLE, name), join(project, name), { recursive: true });
    }
    return { path, project, cluster: join(path, "cluster"), [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function makeFolder(): Promise<string> {
  for (;;) {
    await mkdir(PLACE, { recursive: true });
    try {
      return await mkdtemp(join(PLACE, PREFIX));
    } catch (error) {
      // Another demo that has just ended found the place empty and removed it.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

async function removeLeft(): Promise<void> {
  for (const name of await readdir(PLACE).catch(() => [])) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(PLACE, name);
    const owner: unknown = await readFile(join(path, "owner.json"), "utf8").then(JSON.parse, () => null);
    // Without an owner it is being made right now, or its maker was killed within a millisecond.
    if (!isIdentity(owner) || isAlive(owner)) continue;
    await stopCluster({ directory: join(path, "cluster"), wipe: true });
    await removeFolder(path);
  }
}

async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
  // Gone too when nothing else is in it: neither another demo nor what `firesteel` keeps for the example itself.
  await rmdir(PLACE).catch(() => undefined);
}

function isIdentity(value: unknown): value is { readonly pid: number; readonly startedAt: string } {
  return typeof value === "object" && value !== null && "pid" in value && "startedAt" in value;
}
