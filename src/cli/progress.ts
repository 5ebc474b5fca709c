/**
 * How an execution goes, put together from the messages of `WatchExecution`: counts, what runs where, and a line for whatever is worth one.
 */

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Execution, type Job, JobState, type WatchExecutionResponse } from "../gen/firesteel/v1/execution_pb.ts";
import { type Submission, SubmissionState } from "../gen/firesteel/v1/submission_pb.ts";
import { clipText, formatDuration, oneLine, shortId } from "./format.ts";
import { submissionStateWord } from "./state-word.ts";

/** Jobs that take longer than this, in ms, get a line when they end. */
const WORTH_A_LINE_MS = 250;
/** Lines about the calls of one task: of thousands alike the first ones tell enough, and the counts tell the rest. */
const LINES_OF_A_TASK = 20;

/** A line worth telling. `passing` ones are also shown by the live view while they are true. */
export interface ProgressLine {
  readonly kind: "failed" | "passing" | "done";
  readonly text: string;
}

/** Jobs by what became of them, and submissions. */
export interface ProgressCounts {
  readonly ran: number;
  readonly cached: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly running: number;
  readonly waiting: number;
  /** Submissions that this execution made. */
  readonly submitted: number;
}

/** The progress of one execution. */
export class Progress {
  readonly #now: () => number;
  readonly #live = new Map<string, Job>();
  /** When jobs that had waited were first seen to run. */
  readonly #began = new Map<string, number>();
  readonly #ended = new Set<string>();
  readonly #submissions = new Map<string, SubmissionState>();
  readonly #notes = new Set<string>();
  /** Message of a failure to the task where it came up first. */
  readonly #failures = new Map<string, string>();
  readonly #lines = new Map<string, number>();
  #ran = 0;
  #cached = 0;
  #failed = 0;
  #cancelled = 0;
  #execution: Execution | undefined;

  /** `now` is the clock by which the time of a job is told that waited before it ran. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** The execution as it was last told of. */
  get execution(): Execution | undefined {
    return this.#execution;
  }

