import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SubmissionState } from "../../src/gen/firesteel/v1/submission_pb.ts";
import { createResourceManager } from "../../src/route/livy/witness/resource-manager.ts";
import { createClient } from "../../src/serve/client.ts";
import { testCluster } from "../cluster.ts";
import { createProject, endOf, removeProject, startTask } from "./project.ts";

const cluster = await testCluster();

const PROCESS = fileURLToPath(new URL("./orchestrator-process.ts", import.meta.url));

describe("an orchestrator that is killed", { timeout: 600_000 }, () => {
  let root: string;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    root = await createProject(cluster);
  });
  afterAll(async () => {
    for (const child of children) await end(child, "SIGKILL");
    await removeProject(root);
  });

  async function start(): Promise<{ readonly child: ChildProcess; readonly address: string }> {
    const child = spawn(process.execPath, [PROCESS, root, cluster.livyUrl, cluster.resourceManagerUrl], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    children.push(child);
    const [address] = (await Promise.race([
      once(createInterface(child.stdout!), "line"),
      once(child, "exit").then(([code]) => {
        throw new Error(`orchestrator ended with ${code}`);
      }),
    ])) as [string];
    return { child, address };
  }

  async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  it("ends the same execution with one Spark application for the job that ran meanwhile", async () => {
    const before = await start();
    let id: string;
    {
      using client = createClient(before.address);
      id = await startTask(client, "shop.slowly", 10);
      for (;;) {
        const { submissions } = await client.submissions.listSubmissions({ executionId: id });
        if (submissions[0]?.state === SubmissionState.RUNNING) break;
        await sleep(100);
      }
    }
    await end(before.child, "SIGKILL");

    const after = await start();
    using client = createClient(after.address);
    const run = await endOf(client, id);
    expect(run.error).toBeUndefined();
    expect(run.value).toBe(7);
    expect(run.execution.resumes).toBe(1);
    expect(run.submissions.map(({ task, attempt, state }) => ({ task, attempt, state }))).toEqual([
      { task: "shop.slow", attempt: 1, state: SubmissionState.SUCCEEDED },
    ]);
    const [{ livyName, appId } = { livyName: "", appId: "" }] = run.submissions;
    await using yarn = createResourceManager({ cluster: "real", url: cluster.resourceManagerUrl });
    expect((await yarn.findByTag(livyName)).map((application) => application.id)).toEqual([appId]);
    // The start of the name is the store's: no application under another name of the same store either.
    expect(await applicationsOf(livyName.slice(0, livyName.lastIndexOf("-")))).toEqual([appId]);
    await end(after.child, "SIGTERM");
  });

  async function applicationsOf(store: string): Promise<string[]> {
    const response = await fetch(`${cluster.resourceManagerUrl}/ws/v1/cluster/apps`);
    const { apps } = (await response.json()) as {
      readonly apps: { readonly app: readonly { readonly id: string; readonly applicationTags: string }[] } | null;
    };
    return (apps?.app ?? []).filter(({ applicationTags }) => applicationTags.includes(store)).map(({ id }) => id);
  }
});
