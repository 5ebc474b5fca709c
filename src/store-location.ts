/** Where a project's store is. */

import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config } from "./config.ts";
import { Code, FiresteelError } from "./errors.ts";
import { isUri } from "./evaluate/file-identity.ts";
import type { StoreLocation } from "./record/store.ts";

/** The embedded database in `.firesteel/db` with its large values, or the configured Postgres with a folder for them. @throws FiresteelError `invalid_argument` where that folder has to be named */
export function storeLocation(root: string, config: Pick<Config, "database" | "values" | "warehouse">): StoreLocation {
  const { database, warehouse } = config;
  if (database === "embedded") return { kind: "embedded", directory: join(root, ".firesteel", "db") };
  const values = config.values ?? join(folderOf(warehouse), "values");
  return { kind: "postgres", url: database, values: resolve(root, values) };
}

function folderOf(warehouse: string): string {
  if (warehouse.startsWith("file:")) return fileURLToPath(warehouse);
  if (!isUri(warehouse)) return warehouse;
  throw new FiresteelError(
    Code.invalidArgument,
    `firesteel.config.ts needs \`values\`, a folder that all orchestrators of the database can see: the warehouse is none (${warehouse})`,
  );
}
