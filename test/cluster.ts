/**
 * The real cluster that tests use.
 */

import { get } from "node:http";
import { text } from "node:stream/consumers";
import { inject } from "vitest";
import type { HdfsInfo } from "../cluster/hdfs.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Where to ask for the cluster; see `global-setup.ts`. */
    readonly clusterServer: string;
  }
}

export interface TestCluster {
  /** Its run folder, for what `cluster/` can do with it. */
  readonly directory: string;
  readonly livyUrl: string;
  readonly resourceManagerUrl: string;
  /** A newer Livy on the same YARN, where its archive is there. */
  readonly livy09Url?: string;
  readonly livy09Home?: string;
  /** A folder below which Livy lets jobs name local files. */
  readonly warehouse: string;
}

/**
 * The real cluster of this test run; the first call starts it.
 *
 * `FIRESTEEL_TEST_LIVY`, `FIRESTEEL_TEST_RM`, `FIRESTEEL_TEST_WAREHOUSE` and `FIRESTEEL_TEST_CLUSTER` (its run folder) name another one, which is quicker while one works on a test.
 */
export async function testCluster(): Promise<TestCluster> {
  const {
    FIRESTEEL_TEST_LIVY: livyUrl,
    FIRESTEEL_TEST_RM: resourceManagerUrl,
    FIRESTEEL_TEST_LIVY09: livy09Url,
    FIRESTEEL_TEST_LIVY09_HOME: livy09Home,
    FIRESTEEL_TEST_CLUSTER: directory,
    FIRESTEEL_TEST_WAREHOUSE: warehouse,
  } = process.env;
  if (livyUrl && resourceManagerUrl && warehouse && directory)
    return {
      directory,
      livyUrl,
      resourceManagerUrl,
      warehouse,
      ...(livy09Url ? { livy09Url } : {}),
      ...(livy09Home ? { livy09Home } : {}),
    };
  return ask<TestCluster>("/");
}

/** An HDFS on that cluster, beside the local disk; the first call starts it. `FIRESTEEL_TEST_HDFS` and `FIRESTEEL_TEST_WEBHDFS` name another one. */
export async function testHdfs(): Promise<HdfsInfo> {
  const { FIRESTEEL_TEST_HDFS: hdfsUrl, FIRESTEEL_TEST_WEBHDFS: webHdfsUrl } = process.env;
  return hdfsUrl && webHdfsUrl ? { hdfsUrl, webHdfsUrl } : ask<HdfsInfo>("/hdfs");
}

async function ask<T>(path: string): Promise<T> {
  // Not `fetch`, which gives up after five minutes: the first start of all installs the cluster.
  const { status, body } = await new Promise<{ readonly status: number; readonly body: string }>((resolve, reject) => {
    get(inject("clusterServer") + path, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    }).on("error", reject);
  });
  if (status !== 200) throw new Error(`test cluster did not start: ${body}`);
  return JSON.parse(body) as T;
}
