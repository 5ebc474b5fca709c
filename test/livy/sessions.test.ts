/** The suite of sessions on the double, and on a real Livy 0.9 inside a network namespace (`session-host.ts`). */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, it } from "vitest";
import { findLivyArchive, installLivyArchive } from "../../cluster/livy-archive.ts";
import { LIVY_ARCHIVES } from "../livy-archives.ts";
import { spawnDouble } from "./remote.ts";
import { sessionContract } from "./sessions.suite.ts";

sessionContract("the double", async () => {
  const double = await spawnDouble({ timings: { submitMs: 60, acceptMs: 60 } });
  return { place: double.url, [Symbol.asyncDispose]: () => double[Symbol.asyncDispose]() };
});

const HOST = fileURLToPath(new URL("./session-host.ts", import.meta.url));
const archive = await findLivyArchive(LIVY_ARCHIVES);
const obstacle =
  archive === undefined
    ? "the archive of Livy 0.9 (apache-livy-*-bin.zip) is not there: shared/livy beside the repository"
    : spawnSync("unshare", ["-n", "true"]).status !== 0
      ? "this user may not make a network namespace (unshare -n)"
      : null;

if (archive === undefined || obstacle !== null)
  describe("Livy's sessions: real 0.9", () => {
    it.skip(obstacle ?? "", () => {});
  });
else
  sessionContract("real 0.9", async () => {
    const folder = await mkdtemp(join(tmpdir(), "firesteel-sessions-"));
    await chmod(folder, 0o755);
    const livyHome = await installLivyArchive(archive);
    const host = spawn("unshare", ["-n", process.execPath, HOST, folder, livyHome], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const exit = once(host, "exit");
    const first = await Promise.race([once(host.stdout, "data"), exit.then(() => null)]);
    if (first === null) throw new Error("Livy did not come up in its network namespace");
    return {
      place: { socketPath: join(folder, "livy.sock") },
      [Symbol.asyncDispose]: async () => {
        host.stdin.end();
        await exit;
        await rm(folder, { recursive: true, force: true });
      },
    };
  });
