/**
 * One process per embedded database: PGlite takes no lock of its own, and two processes on one folder lose acknowledged rows.
 *
 * Mechanism: an exclusive transaction on an empty SQLite file in the folder, held for as long as the database is open. SQLite holds it as a lock of the operating system on the file (`fcntl`, `LockFileEx`),
 * which the kernel drops when the process ends, however it ends: there is no stale lock and nothing to clean up, and a child process does not inherit it. Node has no file locks of its own. Who holds it is written
 * beside it in `owner.json`, for the message only.
 */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Code, FiresteelError } from "../errors.ts";

/** Result code of SQLite for a lock that another connection holds (https://sqlite.org/rescode.html#busy). */
const SQLITE_BUSY = 5;

/**
 * Locks a folder for this process, making it when missing; disposing gives it back.
 *
 * Throws `failed_precondition` when another process (or another store of this one) holds it. Never read the file `lock` from the holding process: closing any handle to it drops a POSIX lock.
 */
export async function lockFolder(directory: string): Promise<AsyncDisposable> {
  await mkdir(directory, { recursive: true });
  const ownerFile = join(directory, "owner.json");
  const lock = new DatabaseSync(join(directory, "lock"), { timeout: 0 });
  try {
    lock.exec("begin exclusive");
  } catch (error) {
    lock.close();
    if (!isBusy(error))
      throw new FiresteelError(Code.failedPrecondition, `database folder cannot be locked: ${directory}`, {
        cause: error,
      });
    throw new FiresteelError(
      Code.failedPrecondition,
      `database ${directory} is in use by ${await describeOwner(ownerFile)}`,
    );
  }
  await writeFile(ownerFile, JSON.stringify({ pid: process.pid, command: ownCommand() }));
  return {
    [Symbol.asyncDispose]: async () => {
      await rm(ownerFile, { force: true });
      lock.close();
    },
  };
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY;
}

function ownCommand(): string {
  const [, script, ...rest] = process.argv;
  return [script === undefined ? "node" : basename(script, ".js"), ...rest].join(" ").slice(0, 120);
}

/** The holder in words; it may have locked the folder a moment ago and not have said who it is. */
async function describeOwner(file: string): Promise<string> {
  try {
    const owner: unknown = JSON.parse(await readFile(file, "utf8"));
    if (typeof owner === "object" && owner !== null && "pid" in owner && "command" in owner)
      return `process ${owner.pid} (${owner.command})`;
  } catch {
    // Missing or half written: the name is only for the message.
  }
  return "another process";
}
