/**
 * Stopping a submission for certain.
 *
 * Livy says `deleted` even when the kill failed, so the ResourceManager has to confirm it; where there is none, Livy's word is all there is, and the row says so.
 */

import type { Cluster } from "./cluster.ts";
import type { Patience } from "./patience.ts";
import { hasEnded } from "./resource-manager.ts";
import type { SubmissionRow } from "./submission-row.ts";
import { findApplication } from "./verdict.ts";
import { Backoff, pause } from "./waiting.ts";

/**
 * Deletes the batch and asks until its end is confirmed; returns how that was confirmed.
 *
 * @param succeeded looks for a manifest; when it is there the job was faster than we, and null is returned
 * @param unanswered a POST is under way or its answer was lost, so that the batch may appear later
 */
export async function stopForCertain(
  cluster: Cluster,
  row: SubmissionRow,
  patience: Patience,
  unanswered: boolean,
  succeeded: () => Promise<boolean>,
  signal: AbortSignal,
): Promise<string | null> {
  const { livyName } = row.record;
  const { clock } = cluster;
  const retry = new Backoff(clock, patience.askMs, 10_000);
  // Without a ResourceManager there is nobody to ask whether an application comes up after all.
  const quietMs = unanswered ? patience.postMs : cluster.resourceManager === null ? 0 : patience.quietMs;
  let deleted = false;
  let quietSince: number | null = null;
  for (;;) {
    if (await succeeded()) return null;
    try {
      const known = await cluster.client.deleteBatch(livyName, signal);
      deleted ||= known;
      cluster.answered();
      const application = await findApplication(cluster, row, signal);
      if (application !== null && application.id !== row.record.appId) await row.change({ appId: application.id });
      if (application !== null && !hasEnded(application)) {
        quietSince = null;
        row.tell(`cancelling: ${application.id} on ${cluster.config.name} is ${application.state}`);
        // Livy had its chance; it does not know the batch any more or could not do it.
        if (!known) await cluster.resourceManager?.kill(application.id, signal);
      } else if (application !== null) {
        return `the ResourceManager says ${application.finalStatus}`;
      } else if (!known) {
        quietSince ??= clock.elapsed();
        if (clock.elapsed() - quietSince >= quietMs) return confirmation(cluster, deleted, row.record.appId);
      } else {
        quietSince = null;
      }
    } catch (error) {
      signal.throwIfAborted();
      quietSince = null;
      cluster.failed(error);
      const words = `cancelling: not confirmed, trying again: ${(error as Error).message}`;
      row.tell(words);
      if (row.record.cause !== words) await row.change({ cause: words });
      await pause(clock, retry.next(), signal);
      continue;
    }
    retry.reset();
    await pause(clock, patience.askMs, signal);
  }
}

function confirmation(cluster: Cluster, deleted: boolean, appId: string | null): string {
  if (cluster.resourceManager !== null) return "the ResourceManager has no application of it";
  if (deleted) return "Livy deleted it; no ResourceManager is configured that could confirm it";
  return `Livy does not know it, and no ResourceManager is configured that could tell what became of ${appId ?? "it"}`;
}
