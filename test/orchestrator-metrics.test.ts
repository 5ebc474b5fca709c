import { readFile } from "node:fs/promises";
import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sql } from "../src/define/spark.ts";
import { countWork, Tally } from "../src/evaluate/tally.ts";
import { createGatewayMetrics, type GatewayMetrics } from "../src/gateway-metrics.ts";
import { addOrchestratorMetrics } from "../src/orchestrator-metrics.ts";
import { routeOf } from "../src/route/livy/clusters/observer.ts";
import { createCallMetrics } from "../src/serve/metrics.ts";
import { type Served, serveDouble } from "./livy/serve.ts";
import { type Bench, createBench } from "./route/bench.ts";

const CLUSTER = "local";

interface Documented {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
}

/** The rows of the tables in `docs/metrics.md`. */
async function documented(): Promise<readonly Documented[]> {
  const text = await readFile(new URL("../docs/metrics.md", import.meta.url), "utf8");
  return [...text.matchAll(/^\| `(firesteel_\w+)` \| (gauge|counter|histogram)(?:: (.*?))? \|/gm)].map(
    ([, name = "", type = "", labels = ""]) => ({
      name,
      type,
      labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = ""]) => label),
    }),
  );
}

describe("metrics", () => {
  let served: Served;
  let bench: Bench;
  let gateway: GatewayMetrics;
  let registry: Registry;
  let tally: Tally;

  beforeEach(async () => {
    served = await serveDouble({ master: "yarn" });
    gateway = createGatewayMetrics();
    tally = new Tally();
    bench = await createBench({
      clusters: [
        { name: CLUSTER, url: served.url, resourceManager: { url: served.resourceManagerUrl }, tickMs: 40, maxLive: 4 },
      ],
      patience: { askMs: 20, manifestMs: 20, endMs: 200, lingerMs: 500 },
      observer: gateway.observer,
      onLookup: (result) => countWork(tally, result),
    });
    registry = new Registry();
    const calls = createCallMetrics();
    registry = calls.registry;
    addOrchestratorMetrics(registry, {
      executions: () => 1,
      bodies: () => 2,
      clusters: () => bench.gateway.clusters().map((status) => ({ ...status, labels: {} })),
      keptClusters: () => bench.gateway.kept(),
      submissions: () => bench.gateway.live().map(({ record }) => record),
      waitingWrites: () => 3,
      tally,
      gateway,
    });
  });
  afterEach(async () => {
    await bench[Symbol.asyncDispose]();
    await served[Symbol.asyncDispose]();
  });

  const own = async () => (await registry.getMetricsAsJSON()).filter(({ name }) => name.startsWith("firesteel_"));
  const series = async () =>
    (await own()).flatMap(({ values }) =>
      values.map((value) => `${"metricName" in value ? value.metricName : ""}${JSON.stringify(value.labels)}`),
    );
  const value = async (name: string, labels: Readonly<Record<string, string>>) =>
    (await own())
      .flatMap(({ name: family, values }) => values.map((one) => ({ family, ...one })))
      .filter((one) => (("metricName" in one && one.metricName) || one.family) === name)
      .filter((one) => Object.entries(labels).every(([key, text]) => String(one.labels[key]) === text))
      .reduce((sum, one) => sum + one.value, 0);
  /** Runs work until its application is gone too. */
  const run = async (n: number, task: string) => {
    const result = await bench.run(sql`SELECT ${n} AS id`, { task }).catch((error: unknown) => error);
    await Promise.all(bench.gateway.live().map(({ gone }) => gone));
    return result;
  };

  it("are those of docs/metrics.md, with these types and labels", async () => {
    await run(1, "metrics.one");
    const shown = new Map((await registry.getMetricsAsArray()).map((metric) => [metric.name, metric]));
    const rows = await documented();
    expect(rows.map(({ name }) => name).sort()).toEqual(
      [...shown.keys()].filter((name) => name.startsWith("firesteel_")).sort(),
    );
    for (const { name, type, labels } of rows) {
      const metric = shown.get(name) as unknown as { readonly labelNames: readonly string[]; readonly type?: string };
      expect({ name, labels: [...metric.labelNames].filter((label) => label !== "le").sort() }).toEqual({
        name,
        labels: [...labels].sort(),
      });
      const text = await registry.getSingleMetricAsString(name);
      expect(text).toContain(`# TYPE ${name} ${type}`);
    }
  });

  it("count what became of submissions, and how long each part of it took", async () => {
    await run(1, "metrics.good");
    await run(1, "metrics.good");
    served.double.plan = () => ({ runs: "fails" });
    await run(2, "metrics.bad");
    const at = { cluster: CLUSTER };
    expect(await value("firesteel_submissions_ended_total", { ...at, state: "succeeded", class: "none" })).toBe(1);
    expect(await value("firesteel_submissions_ended_total", { ...at, state: "failed", class: "user" })).toBe(1);
    for (const part of ["queue", "submit", "start", "run"])
      expect([part, await value(`firesteel_submission_${part}_seconds_count`, at)]).toEqual([part, 2]);
    expect(await value("firesteel_cache_lookups_total", { cache: "work", result: "hit" })).toBe(1);
    expect(await value("firesteel_cache_lookups_total", { cache: "work", result: "miss" })).toBe(2);
    expect(await value("firesteel_early_cutoffs_total", { at: "work" })).toBe(1);
    expect(await value("firesteel_cluster_kept", at)).toBe(1);
    expect(await value("firesteel_submissions", at)).toBe(0);
    const livy = { ...at, server: "livy" };
    expect(await value("firesteel_cluster_requests_total", { ...livy, route: "/batches", method: "POST" })).toBe(2);
    expect(await value("firesteel_cluster_requests_total", { ...livy, status: "2xx" })).toBeGreaterThan(4);
  });

  it("show live submissions by state", async () => {
    served.double.plan = () => ({ runs: "forever" });
    const stop = new AbortController();
    const running = bench.run(sql`SELECT 9 AS id`, { signal: stop.signal }).catch(() => undefined);
    await expect.poll(() => value("firesteel_submissions", { state: "running" }), { timeout: 20_000 }).toBe(1);
    stop.abort();
    await running;
    await expect
      .poll(() => value("firesteel_submissions_ended_total", { state: "cancelled" }), { timeout: 20_000 })
      .toBe(1);
  });

  it("count throttling, lost and adopted submissions, and further attempts", async () => {
    const { double } = served;
    double.faults.script("POST /batches", {
      when: "before",
      does: "answer",
      status: 400,
      body: '{"msg":"Rejected, too many sessions are being created!"}',
    });
    let attempts = 0;
    double.plan = () => (++attempts === 1 ? { runs: "dies" } : { runs: "ok" });
    await run(5, "metrics.again");
    expect(await value("firesteel_submissions_throttled_total", {})).toBe(1);
    expect(await value("firesteel_submissions_retried_total", {})).toBe(1);
    expect(await value("firesteel_submissions_ended_total", { class: "cluster" })).toBe(1);
  });

  it("do not grow in number with what is run", { timeout: 60_000 }, async () => {
    served.double.plan = ({ name }) => ({ runs: name?.includes("bad") ? "fails" : "ok" });
    await run(1, "metrics.warm");
    await run(2, "metrics.bad.warm");
    const seen = async () => {
      const { requests = [], others = [] } = Object.groupBy(await series(), (one) =>
        one.includes('"route"') ? "requests" : "others",
      );
      return { routes: requests.map((one) => /"route":"(.*?)"/.exec(one)?.[1]), others: others.sort() };
    };
    const before = await seen();
    await Promise.all(Array.from({ length: 12 }, (_, i) => run(100 + i, `metrics.${i % 3 ? "good" : "bad"}.t${i}`)));
    const after = await seen();
    expect(after.others).toEqual(before.others);
    // What a cluster is asked for beside the usual depends on how long the jobs happen to take; so much is certain that no route names one of them.
    expect(after.routes.length).toBeGreaterThan(0);
    expect(after.routes.filter((route) => !/^(\/([a-z]+|v1|\{id\}))+$/.test(route ?? ""))).toEqual([]);
  });
});

describe("a route", () => {
  it.each([
    ["/batches?from=0&size=100", "/batches"],
    ["/batches/etl.orders-k3-mwwh1ftm5f4f/log?size=200", "/batches/{id}/log"],
    ["/batches/17", "/batches/{id}"],
    ["/sessions/3/statements/12/cancel", "/sessions/{id}/statements/{id}/cancel"],
    ["/ws/v1/cluster/apps?applicationTags=x", "/ws/v1/cluster/apps"],
    ["/ws/v1/cluster/apps/application_1_2/state?user.name=etl", "/ws/v1/cluster/apps/{id}/state"],
    ["/ws/v1/node/containers/container_1_2_01_000001/logs/stdout?size=-9", "/ws/v1/node/containers/{id}/logs/stdout"],
    ["/api/v1/applications/application_1_2", "/api/v1/applications/{id}"],
    ["/gateway/default/nobody/knows", "/{id}/{id}/{id}/{id}"],
  ])("of %s is %s", (path, route) => {
    expect(routeOf(path)).toBe(route);
  });
});
