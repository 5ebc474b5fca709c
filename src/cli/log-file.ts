/**
 * What a server logs: everything as JSON lines in `.firesteel/log/`, and a short line for people.
 */

import { mkdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Writable } from "node:stream";
import { type Logger, pino } from "pino";
import { formatTime, plainText } from "./format.ts";
import { paintError } from "./terminal.ts";
import type { ToldWarnings } from "./told-warnings.ts";

/** A log that grows beyond this many bytes is put aside at the next start; one such is kept. */
const MOST_BYTES = 20 * 1024 * 1024;

/** A logger, and the file it writes. */
export interface ProjectLog extends Disposable {
  readonly logger: Logger;
  readonly file: string;
}

/** The least that is told: all of it, what people should know of (`info`), or only what went wrong. */
export type Told = "info" | "warn";

/** Opens the log of a project. `tell` gets a line for people for each entry from `least` on, but for warnings about the code that `told` knows. */
export async function openProjectLog(
  root: string,
  tell: (line: string) => void,
  least: Told,
  told?: ToldWarnings,
): Promise<ProjectLog> {
  const folder = join(root, ".firesteel", "log");
  const file = join(folder, "firesteel.log");
  await mkdir(folder, { recursive: true });
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (size > MOST_BYTES) {
    await rm(`${file}.1`, { force: true });
    await rename(file, `${file}.1`);
  }
  // Synchronous: what led to a crash is in the file.
  const destination = pino.destination({ dest: file, append: true, sync: true });
  const people = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      const entry = JSON.parse(String(chunk)) as LogEntry;
      if (isTold(entry, least, told)) tell(humanLine(entry, Date.now()));
      done();
    },
  });
  const logger = pino(
    { base: { pid: process.pid } },
    pino.multistream([
      { level: "info", stream: destination },
      { level: least, stream: people },
    ]),
  );
  return { logger, file, [Symbol.dispose]: () => destination.end() };
}

/** Whether people are told an entry: not what they were told before, and not what is told with the work that they wait for. */
function isTold({ about, msg = "" }: LogEntry, least: Told, told: ToldWarnings | undefined): boolean {
  if (about === "start") return false;
  if (about === "cluster") return least === "info";
  return about !== "code" || told === undefined || told.isNew(msg);
}

interface LogEntry {
  readonly level: number;
  readonly time: number;
  readonly msg?: string;
  /** `code`: a warning about the project's code, which is the same until that is edited. `cluster`: one is down, which is told with all work that waits for it; `start`: told by the command itself. */
  readonly about?: "code" | "cluster" | "start";
}

/** An entry as a line: time, the level when it is no mere information, the message. */
export function humanLine({ level, time, msg }: LogEntry, now: number): string {
  const word = level >= 50 ? paintError("red", "error ") : level >= 40 ? paintError("yellow", "warning ") : "";
  return `${paintError("dim", formatTime(time, now))} ${word}${plainText(msg ?? "")}`;
}
