import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { afterEach, expect, test } from "vitest";
import { choosePorts } from "../../cluster/ports.ts";
import {
  descendants,
  identify,
  isAlive,
  MARKER,
  markedProcesses,
  signalAll,
  waitForEnd,
} from "../../cluster/processes.ts";

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});
function start(script: string, env: NodeJS.ProcessEnv = {}): { pid: number; child: ChildProcess } {
  const child = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "ignore"], env: { ...process.env, ...env } });
  started.push(child);
  return { pid: child.pid ?? 0, child };
}

test("a process is alive until it ended, and is not mistaken for another one with its pid", async () => {
  const { pid, child } = start("sleep 60");
  const self = identify(pid);
  if (self === undefined) throw new Error("the process is not seen");
  expect(isAlive(self)).toBe(true);
  const stranger = { ...self, startedAt: `${self.startedAt}0` };
  expect(isAlive(stranger)).toBe(false);
  signalAll([stranger], "SIGKILL");
  expect(await waitForEnd([self], 100)).toBe(false);
  const exit = once(child, "exit");
  signalAll([self], "SIGKILL");
  expect(await waitForEnd([self], 5_000)).toBe(true);
  await exit;
  expect(identify(pid)).toBeUndefined();
});

/** Its first thread ends (SYS_exit), as that of a process that is killed does before the others; the other one holds a port. */
const ENDS_IN_PARTS = `
import ctypes, platform, socket, threading, time
held = socket.socket()
held.bind(("127.0.0.1", 0))
held.listen()
threading.Thread(target=time.sleep, args=(60,)).start()
print(held.getsockname()[1], flush=True)
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)
`;

test.skipIf(process.platform !== "linux")("a process has not ended while one of its threads lives", async () => {
  const { pid, child } = start(`exec python3 -c '${ENDS_IN_PARTS}'`);
  const [port] = await once(child.stdout ?? child, "data");
  const self = identify(pid);
  if (self === undefined) throw new Error("the process is not seen");
  await expect.poll(() => readFile(`/proc/${pid}/stat`, "utf8")).toContain(") Z ");
  expect(isAlive(self)).toBe(true);
  const socket = connect({ host: "127.0.0.1", port: Number(port) });
  await once(socket, "connect");
  socket.destroy();
  signalAll([self], "SIGKILL");
  expect(await waitForEnd([self], 5_000)).toBe(true);
});

test("children are found at any depth, and orphans by their mark", async () => {
  const { pid, child } = start("sh -c 'sleep 60 & echo up; wait' & wait", { [MARKER]: "mark-of-this-test" });
  await once(child.stdout ?? child, "data");
  const self = identify(pid);
  if (self === undefined) throw new Error("the process is not seen");
  expect(descendants([self]).length).toBe(2);
  signalAll([self], "SIGKILL");
  await waitForEnd([self], 5_000);
  expect(descendants([self])).toEqual([]);
  if (process.platform === "linux") expect(markedProcesses("mark-of-this-test").length).toBe(2);
  expect(markedProcesses("mark-of-this")).toEqual([]);
  signalAll(markedProcesses("mark-of-this-test"), "SIGKILL");
});

test("ports asked for come first, then those of last time, then free ones; all differ", async () => {
  const first = await choosePorts(["a", "b", "c"], {});
  expect(new Set(Object.values(first)).size).toBe(3);
  expect(await choosePorts(["c", "b", "a"], {}, first)).toEqual(first);
  const taken = createServer().listen(first.b, "127.0.0.1");
  await once(taken, "listening");
  try {
    await expect(choosePorts(["b"], { b: first.b })).rejects.toMatchObject({
      code: "failed_precondition",
      message: `port for b is in use or not allowed: ${first.b}`,
    });
    const moved = await choosePorts(["a", "b"], { a: first.c }, first);
    expect(moved.a).toBe(first.c);
    expect(moved.b).not.toBe(first.b);
  } finally {
    taken.close();
  }
});
