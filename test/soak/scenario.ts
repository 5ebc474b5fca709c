/** What happens in one soak, drawn from a seed and plain data, so that parts of it can be left out. */

import type { ProfileName } from "../livy/profile.ts";
import { type Random, seeded } from "../livy/random.ts";
import { SAME } from "./flow.ts";
import { PAUSES, STEPS, type Step } from "./life.ts";

/** Somebody starts an execution, and maybe cancels it. */
export interface Ask {
  readonly id: string;
  readonly at: number;
  readonly chains: readonly (readonly number[])[];
  /** After the start. */
  readonly cancelAfter: number | null;
}

/** Something goes wrong, for a while where that makes sense. Times in ms. */
export type Trouble = { readonly at: number; readonly forMs: number } & (
  | { readonly kind: "livy"; readonly cluster: number; readonly recovery: boolean; readonly submitters: boolean }
  | { readonly kind: "yarn"; readonly cluster: number }
  | {
      readonly kind: "cut";
      readonly cluster: number;
      readonly what: "livy" | "yarn";
      readonly how: "refused" | "silent";
    }
  | { readonly kind: "store" }
  | { readonly kind: "warehouse" }
  | { readonly kind: "kill"; readonly process: number; readonly step: Step | null; readonly nth: number }
  | { readonly kind: "pause"; readonly process: number; readonly step: Step | null; readonly nth: number }
  | { readonly kind: "stop"; readonly process: number }
  | { readonly kind: "forget" | "lie" | "node"; readonly cluster: number; readonly which: number }
  /** An operator cancels a submission: one that is being posted, or another. */
  | { readonly kind: "cancel"; readonly cluster: number; readonly posted: boolean }
  | { readonly kind: "stranger"; readonly cluster: number }
  | { readonly kind: "kills refused"; readonly cluster: number }
  | { readonly kind: "storm"; readonly rate: number }
);

export interface ClusterPlan {
  readonly profile: ProfileName;
  /** Whether the processes may ask its ResourceManager. */
  readonly resourceManager: boolean;
  readonly maxLive: number;
  /** Most spark-submits at once. */
  readonly maxCreation: number;
  readonly retainMs: number;
}

export interface Scenario {
  readonly seed: number;
  readonly clusters: readonly ClusterPlan[];
  readonly processes: number;
  readonly asks: readonly Ask[];
  readonly troubles: readonly Trouble[];
  /** Part of the requests that have a fault at any time, of Livy and YARN and of the warehouse. */
  readonly rate: number;
  readonly warehouseRate: number;
}

/** Executions of a soak. */
export const EXECUTIONS = 200;
const WORKS = 24;
const NEXT = 3;
/** Executions begin within, and troubles. */
const ASKS_MS = 60_000;
export const TROUBLES_MS = 240_000;

export function draw(seed: number, executions: number = EXECUTIONS): Scenario {
  const random = seeded(seed);
  const int = (below: number) => Math.floor(random() * below);
  const pick = <T>(...of: readonly T[]): T => of[int(of.length)]!;
  const clusters = Array.from(
    { length: 1 + int(2) },
    (): ClusterPlan => ({
      profile: pick("0.7.1", "0.9.0"),
      resourceManager: random() < 0.75,
      maxLive: pick(4, 8, 16),
      maxCreation: pick(2, 100),
      retainMs: pick(20_000, 60_000, 180_000),
    }),
  );
  const processes = pick(1, 2, 2, 3);
  // Some pieces of work are asked for by many; what comes after them differs little, so that most of it is shared too.
  const chain = () =>
    Array.from({ length: pick(1, 1, 1, 1, 2, 3) }, (_, i) =>
      i === 0 ? int(int(WORKS) + 1) + pick(0, SAME) : int(NEXT),
    );
  const asks = Array.from(
    { length: executions },
    (_, i): Ask => ({
      id: `ask-${i}`,
      at: Math.floor(random() * ASKS_MS),
      chains: Array.from({ length: pick(1, 1, 1, 2) }, chain),
      cancelAfter: random() < 0.12 ? int(60_000) : null,
    }),
  ).sort((a, b) => a.at - b.at);
  // Some ask at the same moment for the same work as other calls.
  for (const [i, one] of asks.entries())
    if (i % 4 === 1) asks[i] = { ...one, at: asks[i - 1]!.at, chains: asks[i - 1]!.chains.map(otherwise) };
  const troubles = Array.from({ length: 8 + int(16) }, () => trouble(random, clusters.length, processes)).sort(
    (a, b) => a.at - b.at,
  );
  return { seed, clusters, processes, asks, troubles, rate: pick(0, 0.02, 0.08), warehouseRate: pick(0, 0, 0.02) };
}

/** A chain of the same work by other calls. */
function otherwise([first, ...others]: readonly number[]): readonly number[] {
  return [first! < SAME ? first! + SAME : first! - SAME, ...others];
}

function trouble(random: Random, clusters: number, processes: number): Trouble {
  const int = (below: number) => Math.floor(random() * below);
  const pick = <T>(...of: readonly T[]): T => of[int(of.length)]!;
  const when = {
    at: 2_000 + int(TROUBLES_MS - 2_000),
    forMs: pick(1_000, 5_000, 15_000, 40_000, 150_000) + int(3_000),
  };
  const at = { ...when, cluster: int(clusters) };
  const process = int(processes);
  const nth = 1 + int(20);
  switch (
    pick(
      "livy",
      "livy",
      "yarn",
      "cut",
      "store",
      "warehouse",
      "kill",
      "kill",
      "kill",
      "kill",
      "pause",
      "pause",
      "pause",
      "stop",
      "forget",
      "lie",
      "node",
      "cancel",
      "cancel",
      "cancel",
      "stranger",
      "kills refused",
      "kills refused",
      "storm",
    )
  ) {
    case "livy":
      return { ...at, kind: "livy", recovery: random() < 0.7, submitters: random() < 0.3 };
    case "yarn":
      return { ...at, kind: "yarn" };
    case "cut":
      return { ...at, kind: "cut", what: pick("livy", "yarn"), how: pick("refused", "silent") };
    case "store":
      return { ...when, kind: "store" };
    case "warehouse":
      return { ...when, kind: "warehouse" };
    case "kill":
      return { ...when, kind: "kill", process, step: random() < 0.3 ? null : pick(...STEPS), nth };
    case "pause":
      // Most for longer than a lease, and than others need to take over.
      return {
        ...when,
        forMs: pick(when.forMs, 60_000, 60_000),
        kind: "pause",
        process,
        step: random() < 0.2 ? null : pick(...PAUSES),
        nth: 1 + int(6),
      };
    case "stop":
      return { ...when, kind: "stop", process };
    case "forget":
      return { ...at, kind: "forget", which: nth };
    case "lie":
      return { ...at, kind: "lie", which: nth };
    case "node":
      return { ...at, kind: "node", which: nth };
    case "cancel":
      return { ...at, kind: "cancel", posted: random() < 0.3 };
    case "stranger":
      return { ...at, kind: "stranger" };
    case "kills refused":
      return { ...at, kind: "kills refused" };
    default:
      return { ...when, kind: "storm", rate: 0.3 };
  }
}
