import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createStorages, storageOver } from "../../../src/route/storage/storages.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "firesteel-storages-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("storages by scheme", () => {
  it("sends each call to the storage of its URI", async () => {
    const storage = storageOver(createStorages());
    const uri = `${pathToFileURL(folder).href}/f`;
    expect(await storage.putIfAbsent(uri, new Uint8Array(3))).toBe(true);
    expect((await storage.list(pathToFileURL(folder).href)).map(({ bytes }) => bytes)).toEqual([3]);
    await storage.remove(uri);
    expect(await storage.stat(uri)).toBeNull();
    for (const bad of ["http://h/x", "gopher://h/x"])
      await expect(storage.putIfAbsent(bad, new Uint8Array())).rejects.toMatchObject({ code: "invalid_argument" });
  });

  it("says which HDFS is not configured, and how it is", async () => {
    const storages = createStorages({ root: folder, storage: { hdfs: { "nn:1": { url: "http://127.0.0.1:1" } } } });
    await expect(storages.get("hdfs:")!.stat("hdfs://other:8020/x")).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining('"other:8020": { url:'),
    });
    await expect(storages.get("hdfs:")!.stat("hdfs://nn:1/x")).rejects.toMatchObject({ code: "unavailable" });
  });

  it("asks for a provider of headers, and fails with what is wrong with it", async () => {
    const auth = { kind: "provider" as const, module: "./none.ts" };
    const storages = createStorages({ root: folder, storage: { hdfs: { nn: { url: "http://127.0.0.1:1", auth } } } });
    await expect(storages.get("hdfs:")!.stat("hdfs://nn/x")).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("header provider of storage hdfs://nn cannot be loaded from ./none.ts"),
    });
  });
});
