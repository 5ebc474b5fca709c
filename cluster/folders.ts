/** Where the local cluster is installed and where it runs. */
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import envPaths from "env-paths";
import { Code, FiresteelError } from "../src/errors.ts";

/**
 * The folder that holds everything installed for the local cluster.
 *
 * `FIRESTEEL_CACHE` names it; without that it is the user's cache folder for firesteel (`$XDG_CACHE_HOME/firesteel` on Linux).
 */
export function cacheFolder(): string {
  return resolve(process.env["FIRESTEEL_CACHE"] || envPaths("firesteel", { suffix: "" }).cache);
}

/** The run folder of a cluster for which no other was asked. */
export function defaultRunFolder(cache: string): string {
  return join(cache, "cluster");
}

/** The package's `cluster` folder with the templates and Maven files, from the sources as well as from `dist`. */
export function templateFolder(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "cluster", "conf", "hadoop"))) return join(folder, "cluster");
    if (folder === dirname(folder)) {
      throw new FiresteelError(Code.internal, `cluster templates are missing above ${start}`);
    }
  }
}

/**
 * Refuses a folder that YARN, Spark or Livy would take apart.
 *
 * Their settings are lists split at commas and blanks, URIs and class paths split at colons, so a path with one of these
 * would be read as something else, far from here.
 */
export function checkFolder(what: string, folder: string): string {
  const absolute = resolve(folder);
  if (!/^[\w./@+~-]+$/.test(absolute)) {
    throw new FiresteelError(
      Code.invalidArgument,
      `${what} may only have letters, digits and _ . - + ~ @ / in its path, because Spark and YARN split paths at others: ${absolute}`,
    );
  }
  return absolute;
}
