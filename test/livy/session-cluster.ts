/** The real Livy 0.9 of tests of sessions, with its YARN, inside a network namespace (`session-host.ts`). */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findLivyArchive, installLivyArchive } from "../../cluster/livy-archive.ts";
import { LIVY_ARCHIVES } from "../livy-archives.ts";

/** Loopback addresses at which it answers, and a folder that Spark may use. */
export interface SessionCluster extends AsyncDisposable {
  readonly livyUrl: string;
  readonly resourceManagerUrl: string;
  readonly warehouse: string;
}

const HOST = fileURLToPath(new URL("./session-host.ts", import.meta.url));
const archive = await findLivyArchive(LIVY_ARCHIVES);

/** Why there can be none here; null when there can. */
export const obstacle: string | null =
  archive === undefined
    ? "the archive of Livy 0.9 (apache-livy-*-bin.zip) is not there: shared/livy beside the repository"
    : spawnSync("unshare", ["-n", "true"]).status !== 0
      ? "this user may not make a network namespace (unshare -n)"
      : null;

/** Starts one; `FIRESTEEL_TEST_SESSIONS` (JSON of its addresses) names one that runs already. */
export async function openSessionCluster(): Promise<SessionCluster> {
  const given = process.env["FIRESTEEL_TEST_SESSIONS"];
  if (given) return { ...(JSON.parse(given) as SessionCluster), [Symbol.asyncDispose]: async () => {} };
  const folder = await mkdtemp(join(tmpdir(), "firesteel-sessions-"));
  await chmod(folder, 0o755);
  const livyHome = await installLivyArchive(archive ?? "");
  const host = spawn("unshare", ["-n", process.execPath, HOST, folder, livyHome], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exit = once(host, "exit");
  const first = await Promise.race([once(host.stdout, "data"), exit.then(() => null)]);
  if (first === null) throw new Error("Livy did not come up in its network namespace");
  const livy = await bridge(join(folder, "livy.sock"));
  const yarn = await bridge(join(folder, "yarn.sock"));
  return {
    livyUrl: livy.url,
    resourceManagerUrl: yarn.url,
    warehouse: join(folder, "warehouse"),
    [Symbol.asyncDispose]: async () => {
      livy.close();
      yarn.close();
      host.stdin.end();
      await exit;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A loopback port that leads to a Unix socket. */
async function bridge(path: string): Promise<{ readonly url: string; close(): void }> {
  const server = createServer((near) => {
    const far = connect(path);
    near.pipe(far).pipe(near);
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}
