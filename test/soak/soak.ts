/** Runs one soak to its end and tells what was wrong. */

import { fingerprint, leaks, violations } from "./invariants.ts";
import type { Scenario } from "./scenario.ts";
import { Simulation } from "./simulation.ts";

/** What came of a soak. */
export interface Outcome {
  readonly seed: number;
  /** Empty when all is well. */
  readonly wrong: readonly string[];
  /** Of all that happened. */
  readonly fingerprint: string;
  readonly submissions: number;
  readonly requests: number;
  /** Lives of processes. */
  readonly lives: number;
  readonly simulatedMs: number;
}

export async function soak(scenario: Scenario, trace: ((line: string) => void) | null = null): Promise<Outcome> {
  const simulation = new Simulation(scenario);
  const { clock } = simulation;
  simulation.trace = trace === null ? null : (line) => trace(`${(clock.elapsed() / 1_000).toFixed(3)} ${line}`);
  await simulation.run();
  const wrong = [...violations(simulation)];
  await simulation.close();
  wrong.push(...leaks(simulation));
  return {
    seed: scenario.seed,
    wrong,
    fingerprint: fingerprint(simulation),
    submissions: simulation.database.submissions.size,
    requests: simulation.doubles.reduce((sum, { requests }) => sum + requests.length, 0),
    lives: simulation.lives.length,
    simulatedMs: clock.elapsed(),
  };
}
