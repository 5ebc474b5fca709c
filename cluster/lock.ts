/**
 * A lock between processes that a crash cannot leave shut.
 *
 * Each holder owns a numbered file in the lock's folder, made by `link`, which is atomic and fails when the name exists. The
 * file with the highest number counts: it names its holder, or says that it was released, and it is never removed while it
 * is the highest. Whoever finds it released, or its holder dead, may try for the next number, and one of them gets it. So
 * no step takes a lock away from anybody, which is where two processes that both find a dead holder usually go wrong.
 */
import { randomUUID } from "node:crypto";
import { link, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, FiresteelError } from "../src/errors.ts";
import { identify, isAlive, type ProcessIdentity } from "./processes.ts";

/** How {@link withLock} waits. */
export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once, with the pid of the holder, when somebody else has the lock. */
  readonly onWait?: (pid: number) => void;
}

const isCode = (error: unknown, code: string): boolean => (error as NodeJS.ErrnoException).code === code;

async function highest(folder: string): Promise<number> {
  await mkdir(folder, { recursive: true });
  return Math.max(0, ...(await readdir(folder)).filter((name) => /^\d+$/.test(name)).map(Number));
}

async function holder(folder: string, generation: number): Promise<ProcessIdentity | undefined> {
  if (generation === 0) return undefined;
  try {
    const text = await readFile(join(folder, String(generation)), "utf8");
    const [pid, startedAt] = text.split("\n");
    return pid && startedAt ? { pid: Number(pid), startedAt } : undefined;
  } catch (error) {
    if (isCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

async function claim(folder: string, generation: number, self: ProcessIdentity): Promise<boolean> {
  const draft = join(folder, `draft-${randomUUID()}`);
  try {
    await writeFile(draft, `${self.pid}\n${self.startedAt}`);
    await link(draft, join(folder, String(generation)));
  } catch (error) {
    // EEXIST: another one was faster. ENOENT: the holder wiped the folder.
    if (isCode(error, "EEXIST") || isCode(error, "ENOENT")) return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
  // A number that was free because its file had been tidied away is no lock: a higher one exists then.
  return (await highest(folder)) === generation;
}

async function release(folder: string, generation: number): Promise<void> {
  const draft = join(folder, `draft-${randomUUID()}`);
  try {
    await writeFile(draft, "released");
    await rename(draft, join(folder, String(generation)));
  } catch (error) {
    // The body removed the folder with the lock in it.
    if (!isCode(error, "ENOENT")) throw error;
  }
}

async function tidy(folder: string, below: number): Promise<void> {
  for (const name of await readdir(folder)) {
    if (/^\d+$/.test(name) && Number(name) < below) await rm(join(folder, name), { force: true });
  }
}

/** The process that holds the lock in `folder` now, if one does. */
export async function lockHolder(folder: string): Promise<ProcessIdentity | undefined> {
  const names = await readdir(folder).catch(() => []);
  const found = await holder(folder, Math.max(0, ...names.filter((name) => /^\d+$/.test(name)).map(Number)));
  return found && isAlive(found) ? found : undefined;
}

/**
 * Runs `body` while no other process, and no other call in this one, is in a body under the same `folder`.
 *
 * Not re-entrant: a body that asks for its own lock waits for ever.
 */
export async function withLock<T>(folder: string, options: LockOptions, body: () => Promise<T>): Promise<T> {
  const self = identify(process.pid);
  if (self === undefined)
    throw new FiresteelError(Code.internal, `own process is not in the process table: ${process.pid}`);
  let waiting = false;
  for (;;) {
    options.signal?.throwIfAborted();
    const current = await highest(folder);
    const other = await holder(folder, current);
    if (other === undefined || !isAlive(other)) {
      if (!(await claim(folder, current + 1, self))) continue;
      try {
        await tidy(folder, current + 1);
        return await body();
      } finally {
        await release(folder, current + 1);
      }
    }
    if (!waiting) options.onWait?.(other.pid);
    waiting = true;
    await sleep(150);
  }
}
