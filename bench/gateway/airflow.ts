/** Batches through the hook of Airflow's Livy provider, in a Python process. */

import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { installPython } from "../python.ts";

/** Has so many batches done at once, each looked at every second; gives by name when its end was noticed, ms since the epoch. */
export async function runAirflow(
  url: string,
  folder: string,
  count: number,
  pollSeconds: number,
): Promise<Readonly<Record<string, number>>> {
  const python = await installPython("airflow", new URL("requirements.txt", import.meta.url));
  const script = fileURLToPath(new URL("livy_hook.py", import.meta.url));
  const { hostname, port } = new URL(url);
  const { stdout } = await promisify(execFile)(python, [script, String(count), String(pollSeconds), "airflow"], {
    maxBuffer: 1 << 28,
    env: {
      ...process.env,
      AIRFLOW_HOME: join(folder, "airflow"),
      AIRFLOW__LOGGING__LOGGING_LEVEL: "ERROR",
      AIRFLOW_CONN_LIVY_DEFAULT: `livy://${hostname}:${port}`,
    },
  });
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as Record<string, number>;
}
