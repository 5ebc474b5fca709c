/** Started as a process by cluster.test.ts: starts a cluster with the options in its argument, then ends or (`hold`) waits. */
import { type ClusterOptions, startCluster } from "../../cluster/cluster.ts";

const [, , json = "{}", hold] = process.argv;
const info = await startCluster(JSON.parse(json) as ClusterOptions);
process.stdout.write(`${JSON.stringify(info)}\n`);
if (hold === "hold") setInterval(() => undefined, 60_000);
