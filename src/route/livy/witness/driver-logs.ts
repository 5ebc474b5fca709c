/**
 * Copies what drivers on YARN print, while they run and once more at their end: the container's `stdout` (Python's prints and tracebacks) and `stderr` (Spark's own log).
 *
 * A log is copied by its length, line by line, so no line is copied twice; what grew by more than one look takes is left out, and that is said. Looks are few and apart from the tick: some at once and some a second for
 * each cluster, however many drivers run, and a node that gives no answer is left alone for a while. All of it is for people, and for the report of a failure: nothing waits for it but the end of a failed submission, and
 * that not for long.
 */

import type { Clock } from "../../../clock.ts";
import { LogSource } from "../../../evaluate/ports.ts";
import type { SubmissionRow } from "../submissions/submission-row.ts";
import { atMost, Backoff } from "../waiting.ts";
import { type ContainerPlace, type LogEnd, type NodeLogs, placeOf } from "./node-logs.ts";
import type { ResourceManager } from "./resource-manager.ts";

/** The end of what a driver printed; empty where that could not be had. */
export interface DriverOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/** The copy of one driver's logs; ends when it is disposed of. */
export interface DriverLogCopy extends Disposable {
  /** Copies the rest; the same for all who ask. Settles soon and in any case, and nothing is copied after it. */
  finish(signal: AbortSignal): Promise<DriverOutput>;
}

const FILES = [LogSource.stdout, LogSource.stderr] as const;
type File = (typeof FILES)[number];

/** Between two looks at one driver, and at any two of a cluster. */
const LOOK_MS = 5_000;
const EACH_MS = 200;
const AT_ONCE = 4;
/** Bytes of one log that a look takes, at most; and the last one. */
const LOOK_BYTES = 64 * 1024;
const LAST_BYTES = 256 * 1024;
/** The log may grow between the two questions of one look. */
const SLACK_BYTES = 4 * 1024;
/** How long the end of a submission waits for the rest. */
const FINISH_MS = 10_000;

/** Where nothing could be had. */
export const NO_OUTPUT: DriverOutput = { stdout: "", stderr: "" };

/** The drivers of one cluster. */
export class DriverLogs {
  readonly #clock: Clock;
  readonly #yarn: ResourceManager;
  readonly #copies = new Set<Copy>();
  /** Nodes that gave no answer. */
  readonly #silent = new Map<string, { readonly backoff: Backoff; until: number }>();
  #looking = 0;
  #callOff: (() => void) | null = null;

  constructor(clock: Clock, yarn: ResourceManager) {
    this.#clock = clock;
    this.#yarn = yarn;
  }

