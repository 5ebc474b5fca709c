/**
 * What is recorded of a project, read without a server: nothing is started, resumed or sent to a cluster.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { glob } from "tinyglobby";
import { Cleanup } from "../cleanup.ts";
import type { Config } from "../config.ts";
import { Code, FiresteelError } from "../errors.ts";
import type { CodeWarning } from "../evaluate/code.ts";
import type { ClusterDrain, Page } from "../evaluate/ports.ts";
import { openStore, type RecordStore } from "../record/store.ts";
import { loadFlowCode } from "../route/flow/flow-code.ts";
import type { Orchestrator, TaskInfo } from "../serve/orchestrator.ts";
import { type RunningServer, startServer } from "../serve/server.ts";
import { storeLocation } from "../store-location.ts";

/** What of a project is asked for: its records, or its tasks. */
export type HistoryPart = "records" | "tasks";

/**
 * Serves what is recorded (or the tasks) of a project on free ports, until it is disposed of. Whoever wants to start or cancel something is told to start a server.
 *
 * @throws FiresteelError `failed_precondition` when another process has the embedded database open
 */
export async function serveHistory(root: string, config: Config, part: HistoryPart): Promise<RunningServer> {
  await using cleanup = new Cleanup();
  const store = part === "records" ? await openRecords(root, config) : null;
  if (store) cleanup.use(store);
  const code = part === "tasks" ? await loadTasks(root, config) : { tasks: [], warnings: [] };
  const server = cleanup.use(
    await startServer({
      orchestrator: historyOf(store, code, config, (await store?.listDrains()) ?? []),
      grpcPort: 0,
      httpPort: 0,
      graceMs: 100,
    }),
  );
  const owned = cleanup.move();
  const { grpcAddress, httpAddress } = server;
  return { grpcAddress, httpAddress, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

/** The store; null where nothing has been recorded yet. */
async function openRecords(root: string, config: Config): Promise<RecordStore | null> {
  const location = storeLocation(root, config);
  return location.kind === "postgres" || existsSync(join(location.directory, "data")) ? openStore(location) : null;
}

/** What is known of the code. */
interface KnownCode {
  readonly tasks: readonly TaskInfo[];
  readonly warnings: readonly CodeWarning[];
}

async function loadTasks(root: string, { flows }: Config): Promise<KnownCode> {
  const modules = await glob([...flows], { cwd: root, absolute: true, ignore: ["**/node_modules/**"] });
  if (modules.length === 0)
    throw new FiresteelError(
      Code.notFound,
      `no flow module matches \`flows\` in firesteel.config.ts: ${flows.join(", ")}`,
    );
  const code = await loadFlowCode({ root, modules: modules.sort(), workers: 1, spark: () => null });
  const tasks = [...code.tasks.values()].map((task) => ({ ...task, options: { ...task.options } }));
  await code[Symbol.asyncDispose]();
  return { tasks, warnings: code.warnings };
}

function needsServer(): never {
  throw new FiresteelError(
    Code.failedPrecondition,
    "no server is up for this project, so nothing can be started, watched or cancelled; start one with `firesteel serve`",
  );
}

function historyOf(
  store: RecordStore | null,
  code: KnownCode,
  { clusters }: Config,
  drains: readonly ClusterDrain[],
): Orchestrator {
  const nothing: Page<never> = { rows: [], nextCursor: null };
  return {
    start: async () => needsServer(),
    wait: async () => needsServer(),
    watch: () => needsServer(),
    cancel: async () => needsServer(),
    drain: async () => needsServer(),
    resume: async () => needsServer(),
    cancelSubmission: async () => needsServer(),
    note: () => undefined,
    dryRun: async () => needsServer(),
    explain: async () => needsServer(),
    get: async (id) => (await store?.findExecution(id)) ?? null,
    jobs: {
      pageJobs: async (id, page) => (store ? store.pageJobs(id, page) : { jobs: [], count: 0 }),
      async *readJobs(id) {
        if (store) yield* store.readJobs(id);
      },
    },
    list: async (filter, page) => (store ? store.listExecutions(filter, page) : nothing),
    tasks: () => code.tasks,
    warnings: () => code.warnings,
    clusters: () =>
      clusters.map(({ name, url, labels, maxLive, maxPerSecond, perQueue, perUser }) => ({
        name,
        url,
        labels: labels ?? {},
        state: "unknown",
        since: null,
        confirmedAt: null,
        isConfigured: true,
        drained: drains.find(({ cluster }) => cluster === name) ?? null,
        limits: { maxLive: maxLive ?? 16, maxPerSecond, perQueue, perUser },
        waits: [],
        version: null,
        live: 0,
        waiting: 0,
        sessions: null,
        lastError: null,
      })),
    submissions: {
      findSubmission: async (id) => (await store?.findSubmission(id)) ?? null,
      listSubmissions: async (filter, page) => (store ? store.listSubmissions(filter, page) : nothing),
      listTransitions: async (id) => (await store?.listTransitions(id)) ?? [],
      readLogs: async (id) => (await store?.readLogs(id)) ?? [],
    },
    health: async () => ({ ready: true, reasons: [] }),
  };
}
