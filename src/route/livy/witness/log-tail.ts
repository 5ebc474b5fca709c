/**
 * Copies a log that can only be seen through its last lines.
 *
 * Livy keeps the last 200 lines of spark-submit's output; its offsets shift once that ring is full, so what is new is found by comparing tails: what is shown now is known as far as it ends like what was
 * seen before. The log has sections, told by header lines; YARN's diagnostics come last and are replaced rather than continued.
 */

import { textHash } from "../text-hash.ts";

const KEPT = 200;
/** Livy shows this many lines in lists; a first look at so many may not have begun at the beginning. */
const SHOWN = 10;
const DIAGNOSTICS = "YARN Diagnostics:";
const HEADERS: ReadonlySet<string> = new Set(["stdout:", "stderr:", DIAGNOSTICS]);

/** What a look at the tail gave. */
export interface TailNews {
  /** Lines not seen before, in order. */
  readonly lines: readonly string[];
  /** YARN's diagnostics, where they are others than before: all of them. */
  readonly diagnostics: readonly string[];
  /** Nothing joins what was seen before to this: lines in between may be missing; a longer look can tell. */
  readonly gap: boolean;
}

/** Remembers the end of one log, by hashes: thousands live, and what was seen is stored. */
export class LogTail {
  #seen: readonly number[];
  #diagnostics = 0;

  /** @param known lines that were copied before, oldest first */
  constructor(known: readonly string[] = []) {
    this.#seen = known.slice(-KEPT).map((line) => textHash(line));
  }

  /** Takes the last lines that Livy shows. With `accept` a gap is taken as it is, else nothing is remembered where there is one. */
  take(tail: readonly string[], accept: boolean): TailNews {
    const { output, diagnostics } = split(tail);
    const first = this.#seen.length === 0;
    const shown = output.map((line) => textHash(line));
    const known = first ? 0 : knownOf(this.#seen, shown);
    const older = !first && known === 0 && contains(this.#seen, shown);
    const gap = first ? tail.length >= SHOWN : known === 0 && output.length > 0 && !older;
    if (gap && !accept) return { lines: [], diagnostics: [], gap };
    const fresh = older ? [] : output.slice(known);
    if (!older && known < shown.length) this.#seen = [...this.#seen, ...shown.slice(known)].slice(-KEPT);
    const said = diagnostics.length === 0 ? this.#diagnostics : textHash(diagnostics.join("\n"));
    const news = said === this.#diagnostics ? [] : diagnostics;
    this.#diagnostics = said;
    return { lines: fresh, diagnostics: news, gap };
  }
}

/** Whether a log as Livy shows it has no line at all, not even headers: a batch that never started. */
export function isBlank(tail: readonly string[]): boolean {
  return tail.length === 0;
}

function split(tail: readonly string[]): {
  readonly output: readonly string[];
  readonly diagnostics: readonly string[];
} {
  const at = tail.findIndex((line) => line.trim() === DIAGNOSTICS);
  const plain = (lines: readonly string[]) => lines.filter((line) => !HEADERS.has(line.trim()));
  return at < 0
    ? { output: plain(tail), diagnostics: [] }
    : { output: plain(tail.slice(0, at)), diagnostics: plain(tail.slice(at)).filter((line) => line !== "") };
}

/** How many of the lines shown now were seen before: the longest beginning of `now` that ends as `before` does. */
function knownOf(before: readonly number[], now: readonly number[]): number {
  for (let size = now.length; size > 0; size--) {
    const common = Math.min(size, before.length);
    let same = true;
    for (let i = 1; i <= common && same; i++) same = before[before.length - i] === now[size - i];
    if (same) return size;
  }
  return 0;
}

/** Whether `part` occurs in `whole`: an older look at the same log. */
function contains(whole: readonly number[], part: readonly number[]): boolean {
  for (let start = whole.length - part.length; start >= 0; start--) {
    if (part.every((line, i) => whole[start + i] === line)) return true;
  }
  return false;
}
