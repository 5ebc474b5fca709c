/**
 * The gateway: all clusters and all live submissions of this process.
 */

import { randomBytes } from "node:crypto";
import { Code, FiresteelError } from "../../errors.ts";
import type { DatasetStore, Digest, Storage, SubmissionRecord, SubmissionStore } from "../../evaluate/ports.ts";
import { attributed, jobGroupOf, livyNameOf, type Origin } from "./attribution.ts";
import type { LivyBatchRequest } from "./client.ts";
import { Cluster, type ClusterConfig, type ClusterStatus } from "./cluster.ts";
import { PATIENCE, type Patience } from "./patience.ts";
import { readSpec, type SparkSpec } from "./spec.ts";
import type { Staging } from "./staging.ts";
import { Submission } from "./submission.ts";
import { rowConf } from "./work-key.ts";

/** What is to be submitted: one attempt at a piece of work. */
export interface AttemptPlan extends Origin {
  readonly work: Digest;
  /** 1 for the first attempt at this work. */
  readonly attempt: number;
  readonly cluster: Cluster;
  /** Without name and arguments. */
  readonly request: LivyBatchRequest;
  readonly spec: (attempt: string, base: string) => SparkSpec;
}

/** Clusters and submissions. */
export interface Gateway extends AsyncDisposable {
  /** All clusters as they are now. */
  clusters(): readonly ClusterStatus[];
  /** The cluster for a new piece of work: the one asked for, else the least loaded of those that are not known to be down. */
  choose(name?: string): Cluster;
  /** Makes the durable row and starts the submission's life. */
  submit(plan: AttemptPlan): Promise<Submission>;
  /** Takes up the live submissions of dead owners; returns how many. Called once, before work is asked for. */
  adopt(): Promise<number>;
  /** The live submission for a piece of work. */
  findLive(work: Digest): Submission | null;
  /** All live submissions. */
  live(): readonly Submission[];
  /** Asks every cluster once whether it is there. */
  probe(): Promise<void>;
}

export interface GatewayOptions {
  readonly clusters: readonly ClusterConfig[];
  readonly store: SubmissionStore & DatasetStore;
  readonly storage: Storage;
  readonly staging: Staging;
  /** URI of the warehouse, no trailing slash. */
  readonly warehouse: string;
  readonly patience?: Partial<Patience>;
  /** Told about a submission that went on without anybody waiting for it and could not be finished. */
  readonly onError?: (error: FiresteelError) => void;
}

