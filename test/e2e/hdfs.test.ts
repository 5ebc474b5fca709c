import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startOrchestrator } from "../../src/main.ts";
import { parseConfig } from "../../src/parse-config.ts";
import { createHdfsStorage } from "../../src/route/storage/hdfs-storage.ts";
import { createClient, type FiresteelClient } from "../../src/serve/client.ts";
import { testCluster, testHdfs } from "../cluster.ts";
import { runTask } from "./project.ts";

const cluster = await testCluster();
const { hdfsUrl, webHdfsUrl } = await testHdfs();

const EXAMPLE = fileURLToPath(new URL("../../examples/flights", import.meta.url));

/** Only May has so many flights: one bulk task about a month instead of six. */
const AT_LEAST = 515_000;

describe("the flights example with its warehouse on HDFS", { timeout: 600_000 }, () => {
  const authority = new URL(hdfsUrl).host;
  const folder = `flights ${process.pid}`;
  const warehouse = `${hdfsUrl}/${encodeURIComponent(folder)}`;
  const storage = createHdfsStorage(async () => ({ urls: [webHdfsUrl], user: "firesteel" }));
  const cleanup = new AsyncDisposableStack();
  let client: FiresteelClient;

  beforeAll(async () => {
    // Inside the example, where npm's packages are found; the cluster reads the data in them where it lies.
    await mkdir(join(EXAMPLE, ".firesteel"), { recursive: true });
    const root = await mkdtemp(join(EXAMPLE, ".firesteel/hdfs-"));
    cleanup.defer(() => rm(root, { recursive: true, force: true, maxRetries: 3 }));
    cleanup.defer(() => storage.remove(warehouse));
    for (const part of ["flows", "jobs", "package.json"])
      await cp(join(EXAMPLE, part), join(root, part), { recursive: true });
    const config = {
      flows: ["flows/*.ts"],
      warehouse,
      storage: { hdfs: { [authority]: { url: webHdfsUrl, user: "firesteel" } } },
      clusters: [{ name: "real", url: cluster.livyUrl, resourceManager: cluster.resourceManagerUrl, maxLive: 4 }],
      grpcPort: 0,
      httpPort: 0,
    };
    const orchestrator = await startOrchestrator({
      root,
      config: parseConfig(config, "firesteel.config.ts", {}),
      log: pino({ level: "silent" }),
      localCluster: async () => null,
    });
    cleanup.defer(() => orchestrator.stop());
    client = cleanup.use(createClient(orchestrator.grpcAddress));
  });
  afterAll(() => cleanup.disposeAsync());

  it("gives what it gives with a local one, and keeps everything there", async () => {
    const run = await runTask(client, "flights.main", AT_LEAST);
    expect(run.error?.message).toBeUndefined();
    // But for the last, the same numbers come out of a loop over the package's file in JavaScript.
    expect(run.value).toEqual([
      {
        month: "2001-05",
        flights: 518_831,
        meanDelay: 3.3,
        worstRoute: "PHX-DCA",
        routeDelay: 30.8,
        routeRegion: "West",
        longestRise: "HOU, 7 days",
      },
    ]);
    expect(run.submitted).toEqual([
      "flights.clean",
      "flights.countMonths",
      "flights.dailyDelay",
      "flights.risingDelays",
      "flights.withRegions",
      "flights.worstRoutes",
    ]);
    const kinds = (await storage.list(warehouse)).map(({ uri }) => uri.slice(warehouse.length + 1).split("/")[0]);
    expect([...new Set(kinds)].sort()).toEqual(["attempts", "rows", "staging"]);
  });

  it("submits nothing the second time", async () => {
    const run = await runTask(client, "flights.main", AT_LEAST);
    expect(run.ran).toEqual([]);
    expect(run.submissions).toEqual([]);
  });
});
