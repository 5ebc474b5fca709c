/** What `/metrics` tells of the orchestrator's own state, beside the calls that it serves. */

import { Gauge, type Registry } from "prom-client";
import type { ClusterStatus } from "./serve/orchestrator.ts";

/** Where the figures come from, asked at each scrape. */
export interface MetricSources {
  readonly executions: () => number;
  readonly bodies: () => number;
  readonly clusters: () => readonly ClusterStatus[];
}

/** Adds the orchestrator's gauges to a registry. */
export function addOrchestratorMetrics(registry: Registry, sources: MetricSources): void {
  const registers = [registry];
  new Gauge({
    name: "firesteel_executions_running",
    help: "Executions that are being evaluated",
    registers,
    collect() {
      this.set(sources.executions());
    },
  });
  new Gauge({
    name: "firesteel_bodies_running",
    help: "Task bodies that run, Spark work included",
    registers,
    collect() {
      this.set(sources.bodies());
    },
  });
  perCluster("firesteel_submissions_live", "Submissions that live on the cluster", ({ live }) => live);
  perCluster(
    "firesteel_submissions_waiting",
    "Submissions that wait to be sent to the cluster",
    ({ waiting }) => waiting,
  );
  perCluster(
    "firesteel_cluster_up",
    "1 when the cluster's Livy answered last, 0 when it did not; absent until it was asked",
    ({ state }) => (state === "unknown" ? null : Number(state === "up")),
  );

  function perCluster(name: string, help: string, of: (cluster: ClusterStatus) => number | null): void {
    new Gauge({
      name,
      help,
      labelNames: ["cluster"],
      registers,
      collect() {
        this.reset();
        for (const cluster of sources.clusters()) {
          const value = of(cluster);
          if (value !== null) this.set({ cluster: cluster.name }, value);
        }
      },
    });
  }
}
