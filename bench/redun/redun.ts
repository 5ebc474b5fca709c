/** redun in a virtual environment of its own, and one workload in a new Python process. */

import { execFile } from "node:child_process";
import { copyFile, mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cacheFolder } from "../../cluster/folders.ts";

const run = promisify(execFile);
const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Installs the pinned requirements in the cache folder, unless they are there; returns the Python to run. */
export async function installRedun(): Promise<string> {
  const folder = join(cacheFolder(), "bench-redun");
  const python = join(folder, "bin", "python");
  const requirements = path("requirements.txt");
  // Written last: it says that the rest is complete.
  const installed = join(folder, "requirements.txt");
  const wanted = await readFile(requirements, "utf8");
  if ((await readFile(installed, "utf8").catch(() => null)) === wanted) return python;
  console.log(`installing redun in ${folder}`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await run("python3", ["-m", "venv", folder]);
  await run(python, ["-m", "pip", "install", "--quiet", "--no-deps", "--requirement", requirements]);
  await copyFile(requirements, installed);
  return python;
}

/** What one workload took on redun. */
export interface RedunRun {
  readonly seconds: number;
  readonly jobs: number;
}

/** Runs one workload of `workflows.py` on SQLite (`sqlite:///PATH`) or Postgres. */
export async function runRedun(
  python: string,
  database: string,
  workload: string,
  size: number,
  salt: number,
): Promise<RedunRun> {
  // redun refuses a password in the address; libpq takes it from the environment.
  const { protocol, username, password, host, pathname } = new URL(database);
  const remote = protocol === "postgres:";
  const withoutUser = remote ? `postgresql+psycopg2://${host}${pathname}` : database;
  const user = remote ? { PGUSER: username, PGPASSWORD: password } : {};
  const { stdout } = await run(python, [path("workflows.py"), withoutUser, workload, String(size), String(salt)], {
    maxBuffer: 1 << 28,
    env: { ...process.env, ...user },
  });
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as RedunRun;
}
