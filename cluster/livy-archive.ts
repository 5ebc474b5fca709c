/** Livy distributions other than the one from Maven Central: released archives, or a LIVY_HOME. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { Code, FiresteelError } from "../src/errors.ts";
import { checkFolder } from "./folders.ts";
import { ensureParts, type InstallOptions } from "./install.ts";
import { livyArchivePart } from "./parts.ts";

/** The last by name of the Livy archives (`apache-livy-<version>-bin.zip`) in these folders; undefined when there is none. */
export async function findLivyArchive(folders: readonly string[]): Promise<string | undefined> {
  const found: string[] = [];
  for (const folder of folders) {
    for (const name of await readdir(folder).catch(() => [])) {
      if (/^apache-livy-.*-bin\.zip$/.test(name)) found.push(join(resolve(folder), name));
    }
  }
  return found.sort().at(-1);
}

/**
 * Unpacks a Livy archive into the cache, once per content, and returns its LIVY_HOME.
 *
 * @throws FiresteelError `notFound` for a file that cannot be read, `unavailable` for one that is no archive.
 */
export async function installLivyArchive(archive: string, options: InstallOptions = {}): Promise<string> {
  const path = resolve(archive);
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash).catch((cause: unknown) => {
    throw new FiresteelError(Code.notFound, `Livy archive cannot be read: ${path}`, { cause });
  });
  const [home = ""] = await ensureParts([livyArchivePart(path, hash.digest("hex"))], options);
  return home;
}

/** Checks that a folder is a Livy distribution (it has `jars/livy-server*.jar`) and returns its absolute path. */
export async function checkLivyHome(folder: string): Promise<string> {
  const home = checkFolder("LIVY_HOME", folder);
  const jars = await readdir(join(home, "jars")).catch(() => []);
  if (jars.some((name) => /^livy-server.*\.jar$/.test(name))) return home;
  const what = (await stat(home).catch(() => undefined)) ? "has no jars/livy-server*.jar" : "does not exist";
  throw new FiresteelError(Code.failedPrecondition, `LIVY_HOME ${what}: ${home}`);
}
