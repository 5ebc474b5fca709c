import { PutObjectCommand } from "@aws-sdk/client-s3";
import { describe, expect, it } from "vitest";
import { createS3Storage } from "../../../src/route/storage/s3-storage.ts";
import { FaultyProxy } from "./faulty-proxy.ts";
import { startS3Server } from "./s3-server.ts";
import { storageSuite } from "./storage.suite.ts";
import { writableSuite } from "./writable.suite.ts";

const server = await startS3Server();
const { client, bucket: Bucket, endpoint } = server;
const open = async () => ({
  storage: createS3Storage({ endpoint, region: "us-east-1" }),
  base: `s3://${Bucket}/base%20%C3%BC`,
  put: async (path: string, Body: Uint8Array) => {
    await client.send(new PutObjectCommand({ Bucket, Key: `base ü/${decodeURIComponent(path)}`, Body }));
  },
  [Symbol.asyncDispose]: async () => {},
});

storageSuite("s3:", open);
writableSuite("s3:", open);

describe("an S3 behind a bad connection", () => {
  const content = new Uint8Array(300_000).map((_, i) => i * 7);
  const direct = createS3Storage({ endpoint, region: "us-east-1" });
  let files = 0;
  const place = () => `s3://${Bucket}/faults/${files++}`;

  async function withFate<T>(
    times: number,
    method: string,
    fate: "lostBefore" | "lostAfter" | "cut",
    use: (storage: typeof direct) => Promise<T>,
  ): Promise<T> {
    await using proxy = await FaultyProxy.start(endpoint);
    let left = times;
    proxy.fate = (asked) => (asked === method && left-- > 0 ? fate : "pass");
    return await use(createS3Storage({ endpoint: proxy.url, region: "us-east-1" }));
  }

  it.each(["lostBefore", "lostAfter", "cut"] as const)(
    "puts an object whole and knows that it was the one (%s)",
    async (fate) => {
      const uri = place();
      expect(await withFate(1, "PUT", fate, (storage) => storage.putIfAbsent(uri, content))).toBe(true);
      expect(Buffer.compare(await direct.read(uri), content)).toBe(0);
      expect(await withFate(1, "PUT", fate, (storage) => storage.putIfAbsent(uri, content))).toBe(false);
    },
  );

  it("leaves nothing of a put that was interrupted for good", async () => {
    const uri = place();
    await expect(withFate(100, "PUT", "cut", (storage) => storage.putIfAbsent(uri, content))).rejects.toMatchObject({
      code: "unavailable",
    });
    expect(await direct.stat(uri)).toBeNull();
  });

  it("reads again what was lost", async () => {
    const uri = place();
    await direct.putIfAbsent(uri, content);
    expect(await withFate(2, "GET", "lostAfter", (storage) => storage.digest(uri))).toBe(await direct.digest(uri));
  });

  it("says that a bucket does not exist", async () => {
    await expect(direct.list("s3://no-such-bucket/x")).rejects.toMatchObject({ code: "not_found" });
    await expect(direct.putIfAbsent("s3://no-such-bucket/x", content)).rejects.toMatchObject({ code: "not_found" });
    expect(await direct.stat("s3://no-such-bucket/x")).toBeNull();
  });
});
