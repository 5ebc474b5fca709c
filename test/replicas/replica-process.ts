/**
 * One of several orchestrators, in a process of its own: `node replica-process.ts ROOT OPTIONS`, these as JSON. Prints the gRPC address when it serves, and its log on stderr; exits with 1 when it had to stop by itself,
 * as `firesteel serve` does.
 */

import { pino } from "pino";
import { startOrchestrator } from "../../src/main.ts";
import { parseConfig } from "../../src/parse-config.ts";

/** What such a process is told. */
export interface ReplicaOptions {
  readonly database: string;
  readonly livyUrl: string;
  /** Names under which that Livy is configured. */
  readonly clusters: readonly string[];
  readonly maxLive: number;
  readonly tickMs: number;
  readonly leaseMs: number;
  readonly moveMs: number;
}

const [root = "", json = "{}"] = process.argv.slice(2);
const { database, livyUrl, clusters, maxLive, tickMs, leaseMs, moveMs } = JSON.parse(json) as ReplicaOptions;
const orchestrator = await startOrchestrator({
  root,
  config: parseConfig(
    {
      flows: ["flow.ts"],
      database,
      clusters: clusters.map((name) => ({ name, url: livyUrl, maxLive, tickMs })),
      workers: 1,
      grpcPort: 0,
      httpPort: 0,
    },
    "firesteel.config.ts",
    {},
  ),
  log: pino({ level: "info" }, pino.destination(2)),
  localCluster: async () => null,
  leaseMs,
  patience: { moveMs },
});
process.once("SIGTERM", () => void orchestrator.stop().then(() => process.exit()));
// The test that started it has ended, in whatever way.
process.stdin.on("close", () => process.exit(1)).resume();
console.log(orchestrator.grpcAddress);
const reason = await orchestrator.stopped;
if (reason !== null) {
  console.error(reason.message);
  process.exit(1);
}
