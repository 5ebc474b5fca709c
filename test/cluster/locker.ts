/** Started as a process by lock.test.ts: adds one to a number in a file, many times, each under the lock; may die inside. */
import { readFile, writeFile } from "node:fs/promises";
import { withLock } from "../../cluster/lock.ts";

const [, , folder = "", file = "", rounds = "1", dies] = process.argv;
for (let round = 0; round < Number(rounds); round++) {
  await withLock(folder, {}, async () => {
    const before = Number(await readFile(file, "utf8"));
    if (dies === "dies") process.kill(process.pid, "SIGKILL");
    await new Promise((resolve) => setImmediate(resolve));
    await writeFile(file, String(before + 1));
  });
}
