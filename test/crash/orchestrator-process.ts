/**
 * An orchestrator that dies, or waits, at a crash point: `node orchestrator-process.ts ROOT OPTIONS`, these as JSON.
 *
 * Prints `serves <gRPC address>` when it serves and `waits` where it was told to wait, until a line comes in; its log goes to stderr. Each point that it comes to is a line of the file `trace`.
 */

import { appendFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { createInterface } from "node:readline";
import { pino } from "pino";
import { startOrchestrator } from "../../src/main.ts";
import { parseConfig } from "../../src/parse-config.ts";
import type { Patience } from "../../src/route/livy/patience.ts";
import type { SessionsConfig } from "../../src/route/livy/sessions/session-request.ts";
import type { Side, Write } from "./points.ts";
import { type Watcher, watchedStorage, watchedStore } from "./watched-ports.ts";

/** Where a process stops. */
export interface Stop {
  readonly point: Write;
  /** `during`: the step is asked for, and its effect may or may not be there. */
  readonly side: Side | "during";
  /** At which time that it comes there. @default 1 */
  readonly nth?: number;
  /** `dies`: as by kill -9. */
  readonly does: "dies" | "waits";
}

export interface ProcessOptions {
  readonly database: string;
  readonly trace: string;
  readonly livyUrl: string;
  readonly resourceManagerUrl: string | null;
  readonly leaseMs: number;
  readonly maxLive: number;
  readonly sessions: SessionsConfig | null;
  readonly patience: Partial<Patience>;
  readonly stop: Stop | null;
}

const [root = "", json = "{}"] = process.argv.slice(2);
const { database, trace, livyUrl, resourceManagerUrl, leaseMs, maxLive, sessions, patience, stop } = JSON.parse(
  json,
) as ProcessOptions;
const orders = createInterface({ input: process.stdin });
// The test that started it has ended, in whatever way.
orders.on("close", () => process.exit(1));

let left = stop?.nth ?? 1;
const known = new Set<string>();
const watch: Watcher = (point, side) => {
  const line = `${point}/${side}\n`;
  if (!known.has(line)) appendFileSync(trace, line);
  known.add(line);
  if (stop === null || stop.point !== point) return undefined;
  if (side !== (stop.side === "during" ? "before" : stop.side) || --left !== 0) return undefined;
  if (stop.does === "waits") {
    console.log("waits");
    return new Promise((go) => orders.once("line", () => go()));
  }
  if (stop.side !== "during") process.kill(process.pid, "SIGKILL");
  // The transaction begins in the next turn, and takes about this long.
  else setTimeout(() => process.kill(process.pid, "SIGKILL"), 1);
  return undefined;
};

const orchestrator = await startOrchestrator({
  root,
  config: parseConfig(
    {
      flows: ["flow.ts"],
      database,
      clusters: [
        {
          name: "double",
          url: livyUrl,
          maxLive,
          tickMs: 50,
          ...(sessions === null ? {} : { sessions }),
          ...(resourceManagerUrl === null ? {} : { resourceManager: resourceManagerUrl }),
        },
      ],
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
  patience,
  around: {
    store: (store) => watchedStore(store, watch),
    storage: (storage) => watchedStorage(storage, watch),
  },
});
process.once("SIGTERM", () => void orchestrator.stop().then(() => process.exit()));
console.log(`serves ${orchestrator.grpcAddress}`);
flushCompileCache();
const reason = await orchestrator.stopped;
if (reason !== null) {
  console.error(reason.message);
  process.exit(1);
}
