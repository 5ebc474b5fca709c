/**
 * Where this package is and which version it has, the same from sources and from the compiled package.
 */

import { readFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";

function findRoot(): { readonly folder: string; readonly version: string } {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    try {
      const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
        readonly name?: string;
        readonly version?: string;
      };
      if (manifest.name === "firesteel") return { folder, version: manifest.version ?? "0" };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    if (folder === dirname(folder)) throw new Error("package.json of firesteel is not above its own code");
  }
}

const found = findRoot();

/** The package's folder: `jobs/` and `cluster/` are in it. */
export const packageFolder: string = found.folder;

/** The package's version. */
export const packageVersion: string = found.version;

/** `.ts` where sources run as they are, `.js` where they are compiled: worker entries have the same. */
export const codeExtension: string = extname(import.meta.url);
