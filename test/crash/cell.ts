/** A cell of the crash matrix as data: what runs, and what goes away when. */

import type { ProfileName } from "../livy/profile.ts";
import type { Point, Side } from "./points.ts";
import type { ScenarioName } from "./scenario.ts";

/** What goes away at a point. Recovery is Livy's: without it, it has forgotten everything. */
export type Outage =
  | "livy, recovers"
  | "livy and its spark-submit, recovers"
  | "livy, forgets"
  | "postgres"
  | "resource manager";

/** Something happens when a process comes to a point. */
export interface Incident {
  readonly point: Point;
  readonly side: Side | "during";
  /** At which time that it comes there. @default 1 */
  readonly nth?: number;
  /** Whether the orchestrator is killed. @default true */
  readonly dies?: boolean;
  readonly outage?: Outage;
}

export interface Cell {
  readonly scenario: ScenarioName;
  /** One after another: a process that is started again after a death has the next one. */
  readonly incidents: readonly Incident[];
  /**
   * `alone`: whoever dies is started again. `joint`: a second orchestrator is there from the start and takes over. `keeper`, `asker`: of two, the one that keeps the cluster dies, or the other one, at which all executions were
   * started.
   */
  readonly topology: "alone" | "joint" | "keeper" | "asker";
  readonly profile: ProfileName;
  /** Whether a ResourceManager is configured. */
  readonly witness: boolean;
  /** Whether jobs end while nobody is there to see it, where an orchestrator dies. */
  readonly unseen: boolean;
}

/** What a cell was, in words. */
export function titleOf({ scenario, incidents, topology, profile, witness, unseen }: Cell): string {
  const told = incidents.map(
    ({ point, side, nth = 1, dies = true, outage }) =>
      `${dies ? "killed" : "held"} ${side} ${point}${nth > 1 ? ` (${nth})` : ""}${outage ? ` with ${outage}` : ""}`,
  );
  return `${scenario}, ${topology}: ${told.join(", ")}; ${profile}${witness ? "" : " without ResourceManager"}${unseen ? ", ends unseen" : ""}`;
}
