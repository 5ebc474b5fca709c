/**
 * Warnings about the project's code that people have been told: each `run` without a server loads the code anew, and would tell the same every time.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { formatCount } from "./format.ts";
import { paintError, say } from "./terminal.ts";

/** What was told the last time, and is told now. */
export class ToldWarnings {
  readonly #file: string;
  readonly #before: ReadonlySet<string>;
  readonly #now = new Set<string>();

  constructor(root: string) {
    this.#file = join(root, ".firesteel", "log", "told-warnings.json");
    this.#before = new Set(readList(this.#file));
  }

  /** Takes a warning down; false when it was told the last time too. */
  isNew(message: string): boolean {
    this.#now.add(message);
    return !this.#before.has(message);
  }

  /** Keeps what there was for the next time, and says how many of them were told before. */
  keep(): void {
    const repeated = [...this.#now].filter((message) => this.#before.has(message)).length;
    if (repeated < this.#now.size || repeated < this.#before.size) {
      mkdirSync(dirname(this.#file), { recursive: true });
      writeFileSync(this.#file, JSON.stringify([...this.#now]));
    }
    if (repeated === 0) return;
    say(
      paintError(
        "dim",
        `${formatCount(repeated, "warning")} about the code as before; .firesteel/log/firesteel.log has all`,
      ),
    );
  }
}

/** What a file holds; nothing where it is not there or was cut off: then all is told once more. */
function readList(file: string): readonly string[] {
  try {
    const list: unknown = JSON.parse(readFileSync(file, "utf8"));
    return Array.isArray(list) ? list.map(String) : [];
  } catch {
    return [];
  }
}
