/**
 * The storages there are. Another one (`hdfs:`, `s3:`) is an entry here.
 */

import type { Storages } from "../../evaluate/file-identity.ts";
import { createFileStorage } from "./file-storage.ts";
import { createHttpStorage } from "./http-storage.ts";

/** Storages for reading, by scheme. */
export function createStorages(): Storages {
  const file = createFileStorage();
  const http = createHttpStorage();
  return new Map([
    [file.scheme, file],
    ["http:", http],
    ["https:", http],
  ]);
}
