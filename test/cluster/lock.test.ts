import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lockHolder, withLock } from "../../cluster/lock.ts";

const locker = fileURLToPath(new URL("./locker.ts", import.meta.url));
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "firesteel-lock-"));
  await writeFile(join(folder, "count"), "0");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const lock = (): string => join(folder, "lock");
const count = async (): Promise<number> => Number(await readFile(join(folder, "count"), "utf8"));
async function run(rounds: number, ...more: string[]): Promise<unknown> {
  const child = spawn(process.execPath, [locker, lock(), join(folder, "count"), String(rounds), ...more], {
    stdio: "inherit",
  });
  const [code, signal] = await once(child, "exit");
  return signal ?? code;
}

test("processes that count under the lock lose no count, also when others die while they hold it", async () => {
  const ends = await Promise.all([run(20), run(1, "dies"), run(20), run(1, "dies"), run(20)]);
  expect(ends).toEqual([0, "SIGKILL", 0, "SIGKILL", 0]);
  expect(await count()).toBe(60);
  expect((await readdir(lock())).length).toBe(1);
  expect(await lockHolder(lock())).toBeUndefined();
});

test("calls in one process take turns, an error gives the lock back, and the holder is named to who waits", async () => {
  const told: number[] = [];
  let inside = 0;
  const body = (fails: boolean) => async (): Promise<void> => {
    expect(++inside).toBe(1);
    expect((await lockHolder(lock()))?.pid).toBe(process.pid);
    await new Promise((resolve) => setTimeout(resolve, 20));
    inside--;
    if (fails) throw new Error("body failed");
  };
  const ends = await Promise.allSettled(
    [true, false, true, false].map((fails) => withLock(lock(), { onWait: (pid) => told.push(pid) }, body(fails))),
  );
  expect(ends.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "rejected", "fulfilled"]);
  expect(told.length).toBeGreaterThan(0);
  expect(new Set(told)).toEqual(new Set([process.pid]));
});

test("whoever waits can be called off", async () => {
  const off = new AbortController();
  await withLock(lock(), {}, async () => {
    const waiting = withLock(
      lock(),
      { signal: off.signal, onWait: () => off.abort(new Error("called off")) },
      async () => "never",
    );
    await expect(waiting).rejects.toThrow("called off");
  });
});
