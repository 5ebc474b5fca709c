/**
 * The truth about a submission that Livy calls ended, or knows nothing of.
 *
 * Witnesses in order: the manifest (proves success or tells the exception), YARN's ResourceManager, and last Livy with a stated wait, because Livy says `dead` also when it merely failed to ask.
 */

import type { SubmissionFailure, SubmissionState } from "../../evaluate/ports.ts";
import type { Cluster } from "./cluster.ts";
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

/** Judges. `since` is when the doubt began, by the clock's `elapsed`. */
export async function judge(
  cluster: Cluster,
  row: SubmissionRow,
  claim: Claim,
  since: number,
  patience: Patience,
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
      return ended(await failureOnYarn(cluster, row, application, signal), application.state === "KILLED");
    }
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
  return ended(failureWithoutYarn(row, claim), claim === "killed");
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

async function failureOnYarn(
  cluster: Cluster,
  row: SubmissionRow,
  application: YarnApplication,
  signal: AbortSignal,
): Promise<SubmissionFailure> {
  const words = application.diagnostics.trim();
  if (application.state === "KILLED") {
    // Somebody stopped it on purpose; starting it again would work against them.
    const onPurpose = /killed by user|killed by/i.test(words);
    return {
      class: onPurpose ? "user" : "cluster",
      type: "ApplicationKilled",
      message: `${application.id} was killed on the cluster: ${words || "no reason was given"}`,
    };
  }
  if (application.state === "FAILED" && REFUSED.test(words))
    return { class: "submit", type: "ApplicationRefused", message: words };
  const output = await cluster.resourceManager?.driverOutput(application, 4_000, signal);
  const python = output ? lastTraceback(output) : null;
  if (output) await row.append(["driver's stdout:", ...output.split("\n")]);
  if (application.finalStatus === "SUCCEEDED") {
    return {
      class: "cluster",
      type: "ManifestMissing",
      message: `${application.id} ended well and left no manifest in ${row.record.location}`,
    };
  }
  // A job that fails by itself says so in its manifest; without one the driver was stopped from outside or could not even start.
  return {
    class: "cluster",
    type: python?.type ?? "ApplicationFailed",
    message: python?.message ?? `${application.id} failed: ${words || "no reason was given"}`,
    ...(python ? { traceback: python.text } : {}),
  };
}

/** What spark-submit and YARN say when it is the request that is wrong, not the cluster. */
const REFUSED =
  /IllegalArgumentException|InvalidResourceRequestException|AccessControlException|FileNotFoundException|ClassNotFoundException|SparkException: (Cluster|Only|Cannot load|Dynamic|Application)|does not exist|unknown queue|InvalidInputException/;

function failureWithoutYarn(row: SubmissionRow, claim: Claim): SubmissionFailure {
  const log = row.logTail;
  const at = log.findLastIndex((line) => /^Exception in thread "main" /.test(line));
  const thrown = at < 0 ? null : log[at]!.replace(/^Exception in thread "main" /, "");
  if (claim === "gone") {
    return {
      class: "cluster",
      type: "SubmissionLost",
      message: `batch ${row.record.livyName} is not known to Livy, left no manifest, and has no application that could be found`,
    };
  }
  if (claim === "success")
    return {
      class: "cluster",
      type: "ManifestMissing",
      message: `batch ${row.record.livyName} ended well and left no manifest in ${row.record.location}`,
    };
  if (thrown !== null) {
    const [type = "", ...rest] = thrown.split(": ");
    return { class: REFUSED.test(thrown) ? "submit" : "cluster", type, message: rest.join(": ") || thrown };
  }
  const python = lastTraceback(log.join("\n"));
  const words = log.findLast((line) => line.trim() !== "") ?? "its log is empty";
  return {
    class: "cluster",
    type: python?.type ?? "BatchFailed",
    message: python?.message ?? `batch ${row.record.livyName} is ${claim}: ${words}`,
    ...(python ? { traceback: python.text } : {}),
  };
}

/** The last Python traceback in a text, taken apart. */
export function lastTraceback(
  text: string,
): { readonly type: string; readonly message: string; readonly text: string } | null {
  const start = text.lastIndexOf("Traceback (most recent call last):");
  if (start < 0) return null;
  const lines = text.slice(start).split("\n");
  const end = lines.findIndex((line, i) => i > 0 && /^[A-Za-z_]/.test(line));
  if (end < 0) return null;
  const [, type = "", message = ""] = /^([\w.]+)(?:: ?(.*))?$/.exec(lines[end]!) ?? [null, lines[end]!, ""];
  return { type, message: message || type, text: lines.slice(0, end + 1).join("\n") };
}
