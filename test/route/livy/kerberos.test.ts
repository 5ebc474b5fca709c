/** The example's header provider against a real KDC and a real Livy behind its SPNEGO filter. */

import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { configuredClusters } from "../../../src/configured-clusters.ts";
import type { DatasetValue } from "../../../src/define/external.ts";
import { sql } from "../../../src/define/spark.ts";
import { parseConfig } from "../../../src/parse-config.ts";
import type { ClusterConfig } from "../../../src/route/livy/clusters/cluster-config.ts";
import { createEndpoint } from "../../../src/route/livy/http/endpoint.ts";
import { testCluster } from "../../cluster.ts";
import { type Kdc, kerberosObstacle, PYTHON, startKdc } from "../../livy/kdc.ts";
import { type KerberizedLivy, startKerberizedLivy } from "../../livy/kerberized-livy.ts";
import { createBench } from "../bench.ts";

const EXAMPLE = fileURLToPath(new URL("../../../examples/kerberos/spnego.ts", import.meta.url));
const obstacle = kerberosObstacle();

describe.skipIf(obstacle !== null)(`Livy behind Kerberos${obstacle === null ? "" : ` (${obstacle})`}`, () => {
  let folder: string;
  let kdc: Kdc;
  let livy: KerberizedLivy;

  beforeAll(async () => {
    const cluster = await testCluster();
    folder = await mkdtemp(join(cluster.warehouse, "kerberos-"));
    kdc = await startKdc(join(folder, "kdc"));
    const keytab = join(folder, "http.keytab");
    await kdc.addPrincipal("HTTP/localhost", keytab);
    await kdc.addPrincipal("etl", join(folder, "etl.keytab"));
    livy = await startKerberizedLivy(cluster.directory, kdc, keytab);
  });
  afterAll(async () => {
    await livy?.[Symbol.asyncDispose]();
    await kdc?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  /** A cluster's entry as an operator writes it. */
  async function entry(keytab: string): Promise<ClusterConfig> {
    const options = { keytab, principal: "etl", krb5Conf: kdc.krb5Conf, python: PYTHON };
    const auth = { kind: "provider", module: EXAMPLE, options };
    const clusters = [{ name: "secure", url: livy.url, auth }];
    const config = parseConfig({ flows: ["flows/*.ts"], clusters }, "firesteel.config.ts", {});
    return (await configuredClusters(folder, config, async () => null))[0]!;
  }

  it("takes bulk work as whoever the keytab is for; without a ticket the work waits, and says why", {
    timeout: 600_000,
  }, async () => {
    const keytab = join(folder, "late.keytab");
    await using bench = await createBench({ clusters: [await entry(keytab)], folder });
    const waits = Promise.withResolvers<void>();
    const done = bench.run(sql`SELECT id FROM range(3)`, {
      onProgress: (line) => {
        if (line.startsWith("waiting: ")) waits.resolve();
      },
    });
    await Promise.race([waits.promise, done]);
    expect(bench.lines.at(-1)).toMatch(/^waiting: .*header provider gave no credentials: .*No credentials cache found/);
    await copyFile(join(folder, "etl.keytab"), keytab);
    const [place] = await bench.store.findDataset(((await done) as DatasetValue).identity);
    expect(place?.rows).toBe(3);
    const [submission] = bench.database.submissions.values();
    expect(submission).toMatchObject({ state: "succeeded" });
    await using endpoint = createEndpoint({ cluster: "secure", setting: "url", ...(await entry(keytab)) });
    const batch = JSON.parse((await endpoint.request("GET", `/batches/${submission!.livyName}`)).text) as object;
    expect(batch).toMatchObject({ owner: "etl" });
  });

  it("is shown a token once and then the cookie that it gave for it, until it starts again", async () => {
    const { auth } = await entry(join(folder, "etl.keytab"));
    if (auth?.kind !== "provider") return expect.unreachable();
    const tokens: string[] = [];
    const headers: typeof auth.headers = async (request) => {
      const given = await auth.headers(request);
      tokens.push(given["authorization"]!);
      return given;
    };
    await using endpoint = createEndpoint({
      cluster: "secure",
      setting: "url",
      url: livy.url,
      auth: { kind: "provider", headers },
    });
    const ask = async () => (await endpoint.request("GET", "/batches")).status;
    for (let i = 0; i < 5; i++) expect(await ask()).toBe(200);
    expect(tokens).toHaveLength(1);
    // Why the cookie: a token is good for one request.
    const replay = await fetch(`${livy.url}/batches`, { headers: { authorization: tokens[0]! } });
    expect([replay.status, await replay.text()]).toEqual([403, expect.stringContaining("Request is a replay")]);
    await livy.restart();
    expect([await ask(), await ask()]).toEqual([200, 200]);
    expect(tokens).toHaveLength(2);
  });

  it("lets nobody in who has no ticket for it", async () => {
    await using endpoint = createEndpoint({ cluster: "secure", setting: "url", url: livy.url });
    expect((await endpoint.request("GET", "/batches")).status).toBe(401);
    expect(await readFile(join(folder, "kdc", "kdc.log"), "utf8")).toContain("HTTP/localhost");
  });
});
