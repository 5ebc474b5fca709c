/** An orchestrator in a process of its own, for tests that kill it: `node orchestrator-process.ts ROOT LIVY RESOURCE_MANAGER`. Prints the gRPC address when it serves. */

import { pino } from "pino";
import { startOrchestrator } from "../../src/main.ts";
import { configOf } from "./project.ts";

const [root = "", livyUrl = "", resourceManagerUrl = ""] = process.argv.slice(2);
const orchestrator = await startOrchestrator({
  root,
  config: configOf({ livyUrl, resourceManagerUrl }),
  log: pino({ level: "silent" }),
  localCluster: async () => null,
});
process.once("SIGTERM", () => void orchestrator.stop().then(() => process.exit()));
// The test that started it has ended, in whatever way.
process.stdin.on("close", () => process.exit(1)).resume();
console.log(orchestrator.grpcAddress);
