/**
 * The process that ends a cluster when its owner is gone.
 *
 * Its standard input is a pipe from the owner, which the system closes however the owner ended, by kill -9 too. Started by
 * cluster.ts as `node watchdog <run folder> <cluster id>`; an error ends it and stays in its log.
 */
import { once } from "node:events";

const [, , directory = "", onlyId = ""] = process.argv;

process.stdin.resume();
await once(process.stdin, "close");
// Loaded only now: a process that waits for hours should be small.
const { stopCluster } = await import("./cluster.ts");
await stopCluster({ directory, onlyId });
