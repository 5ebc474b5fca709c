/** An S3 server of the tests' own, from PyPI. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { pythonPath } from "../../../cluster/install.ts";

export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
  readonly client: S3Client;
  readonly bucket: string;
}

/** Starts it, with one bucket; the first time of all it is installed. */
export async function startS3Server(): Promise<S3Server> {
  const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const python = await pythonPath({ requirements: here("./requirements.txt") });
  const child = spawn(python, [here("./s3_server.py")], { stdio: ["pipe", "pipe", "ignore"] });
  const exited = once(child, "exit");
  const [port] = (await Promise.race([
    once(createInterface(child.stdout), "line"),
    exited.then(([code]) => {
      throw new Error(`S3 server ended with ${code}`);
    }),
  ])) as [string];
  const endpoint = `http://127.0.0.1:${port}`;
  // What the default chain of credentials finds first.
  process.env["AWS_ACCESS_KEY_ID"] = "test";
  process.env["AWS_SECRET_ACCESS_KEY"] = "test";
  const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true });
  const bucket = "warehouse";
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  return {
    endpoint,
    client,
    bucket,
    [Symbol.asyncDispose]: async () => {
      client.destroy();
      child.stdin.end();
      await exited;
    },
  };
}
