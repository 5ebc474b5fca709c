/**
 * Wires the parts of the orchestrator together. Nothing imports this but the command and the tests.
 */

import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Logger } from "pino";
import { Cleanup } from "./cleanup.ts";
import { machineClock } from "./clock.ts";
import { type Config, environment } from "./config.ts";
import { configuredClusters, configuredRoutes, type LocalCluster } from "./configured-clusters.ts";
import { loadExecutors } from "./custom-executors.ts";
import { Code, FiresteelError } from "./errors.ts";
import { Bodies } from "./evaluate/bodies.ts";
import type { FlowCode } from "./evaluate/code.ts";
import { Executions } from "./evaluate/executions.ts";
import { Explainer } from "./evaluate/explain/explainer.ts";
import type { InputsContext } from "./evaluate/inputs.ts";
import { Limits } from "./evaluate/limits.ts";
import type { Storage, Store } from "./evaluate/ports.ts";
import { countWork, Tally } from "./evaluate/tally.ts";
import { createGatewayMetrics } from "./gateway-metrics.ts";
import { Lookout } from "./lookout.ts";
import { observeSubmissions } from "./observe-submissions.ts";
import { addOrchestratorMetrics } from "./orchestrator-metrics.ts";
import { patientStore } from "./patient-store.ts";
import { openProjectCode } from "./project-code.ts";
import { LEASE_MS } from "./record/lease.ts";
import { openStore } from "./record/store.ts";
import type { LoadedFlowCode } from "./route/flow/flow-code.ts";
import { SPARK_SETTINGS } from "./route/livy/clusters/route-question.ts";
import { createGateway, type Gateway } from "./route/livy/gateway.ts";
import type { Patience } from "./route/livy/patience.ts";
import { patientStorage, type StorageWait } from "./route/livy/submissions/patient-storage.ts";
import { createStaging } from "./route/livy/submissions/staging.ts";
import { createSparkExecutor } from "./route/spark-executor.ts";
import { createSparkSettingsStorage } from "./route/spark-settings.ts";
import { createStorages, storageOver } from "./route/storage/storages.ts";
import type { Orchestrator } from "./serve/orchestrator.ts";
import { startServer } from "./serve/server.ts";
import { storeLocation } from "./store-location.ts";
import { type WatchedConfig, watchConfig } from "./watched-config.ts";

/** What {@link startOrchestrator} takes. */
export interface OrchestratorOptions {
  /** The project's root, an absolute path. */
  readonly root: string;
  readonly config: Config;
  readonly log: Logger;
  /** Whether `local` clusters have a URL now; gives Livy's and the ResourceManager's. */
  readonly localCluster: () => Promise<LocalCluster | null>;
  /** How long this process counts as alive without a sign of life; for tests. @default 10,000 */
  readonly leaseMs?: number;
  /** False: what a former orchestrator left is left alone, for one that only explains. @default true */
  readonly takeOver?: boolean;
  /** What is put around the ports through which everything becomes durable; for tests, which count and stop things there. */
  readonly around?: {
    readonly store?: (store: Store) => Store;
    readonly storage?: (storage: Storage) => Storage;
  };
  /** How long the gateway waits for what, where that is not the usual; for tests. */
  readonly patience?: Partial<Patience>;
  /** The configuration's file, which is followed while it serves; absent: `config` stays as it is. */
  readonly watched?: WatchedConfig;
}

/** An orchestrator that serves. */
export interface RunningOrchestrator {
  /** `host:port` of gRPC and of HTTP. */
  readonly grpcAddress: string;
  readonly httpAddress: string;
  /** Stops serving and evaluating. Running executions and Spark applications go on when it is started again. */
  stop(): Promise<void>;
  /** Settles when it stopped: with the reason when it had to by itself. */
  readonly stopped: Promise<Error | null>;
}

