/**
 * The gateway's counters and histograms for Prometheus. `docs/metrics.md` says what each means; a test holds the two together.
 *
 * Labels take values from closed sets only: clusters are configured, and states, classes, routes and status classes are what this code names. The number of series does not depend on what is run.
 */

import { Counter, Histogram, type Metric, type Registry } from "prom-client";
import { type GatewayObserver, type HeldRecord, NO_OBSERVER } from "./route/livy/clusters/observer.ts";

/** Of what takes seconds to hours. */
const LONG: readonly number[] = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600, 10_800, 36_000];
/** Of a POST, which forks a JVM. */
const POST: readonly number[] = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const REQUEST: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Counts for one gateway. */
export interface GatewayMetrics {
  readonly observer: GatewayObserver;
  /** Shows the figures. */
  register(registry: Registry): void;
}

/** Makes the counters; none is shown yet. */
export function createGatewayMetrics(): GatewayMetrics {
  const metrics: Metric[] = [];
  const counter = (name: string, help: string, labelNames: readonly string[]): Counter => {
    const made = new Counter({ name, help, labelNames: [...labelNames], registers: [] });
    metrics.push(made);
    return made;
  };
  const histogram = (name: string, help: string, labelNames: readonly string[], buckets: readonly number[]) => {
    const made = new Histogram({ name, help, labelNames: [...labelNames], buckets: [...buckets], registers: [] });
    metrics.push(made);
    return made;
  };
  const times = (name: string, help: string, buckets: readonly number[]) =>
    histogram(`firesteel_submission_${name}_seconds`, help, ["cluster", "mode"], buckets);

  const queue = times("queue", "Time from the creation of a submission to the request that its server took", LONG);
  const submit = times("submit", "Time from that request until it was known to be taken", POST);
  const start = times("start", "Time from when a submission was taken until it ran", LONG);
  const run = times("run", "Time from when a submission ran to its end", LONG);
  const ended = counter("firesteel_submissions_ended_total", "Submissions that ended, by end and failure class", [
    "cluster",
    "mode",
    "state",
    "class",
  ]);
  const event = (name: string, help: string) => counter(`firesteel_submissions_${name}_total`, help, ["cluster"]);
  const lost = event("lost", "Submissions that their server did not know any more while they had no end");
  const found = event("found", "Lost submissions of which something told what became of them");
  const adopted = event("adopted", "Submissions taken up while they lived, or might live, on the cluster");
  const retried = event("retried", "Failed attempts after which another one was made");
  const throttled = event("throttled", "Requests put off because the server created as many sessions as it may");
  const requests = counter("firesteel_cluster_requests_total", "Requests to the servers of clusters", [
    "cluster",
    "server",
    "method",
    "route",
    "status",
  ]);
  const requestSeconds = histogram(
    "firesteel_cluster_request_seconds",
    "Time of requests to the servers of clusters, with or without an answer",
    ["cluster", "server", "method", "route"],
    REQUEST,
  );

  const seconds = (from: number | null, to: number | null) =>
    // Told by two machines' clocks.
    from === null || to === null ? null : Math.max(0, to - from) / 1000;
  const observe = (of: Histogram, { cluster, mode }: HeldRecord, value: number | null | undefined) => {
    if (value != null) of.observe({ cluster, mode }, value);
  };

  return {
    observer: {
      ...NO_OBSERVER,
      requested: ({ cluster, server, method, route, status, seconds: took }) => {
        requests.inc({ cluster, server, method, route, status: statusClass(status) });
        requestSeconds.observe({ cluster, server, method, route }, took);
      },
      taken: (submission, took) => {
        observe(queue, submission, took.queue);
        observe(submit, submission, took.submit);
      },
      started: (submission) => observe(start, submission, seconds(submission.submittedAt, submission.startedAt)),
      ended: (submission, failure) => {
        const { cluster, mode, state, startedAt, endedAt } = submission;
        ended.inc({ cluster, mode, state, class: failure ?? "none" });
        observe(run, submission, seconds(startedAt, endedAt));
      },
      lost: ({ cluster }) => lost.inc({ cluster }),
      found: ({ cluster }) => found.inc({ cluster }),
      adopted: ({ cluster }) => adopted.inc({ cluster }),
      retried: ({ cluster }) => retried.inc({ cluster }),
      throttled: (cluster) => throttled.inc({ cluster }),
    },
    register: (registry) => {
      for (const metric of metrics) registry.registerMetric(metric);
    },
  };
}

/** `2xx`, `4xx`, ...; `none` without an answer. */
function statusClass(status: number | null): string {
  return status === null ? "none" : `${Math.floor(status / 100)}xx`;
}