/** Makes the gateway; nothing is asked of a cluster before there is work. */
export function createGateway(options: GatewayOptions): Gateway {
  const { store, storage, staging, warehouse } = options;
  const clusters = new Map<string, Cluster>();
  for (const config of options.clusters) {
    if (clusters.has(config.name))
      throw new FiresteelError(Code.invalidArgument, `two clusters have one name: ${config.name}`);
    clusters.set(config.name, new Cluster(config));
  }
  const stop = new AbortController();
  const patience: Patience = { ...PATIENCE, ...options.patience };
  const live = new Set<Submission>();
  const ending = new Set<Promise<unknown>>();

  function start(cluster: Cluster, record: SubmissionRecord, spec: SparkSpec): Submission {
    const submission = new Submission({ store, storage, patience, stop: stop.signal }, cluster, record, spec);
    live.add(submission);
    // Somebody may wait for `ended` and hear of its failure; nobody needs to.
    const end = submission.ended.then(
      () => {},
      (error: unknown) => {
        if (!stop.signal.aborted) options.onError?.(FiresteelError.from(error));
      },
    );
    track(end.then(() => live.delete(submission)));
    track(submission.gone);
    return submission;
  }

  function track(promise: Promise<unknown>): void {
    ending.add(promise);
    void promise.finally(() => ending.delete(promise));
  }

  function choose(name?: string): Cluster {
    if (name !== undefined) {
      const cluster = clusters.get(name);
      if (cluster !== undefined) return cluster;
      throw new FiresteelError(
        Code.invalidArgument,
        `cluster is not known (there are: ${[...clusters.keys()].sort().join(", ") || "none"}): ${name}`,
      );
    }
    const [first, ...others] = clusters.values();
    if (first === undefined)
      throw new FiresteelError(
        Code.failedPrecondition,
        "no cluster is configured: set `clusters` in firesteel.config.ts",
      );
    // Only those where the same work is the same: otherwise what ran there yesterday would not be found today.
    const alike = [first, ...others.filter((one) => one.sparkMajor === first.sparkMajor && sameRows(one, first))];
    const load = (one: Cluster) => (one.status.state === "down" ? 1e6 : 0) + one.admission.live + one.admission.waiting;
    return alike.reduce((best, one) => (load(one) < load(best) ? one : best));
  }

  async function submit(plan: AttemptPlan): Promise<Submission> {
    const { cluster, spec: specOf, request, tags, evalHash, ...about } = plan;
    const origin: Origin = { ...about, tags, evalHash };
    const id = newAttemptId();
    const location = `${warehouse}/attempts/${id}`;
    const livyName = livyNameOf(plan.task, store.storeId, id);
    const spec: SparkSpec = { ...specOf(id, location), group: jobGroupOf(origin) };
    const { uri } = await staging.put(`${id}.json`, new TextEncoder().encode(JSON.stringify(spec)));
    const body = attributed({ ...request, args: [decodeURIComponent(uri)] }, livyName, origin);
    const record: SubmissionRecord = {
      ...about,
      id,
      cluster: cluster.config.name,
      livyName,
      state: "planned",
      cause: "created",
      batchId: null,
      appId: null,
      location,
      request: body as unknown as Readonly<Record<string, unknown>>,
      sparkUiUrl: null,
      driverLogUrl: null,
      failure: null,
      createdAt: Date.now(),
      submittedAt: null,
      startedAt: null,
      endedAt: null,
      confirmedAt: null,
    };
    await store.createSubmission(record);
    return start(cluster, record, spec);
  }

  async function adopt(): Promise<number> {
    const records = await store.adoptSubmissions();
    for (const record of records) {
      const cluster = clusters.get(record.cluster);
      const now = { endedAt: Date.now() };
      if (record.state === "planned") {
        // Nothing was posted; whoever needs it asks again, and under the code of today.
        await store.updateSubmission(record.id, {
          ...now,
          state: "cancelled",
          cause: "it was never submitted before the orchestrator was started again",
        });
      } else if (cluster === undefined) {
        const message = `cluster ${record.cluster} is not configured any more`;
        await store.updateSubmission(record.id, {
          ...now,
          state: "failed",
          cause: message,
          failure: { class: "cluster", type: "ClusterUnknown", message },
        });
      } else {
        const [uri] = record.request["args"] as readonly string[];
        start(cluster, record, await readSpec(storage, new URL(uri ?? "").href));
      }
    }
    return records.length;
  }

  return {
    clusters: () => [...clusters.values()].map(({ status }) => status),
    choose,
    submit,
    adopt,
    findLive: (work) => [...live].find((one) => one.record.work === work && !one.cancelled) ?? null,
    live: () => [...live],
    probe: async () => {
      await Promise.all([...clusters.values()].map((cluster) => cluster.probe()));
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await Promise.all([...clusters.values()].map((cluster) => cluster[Symbol.asyncDispose]()));
      await Promise.allSettled(ending);
    },
  };
}

function sameRows(a: Cluster, b: Cluster): boolean {
  const canonical = ({ config, sparkMajor }: Cluster) =>
    JSON.stringify(Object.entries(rowConf(config.conf ?? {}, sparkMajor)).sort());
  return canonical(a) === canonical(b);
}

/** Sortable by time and unique; lower case letters and digits, so that it is safe in paths, tags and names. */
function newAttemptId(): string {
  return Date.now().toString(36) + randomBytes(6).toString("hex");
}
