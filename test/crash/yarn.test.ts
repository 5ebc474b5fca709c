/** A sample of the crash matrix on the real thing: YARN, Spark and both Livys, counted from the ResourceManager. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { killLivy, startLivy, stopLivy } from "../../cluster/livy.ts";
import { Cleanup } from "../../src/cleanup.ts";
import {
  createResourceManager,
  hasEnded,
  type YarnApplication,
} from "../../src/route/livy/witness/resource-manager.ts";
import type { FiresteelClient } from "../../src/serve/client.ts";
import { messageFromValue, valueFromMessage } from "../../src/serve/value-message.ts";
import { testCluster } from "../cluster.ts";
import { createLane, type Lane, type Orchestrator } from "./lane.ts";
import type { Stop } from "./orchestrator-process.ts";
import { FLOW } from "./scenario.ts";

const cluster = await testCluster();
const { directory, livy09Home } = cluster;

/** Before the POST's answer is durable, while the application runs, and between its manifest and the commit. */
const MOMENTS: readonly Pick<Stop, "point" | "side">[] = [
  { point: "starting", side: "before" },
  { point: "running", side: "after" },
  { point: "manifest read", side: "after" },
];
const SERVERS = [
  ["0.7.1", cluster.livyUrl],
  ["0.9.0", cluster.livy09Url],
] as const;

describe("on YARN, one application for each attempt and nothing left running", { timeout: 300_000 }, () => {
  let lane: Lane;
  let cleanup: Cleanup;
  let cells = 0;

  beforeAll(async () => {
    lane = await createLane();
  });
  afterAll(() => lane?.[Symbol.asyncDispose](), 60_000);
  afterEach(() => cleanup?.[Symbol.asyncDispose](), 60_000);

  for (const [version, livyUrl] of SERVERS)
    it.skipIf(livyUrl === undefined).each(MOMENTS)(
      `Livy ${version}: the orchestrator is killed $side $point`,
      async (moment) => {
        const site = await openSite(livyUrl ?? "");
        const first = site.launch({ ...moment, does: "dies" });
        const id = await ask(first);
        expect(await first.exited).toBe("SIGKILL");
        await expectOne(await serving(site.launch(null)), id);
      },
    );

  it.skipIf(livy09Home === undefined).each(MOMENTS)(
    "Livy 0.9.0, which recovers, is killed while the orchestrator is $side $point",
    async (moment) => {
      const name = "crash09";
      const { url } = await startLivy({ directory }, { name, livyHome: livy09Home ?? "" });
      const site = await openSite(url);
      cleanup.defer(() => stopLivy({ directory }, name));
      const orchestrator = site.launch({ ...moment, does: "waits" });
      const id = await ask(orchestrator);
      await orchestrator.waits;
      await killLivy({ directory }, name);
      orchestrator.go();
      await startLivy({ directory }, { name, livyHome: livy09Home ?? "" });
      await expectOne(await serving(orchestrator), id);
    },
  );

  /** A project and an empty database. */
  async function openSite(livyUrl: string): Promise<{ launch(stop: Stop | null): Orchestrator }> {
    cleanup = new Cleanup();
    const root = await mkdtemp(join(cluster.warehouse, "crash-"));
    cleanup.defer(() => rm(root, { recursive: true, force: true, maxRetries: 5 }));
    await writeFile(join(root, "package.json"), '{ "type": "module" }\n');
    await writeFile(join(root, "flow.ts"), FLOW);
    const database = await lane.createDatabase(`yarn_${cells++}`);
    return {
      launch(stop) {
        const { resourceManagerUrl } = cluster;
        const options = { database, trace: join(root, "trace"), livyUrl, resourceManagerUrl, sessions: null, stop };
        const orchestrator = lane.launch(root, { ...options, leaseMs: 10_000, maxLive: 8, patience: {} });
        cleanup.use(orchestrator);
        return orchestrator;
      },
    };
  }

  async function ask(orchestrator: Orchestrator): Promise<string> {
    const client = await serving(orchestrator);
    const { execution } = await client.executions.startExecution({
      task: "m.single",
      arguments: [messageFromValue(1)],
    });
    return execution!.id;
  }

  async function serving(orchestrator: Orchestrator): Promise<FiresteelClient> {
    await Promise.race([
      orchestrator.serves,
      orchestrator.exited.then((how) => {
        throw new Error(`orchestrator ended with ${how}: ${orchestrator.log()}`);
      }),
    ]);
    return orchestrator.client!;
  }

  /** The execution ends well with one attempt; the ResourceManager has one application of the whole store, and it has ended. */
  async function expectOne(client: FiresteelClient, id: string): Promise<void> {
    const { execution } = await client.executions.waitExecution({ id });
    expect(execution!.error).toBeUndefined();
    const identities = valueFromMessage(execution!.result!) as readonly string[];
    const { submissions } = await client.submissions.listSubmissions({ executionId: id });
    expect(submissions).toHaveLength(1);
    const [{ livyName, appId } = { livyName: "", appId: "" }] = submissions;
    await using yarn = createResourceManager({ cluster: "real", url: cluster.resourceManagerUrl });
    let found: readonly YarnApplication[] = [];
    const end = Date.now() + 60_000;
    do {
      found = await yarn.findByTag(livyName);
      if (found.every(hasEnded)) break;
      await sleep(200);
    } while (Date.now() < end);
    expect(found.map((one) => [one.id, hasEnded(one)])).toEqual([[appId, true]]);
    // The start of the name is the store's: no application under another name of the same store either.
    expect(await applicationsOf(livyName.split("-").at(-2)!)).toEqual([appId]);
    expect(identities).toHaveLength(2);
  }

  async function applicationsOf(store: string): Promise<readonly string[]> {
    const response = await fetch(`${cluster.resourceManagerUrl}/ws/v1/cluster/apps`);
    const { apps } = (await response.json()) as {
      readonly apps: { readonly app: readonly { readonly id: string; readonly applicationTags: string }[] } | null;
    };
    return (apps?.app ?? [])
      .filter(({ applicationTags }) => applicationTags.includes(`-${store}-`))
      .map(({ id }) => id);
  }
});
