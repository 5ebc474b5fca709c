/** The storage in memory keeps to what the real ones keep to. */
import { MemoryStorage } from "./memory-storage.ts";
import { storageSuite } from "./storage.suite.ts";
import { writableSuite } from "./writable.suite.ts";

async function open() {
  const storage = new MemoryStorage();
  const base = "hdfs://memory/base";
  const put = async (path: string, bytes: Uint8Array) => storage.put(`${base}/${path}`, bytes);
  return { storage, base, put, [Symbol.asyncDispose]: async () => {} };
}

storageSuite("in memory", open);
writableSuite("in memory", open);
