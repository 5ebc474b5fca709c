/** The Spark History Server as the last witness, for real; the ResourceManager is one that has forgotten everything. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startHistoryServer } from "../../../cluster/history.ts";
import { pyspark } from "../../../src/define/spark.ts";
import type { FiresteelError } from "../../../src/errors.ts";
import { createHistoryServer } from "../../../src/route/livy/witness/history-server.ts";
import { testCluster } from "../../cluster.ts";
import { createBench } from "../bench.ts";

const cluster = await testCluster();

describe("an application that YARN has forgotten", { timeout: 600_000 }, () => {
  let forgetful: Server;
  let folder: string;
  let history: Awaited<ReturnType<typeof startHistoryServer>>;

  beforeAll(async () => {
    history = await startHistoryServer(cluster);
    folder = await mkdtemp(join(cluster.warehouse, "history-"));
    forgetful = createServer((request, response) => {
      const one = request.url?.includes("/apps/application_") === true;
      response.writeHead(one ? 404 : 200, { "content-type": "application/json" });
      const remote = { exception: "NotFoundException", message: "java.lang.Exception: app is not found" };
      response.end(JSON.stringify(one ? { RemoteException: remote } : { apps: {} }));
    });
    await new Promise<void>((resolve) => forgetful.listen(0, "127.0.0.1", resolve));
  }, 600_000);
  afterAll(async () => {
    forgetful.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("is known to have ended, and when, by its event log; that is no proof of success", async () => {
    // It stops its context in good order and leaves no manifest.
    const body = "import os\ndef run(ctx):\n    ctx.spark.range(3).count()\n    ctx.spark.stop()\n    os._exit(0)\n";
    await writeFile(join(folder, "leaves.py"), body);
    const { port } = forgetful.address() as AddressInfo;
    await using bench = await createBench({
      clusters: [
        {
          name: "real",
          url: cluster.livyUrl,
          resourceManager: { url: `http://127.0.0.1:${port}` },
          historyServer: { url: history.historyServerUrl },
          conf: history.conf,
        },
      ],
      folder,
    });
    const stop = new AbortController();
    const began = Date.now();
    const told = bench
      .run(pyspark({ file: "leaves.py" }), { signal: stop.signal })
      .catch((error: unknown) => error as FiresteelError);
    const first = () => [...bench.database.submissions.values()][0];
    await expect.poll(() => first()?.state, { timeout: 500_000, interval: 200 }).toBe("failed");
    // Not tried again.
    stop.abort();
    await told;
    const { failure, appId, historyUrl } = first()!;
    expect(failure).toMatchObject({ class: "cluster", type: "ManifestMissing" });
    expect(failure?.message).toMatch(
      /^application_\S+ ended at \S+Z, as the Spark History Server says, and left no manifest/,
    );
    await using server = createHistoryServer({ cluster: "real", url: history.historyServerUrl });
    const found = await server.find(appId ?? "");
    expect(found).toMatchObject({ completed: true, url: historyUrl });
    expect(found?.endedAt).toBeGreaterThan(began);
    expect(found?.endedAt).toBeLessThan(Date.now());
    expect((await fetch(historyUrl ?? "")).status).toBe(200);
    expect(await server.failure(appId ?? "")).toBeNull();
    expect(await server.find("application_1_0001")).toBeNull();
  });

  it("is nobody's where the history server gives no answer: time decides", async () => {
    await using server = createHistoryServer({ cluster: "real", url: "http://127.0.0.1:9" });
    await expect(server.find("application_1_0001")).rejects.toMatchObject({ code: "unavailable" });
  });
});