/** Opens the store, loads the code, takes over what a former orchestrator left, and serves. Whatever was started is closed again when something fails. */
export async function startOrchestrator({
  root,
  config,
  log,
  localCluster,
  leaseMs = LEASE_MS,
  takeOver = true,
  around = {},
  patience = {},
  watched,
}: OrchestratorOptions): Promise<RunningOrchestrator> {
  await using cleanup = new Cleanup();
  await mkdir(join(root, ".firesteel"), { recursive: true });
  const notice = (line: string) => log.warn(line);
  const opened = cleanup.use(await openStore({ ...storeLocation(root, config), leaseMs, onNotice: notice }));
  const patient: Store = patientStore(opened);
  const store: Store = observeSubmissions(
    around.store?.(patient) ?? patient,
    (submission) => executions.emit(submission.executionId, { kind: "submission", submission }),
    () => executions.watched,
  );
  const files = createStorages({ root, storage: config.storage });
  const plainStorage = storageOver(files);
  const storage = around.storage?.(plainStorage) ?? plainStorage;
  const warehouse = locate(root, config.warehouse);
  const settings = createSparkSettingsStorage(() => gateway);
  const storages = new Map([...files, [SPARK_SETTINGS, settings]]);
  const inputs: InputsContext = { root, storages, environment, store };
  const left = new AbortController();
  cleanup.defer(() => left.abort(new FiresteelError(Code.aborted, "orchestrator stops")));
  // An execution waits for a warehouse that is away also where it only looks whether what is recorded is still there.
  const wait: StorageWait = { clock: machineClock, tell: tellSeldom(log), signal: left.signal };
  const patientInputs: InputsContext = {
    ...inputs,
    storages: new Map([
      ...storages,
      [warehouse.slice(0, warehouse.indexOf(":") + 1), patientStorage(plainStorage, warehouse, wait)],
    ]),
  };
  const staging = createStaging({ storage, warehouse, root });
  const planStaging = createStaging({ storage, warehouse, root, write: false });
  const tally = new Tally();
  const gatewayMetrics = createGatewayMetrics();
  const gateway: Gateway = createGateway({
    ...(await fleetOf(root, config, localCluster)),
    observer: {
      ...gatewayMetrics.observer,
      down: (_, why) => log.warn({ about: "cluster" }, why),
      back: (cluster) => log.info(`cluster ${cluster} takes submissions again`),
    },
    store,
    storage,
    staging,
    warehouse,
    patience,
    onFollowed: (submission) => executions.emit(submission.executionId, { kind: "submission", submission }),
    onError: (error) => log.error({ err: error }, error.message),
  });
  cleanup.use(gateway);
  // For explanations only: what is not kept is not compared. A store that fails ends the orchestrator by itself.
  const keepVersions = ({ versions }: LoadedFlowCode) => {
    if (versions.length > 0) opened.recordTaskVersions(versions).catch(() => undefined);
  };
  const executors = await loadExecutors(root, config);
  const code = cleanup.use(
    await openProjectCode({
      root,
      storage: config.storage,
      flows: config.flows,
      workers: config.workers,
      values: opened.valueFolder,
      executors,
      limits: Object.keys(config.limits),
      spark: (host) =>
        createSparkExecutor({
          host,
          gateway,
          store,
          storage,
          staging,
          planStaging,
          onLookup: (result) => countWork(tally, result),
        }),
      onVersion: (next) => {
        keepVersions(next);
        log.info({ version: next.version }, `code changed: ${next.tasks.size} tasks`);
        tellWarnings(log, next);
      },
      onMended: () => log.info("code loads again; nothing in it has changed"),
      onProblem: (error) => log.error(`code was not taken over, the version before goes on serving: ${error.message}`),
    }),
  );
  keepVersions(code.current);
  tellWarnings(log, code.current);
  const bodies = new Bodies(store, new Limits(config.limits), patientInputs);
  const executions: Executions = new Executions({
    store,
    bodies,
    inputs: patientInputs,
    literals: `${warehouse}/rows`,
    code: () => code.current,
    tally,
    onError: (error) => log.error({ err: error }, error.message),
  });
  const explainer = new Explainer({ store, history: opened, bodies, inputs, code: () => code.current });
  cleanup.defer(() => executions.close());

  if (watched !== undefined) {
    cleanup.use(
      await watchConfig({
        ...watched,
        onChange: async (next) => {
          gateway.configure(await fleetOf(root, next, localCluster));
          await gateway.tend();
          log.info(`configuration changed: clusters ${next.clusters.map(({ name }) => name).join(", ") || "none"}`);
        },
        onRestartNeeded: (keys) =>
          log.warn(`configuration changed in what counts from the next start on: ${keys.join(", ")}`),
        onMended: () => log.info("configuration is valid again"),
        onProblem: (error) =>
          log.error(`configuration was not taken over, the one before stays in force: ${error.message}`),
      }),
    );
  }
  if (takeOver) {
    const told = (did: string, count: number, what: string) => {
      if (count > 0) log.info(`${did} ${count} ${what}${count === 1 ? "" : "s"}`);
    };
    told("took over", await gateway.tend(), "submission");
    told("resumed", await executions.resume(), "execution");
    if (store.shared) {
      cleanup.use(
        new Lookout({
          store,
          // The end of a lease is noticed soon after it: together well below 15 s.
          lookMs: leaseMs / 5,
          onLook: async (around) => {
            executions.cancelAsked(around.cancelledExecutions);
            told("took", await gateway.tend(around), "submission");
            if (around.executions) told("resumed", await executions.resume(), "execution");
          },
          onError: (error) => log.error({ err: error }, error.message),
        }),
      );
    }
  }

  const orchestrator: Orchestrator = {
    start: (request) => executions.start(request),
    get: (id) => opened.findExecution(id),
    jobs: opened,
    wait: (id, timeoutMs, signal) => executions.wait(id, timeoutMs, signal),
    watch: (id, signal) => executions.watch(id, signal),
    list: (filter, page) => opened.listExecutions(filter, page),
    cancel: (id, reason) => executions.cancel(id, reason),
    dryRun: (request, signal) => explainer.dryRun(request, signal),
    explain: (id, examples) => explainer.execution(id, examples),
    warnings: () => code.current.warnings,
    tasks: () =>
      [...code.current.tasks.values()].map((task) => ({
        ...task,
        options: { ...task.options, ...(task.schemas === undefined ? {} : { args: task.schemas }) },
      })),
    clusters: () => gateway.clusters(),
    drain: (cluster, by, reason) => gateway.drain(cluster, by, reason),
    resume: (cluster, by) => gateway.resume(cluster, by),
    cancelSubmission: (id, by, reason) => gateway.cancel(id, by, reason),
    note: (id) => gateway.live().find(({ record }) => record.id === id)?.told,
    submissions: opened,
    metrics: (registry) =>
      addOrchestratorMetrics(registry, {
        executions: () => executions.size,
        bodies: () => bodies.size,
        clusters: () => orchestrator.clusters(),
        keptClusters: () => gateway.kept(),
        submissions: () => gateway.live().map(({ record }) => record),
        waitingWrites: () => opened.waitingWrites,
        tally,
        gateway: gatewayMetrics,
      }),
    async health() {
      const reasons: string[] = code.problem
        ? [`code does not load, the version before goes on serving: ${code.problem.message}`]
        : [];
      await store.ping().catch((error: Error) => reasons.push(`store: ${error.message}`));
      return { ready: reasons.every((reason) => !reason.startsWith("store:")), reasons };
    },
  };
  const server = cleanup.use(await startServer({ orchestrator, grpcPort: config.grpcPort, httpPort: config.httpPort }));

  const owned = cleanup.move();
  const stopped = Promise.withResolvers<Error | null>();
  let stopping: Promise<void> | undefined;
  const stop = (reason: Error | null) => {
    stopping ??= owned[Symbol.asyncDispose]().then(
      () => stopped.resolve(reason),
      (error: unknown) => stopped.resolve(reason ?? FiresteelError.from(error)),
    );
    return stopping;
  };
  void opened.lost.then((reason) => {
    log.error(`stopping: ${reason.message}`);
    // At once, before callers get the time to leave: whoever took over works on the same clusters and executions now.
    executions.close();
    void gateway[Symbol.asyncDispose]();
    return stop(reason);
  });
  return {
    grpcAddress: server.grpcAddress,
    httpAddress: server.httpAddress,
    stop: () => stop(null),
    stopped: stopped.promise,
  };
}

