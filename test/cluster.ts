/**
 * The real cluster that tests use.
 */

export interface TestCluster {
  readonly livyUrl: string;
  readonly resourceManagerUrl: string;
  /** A Livy 0.9 on the same YARN, where there is one. */
  readonly livy09Url?: string;
  /** A folder below which Livy lets jobs name local files. */
  readonly warehouse: string;
}

/** Where the real cluster is; null when none runs. */
export async function testCluster(): Promise<TestCluster | null> {
  const {
    FIRESTEEL_TEST_LIVY: livyUrl,
    FIRESTEEL_TEST_RM: resourceManagerUrl,
    FIRESTEEL_TEST_LIVY09: livy09Url,
    FIRESTEEL_TEST_WAREHOUSE: warehouse,
  } = process.env;
  if (!livyUrl || !resourceManagerUrl || !warehouse) return null;
  return { livyUrl, resourceManagerUrl, warehouse, ...(livy09Url ? { livy09Url } : {}) };
}
