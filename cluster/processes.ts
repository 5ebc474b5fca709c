/**
 * Processes by pid *and* start time.
 *
 * A pid alone may be someone else's by now: every pid that is written down is written with the time its process started, and
 * nothing is signalled that does not match. Everything that a cluster starts also carries the cluster's id in its environment
 * (YARN hands it on to its containers), which finds also those whose parent is gone. Linux has both in /proc; on other
 * systems `ps` gives the start time and the children, and orphans are not found.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A process that is told apart from a later one with the same pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque: equal for the same process only. */
  readonly startedAt: string;
}

/** The environment variable that marks all processes of one cluster. */
export const MARKER = "FIRESTEEL_CLUSTER_ID";

const hasProc = existsSync("/proc/self/stat");
let bootId: string | undefined;

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    // The process ended, or belongs to another user: for us it is not there.
    return undefined;
  }
}

interface Row {
  readonly pid: number;
  readonly parent: number;
  /** Whether nothing is left but its exit code. */
  readonly ended: boolean;
  readonly startedAt: string;
}

const isZombie = (state = ""): boolean => /^[ZX]/.test(state);

function parseStat(pid: number, text: string): Row {
  // The second field is the program's name in parentheses and may hold blanks and parentheses itself.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  bootId ??= readProc("/proc/sys/kernel/random/boot_id")?.trim() ?? "";
  // A process that is killed is a zombie as soon as its first thread has ended; the others may still hold its ports.
  const ended = isZombie(fields[0]) && Number(fields[17]) <= 1;
  return { pid, ended, parent: Number(fields[1]), startedAt: `${fields[19]}@${bootId}` };
}

function ps(...select: string[]): Row[] {
  const out = spawnSync("ps", [...select, "-o", "pid=,ppid=,stat=,lstart="], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
  });
  return (out.stdout ?? "").split("\n").flatMap((line) => {
    const m = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line);
    return m ? [{ pid: Number(m[1]), parent: Number(m[2]), ended: isZombie(m[3]), startedAt: m[4] ?? "" }] : [];
  });
}

function row(pid: number): Row | undefined {
  if (!hasProc) return ps("-p", String(pid))[0];
  const text = readProc(`/proc/${pid}/stat`);
  return text === undefined ? undefined : parseStat(pid, text);
}

function allPids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function allRows(): Row[] {
  return hasProc ? allPids().flatMap((pid) => row(pid) ?? []) : ps("-ax");
}

/** The process that has this pid now; undefined when there is none or only its exit code is left (a zombie). */
export function identify(pid: number): ProcessIdentity | undefined {
  const r = row(pid);
  return r === undefined || r.ended ? undefined : { pid, startedAt: r.startedAt };
}

/** Whether exactly this process still runs. */
export function isAlive(process: ProcessIdentity): boolean {
  return identify(process.pid)?.startedAt === process.startedAt;
}

/** All processes below these, at any depth. */
export function descendants(of: readonly ProcessIdentity[]): ProcessIdentity[] {
  const children = Map.groupBy(allRows(), (r) => r.parent);
  const found: ProcessIdentity[] = [];
  const open = of.filter(isAlive).map((p) => p.pid);
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    for (const child of children.get(pid) ?? []) {
      open.push(child.pid);
      if (!child.ended) found.push({ pid: child.pid, startedAt: child.startedAt });
    }
  }
  return found;
}

/** All processes of the cluster with this id, wherever they hang in the process tree; none where there is no /proc. */
export function markedProcesses(id: string): ProcessIdentity[] {
  if (!hasProc) return [];
  const entry = `${MARKER}=${id}`;
  return allPids().flatMap((pid) => {
    if (pid === process.pid || !readProc(`/proc/${pid}/environ`)?.split("\0").includes(entry)) return [];
    return identify(pid) ?? [];
  });
}

/** Sends a signal to those of these processes that still are the same; a process that ends meanwhile is no error. */
export function signalAll(processes: readonly ProcessIdentity[], signal: NodeJS.Signals): void {
  for (const target of processes) {
    if (!isAlive(target)) continue;
    try {
      process.kill(target.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

/** Waits until none of these processes is left; false when some are after `timeoutMs`. */
export async function waitForEnd(processes: readonly ProcessIdentity[], timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (processes.some(isAlive)) {
    if (Date.now() >= deadline) return false;
    await sleep(50);
  }
  return true;
}