  get counts(): ProgressCounts {
    let waiting = 0;
    for (const job of this.#live.values()) if (job.state === JobState.WAITING) waiting++;
    return {
      ran: this.#ran,
      cached: this.#cached,
      failed: this.#failed,
      cancelled: this.#cancelled,
      running: this.#live.size - waiting,
      waiting,
      submitted: this.#submissions.size,
    };
  }

  /** The task where a failure with this message came up first. */
  originOf(message: string): string | undefined {
    return this.#failures.get(message);
  }

  /** Takes in a message; gives the lines that it is worth. */
  apply({ event }: WatchExecutionResponse): readonly ProgressLine[] {
    switch (event.case) {
      case "snapshot": {
        const { execution, jobs, submissions } = event.value;
        if (execution) this.#execution = execution;
        return [...submissions.flatMap((one) => this.#submission(one)), ...jobs.flatMap((job) => this.#job(job))];
      }
      case "execution":
        this.#execution = event.value;
        return [];
      case "job":
        return this.#job(event.value);
      case "submission":
        return this.#submission(event.value);
      case "code":
        return [{ kind: "done", text: `code: ${oneLine(event.value.message)} (${shortDigest(event.value.version)})` }];
      case undefined:
        return [];
    }
  }

  #job(job: Job): ProgressLine[] {
    if (this.#ended.has(job.id)) return [];
    const before = this.#live.get(job.id);
    if (job.endedAt === undefined) {
      if (before?.state === JobState.WAITING && job.state !== JobState.WAITING) this.#began.set(job.id, this.#now());
      this.#live.set(job.id, job);
      const note = oneLine(job.note ?? "");
      if (!note.startsWith("waiting") || this.#notes.has(note)) return [];
      this.#notes.add(note);
      return [{ kind: "passing", text: `${job.task} ${note}` }];
    }
    const began = this.#began.get(job.id) ?? (job.startedAt && timestampMs(job.startedAt));
    this.#began.delete(job.id);
    this.#live.delete(job.id);
    this.#ended.add(job.id);
    if (job.state === JobState.SUCCEEDED) {
      if (job.cached) this.#cached++;
      else this.#ran++;
      const took = began === undefined ? 0 : Math.max(0, timestampMs(job.endedAt) - began);
      if (job.cached || took <= WORTH_A_LINE_MS) return [];
      // Of one that was told of as waiting and then as ended, it is not known how long it ran.
      const how = before?.state === JobState.WAITING ? "done, with its waiting," : "done";
      return this.#few(job.task, "done", `${job.task} ${how} in ${formatDuration(took)} (${job.executor})`);
    }
    if (job.state === JobState.CANCELLED) {
      this.#cancelled++;
      return [];
    }
    this.#failed++;
    const message = job.error?.message ?? "";
    // The jobs above it end later, with the same error.
    if (this.#failures.has(message)) return [];
    this.#failures.set(message, job.task);
    // That of the root is the execution's own, which is told at its end.
    if (job.parentId === undefined && job.task === this.#execution?.task) return [];
    return this.#few(job.task, "failed", `${job.task} failed: ${clipText(oneLine(message), 300)}`);
  }

  /** A line about a call, unless there were many of its task. */
  #few(task: string, kind: "done" | "failed", text: string): ProgressLine[] {
    const told = (this.#lines.get(`${kind} ${task}`) ?? 0) + 1;
    this.#lines.set(`${kind} ${task}`, told);
    if (told > LINES_OF_A_TASK) return [];
    const last = told === LINES_OF_A_TASK ? [{ kind, text: `further calls of ${task} are counted only` }] : [];
    return [{ kind, text }, ...last];
  }

  #submission({ id, executionId, state, task, cluster, appId, cause }: Submission): ProgressLine[] {
    if (this.#execution !== undefined && executionId !== this.#execution.id) return [];
    if (this.#submissions.get(id) === state) return [];
    this.#submissions.set(id, state);
    const application = appId === undefined ? "" : ` as ${appId}`;
    const why = SAID_WITH_CAUSE.has(state) && cause !== "" ? `: ${clipText(oneLine(cause), 300)}` : "";
    const kind = ENDS.has(state) ? "done" : "passing";
    return [
      {
        kind,
        text: `submission ${shortId(id)} ${task} ${submissionStateWord(state)} on ${cluster}${application}${why}`,
      },
    ];
  }

  /** What goes on, newest state of each, as lines of at most `width` characters; `most` lines at most. */
  frame(title: string, startedAt: number, now: number, width: number, most: number): string[] {
    const head = `${title}  ${formatDuration(now - startedAt)}  ${this.#countsInWords()}`;
    const parents = new Set<string>();
    for (const { parentId } of this.#live.values()) if (parentId !== undefined) parents.add(parentId);
    const leaves = [...this.#live.values()].filter(({ id }) => !parents.has(id));
    const groups = Map.groupBy(leaves, (job) =>
      job.state === JobState.WAITING ? `${job.task} ${job.note ?? ""}` : job.id,
    );
    const lines = [...groups.values()]
      .toSorted((a, b) => Number(isWaiting(a)) - Number(isWaiting(b)))
      .map((group) => frameLine(group, now));
    const shown = lines.length > most ? [...lines.slice(0, most - 1), `and ${lines.length - most + 1} more`] : lines;
    return [head, ...shown.map((line) => `  ${line}`)].map((line) => clipText(line, width));
  }

  #countsInWords(): string {
    const { ran, cached, failed, cancelled, running, waiting } = this.counts;
    const words = { done: ran, cached, failed, cancelled, running, waiting };
    return Object.entries(words)
      .filter(([word, count]) => count > 0 || word === "done")
      .map(([word, count]) => `${count.toLocaleString("en")} ${word}`)
      .join(", ");
  }
}

const ENDS: ReadonlySet<SubmissionState> = new Set([
  SubmissionState.SUCCEEDED,
  SubmissionState.FAILED,
  SubmissionState.KILLED,
  SubmissionState.CANCELLED,
]);
const SAID_WITH_CAUSE: ReadonlySet<SubmissionState> = new Set([
  SubmissionState.FAILED,
  SubmissionState.KILLED,
  SubmissionState.CANCELLING,
  SubmissionState.LOST,
]);

function isWaiting([first]: readonly Job[]): boolean {
  return first?.state === JobState.WAITING;
}

function frameLine(group: readonly Job[], now: number): string {
  const [job] = group as readonly [Job, ...Job[]];
  const many = group.length > 1 ? ` (${group.length})` : "";
  const note = oneLine(job.note ?? "");
  const span = job.startedAt ? formatDuration(now - timestampMs(job.startedAt)) : "";
  return [`${job.task}${many}`, job.executor, span, note || (isWaiting(group) ? "waiting" : "")]
    .filter((part) => part !== "")
    .join("  ");
}

function shortDigest(digest: string): string {
  return digest.slice(0, 12);
}
