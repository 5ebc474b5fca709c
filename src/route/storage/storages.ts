/**
 * The storages there are. Another one is an entry here.
 */

import { resolve } from "node:path";
import type { StorageConfig } from "../../config.ts";
import { Code, FiresteelError } from "../../errors.ts";
import { type Storages, storageOf } from "../../evaluate/file-identity.ts";
import type { ReadableStorage, Storage } from "../../evaluate/ports.ts";
import { createFileStorage } from "./file-storage.ts";
import { createHttpStorage } from "./http-storage.ts";
import { lazyStorage } from "./lazy-storage.ts";
import type { WebHdfsAccess } from "./webhdfs.ts";

/** What {@link createStorages} takes: plain data, so that it reaches the threads and processes of bodies. */
export interface StorageSettings {
  /** The project's root, from which paths in the configuration are meant. */
  readonly root: string;
  readonly storage: StorageConfig;
}

/** Storages for reading, by scheme. Opens no connection, and loads nothing for what is not used. */
export function createStorages({ root, storage }: StorageSettings = { root: "", storage: {} }): Storages {
  const http = createHttpStorage();
  const hdfs = lazyStorage(async () =>
    (await import("./hdfs-storage.ts")).createHdfsStorage((authority) => hdfsAccess(root, storage, authority)),
  );
  const s3 = lazyStorage(async () => (await import("./s3-storage.ts")).createS3Storage(storage.s3 ?? {}));
  return new Map<string, ReadableStorage>([
    ["file:", createFileStorage()],
    ["http:", http],
    ["https:", http],
    ["hdfs:", hdfs],
    ["s3:", s3],
    // Hadoop's name of the same.
    ["s3a:", s3],
  ]);
}

/** One storage over all: each call goes to the one of the URI's scheme. @throws FiresteelError `invalid_argument` for a scheme that is not known, or cannot be written */
export function storageOver(storages: Storages): Storage {
  const readable = (uri: string) => storageOf(storages, uri);
  const writable = (uri: string): Storage => {
    const storage = readable(uri);
    if (isWritable(storage)) return storage;
    throw new FiresteelError(Code.invalidArgument, `nothing can be written at URLs of this scheme: ${uri}`);
  };
  return {
    list: async (uri, options) => writable(uri).list(uri, options),
    stat: async (uri, signal) => readable(uri).stat(uri, signal),
    read: async (uri, options) => readable(uri).read(uri, options),
    stream: (uri, options) => readable(uri).stream(uri, options),
    digest: async (uri, signal) => readable(uri).digest(uri, signal),
    putIfAbsent: async (uri, bytes) => writable(uri).putIfAbsent(uri, bytes),
    remove: async (uri) => writable(uri).remove(uri),
  };
}

function isWritable(storage: ReadableStorage): storage is Storage {
  return "putIfAbsent" in storage;
}

/** How the HDFS of an authority is reached: as configured; the port of its RPC says nothing about that of WebHDFS. @throws FiresteelError `failed_precondition` for one that is not configured */
async function hdfsAccess(root: string, { hdfs = {} }: StorageConfig, authority: string): Promise<WebHdfsAccess> {
  const entry = Object.hasOwn(hdfs, authority) ? hdfs[authority] : undefined;
  if (entry === undefined)
    throw new FiresteelError(
      Code.failedPrecondition,
      `no WebHDFS is configured for hdfs://${authority}: add it to \`storage.hdfs\` in firesteel.config.ts, { "${authority}": { url: "http://NAMENODE:9870" } }`,
    );
  const { url, user, timeOuts, ...server } = entry;
  const { accessOf } = await import("../../configured-access.ts");
  const name = `hdfs://${authority}`;
  return {
    ...(await accessOf(resolve(root), { title: `storage ${name}`, name }, server)),
    urls: typeof url === "string" ? [url] : url,
    ...(user === undefined ? {} : { user }),
    ...(timeOuts === undefined ? {} : { timeOuts }),
  };
}
