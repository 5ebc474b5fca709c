/** Datasets that lie in S3, as bodies read and write them and as executions identify them. */

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { setBodyStorages } from "../../src/data/body-storages.ts";
import { readText } from "../../src/data/files.ts";
import { readRows } from "../../src/data/read.ts";
import { writeParquet } from "../../src/data/write-parquet.ts";
import { DatasetValue, FileValue, rememberDataset } from "../../src/define/external.ts";
import { Inputs } from "../../src/evaluate/inputs.ts";
import type { Store } from "../../src/evaluate/ports.ts";
import { digestBytes } from "../../src/hash/digest.ts";
import { createS3Storage } from "../../src/route/storage/s3-storage.ts";
import { createStorages } from "../../src/route/storage/storages.ts";
import { openTemporaryStore } from "../evaluate/temporary-store.ts";
import { type S3Server, startS3Server } from "../route/storage/s3-server.ts";

let server: S3Server;
let base: string;
let opened: { readonly store: Store } & AsyncDisposable;
beforeAll(async () => {
  [server, opened] = await Promise.all([startS3Server(), openTemporaryStore()]);
  base = `s3://${server.bucket}`;
  setBodyStorages({ root: "/", storage: { s3: settings() } });
});
afterAll(async () => {
  setBodyStorages({ root: "/", storage: {} });
  await server?.[Symbol.asyncDispose]();
  await opened?.[Symbol.asyncDispose]();
});

const settings = () => ({ endpoint: server.endpoint, region: "us-east-1" });
const put = (Key: string, Body: string) =>
  server.client.send(new PutObjectCommand({ Bucket: server.bucket, Key, Body }));

describe("rows in S3", () => {
  let made = 0;
  const read = (location: string) => {
    const identity = (++made).toString(16).padStart(64, "0");
    rememberDataset(identity, {
      location,
      format: "parquet",
      partitionBy: [],
      rows: null,
      schema: null,
      files: [{ path: "" }],
    });
    return readRows(new DatasetValue(identity));
  };

  it("are written and read, few and many, and leave nothing on this machine", async () => {
    const scratch = await mkdtemp(join(tmpdir(), "firesteel-remote-"));
    vi.stubEnv("TMPDIR", scratch);
    for (const count of [3, 60_000]) {
      // What does not compress: the larger file is read in parts.
      const text = (i: number) => digestBytes(new TextEncoder().encode(`${i}`)).repeat(2);
      const rows = Array.from({ length: count }, (_, i) => ({ i, text: text(i) }));
      const uri = `${base}/rows ü/${count}.parquet`;
      expect(await writeParquet(rows, { i: "int", text: "string" }, uri)).toBe(count);
      expect(await read(uri)).toEqual(rows);
      await expect(writeParquet(rows.slice(1), { i: "int", text: "string" }, uri)).rejects.toMatchObject({
        code: "already_exists",
      });
    }
    expect((await createS3Storage(settings()).stat(`${base}/rows ü/60000.parquet`))?.bytes).toBeGreaterThan(4 << 20);
    expect(await readdir(scratch)).toEqual([]);
    vi.unstubAllEnvs();
    await rm(scratch, { recursive: true });
    await expect(read(`${base}/none`)).rejects.toMatchObject({ code: "not_found" });
  });

  it("single files are read as they were identified", async () => {
    await put("text", "hello");
    const file = new FileValue(`${base}/text`, digestBytes(new TextEncoder().encode("hello")));
    expect(await readText(file)).toBe("hello");
    await put("text", "other");
    await expect(readText(file)).rejects.toMatchObject({ code: "aborted" });
  });
});

describe("a dataset in S3", () => {
  const look = () =>
    new Inputs({
      root: "/",
      storages: createStorages({ root: "/", storage: { s3: settings() } }),
      environment: {},
      store: opened.store,
    });

  it("is known by its objects' ETags: nothing is read, and what is put there within the same second is seen", async () => {
    await put("data/k=1/a.csv", "1");
    await put("data/k=2/b.csv", "2");
    const first = await look().dataset(`${base}/data`, { format: "csv" });
    expect(first.files.map(({ path, bytes }) => [path, bytes])).toEqual([
      ["k=1/a.csv", 1],
      ["k=2/b.csv", 1],
    ]);
    expect(first.partitionBy).toEqual(["k"]);
    expect((await look().dataset(`s3a://${server.bucket}/data/`, { format: "csv" })).identity).toBe(first.identity);
    expect(await look().unchanged(first)).toBe(true);
    await put("data/k=2/b.csv", "3");
    expect(await look().unchanged(first)).toBe(false);
    const second = await look().dataset(`${base}/data`, { format: "csv" });
    expect(second.identity).not.toBe(first.identity);
    await put("data/k=2/b.csv", "2");
    expect((await look().dataset(`${base}/data`, { format: "csv" })).identity).toBe(first.identity);
  });

  it("has files with content of their own, by digest", async () => {
    await put("single/a b=c", "x");
    const { files } = look();
    const digest = digestBytes(new TextEncoder().encode("x"));
    expect((await files.file(`${base}/single/a%20b=c`, "content")).version).toBe(digest);
    const [found] = await files.glob(`${base}/single/*`, "content", false);
    expect(found?.version).toBe(digest);
    expect(await look().files.findChanged([found!], [])).toBeNull();
    expect((await files.file(`${base}/single/a%20b=c`, "etag")).version).toMatch(/^"/);
  });
});
