/**
 * What `/metrics` tells of the orchestrator's own state, beside the calls that it serves. `docs/metrics.md` says what each means; a test holds the two together.
 *
 * State is read when it is asked for, and what is counted very often are plain numbers: neither costs anything between two scrapes.
 */

import { Counter, Gauge, type Registry } from "prom-client";
import { SubmissionState } from "./evaluate/ports.ts";
import type { Tally } from "./evaluate/tally.ts";
import type { GatewayMetrics } from "./gateway-metrics.ts";
import type { HeldRecord } from "./route/livy/clusters/observer.ts";
import type { ClusterStatus } from "./serve/orchestrator.ts";

/** Where the figures come from, asked at each scrape. */
export interface MetricSources {
  readonly executions: () => number;
  readonly bodies: () => number;
  readonly clusters: () => readonly ClusterStatus[];
  /** Names of those that this process keeps. */
  readonly keptClusters: () => ReadonlySet<string>;
  /** Those that live and are kept by this process. */
  readonly submissions: () => readonly HeldRecord[];
  /** Writes that were asked for and are not durable. */
  readonly waitingWrites: () => number;
  readonly tally: Tally;
  readonly gateway: GatewayMetrics;
}

/** States in which a submission lives. */
const LIVE: readonly SubmissionState[] = [
  SubmissionState.planned,
  SubmissionState.submitting,
  SubmissionState.starting,
  SubmissionState.running,
  SubmissionState.cancelling,
  SubmissionState.lost,
];

const CLUSTER_STATES: readonly ClusterStatus["state"][] = ["up", "down", "recovering", "unknown"];
const SESSION_STATES = ["starting", "idle", "busy"] as const;

/** A value with its labels. */
type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** Adds the orchestrator's metrics to a registry. */
export function addOrchestratorMetrics(registry: Registry, sources: MetricSources): void {
  const { tally } = sources;
  sources.gateway.register(registry);

  gauge("firesteel_executions_running", "Executions that are being evaluated", [], () => [[{}, sources.executions()]]);
  counter("firesteel_executions_ended_total", "Executions that ended, by end", ["state"], () =>
    Object.entries(tally.executions).map(([state, count]) => [{ state }, count]),
  );
  gauge("firesteel_bodies_running", "Task bodies that run, Spark work included", [], () => [[{}, sources.bodies()]]);
  counter("firesteel_cache_lookups_total", "Look-ups of results, by what they gave", ["cache", "result"], () =>
    (["call", "shallow", "work"] as const).flatMap((cache) =>
      Object.entries(tally[cache]).map(([result, count]): Sample => [{ cache, result }, count]),
    ),
  );
  counter("firesteel_early_cutoffs_total", "Results that were there although something before them ran", ["at"], () =>
    Object.entries(tally.cutoffs).map(([at, count]) => [{ at }, count]),
  );
  gauge("firesteel_store_writes_waiting", "Writes to the database that are not durable yet", [], () => [
    [{}, sources.waitingWrites()],
  ]);

  gauge("firesteel_submissions", "Live submissions that this process keeps, by state", ["cluster", "state"], () =>
    countStates(sources.clusters(), sources.submissions()),
  );
  perCluster("firesteel_submissions_live", "Submissions that have a place on the cluster", ({ live }) => live);
  perCluster(
    "firesteel_submissions_waiting",
    "Submissions that wait to be sent to the cluster",
    ({ waiting }) => waiting,
  );
  perCluster(
    "firesteel_cluster_up",
    "1 when the cluster's Livy answered last, 0 when it did not; absent until it was asked",
    ({ state }) => (state === "unknown" ? null : Number(state !== "down")),
  );
  gauge(
    "firesteel_cluster_state",
    "1 for the state that the cluster is in, 0 for the others",
    ["cluster", "state"],
    () =>
      sources
        .clusters()
        .flatMap(({ name, state }) =>
          CLUSTER_STATES.map((one): Sample => [{ cluster: name, state: one }, Number(one === state)]),
        ),
  );
  perCluster("firesteel_cluster_drained", "1 while somebody has taken the cluster out of use, else 0", ({ drained }) =>
    Number(drained !== null),
  );
  gauge("firesteel_session_pool", "Warm sessions of the cluster, by what they do", ["cluster", "state"], () =>
    sources
      .clusters()
      .flatMap(({ name, sessions }) =>
        sessions === null ? [] : SESSION_STATES.map((one): Sample => [{ cluster: name, state: one }, sessions[one]]),
      ),
  );
  perCluster(
    "firesteel_session_pool_waiting",
    "Statements that wait for a warm session",
    ({ sessions }) => sessions?.waiting ?? null,
  );
  perCluster("firesteel_cluster_kept", "1 when this process keeps the cluster, else 0", ({ name }) =>
    Number(sources.keptClusters().has(name)),
  );

  function gauge(name: string, help: string, labelNames: string[], collect: () => readonly Sample[]): void {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const [labels, value] of collect()) this.set(labels, value);
      },
    });
  }

  function counter(name: string, help: string, labelNames: string[], collect: () => readonly Sample[]): void {
    new Counter({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const [labels, value] of collect()) this.inc(labels, value);
      },
    });
  }

  function perCluster(name: string, help: string, of: (cluster: ClusterStatus) => number | null): void {
    gauge(name, help, ["cluster"], () =>
      sources.clusters().flatMap((cluster): Sample[] => {
        const value = of(cluster);
        return value === null ? [] : [[{ cluster: cluster.name }, value]];
      }),
    );
  }
}

/** All states of all clusters, also those that nothing is in: what is absent cannot be summed or alerted on. */
function countStates(clusters: readonly ClusterStatus[], submissions: readonly HeldRecord[]): readonly Sample[] {
  const counts = new Map<string, number>();
  for (const { cluster, state } of submissions) {
    const key = `${cluster} ${state}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return clusters.flatMap(({ name }) =>
    LIVE.map((state): Sample => [{ cluster: name, state }, counts.get(`${name} ${state}`) ?? 0]),
  );
}
