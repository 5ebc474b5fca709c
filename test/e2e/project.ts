/** A project on the real cluster: a copy of `test/fixtures/e2e`, an orchestrator that serves it, and what became of its executions, as a gRPC client sees it. */

import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Config } from "../../src/config.ts";
import { writeParquet } from "../../src/data/write-parquet.ts";
import { type Execution, ExecutionState, type Job } from "../../src/gen/firesteel/v1/execution_pb.ts";
import type { Failure } from "../../src/gen/firesteel/v1/failure_pb.ts";
import type { Submission } from "../../src/gen/firesteel/v1/submission_pb.ts";
import { parseConfig } from "../../src/parse-config.ts";
import type { FiresteelClient } from "../../src/serve/client.ts";
import { messageFromValue, valueFromMessage } from "../../src/serve/value-message.ts";
import type { TestCluster } from "../cluster.ts";

const FIXTURE = fileURLToPath(new URL("../fixtures/e2e", import.meta.url));

const ORDERS = [
  { id: 1, country: "DE", price: 1200 },
  { id: 2, country: "FR", price: 4999 },
  { id: 3, country: "US", price: 300 },
  { id: 4, country: "US", price: 5001 },
  { id: 5, country: "DE", price: 7 },
];

/** Makes a project with data of its own, below the cluster's warehouse, and returns its root. */
export async function createProject({ warehouse }: TestCluster): Promise<string> {
  const root = await mkdtemp(join(warehouse, "e2e-"));
  await cp(FIXTURE, root, { recursive: true });
  await writeFile(join(root, "package.json"), '{ "type": "module" }\n');
  await writeParquet(
    ORDERS,
    { id: "bigint", country: "string", price: "bigint" },
    pathToFileURL(join(root, "data/orders/part-0.parquet")).href,
  );
  return root;
}

/** Removes a project. */
export async function removeProject(root: string): Promise<void> {
  await rm(root, { recursive: true, force: true, maxRetries: 3 });
}

/** The configuration of a project on a cluster, on any free ports. */
export function configOf(cluster: Pick<TestCluster, "livyUrl" | "resourceManagerUrl">): Config {
  return parseConfig(
    {
      flows: ["flows/*.ts"],
      clusters: [{ name: "real", url: cluster.livyUrl, resourceManager: cluster.resourceManagerUrl }],
      grpcPort: 0,
      httpPort: 0,
    },
    "firesteel.config.ts",
    {},
  );
}

/** What became of one execution. */
export interface Run {
  readonly execution: Execution;
  /** The result; undefined when it failed. */
  readonly value: unknown;
  readonly error: Failure | undefined;
  readonly jobs: readonly Job[];
  /** Tasks whose bodies ran, sorted. */
  readonly ran: readonly string[];
  /** What it sent to the cluster. */
  readonly submissions: readonly Submission[];
  /** Tasks of these, sorted. */
  readonly submitted: readonly string[];
}

/** Starts a task; returns the execution's id. */
export async function startTask(client: FiresteelClient, task: string, ...args: readonly unknown[]): Promise<string> {
  const { execution } = await client.executions.startExecution({ task, arguments: args.map(messageFromValue) });
  return execution!.id;
}

/** Waits for the end of an execution. */
export async function endOf(client: FiresteelClient, id: string): Promise<Run> {
  await client.executions.waitExecution({ id });
  const { execution, jobs } = await client.executions.getExecution({ id });
  const { submissions } = await client.submissions.listSubmissions({ executionId: id, pageSize: 1000 });
  const ended = execution!;
  return {
    execution: ended,
    value: ended.state === ExecutionState.SUCCEEDED && ended.result ? valueFromMessage(ended.result) : undefined,
    error: ended.error,
    jobs,
    ran: jobs
      .filter(({ cached }) => !cached)
      .map(({ task }) => task)
      .sort(),
    submissions,
    submitted: submissions.map(({ task }) => task).sort(),
  };
}

/** Runs a task to its end. */
export async function runTask(client: FiresteelClient, task: string, ...args: readonly unknown[]): Promise<Run> {
  return endOf(client, await startTask(client, task, ...args));
}

let edits = 0;

/**
 * Replaces a text in a file of the project and returns when the orchestrator has taken the edit over.
 *
 * An edit that changes no identity shows nowhere, so a task of a new name is added in the same moment, and waited for.
 */
export async function edit(
  client: FiresteelClient,
  root: string,
  file: string,
  from: string,
  to: string,
): Promise<void> {
  const path = join(root, file);
  const text = await readFile(path, "utf8");
  if (text.split(from).length !== 2) throw new Error(`${file} has not exactly one place to edit: ${from}`);
  const name = `edits.e${++edits}`;
  await writeFile(
    join(root, `flows/${name}.ts`),
    `import { task } from "firesteel";\n\nexport const e = task("${name}", () => 0);\n`,
  );
  await writeFile(path, text.replace(from, to));
  for (;;) {
    const { tasks } = await client.tasks.listTasks({ prefix: name });
    if (tasks.length > 0) return;
    await sleep(50);
  }
}
