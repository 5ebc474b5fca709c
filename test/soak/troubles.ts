/** Troubles of single batches and applications of a soak. */

import { endOf } from "../../src/route/livy/submissions/submission-row.ts";
import type { Batch } from "../livy/batch.ts";
import type { Double } from "../livy/double.ts";
import { hasEnded } from "../livy/yarn.ts";
import type { Trouble } from "./scenario.ts";
import type { Simulation } from "./simulation.ts";

/** Batches of others after a restart of Livy without recovery. */
const STRANGERS = 40;

/** Others were quicker: ids that ours had are theirs now. */
export function crowd({ clock }: Simulation, double: Double): void {
  const now = clock.now();
  for (let i = 0; i < STRANGERS; i++)
    double.add(`somebody-${now}-${i}`, "success").appId = `application_${now}_${String(i).padStart(4, "0")}`;
}

/** Trouble of one batch. */
export function trip(
  { doubles, scenario, clock }: Simulation,
  trouble: Extract<Trouble, { readonly which: number }>,
  after: (action: () => void) => void,
): void {
  const double = doubles[trouble.cluster]!;
  const asks = scenario.clusters[trouble.cluster]!.resourceManager;
  const mine = [...double.batches.values()].filter(({ name }) => name?.includes("-mem-"));
  const one = (list: readonly Batch[]) => list[trouble.which % Math.max(1, list.length)];
  switch (trouble.kind) {
    case "forget": {
      const batch = one(mine.filter(({ monitored }) => monitored));
      // What Livy has forgotten before YARN knew of it cannot be told from what never was.
      if (batch !== undefined && (asks ? batch.appId !== null : endedIn(batch))) double.forget(String(batch.id));
      return;
    }
    case "lie": {
      const batch = one(mine.filter(({ appId }) => appId !== null && asks));
      if (batch === undefined) return;
      batch.lie = trouble.which % 2 === 0 ? "dead" : "shutting_down";
      return after(() => (batch.lie = null));
    }
    case "node": {
      const running = [...double.yarn.applications.values()].filter((app) => !hasEnded(app));
      const app = running[trouble.which % Math.max(1, running.length)];
      if (app === undefined) return;
      const diagnostics = "Application failed 1 times due to AM Container exited with exitCode: -100";
      Object.assign(app, { state: "FAILED", finalStatus: "FAILED", diagnostics, finishedAt: clock.now() });
      double.ledger.note("ended", app.name, { appId: app.id, detail: "FAILED" });
      return;
    }
  }
}

function endedIn({ state, name, lie }: Batch): boolean {
  return (
    endOf({ id: 0, name, state: lie ?? state, appId: null, sparkUiUrl: null, driverLogUrl: null, log: [] }) !== null
  );
}
