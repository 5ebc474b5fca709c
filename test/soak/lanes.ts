/** Many soaks in several processes. */

import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { packageFolder } from "../../src/package-info.ts";
import type { Outcome } from "./soak.ts";

/** Soaks so many seeds from one on; `onOutcome` is told of each as it ends, and says `enough` when no other is to begin. `root`: where the code is, this one when it is not given. */
export async function soakAll(
  first: number,
  count: number,
  processes: number,
  onOutcome: (outcome: Outcome) => unknown,
  root: string = packageFolder,
): Promise<void> {
  let next = first;
  const lane = async () => {
    // A seed makes much that is soon garbage.
    const execArgv = [...process.execArgv, "--max-semi-space-size=64"];
    const child = fork(join(root, "test/soak/lane-process.ts"), { execArgv });
    const ended = once(child, "exit").then(([code, signal]) => {
      throw new Error(`a process that soaks ended: ${signal ?? code}`);
    });
    ended.catch(() => undefined);
    try {
      while (next < first + count) {
        child.send(next++);
        const [outcome] = (await Promise.race([once(child, "message"), ended])) as [Outcome];
        if (onOutcome(outcome) === "enough") next = first + count;
      }
    } finally {
      child.disconnect();
    }
  };
  await Promise.all(Array.from({ length: Math.min(processes, count) }, lane));
}

/** What to do about a soak that went wrong. */
export function report({ seed, wrong }: Outcome): string {
  const shown = wrong.slice(0, 10).map((line) => `  ${line}`);
  const more = wrong.length > shown.length ? [`  ... and ${wrong.length - shown.length} more`] : [];
  return [`seed ${seed}:`, ...shown, ...more, `  to follow it: npm run soak -- gateway --seed ${seed} --trace`].join(
    "\n",
  );
}
