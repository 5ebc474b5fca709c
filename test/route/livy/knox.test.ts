/** Everything through one gateway that maps as Knox does, in front of real Livy, YARN and HDFS. */

import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { configuredClusters } from "../../../src/configured-clusters.ts";
import type { DatasetValue } from "../../../src/define/external.ts";
import { sql } from "../../../src/define/spark.ts";
import { parseConfig } from "../../../src/parse-config.ts";
import { createResourceManager } from "../../../src/route/livy/witness/resource-manager.ts";
import { createHdfsStorage } from "../../../src/route/storage/hdfs-storage.ts";
import { testCluster, testHdfs } from "../../cluster.ts";
import { KNOX_USER, type Knox, startKnox } from "../../livy/knox.ts";
import { createBench } from "../bench.ts";

describe("behind Knox", { timeout: 600_000 }, () => {
  let knox: Knox;
  let folder: string;

  beforeAll(async () => {
    const { livyUrl, resourceManagerUrl, warehouse } = await testCluster();
    const { webHdfsUrl } = await testHdfs();
    knox = await startKnox({ livy: livyUrl, resourceManager: resourceManagerUrl, webHdfs: webHdfsUrl });
    folder = await mkdtemp(join(warehouse, "knox-"));
  });
  afterAll(async () => {
    await knox?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it("bulk work runs, YARN is asked with Livy's credentials, and every new batch is the gateway's user's", async () => {
    const auth = { kind: "basic", ...KNOX_USER };
    const entry = { name: "knox", url: `${knox.url}/livy`, resourceManager: `${knox.url}/resourcemanager/v1`, auth };
    const config = parseConfig({ flows: ["flows/*.ts"], clusters: [entry] }, "firesteel.config.ts", {});
    const [cluster] = await configuredClusters(folder, config, async () => null);
    await using bench = await createBench({ clusters: [cluster!], folder });
    const result = (await bench.run(sql`SELECT id FROM range(${4})`)) as DatasetValue;
    expect((await bench.store.findDataset(result.identity))[0]?.rows).toBe(4);
    expect(knox.posted).toMatchObject([{ proxyUser: KNOX_USER.user }]);
    const [submission] = bench.database.submissions.values();
    const { appId, livyName } = submission as { readonly appId: string; readonly livyName: string };
    await using yarn = createResourceManager({ cluster: "knox", ...cluster!.resourceManager! });
    expect(await yarn.findByTag(livyName)).toMatchObject([{ id: appId, logsUrl: null }]);
    expect(await yarn.find(appId)).toMatchObject({ id: appId, logsUrl: null });
    expect(await yarn.find("application_1_0001")).toBeNull();
    await yarn.kill(appId); // Over already, or nearly; it is the way that is tried.
  });

  it("a wrong path is no word about batches or applications", async () => {
    const auth = { kind: "basic", ...KNOX_USER } as const;
    await using yarn = createResourceManager({ cluster: "knox", url: `${knox.url}/resourcemanager`, auth });
    await expect(yarn.find("application_1_0001")).rejects.toThrow("HTTP 404");
  });

  it("files of HDFS are written and read through the gateway alone", async () => {
    const auth = { kind: "basic", ...KNOX_USER } as const;
    const storage = createHdfsStorage(async () => ({ urls: [knox.url], user: "guest", auth }));
    const uri = `${(await testHdfs()).hdfsUrl}/tmp/knox-${process.pid}/f`;
    const before = knox.asked.length;
    expect(await storage.putIfAbsent(uri, new TextEncoder().encode("a b"))).toBe(true);
    expect(new TextDecoder().decode(await storage.read(uri))).toBe("a b");
    expect(knox.asked.slice(before).filter((line) => line.includes("/webhdfs/data/v1/")).length).toBeGreaterThan(1);
  });
});
