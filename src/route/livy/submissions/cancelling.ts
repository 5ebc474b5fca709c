/**
 * Stopping an application for certain.
 *
 * Livy says `deleted` even when the kill failed, so the ResourceManager has to confirm it; where there is none, Livy's word is all there is, and the caller is told so.
 */

import type { Cluster } from "../clusters/cluster.ts";
import type { Patience } from "../patience.ts";
import { Backoff, pause } from "../waiting.ts";
import { hasEnded } from "../witness/resource-manager.ts";
import { findApplication } from "../witness/verdict.ts";

const OPERATOR = "cancelled by ";

/** Why a submission ends that somebody ends as such, whoever waits for it. */
export function byOperator(who: string, reason: string): string {
  return `${OPERATOR}${who}: ${reason}`;
}

/** Whether the cause of an end is such a one. */
export function isByOperator(cause: string): boolean {
  return cause.startsWith(OPERATOR);
}

/** What is to be stopped: a batch or a session. */
export interface Doomed {
  /** Its application's tag. */
  readonly tag: string;
  readonly appId: string | null;
  /** A POST is under way or its answer was lost, so that it may appear later. */
  readonly unanswered: boolean;
  /** Deletes it at Livy; false when Livy did not know it. */
  remove(signal: AbortSignal): Promise<boolean>;
  /** Its application is known now. */
  found(appId: string): Promise<void>;
  tell(line: string): void;
  /** It could not be confirmed, and is tried again. */
  failed(words: string): Promise<void>;
}

/**
 * Deletes it and asks until its end is confirmed; returns how that was confirmed.
 *
 * @param succeeded whether it has ended by itself with what was wanted of it; then null is returned
 */
export async function stopForCertain(
  cluster: Cluster,
  doomed: Doomed,
  patience: Patience,
  succeeded: () => Promise<boolean>,
  signal: AbortSignal,
): Promise<string | null> {
  const { clock } = cluster;
  const retry = new Backoff(clock, patience.askMs, 10_000);
  // Without a ResourceManager there is nobody to ask whether an application comes up after all.
  const quietMs = doomed.unanswered ? patience.postMs : cluster.resourceManager === null ? 0 : patience.quietMs;
  let deleted = false;
  let quietSince: number | null = null;
  for (;;) {
    if (await succeeded()) return null;
    // What is known then was so at this time, however long the answers take.
    const asked = clock.elapsed();
    try {
      const known = await doomed.remove(signal);
      deleted ||= known;
      cluster.answered();
      const application = await findApplication(cluster, doomed, signal);
      if (application !== null && application.id !== doomed.appId) await doomed.found(application.id);
      if (application !== null && !hasEnded(application)) {
        quietSince = null;
        doomed.tell(`cancelling: ${application.id} on ${cluster.config.name} is ${application.state}`);
        // Livy had its chance; it does not know it any more or could not do it.
        if (!known) await cluster.resourceManager?.kill(application.id, signal);
      } else if (application !== null) {
        return `the ResourceManager says ${application.finalStatus}`;
      } else if (!known) {
        quietSince ??= asked;
        if (asked - quietSince >= quietMs) return confirmation(cluster, deleted, doomed.appId);
      } else {
        quietSince = null;
      }
    } catch (error) {
      signal.throwIfAborted();
      quietSince = null;
      cluster.failed(error);
      const words = `cancelling: not confirmed, trying again: ${(error as Error).message}`;
      doomed.tell(words);
      await doomed.failed(words);
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
