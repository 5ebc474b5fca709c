/**
 * The truth about a submission that Livy calls ended, or knows nothing of.
 *
 * Witnesses in order: the manifest (proves success or tells the exception), YARN's ResourceManager, Spark's History Server (proves an end and its time, and no success), and last Livy with a stated wait, because Livy says `dead`
 * also when it merely failed to ask.
 *
 * An unmodified application writes no manifest. That it ended well is believed of the ResourceManager (`FINISHED` and `SUCCEEDED`, one application with our tag, its driver started once); of Livy's `success` only where no
 * ResourceManager is configured, or where it answers that it does not know the application (it forgets). Nothing else is a success: not `dead`, not a batch that is gone, not what the History Server says, not files that
 * are there.
 */

import type { SubmissionFailure, SubmissionState } from "../../../evaluate/ports.ts";
import type { Cluster } from "../clusters/cluster.ts";
import type { Patience } from "../patience.ts";
import type { SubmissionRow } from "../submissions/submission-row.ts";
import { appFailureInLog, appFailureOnYarn } from "./app-failures.ts";
import type { DriverOutput } from "./driver-logs.ts";
import { failureOfSubmit, failureOnYarn } from "./failure-report.ts";
import type { HistoryApplication } from "./history-server.ts";
import { hasEnded, type ResourceManager, type YarnApplication } from "./resource-manager.ts";

/** What Livy says: an end, that it knows no such batch, or nothing at all. */
export type Claim = "success" | "dead" | "killed" | "gone" | "silent";

/** What follows, after the manifest was looked for in vain. */
export type Verdict =
  /** Nothing is certain: go on looking. `state` where the row has to show it. */
  | { readonly kind: "wait"; readonly state?: SubmissionState; readonly why: string }
  | { readonly kind: "ended"; readonly state: "failed" | "killed"; readonly failure: SubmissionFailure }
  /** An unmodified application has ended well. */
  | { readonly kind: "finished"; readonly why: string };

/** Judges. `doubtMs`: from when the doubt began to when this claim was heard; `output` copies the rest of what the driver printed; `isApp`: no manifest is to come. */
export async function judge(
  cluster: Cluster,
  row: SubmissionRow,
  isApp: boolean,
  claim: Claim,
  doubtMs: number,
  patience: Patience,
  output: () => Promise<DriverOutput>,
  signal: AbortSignal,
): Promise<Verdict> {
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
      if (isApp && application.state === "FINISHED" && application.finalStatus === "SUCCEEDED")
        return judgeFinished(cluster.resourceManager!, row, application.id, signal);
      // The driver's last file may still be on its way through the file system.
      if (!isApp && doubtMs < patience.endMs)
        return {
          kind: "wait",
          why: `${livy}; the ResourceManager says ${application.finalStatus}; looking for the manifest`,
        };
      const printed = await output();
      await row.append(application.diagnostics.trim().split("\n"), "yarn", true);
      const failure = isApp
        ? appFailureOnYarn(application, printed, row.record.location)
        : failureOnYarn(application, printed, row.record.location);
      return ended(failure, application.state === "KILLED");
    }
  }
  if (isApp && claim === "success") {
    if (yarn === null) return { kind: "finished", why: livy };
    const why = `${livy}; the ResourceManager does not know the application any more`;
    return { kind: doubtMs < patience.endMs ? "wait" : "finished", why };
  }
  const history = await findInHistory(cluster, row, signal);
  if (history?.completed === true) {
    if (doubtMs < patience.endMs)
      return { kind: "wait", why: `${livy}; the Spark History Server says that it ended; looking for the manifest` };
    await output();
    return ended(await failureInHistory(cluster, row, isApp, history, signal), claim === "killed");
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
  const log = await row.readLog();
  const own = isApp && claim === "dead" ? appFailureInLog(log.join("\n"), (await row.read()).request) : null;
  if (own !== null) return ended(own, false);
  return ended(failureOfSubmit(log, row.record.livyName, claim, row.record.location), claim === "killed");
}

/** An unmodified application that the ResourceManager says has ended well: it is trusted where nothing else wrote to the same places. */
async function judgeFinished(
  yarn: ResourceManager,
  row: SubmissionRow,
  id: string,
  signal: AbortSignal,
): Promise<Verdict> {
  let starts: number;
  let others: readonly YarnApplication[];
  try {
    starts = await yarn.countStarts(id, signal);
    others = (await yarn.findByTag(row.record.livyName, signal)).filter((one) => one.id !== id);
  } catch (error) {
    signal.throwIfAborted();
    return { kind: "wait", why: `the ResourceManager says SUCCEEDED, and ${(error as Error).message}` };
  }
  if (starts <= 1 && others.length === 0) return { kind: "finished", why: "the ResourceManager says SUCCEEDED" };
  const twice =
    others.length > 0
      ? `its tag is carried by ${others[0]!.id} too`
      : `YARN started its driver ${starts} times, although spark.yarn.maxAppAttempts=1 was asked for`;
  const message = `${id} ended well, but ${twice}: its outputs may hold the files of both`;
  return ended({ class: "cluster", type: "StartedTwice", message }, false);
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
  isApp: boolean,
  { id, endedAt }: HistoryApplication,
  signal: AbortSignal,
): Promise<SubmissionFailure> {
  const reason = await cluster.historyServer?.failure(id, signal).catch(() => null);
  const at = endedAt === null ? "" : ` at ${new Date(endedAt).toISOString()}`;
  const stage = reason ? `; a stage failed: ${reason.split("\n", 1)[0]}` : "";
  const missing = isApp ? "" : `, and left no manifest in ${row.record.location}`;
  return {
    class: "cluster",
    type: isApp ? "EndUnknown" : "ManifestMissing",
    message: `${id} ended${at}, as the Spark History Server says${missing}; whether it did its work nobody can tell${stage}`,
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
