/** Python programs beside which we are measured, each in a virtual environment of its own. */

import { execFile } from "node:child_process";
import { copyFile, mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cacheFolder } from "../cluster/folders.ts";

const run = promisify(execFile);

/** Installs pinned requirements (a file of exact versions, dependencies included) in the cache folder, unless they are there; returns the Python to run. */
export async function installPython(name: string, requirements: URL): Promise<string> {
  const folder = join(cacheFolder(), `bench-${name}`);
  const python = join(folder, "bin", "python");
  // Written last: it says that the rest is complete.
  const installed = join(folder, "requirements.txt");
  const wanted = await readFile(requirements, "utf8");
  if ((await readFile(installed, "utf8").catch(() => null)) === wanted) return python;
  console.log(`installing ${name} in ${folder}`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await run("python3", ["-m", "venv", folder]);
  await run(python, ["-m", "pip", "install", "--quiet", "--no-deps", "--requirement", fileURLToPath(requirements)]);
  await copyFile(requirements, installed);
  return python;
}