  /** Copies the logs of a submission's driver from when it is known where they are. */
  follow(row: SubmissionRow): DriverLogCopy {
    const copy = new Copy(row, this.#yarn.logs);
    this.#copies.add(copy);
    this.#schedule();
    let finished: Promise<DriverOutput> | null = null;
    return {
      finish: (signal) => {
        this.#copies.delete(copy);
        finished ??= this.#finish(copy, signal);
        return finished;
      },
      [Symbol.dispose]: () => this.#copies.delete(copy),
    };
  }

  close(): void {
    this.#copies.clear();
    this.#callOff?.();
    this.#callOff = null;
  }

  #schedule(): void {
    if (this.#copies.size === 0) return;
    this.#callOff ??= this.#clock.after(EACH_MS * AT_ONCE, () => {
      this.#callOff = null;
      this.#look();
      this.#schedule();
    });
  }

  #look(): void {
    const now = this.#clock.elapsed();
    const againMs = Math.max(LOOK_MS, this.#copies.size * EACH_MS);
    for (const copy of this.#copies) {
      if (this.#looking >= AT_ONCE) return;
      if (copy.dueAt > now) continue;
      const place = copy.place;
      copy.dueAt = now + againMs;
      if (place === null || (this.#silent.get(place.origin)?.until ?? 0) > now) continue;
      this.#looking++;
      void copy.look(place).then(
        () => {
          this.#looking--;
          this.#silent.delete(place.origin);
        },
        () => {
          this.#looking--;
          this.#leaveAlone(place.origin);
        },
      );
    }
  }

  #leaveAlone(origin: string): void {
    const known = this.#silent.get(origin) ?? {
      backoff: new Backoff(this.#clock, 2 * LOOK_MS, 60 * LOOK_MS),
      until: 0,
    };
    known.until = this.#clock.elapsed() + known.backoff.next();
    this.#silent.set(origin, known);
  }

  async #finish(copy: Copy, signal: AbortSignal): Promise<DriverOutput> {
    let output = NO_OUTPUT;
    const enough = new AbortController();
    const last = (async () => {
      try {
        const own = AbortSignal.any([signal, enough.signal]);
        const place = copy.place ?? (await this.#placeOnYarn(copy, own));
        if (place !== null) output = await copy.finish(place, own);
      } catch {
        // The node may be the very thing that was lost; what was copied before is there.
      }
    })();
    await atMost(this.#clock, FINISH_MS, last);
    enough.abort();
    return output;
  }

  async #placeOnYarn({ row }: Copy, signal: AbortSignal): Promise<ContainerPlace | null> {
    const { appId } = row.record;
    const application = appId === null ? null : await this.#yarn.find(appId, signal);
    return placeOf(application?.logsUrl ?? null);
  }
}

class Copy {
  readonly row: SubmissionRow;
  readonly #nodes: NodeLogs;
  /** Bytes copied of each log, up to the end of a line. */
  readonly #copied: Record<File, number> = { stdout: 0, stderr: 0 };
  /** Nothing was written yet by this process: what another one wrote is replaced by what is there now. */
  readonly #untouched = new Set<File>(FILES);
  #under: Promise<unknown> = Promise.resolve();
  dueAt = 0;

  constructor(row: SubmissionRow, nodes: NodeLogs) {
    this.row = row;
    this.#nodes = nodes;
  }

  get place(): ContainerPlace | null {
    return placeOf(this.row.record.driverLogUrl);
  }

  look(place: ContainerPlace): Promise<void> {
    return this.#next(async () => {
      const lengths = await this.#nodes.lengths(place);
      for (const file of FILES) {
        const grown = (lengths?.get(file) ?? 0) - this.#copied[file];
        if (grown === 0 || lengths === null) continue;
        // A shorter one is another driver's.
        if (grown < 0) this.#copied[file] = 0;
        const wanted = grown < 0 ? LOOK_BYTES : Math.min(grown + SLACK_BYTES, LOOK_BYTES);
        const end = await this.#nodes.end(place, file, wanted);
        if (end !== null) await this.#take(file, end, false);
      }
    });
  }

  finish(place: ContainerPlace, signal: AbortSignal): Promise<DriverOutput> {
    return this.#next(async () => {
      const texts: Partial<Record<File, string>> = {};
      for (const file of FILES) {
        const end = await this.#nodes.end(place, file, LAST_BYTES, signal);
        if (end === null) continue;
        await this.#take(file, end, true);
        texts[file] = Buffer.from(end.bytes).toString();
      }
      return { ...NO_OUTPUT, ...texts };
    });
  }

  /** One after the other: each goes on where the last one ended. */
  #next<T>(action: () => Promise<T>): Promise<T> {
    const next = this.#under.then(action);
    this.#under = next.catch(() => undefined);
    return next;
  }

  async #take(file: File, end: LogEnd, last: boolean): Promise<void> {
    const { lines, copied, skipped } = newLines(end, this.#copied[file], last);
    if (lines.length === 0) return;
    const replace = this.#untouched.delete(file);
    this.#copied[file] = copied;
    await this.row.append(skipped > 0 ? [`... ${skipped} bytes were not copied ...`, ...lines] : lines, file, replace);
  }
}

const LINE_FEED = 10;

/** What is new in the end of a log of which so many bytes are copied: whole lines, but for the rest at its very end. Pure. */
export function newLines(
  { length, bytes }: LogEnd,
  copied: number,
  last: boolean,
): { readonly lines: readonly string[]; readonly copied: number; readonly skipped: number } {
  const fresh = Math.max(0, length - copied);
  let part = bytes.subarray(Math.max(0, bytes.length - fresh));
  let skipped = fresh - part.length;
  if (skipped > 0) {
    // It begins in the middle of a line.
    const begin = part.indexOf(LINE_FEED) + 1;
    skipped += begin;
    part = part.subarray(begin);
  }
  const whole = part.lastIndexOf(LINE_FEED) + 1;
  // A line that fills a look alone is taken as it is.
  const taken = last || (whole === 0 && part.length >= LOOK_BYTES) ? part.length : whole;
  const text = Buffer.from(part.subarray(0, taken)).toString();
  const lines = text === "" ? [] : text.replace(/\r?\n$/, "").split(/\r?\n/);
  return { lines, copied: length - (part.length - taken), skipped: lines.length === 0 ? 0 : skipped };
}
