/** Makes a soak that went wrong smaller while it still does: fewer executions, fewer troubles, no chance faults. */

import type { Scenario } from "./scenario.ts";
import { type Outcome, soak } from "./soak.ts";

/** Soaks that are tried, at most. */
const TRIES = 40;

/** @param first what came of the whole one */
export async function shrink(
  scenario: Scenario,
  first: Outcome,
): Promise<{ readonly scenario: Scenario; readonly outcome: Outcome }> {
  let best = { scenario, outcome: first };
  let tries = 0;
  const attempt = async (smaller: Scenario): Promise<boolean> => {
    if (tries++ >= TRIES) return false;
    const outcome = await soak(smaller);
    if (outcome.wrong.length === 0) return false;
    best = { scenario: smaller, outcome };
    return true;
  };
  await attempt({ ...best.scenario, rate: 0, warehouseRate: 0 });
  for (const part of ["asks", "troubles"] as const) {
    for (
      let size = Math.ceil(best.scenario[part].length / 2);
      size >= 1 && tries < TRIES;
      size = Math.floor(size / 2)
    ) {
      for (let at = 0; at < best.scenario[part].length && tries < TRIES; ) {
        const list: readonly unknown[] = best.scenario[part];
        const less = [...list.slice(0, at), ...list.slice(at + size)];
        if (!(await attempt({ ...best.scenario, [part]: less }))) at += size;
      }
    }
  }
  return best;
}
