/**
 * Posting a batch so that it exists once, whatever happens to the request or its answer.
 *
 * The batch's name is unique and Livy refuses a second one of the same name while it holds the first. So after any answer that leaves a doubt Livy is asked by name, and only when it has not got the batch for
 * a while, and YARN has no application with our tag, the same batch is posted again.
 *
 * A refused POST can leave a batch that never starts. One that Livy is still working on looks the same (a proxy may have given up on it), and its application would live on after a DELETE. But Livy works through
 * POSTs one after another: when a second one is refused for its name, the first is over.
 */

import { Code, FiresteelError } from "../../../errors.ts";
import type { Cluster } from "../clusters/cluster.ts";
import type { LivyBatch, LivyBatchRequest } from "../http/client.ts";
import { LivyFailure, livyFailureOf } from "../http/errors.ts";
import type { Patience } from "../patience.ts";
import { pause } from "../waiting.ts";
import { isBlank } from "../witness/log-tail.ts";
import type { SubmissionRow } from "./submission-row.ts";

/** How a POST ended. */
export type Posted =
  /** The batch is Livy's. */
  | { readonly kind: "made"; readonly batch: LivyBatch }
  /** Livy does not know it, but its application runs. */
  | { readonly kind: "onYarn"; readonly appId: string }
  /** There is no batch, and the same request may be sent again. `counts`: this cannot go on for ever. `answered`: the server did its part. */
  | { readonly kind: "again"; readonly why: string; readonly counts: boolean; readonly answered: boolean }
  /** The request will never be taken. */
  | { readonly kind: "refused"; readonly error: FiresteelError };

/** Sends the request once and finds out what became of it. The signal stops the waiting, not the request. */
export async function post(
  cluster: Cluster,
  row: SubmissionRow,
  request: LivyBatchRequest,
  patience: Patience,
  signal: AbortSignal,
): Promise<Posted> {
  const name = row.record.livyName;
  let error: FiresteelError;
  try {
    const batch = await cluster.client.createBatch(request);
    cluster.answered();
    cluster.admission.taken();
    if (batch.name === name) return { kind: "made", batch };
    error = new FiresteelError(
      Code.unavailable,
      `cluster ${cluster.config.name} answered for another batch: ${batch.name}`,
    );
  } catch (reason) {
    error = FiresteelError.from(reason);
  }
  const failure = livyFailureOf(error);
  switch (failure) {
    case LivyFailure.tooManySessions:
      cluster.answered();
      cluster.admission.tooMany();
      cluster.observer.throttled(cluster.config.name);
      return { kind: "again", why: wordsOf(error), counts: false, answered: true };
    // What lets nobody in is no judgement of this request: it waits for better credentials as it waits for a server that is down.
    case LivyFailure.unreachable:
    case LivyFailure.unauthorized:
      cluster.failed(error);
      return { kind: "again", why: cluster.trouble, counts: false, answered: false };
    case LivyFailure.rejected:
    case LivyFailure.forbidden:
    case LivyFailure.notFound:
      await sweepZombie(cluster, name, patience, signal);
      return { kind: "refused", error };
    default:
      row.tell(`waiting: it is not known whether ${cluster.config.name} took the batch: ${wordsOf(error)}`);
      return resolvePost(cluster, row, request, wordsOf(error), patience, signal);
  }
}

/** Finds out by name whether an earlier POST had an effect; asks until there is an answer. */
export async function resolvePost(
  cluster: Cluster,
  row: SubmissionRow,
  request: LivyBatchRequest,
  why: string,
  patience: Patience,
  signal: AbortSignal,
): Promise<Posted> {
  const name = row.record.livyName;
  const { clock } = cluster;
  let waitingSince: number | null = null;
  /** The batch that shows no sign of a start, and since when. */
  let blank = null as { readonly id: number; readonly since: number } | null;
  /** The answer to a POST of our own from here was lost: until its time is over neither is another sent nor the name freed for it. */
  let lost = false;
  for (;;) {
    // What is known then was so at this time, however long the answers take: a process can be paused between them.
    const asked = clock.elapsed();
    try {
      const batch = await cluster.client.findBatch(name, signal);
      cluster.answered();
      waitingSince ??= asked;
      const isOver = asked - waitingSince > patience.postMs;
      if (batch !== null && !isZombie(batch)) return { kind: "made", batch };
      if (batch !== null) {
        if (blank?.id !== batch.id) blank = { id: batch.id, since: asked };
        if (asked - blank.since > patience.zombieMs && (!lost || isOver)) {
          const appId = await findOnYarn(cluster, name, signal);
          if (appId !== null) return { kind: "onYarn", appId };
          lost = true;
          const made = await awaitPosts(cluster, request);
          lost = false;
          if (made?.name === name) return { kind: "made", batch: made };
          const still = await cluster.client.findBatch(name, signal);
          if (still?.id !== batch.id || !isZombie(still)) continue;
          await cluster.client.deleteBatch(name, signal);
          return {
            kind: "again",
            why: `${why}; the batch it left never started and was deleted`,
            counts: true,
            answered: false,
          };
        }
      } else {
        blank = null;
        const appId = await findOnYarn(cluster, row.record.livyName, signal);
        if (appId !== null) return { kind: "onYarn", appId };
        if (isOver) return { kind: "again", why: `${why}; the batch does not exist`, counts: true, answered: false };
      }
    } catch (error) {
      signal.throwIfAborted();
      // The time runs only while there are answers.
      waitingSince = null;
      cluster.failed(error);
      row.tell(
        `waiting: it is not known whether ${cluster.config.name} took the batch, and ${(error as Error).message}`,
      );
    }
    await pause(clock, patience.askMs, signal);
  }
}

/** Returns when no earlier POST is under way in Livy, told by the refusal of the same one; the batch, where that was taken after all. Rejects when there was no such answer. */
async function awaitPosts(cluster: Cluster, request: LivyBatchRequest): Promise<LivyBatch | null> {
  try {
    return await cluster.client.createBatch(request);
  } catch (error) {
    const failure = livyFailureOf(error);
    if (failure === LivyFailure.duplicateName || failure === LivyFailure.tooManySessions) return null;
    throw error;
  }
}

/** Deletes the batch that a refused POST can leave behind: it never starts, never ends, and keeps its name. */
async function sweepZombie(cluster: Cluster, name: string, patience: Patience, signal: AbortSignal): Promise<void> {
  const { clock } = cluster;
  const until = clock.elapsed() + patience.zombieMs;
  try {
    for (;;) {
      const batch = await cluster.client.findBatch(name, signal);
      // A refused request starts nothing: whatever has its name and does not start is what it left behind.
      if (batch === null || !isZombie(batch)) return;
      if (clock.elapsed() >= until) break;
      await pause(clock, patience.askMs, signal);
    }
    await cluster.client.deleteBatch(name, signal);
  } catch (error) {
    signal.throwIfAborted();
    cluster.failed(error); // It costs Livy a line in a list; its refusal is what the caller has to hear.
  }
}

/** A batch that was made and not started: Livy shows not even the headers of its log. */
export function isZombie(batch: LivyBatch): boolean {
  return batch.state === "starting" && batch.appId === null && isBlank(batch.log);
}

async function findOnYarn(cluster: Cluster, tag: string, signal: AbortSignal): Promise<string | null> {
  const found = await cluster.resourceManager?.findByTag(tag, signal);
  return found?.[0]?.id ?? null;
}

function wordsOf(error: FiresteelError): string {
  const { words } = error.details;
  return typeof words === "string" ? words : error.message;
}
