import { setTimeout as sleep } from "node:timers/promises";

/** Resolves when the condition holds; the test's own time-out ends a wait in vain. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}