async function fleetOf(root: string, config: Config, localCluster: OrchestratorOptions["localCluster"]) {
  return { clusters: await configuredClusters(root, config, localCluster), routes: configuredRoutes(root, config) };
}

function locate(root: string, location: string): string {
  const uri = /^[a-z][a-z0-9+.-]+:/i.test(location) ? location : pathToFileURL(resolve(root, location)).href;
  // Hadoop's name of the same.
  const own = uri.replace(/^s3a:/i, "s3:");
  if (!/^(?:file|hdfs|s3):\/+[^?#]+$/.test(own))
    throw new FiresteelError(
      Code.invalidArgument,
      `warehouse must be a path, or a file:, hdfs: or s3: URI: ${location}`,
    );
  return own.replace(/\/+$/, "");
}

/** What the author of the code should know of it: what is most likely wrong, and what is not kept. */
function tellWarnings(log: Logger, code: FlowCode): void {
  for (const { message, file, line, column } of code.warnings)
    log.warn({ about: "code" }, `${file}:${line}:${column}: ${message}`);
  for (const task of code.tasks.values())
    for (const { reason, file, line, column } of task.undecided)
      log.warn(
        { about: "code" },
        `results of task ${task.name} are not kept: ${reason}, at ${file}:${line}:${column}; ${task.arrow ? 'define it with task("name", options, ...) and set' : "set"} \`reads\` (what it depends on) or \`version\` to decide it yourself`,
      );
}

/** Between two lines about a warehouse that is away, however much waits for it. */
const SELDOM_MS = 60_000;

/** Tells a line unless one was told shortly before. */
function tellSeldom(log: Logger): (line: string) => void {
  let toldAt = Number.NEGATIVE_INFINITY;
  return (line) => {
    const now = machineClock.elapsed();
    if (now - toldAt < SELDOM_MS) return;
    toldAt = now;
    log.warn(line);
  };
}
