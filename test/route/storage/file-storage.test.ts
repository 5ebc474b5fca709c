import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFileStorage } from "../../../src/route/storage/file-storage.ts";

const storage = createFileStorage();
let folder: string;
let base: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "firesteel storage %-"));
  base = pathToFileURL(folder).href;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("file storage", () => {
  it("lists what Spark would read, below folders of every name", async () => {
    for (const path of [
      "b/k=1%3A0/x.parquet",
      "a b/ü#?.csv",
      "_SUCCESS",
      ".part.crc",
      "_tmp/x",
      "b/.hidden/x",
      "top",
    ]) {
      await mkdir(join(folder, path, ".."), { recursive: true });
      await writeFile(join(folder, path), path);
    }
    const files = await storage.list(base);
    expect(files.map(({ uri }) => uri)).toEqual(
      ["a b/ü#?.csv", "b/k=1%3A0/x.parquet", "top"].map((path) => pathToFileURL(join(folder, path)).href).sort(),
    );
    for (const file of files) expect(await storage.stat(file.uri)).toEqual(file);
    expect(await storage.list(files[0]!.uri)).toEqual([files[0]]);
  });

  it("tells what is missing", async () => {
    const uri = `${base}/no`;
    expect(await storage.stat(uri)).toBeNull();
    for (const asked of [storage.list(uri), storage.read(uri), storage.digest(uri)]) {
      await expect(asked).rejects.toMatchObject({
        code: "not_found",
        message: `file or folder does not exist: ${uri}`,
      });
    }
    await storage.remove(uri);
  });

  it("follows links, and leaves out those that lead nowhere", async () => {
    await writeFile(join(folder, "x"), "1");
    await symlink(join(folder, "x"), join(folder, "y"));
    await symlink(join(folder, "nowhere"), join(folder, "z"));
    expect((await storage.list(base)).map(({ uri, bytes }) => [uri.slice(base.length + 1), bytes])).toEqual([
      ["x", 1],
      ["y", 1],
    ]);
  });

  it("puts a file once, whoever comes first, and leaves nothing else behind", async () => {
    const uri = `${base}/deep/er/file`;
    const contents = Array.from({ length: 20 }, (_, i) => new Uint8Array(50_000).fill(i));
    const first = await Promise.all(contents.map((bytes) => storage.putIfAbsent(uri, bytes)));
    expect(first.filter(Boolean)).toHaveLength(1);
    expect(Buffer.compare(await storage.read(uri), contents[first.indexOf(true)]!)).toBe(0);
    expect(await readdir(join(folder, "deep/er"))).toEqual(["file"]);
  });

  it("digests content", async () => {
    const bytes = new Uint8Array(1_000_000).map((_, i) => i * 7);
    await storage.putIfAbsent(`${base}/f`, bytes);
    expect(await storage.digest(`${base}/f`)).toBe(createHash("sha256").update(bytes).digest("hex"));
  });

  it("stops when it is told to", async () => {
    await writeFile(join(folder, "x"), "1");
    await expect(storage.list(base, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    await expect(storage.digest(`${base}/x`, AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
  });

  it("refuses other schemes", async () => {
    await expect(storage.stat("hdfs://h/x")).rejects.toMatchObject({ code: "invalid_argument" });
  });
});
