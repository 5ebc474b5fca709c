/** What the benchmarks of the orchestrator share: a project in a temporary folder, and an orchestrator on it, in this process or in a new one. */

import { type ChildProcess, fork } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { ListValueSchema } from "@bufbuild/protobuf/wkt";
import { pino } from "pino";
import type { FiresteelConfig } from "../src/config.ts";
import { startOrchestrator } from "../src/main.ts";
import { parseConfig } from "../src/parse-config.ts";
import { createClient, type FiresteelClient } from "../src/serve/client.ts";
import type { ProcessFigures, ProcessRequest } from "./orchestrator-process.ts";

/** A project; disposing of it removes its folder. */
export interface Project extends AsyncDisposable {
  readonly root: string;
}

/** Makes a project of these files, by path from its root; modules in `flows` are flow modules. */
export async function createProject(files: Readonly<Record<string, string>>): Promise<Project> {
  const root = await mkdtemp(join(tmpdir(), "firesteel-bench-"));
  for (const [path, text] of Object.entries({ "package.json": '{"type":"module"}', ...files })) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
}

/** Settings besides the flow modules and ports. */
export type Settings = Omit<FiresteelConfig, "flows">;

/** The configuration of a project with these settings. */
export function configOf(settings: Settings): ReturnType<typeof parseConfig> {
  return parseConfig({ flows: ["flows/*.ts"], grpcPort: 0, httpPort: 0, ...settings }, "bench");
}

/** An orchestrator in this process. */
export interface Serving extends AsyncDisposable {
  readonly client: FiresteelClient;
  /** One execution. */
  run(task: string, args: JsonValue[]): Promise<Ran>;
}

/** An execution that succeeded. */
export interface Ran {
  readonly id: string;
  /** From the request to the durable end. */
  readonly seconds: number;
}

/** Starts an orchestrator in this process. */
export async function serve(root: string, settings: Settings): Promise<Serving> {
  const orchestrator = await startOrchestrator({
    root,
    config: configOf(settings),
    log: pino({ level: "silent" }),
    localCluster: async () => null,
  });
  const client = createClient(orchestrator.grpcAddress);
  // Connects, so that no execution pays for it.
  await client.tasks.listTasks({});
  return {
    client,
    async run(task, args) {
      const start = performance.now();
      const { execution } = await client.executions.startExecution({
        task,
        jsonArguments: fromJson(ListValueSchema, args),
      });
      const ended = await client.executions.waitExecution({ id: execution!.id });
      const seconds = (performance.now() - start) / 1000;
      if (ended.execution?.error) throw new Error(`${task}: ${ended.execution.error.message}`);
      return { id: execution!.id, seconds };
    },
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await orchestrator.stop();
    },
  };
}

/** An orchestrator in a process of its own. */
export interface OwnProcess {
  readonly child: ChildProcess;
  /** Rejects when the process ends before it has answered. */
  readonly figures: Promise<ProcessFigures>;
}

/** Starts an orchestrator in a new process, which runs one execution and stops. */
export function startOwnProcess(request: ProcessRequest): OwnProcess {
  const child = fork(fileURLToPath(new URL("orchestrator-process.ts", import.meta.url)), {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const figures = new Promise<ProcessFigures>((resolve, reject) => {
    child.once("message", (message) => resolve(message as ProcessFigures));
    child.once("error", reject);
    child.once("exit", (code, signal) => reject(new Error(`the orchestrator's process ended with ${signal ?? code}`)));
  });
  child.send(request);
  return { child, figures };
}

/** One execution in a new process. */
export function runInOwnProcess(request: ProcessRequest): Promise<ProcessFigures> {
  return startOwnProcess(request).figures;
}
