/** Ends all processes of a cluster. */
import { setTimeout as sleep } from "node:timers/promises";
import { Code, FiresteelError } from "../src/errors.ts";
import { descendants, isAlive, markedProcesses, type ProcessIdentity, signalAll, waitForEnd } from "./processes.ts";
import type { ClusterState } from "./state.ts";

/**
 * How long servers may take to end by themselves. A NodeManager on which an application ever ran takes 10 s and more (it waits
 * for its log handling), so it is not waited for; the others need about a second.
 */
const GRACE_MS = 3_000;
const KILL_MS = 15_000;

/** The servers that are on record, whether they still run or not. */
export function recordedProcesses(state: ClusterState): ProcessIdentity[] {
  return [...state.processes, ...state.livys.flatMap((livy) => livy.process ?? [])];
}

/**
 * Ends every process of a cluster: its servers, their children, YARN's containers and the Python processes in them.
 *
 * First politely, unless `atOnce`, then by SIGKILL until none is left. A recorded pid that is someone else's by now is left
 * alone.
 *
 * @throws FiresteelError `internal` naming the pids that are still there after 15 s.
 */
export async function endProcesses(state: ClusterState, atOnce: boolean): Promise<void> {
  const servers = recordedProcesses(state);
  // Children are listed while their parents still hold them.
  const known = [
    ...(state.watchdog && state.watchdog.pid !== process.pid ? [state.watchdog] : []),
    ...servers,
    ...descendants(servers),
  ];
  if (!atOnce) {
    signalAll(servers, "SIGTERM");
    const slow = state.processes.filter(({ name }) => name === "NodeManager");
    await waitForEnd(
      servers.filter((server) => !slow.some(({ pid }) => pid === server.pid)),
      GRACE_MS,
    );
  }
  const deadline = Date.now() + KILL_MS;
  for (;;) {
    // Looked up again each time: a container may have been starting.
    const left = [...known.filter(isAlive), ...markedProcesses(state.id)];
    if (left.length === 0) return;
    if (Date.now() >= deadline) {
      const pids = [...new Set(left.map(({ pid }) => pid))].join(", ");
      throw new FiresteelError(Code.internal, `cluster processes do not end, their pids are: ${pids}`);
    }
    signalAll([...left, ...descendants(left)], "SIGKILL");
    await sleep(50);
  }
}
