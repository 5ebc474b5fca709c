/**
 * The real cluster that tests use.
 */

import { get } from "node:http";
import { text } from "node:stream/consumers";
import { inject } from "vitest";

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
  // Not `fetch`, which gives up after five minutes: the first start of all installs the cluster.
  const { status, body } = await new Promise<{ readonly status: number; readonly body: string }>((resolve, reject) => {
    get(inject("clusterServer"), (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    }).on("error", reject);
  });
  if (status !== 200) throw new Error(`test cluster did not start: ${body}`);
  return JSON.parse(body) as TestCluster;
}
