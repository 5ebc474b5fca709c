/**
 * The truth about a submission that Livy calls ended, or knows nothing of.
 *
 * Witnesses in order: the manifest (proves success or tells the exception), YARN's ResourceManager, Spark's History Server (proves an end and its time, and no success), and last Livy with a stated wait, because Livy says `dead`
 * also when it merely failed to ask.
 */

import type { SubmissionFailure, SubmissionState } from "../../evaluate/ports.ts";
import type { Cluster } from "./cluster.ts";
import type { DriverOutput } from "./driver-logs.ts";
import { failureOfSubmit, failureOnYarn } from "./failure-report.ts";
import type { HistoryApplication } from "./history-server.ts";
import type { Patience } from "./patience.ts";
import { hasEnded, type YarnApplication } from "./resource-manager.ts";
import type { SubmissionRow } from "./submission-row.ts";

/** What Livy says: an end, that it knows no such batch, or nothing at all. */
export type Claim = "success" | "dead" | "killed" | "gone" | "silent";

/** What follows, after the manifest was looked for in vain. */
export type Verdict =
  /** Nothing is certain: go on looking. `state` where the row has to show it. */
  | { readonly kind: "wait"; readonly state?: SubmissionState; readonly why: string }
  | { readonly kind: "ended"; readonly state: "failed" | "killed"; readonly failure: SubmissionFailure };

/** Judges. `since` is when the doubt began, by the clock's `elapsed`; `output` copies the rest of what the driver printed. */
export async function judge(
  cluster: Cluster,
  row: SubmissionRow,
  claim: Claim,
  since: number,
  patience: Patience,
  output: () => Promise<DriverOutput>,
  signal: AbortSignal,
): Promise<Verdict> {
  const doubtMs = cluster.clock.elapsed() - since;
  const livy =
    claim === "gone"
      ? "Livy does not know the batch any more"
      : claim === "silent"
        ? "Livy gives no answer"
        : `Livy says ${claim}`;
  let application: YarnApplication | null = null;
  const yarn = cluster.resourceManager;
  if (yarn !== null) {
    try {
      application = await findApplication(cluster, { tag: row.record.livyName, appId: row.record.appId }, signal);
    } catch (error) {
      signal.throwIfAborted();
      return { kind: "wait", why: `${livy}, and ${(error as Error).message}` };
    }
    if (application !== null) {
      if (!hasEnded(application)) {
        const state = application.state === "RUNNING" ? "running" : "starting";
        return { kind: "wait", state, why: `${livy}; the ResourceManager says ${application.state}` };
      }
      // The driver's last file may still be on its way through the file system.
      if (doubtMs < patience.endMs)
        return {
          kind: "wait",
          why: `${livy}; the ResourceManager says ${application.finalStatus}; looking for the manifest`,
        };
      const printed = await output();
      await row.append(application.diagnostics.trim().split("\n"), "yarn", true);
      return ended(failureOnYarn(application, printed, row.record.location), application.state === "KILLED");
    }
  }
  const history = await findInHistory(cluster, row, signal);
  if (history?.completed === true) {
    if (doubtMs < patience.endMs)
      return { kind: "wait", why: `${livy}; the Spark History Server says that it ended; looking for the manifest` };
    await output();
    return ended(await failureInHistory(cluster, row, history, signal), claim === "killed");
  }
  if (claim === "silent") return { kind: "wait", why: livy };
  // Without an application on YARN, `dead` means that spark-submit ended; with one that YARN cannot be asked about, Livy may be wrong.
  const certain = claim !== "gone" && (yarn !== null || row.record.appId === null || claim === "success");
  const waitMs = certain ? patience.endMs : patience.lostMs;
  if (doubtMs < waitMs) {
    return {
      kind: "wait",
      ...(claim === "gone" ? { state: "lost" as const } : {}),
      why: `${livy}; waiting ${Math.round(waitMs / 1000)} s for a sign of it`,
    };
  }
  await row.copyWholeLog(signal);
  return ended(failureOfSubmit(row.log, row.record.livyName, claim, row.record.location), claim === "killed");
}

/** What the History Server says of a submission's application, for those that YARN does not know any more; null where nobody can be asked or nothing is known. */
async function findInHistory(
  cluster: Cluster,
  row: SubmissionRow,
  signal: AbortSignal,
): Promise<HistoryApplication | null> {
  const { appId, historyUrl } = row.record;
  if (cluster.historyServer === null || appId === null) return null;
  try {
    const found = await cluster.historyServer.find(appId, signal);
    if (found !== null && found.url !== historyUrl) await row.change({ historyUrl: found.url });
    return found;
  } catch (error) {
    signal.throwIfAborted();
    // It is no witness that anything depends on: without it, time decides.
    row.tell(`${(error as Error).message}`);
    return null;
  }
}

async function failureInHistory(
  cluster: Cluster,
  row: SubmissionRow,
  { id, endedAt }: HistoryApplication,
  signal: AbortSignal,
): Promise<SubmissionFailure> {
  const reason = await cluster.historyServer?.failure(id, signal).catch(() => null);
  const at = endedAt === null ? "" : ` at ${new Date(endedAt).toISOString()}`;
  const stage = reason ? `; a stage failed: ${reason.split("\n", 1)[0]}` : "";
  return {
    class: "cluster",
    type: "ManifestMissing",
    message: `${id} ended${at}, as the Spark History Server says, and left no manifest in ${row.record.location}; whether it did its work nobody can tell${stage}`,
  };
}

/** An application: by its id, else by its tag. */
export async function findApplication(
  cluster: Cluster,
  { appId, tag }: { readonly appId: string | null; readonly tag: string },
  signal?: AbortSignal,
): Promise<YarnApplication | null> {
  const yarn = cluster.resourceManager;
  if (yarn === null) return null;
  const known = appId === null ? null : await yarn.find(appId, signal);
  if (known !== null) return known;
  const tagged = await yarn.findByTag(tag, signal);
  return tagged.find((one) => !hasEnded(one)) ?? tagged[0] ?? null;
}

function ended(failure: SubmissionFailure, killed: boolean): Verdict {
  return { kind: "ended", state: killed ? "killed" : "failed", failure };
}
