/** Where a project's store is. */

import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config } from "./config.ts";
import type { StoreLocation } from "./record/store.ts";

/** The embedded database in `.firesteel/db` with its large values, or the configured Postgres with a folder for them. */
export function storeLocation(root: string, config: Pick<Config, "database" | "values" | "warehouse">): StoreLocation {
  const { database, warehouse } = config;
  if (database === "embedded") return { kind: "embedded", directory: join(root, ".firesteel", "db") };
  const folder = warehouse.startsWith("file:") ? fileURLToPath(warehouse) : warehouse;
  const values = config.values ?? join(folder, "values");
  return { kind: "postgres", url: database, values: resolve(root, values) };
}
