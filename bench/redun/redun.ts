/** redun in a virtual environment of its own, and one workload in a new Python process. */

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { installPython } from "../python.ts";

const run = promisify(execFile);
const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** The Python that has redun. */
export function installRedun(): Promise<string> {
  return installPython("redun", new URL("requirements.txt", import.meta.url));
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
