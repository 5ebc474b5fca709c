import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createFileStorage } from "../../../src/route/storage/file-storage.ts";
import { createHttpStorage } from "../../../src/route/storage/http-storage.ts";
import { FileServer } from "./file-server.ts";
import { storageSuite } from "./storage.suite.ts";
import { writableSuite } from "./writable.suite.ts";

async function openFiles() {
  const folder = await mkdtemp(join(tmpdir(), "firesteel-storage-"));
  const base = pathToFileURL(folder).href;
  return {
    storage: createFileStorage(),
    base,
    async put(path: string, bytes: Uint8Array) {
      const file = fileURLToPath(`${base}/${path}`);
      await mkdir(dirname(file), { recursive: true });
      await rm(file, { force: true });
      await writeFile(file, bytes);
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

storageSuite("file:", openFiles);
writableSuite("file:", openFiles);

storageSuite("http:", async () => {
  const server = await FileServer.start();
  return {
    storage: createHttpStorage(),
    base: `${server.url}/files`,
    put: async (path, bytes) => server.put(`/files/${path}`, bytes),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
});
