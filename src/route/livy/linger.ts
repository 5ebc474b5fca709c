/**
 * After an end that the manifest told early: the application is still closing down, and the rest of its log is still to come. It can hang then, and what Livy forgot meanwhile only the ResourceManager can end.
 */

import type { Cluster } from "./clusters/cluster.ts";
import type { Patience } from "./patience.ts";
import { endOf, type SubmissionRow } from "./submissions/submission-row.ts";
import { hasEnded, type YarnApplication } from "./witness/resource-manager.ts";
import { findApplication } from "./witness/verdict.ts";

/** Waits until the application is gone too, ends it if it hangs, and copies the rest of its log. Settles in any case: the result stands whatever the application does now. */
export async function linger(
  cluster: Cluster,
  row: SubmissionRow,
  patience: Patience,
  stop: AbortSignal,
): Promise<void> {
  if (row.record.batchId === null && row.record.appId === null) return;
  const { clock } = cluster;
  const until = clock.elapsed() + patience.lingerMs;
  const { livyName } = row.record;
  using watch = cluster.watch(livyName);
  for (let doubt = false; ; ) {
    try {
      const look = await watch.next(until - clock.elapsed(), stop, doubt);
      const end = look?.kind === "seen" ? endOf(look.batch) : null;
      if (end === "success" || end === "killed") break;
      // Livy says `dead` also when it merely failed to ask.
      doubt = end === "dead" || (look?.kind === "absent" && (await cluster.client.findBatch(livyName, stop)) === null);
      if (doubt && (await findLiving(cluster, row, stop)) === null) break;
      if (clock.elapsed() < until) continue;
      if (await cluster.client.deleteBatch(livyName, stop)) break;
      const application = await findLiving(cluster, row, stop);
      if (application !== null) await cluster.resourceManager?.kill(application.id, stop);
      break;
    } catch (error) {
      if (stop.aborted) return;
      cluster.failed(error);
      // What was not answered says nothing of the application: it is asked again, as long as there is time.
      if (clock.elapsed() >= until) break;
      doubt = true;
    }
  }
  await row.copyWholeLog(stop);
}

async function findLiving(cluster: Cluster, row: SubmissionRow, stop: AbortSignal): Promise<YarnApplication | null> {
  const application = await findApplication(cluster, { appId: row.record.appId, tag: row.record.livyName }, stop);
  return application === null || hasEnded(application) ? null : application;
}
