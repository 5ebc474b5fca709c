import { createHdfsStorage } from "../../../src/route/storage/hdfs-storage.ts";
import { WebHdfs } from "../../../src/route/storage/webhdfs.ts";
import { testHdfs } from "../../cluster.ts";
import { storageSuite } from "./storage.suite.ts";
import { writableSuite } from "./writable.suite.ts";

const { hdfsUrl, webHdfsUrl } = await testHdfs();
const access = { urls: [webHdfsUrl], user: "tester" };
let bases = 0;

async function open() {
  const storage = createHdfsStorage(async () => access);
  const folder = `${process.pid}-${bases++} ü%`;
  const base = `${hdfsUrl}/${encodeURIComponent(folder)}`;
  const hdfs = new WebHdfs("test", access);
  return {
    storage,
    base,
    put: async (path: string, bytes: Uint8Array) => {
      const uri = `${base}/${path}`;
      const subject = { uri, path: `${folder}/${decodeURIComponent(path)}` };
      await hdfs.call("DELETE", "DELETE", subject);
      await hdfs.create(subject, bytes);
    },
    [Symbol.asyncDispose]: () => storage.remove(base),
  };
}

storageSuite("hdfs:", open);
writableSuite("hdfs:", open);
