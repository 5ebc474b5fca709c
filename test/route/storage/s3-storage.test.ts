import { PutObjectCommand } from "@aws-sdk/client-s3";
import { createS3Storage } from "../../../src/route/storage/s3-storage.ts";
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
