/**
 * Stops the tests' cluster and removes its folder as soon as the process that started this one ends its input, or ends itself, in whatever way: `node cluster-sweeper.ts FOLDER`.
 *
 * A process of its own, because Vitest exits a millisecond after a signal and tears nothing down then.
 */

import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { stopCluster } from "../cluster/cluster.ts";

const [folder = ""] = process.argv.slice(2);
process.stdin.resume();
await once(process.stdin, "close");
await stopCluster({ directory: join(folder, "cluster"), wipe: true });
await rm(folder, { recursive: true, force: true, maxRetries: 3 });
