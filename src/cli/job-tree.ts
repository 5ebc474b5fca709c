/**
 * The jobs of an execution as a tree: who asked first for whom.
 */

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Job, JobState } from "../gen/firesteel/v1/execution_pb.ts";
import { clipText, formatCount, formatDuration, oneLine, shortId } from "./format.ts";
import { jobStateWord } from "./state-word.ts";

/** Jobs of one task below one job that are shown before the rest of them is counted. */
const SHOWN_ALIKE = 5;

/** How the tree is drawn. */
export interface TreeOptions {
  readonly now: number;
  /** Shows every job. */
  readonly all: boolean;
  /** Columns there are; unbounded without. */
  readonly width?: number | undefined;
  readonly paint: (text: string, state: string) => string;
}

/** The lines of the tree, root first. Works on any number of jobs and any depth without recursion. */
export function jobTreeLines(jobs: readonly Job[], { now, all, width, paint }: TreeOptions): string[] {
  const known = new Set(jobs.map(({ id }) => id));
  const children = Map.groupBy(jobs, ({ parentId }) => (parentId !== undefined && known.has(parentId) ? parentId : ""));
  // A failure is told where it came up, not at each job above.
  const failsBelow = new Set(jobs.flatMap(({ parentId, error }) => (error ? [`${parentId} ${error.message}`] : [])));
  const lines: string[] = [];
  const open: Entry[] = entries(children.get("") ?? [], "", true, all);
  for (let entry = open.pop(); entry !== undefined; entry = open.pop()) {
    const { head, below, item } = entry;
    if (typeof item === "string") {
      lines.push(`${head}${paint(item, "cached")}`);
      continue;
    }
    const { task, ...rest } = item;
    const state = jobWord(item);
    const text = [
      task,
      state,
      spanOf(item, now),
      rest.cached ? "" : rest.executor,
      rest.submissionId === undefined ? "" : shortId(rest.submissionId),
      item.error && failsBelow.has(`${item.id} ${item.error.message}`) ? "" : noteOf(item),
    ].filter((part) => part !== "");
    const line = clipText(`${head}${text.join("  ")}`, width ?? Number.POSITIVE_INFINITY);
    // Painted after it was cut: colour codes take no room.
    lines.push(line.replace(`${task}  ${state}`, () => `${task}  ${paint(state, state)}`));
    open.push(...entries(children.get(item.id) ?? [], below, false, all));
  }
  return lines;
}

interface Entry {
  readonly item: Job | string;
  /** What stands before the text, and before those below. */
  readonly head: string;
  readonly below: string;
}

/** Jobs on one level, last one first; many of one task become a few and a count. */
function entries(jobs: readonly Job[], indent: string, root: boolean, all: boolean): Entry[] {
  const items: (Job | string)[] = [];
  for (const group of Map.groupBy(jobs, ({ task }) => task).values()) {
    const few = all || group.length <= SHOWN_ALIKE + 1 ? group : notable(group);
    items.push(...few);
    const left = group.filter((job) => !few.includes(job));
    if (left.length > 0)
      items.push(`${left[0]!.task}: ${formatCount(left.length, "more job")} (${words(left)}; --all shows them)`);
  }
  return items
    .map((item, i) => {
      const last = i === items.length - 1;
      if (root) return { item, head: indent, below: indent };
      return { item, head: `${indent}${last ? "\u2514 " : "\u251c "}`, below: `${indent}${last ? "  " : "\u2502 "}` };
    })
    .reverse();
}

/** The jobs that one wants to see first: failed ones, those that go on, then the longest. */
function notable(group: readonly Job[]): Job[] {
  const weight = (job: Job) => (job.state === JobState.SUCCEEDED ? 0 : job.state === JobState.FAILED ? 2 : 1);
  const best = new Set(
    group.toSorted((a, b) => weight(b) - weight(a) || spanMs(b, 0) - spanMs(a, 0)).slice(0, SHOWN_ALIKE),
  );
  return group.filter((job) => best.has(job));
}

function words(jobs: readonly Job[]): string {
  const counts = Map.groupBy(jobs, jobWord);
  return [...counts].map(([state, some]) => `${some.length} ${state}`).join(", ");
}

/** A job's state in a word; `cached` when its result came from the store. */
export function jobWord({ state, cached }: Job): string {
  return cached && state === JobState.SUCCEEDED ? "cached" : jobStateWord(state);
}

function spanMs({ startedAt, endedAt }: Job, now: number): number {
  if (!startedAt) return 0;
  return (endedAt ? timestampMs(endedAt) : now) - timestampMs(startedAt);
}

function spanOf(job: Job, now: number): string {
  return job.cached || !job.startedAt ? "" : formatDuration(spanMs(job, now));
}

/** Why it failed where it failed first, or what it does. */
function noteOf({ error, state, note }: Job): string {
  if (state === JobState.FAILED) return clipText(oneLine(error?.message ?? ""), 200);
  return state === JobState.RUNNING || state === JobState.WAITING ? oneLine(note ?? "") : "";
}
