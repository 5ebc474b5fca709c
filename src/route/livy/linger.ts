/**
 * After an end that the manifest told early: the application is still closing down, and the rest of its log is still to come.
 */

import type { Cluster } from "./cluster.ts";
import type { Patience } from "./patience.ts";
import { endOf, type SubmissionRow } from "./submission-row.ts";

/** Waits until the application is gone too, ends it if it hangs, and copies the rest of its log. Settles in any case: the result stands whatever the application does now. */
export async function linger(
  cluster: Cluster,
  row: SubmissionRow,
  patience: Patience,
  stop: AbortSignal,
): Promise<void> {
  if (row.record.batchId === null) return;
  const { clock } = cluster;
  const until = clock.elapsed() + patience.lingerMs;
  const { livyName } = row.record;
  try {
    using watch = cluster.watch(livyName);
    for (;;) {
      const look = await watch.next(until - clock.elapsed(), stop);
      if (look?.kind === "seen" && endOf(look.batch) !== null) break;
      if (look?.kind === "absent" && (await cluster.client.findBatch(livyName, stop)) === null) break;
      if (clock.elapsed() < until) continue;
      await cluster.client.deleteBatch(livyName, stop);
      break;
    }
    await row.copyWholeLog(stop);
  } catch (error) {
    // The cluster's own state shows what is wrong with it.
    if (!stop.aborted) cluster.failed(error);
  }
}
