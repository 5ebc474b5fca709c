/** What the processes of one store tell each other. */

import type { ClusterDrain } from "./clusters.ts";

/** A change of the store: what to look at again. */
export type StoreChange =
  /** An owner ended. */
  | { readonly kind: "owner"; readonly id: string }
  /** A submission waits for its keeper, or its end is asked for; or a cluster is drained or resumed. */
  | { readonly kind: "wish"; readonly id: string }
  | { readonly kind: "submission"; readonly id: string }
  /** It ended, or its end is asked for. */
  | { readonly kind: "execution"; readonly id: string }
  /** Changes may have been missed. */
  | { readonly kind: "missed" };

/** What there is for a process to do beside its own work. */
export interface Surroundings {
  /** There are executions to adopt. */
  readonly executions: boolean;
  /** There are submissions that nobody keeps, on whatever cluster. */
  readonly submissions: boolean;
  /** Executions of this process whose end was asked for. */
  readonly cancelledExecutions: readonly string[];
  /** Submissions that this process keeps and whose end was asked for. */
  readonly cancelledSubmissions: readonly string[];
  /** Clusters that take no new submissions. */
  readonly drains: readonly ClusterDrain[];
  /** Clusters that somebody keeps, with what the keeper told of them last. */
  readonly keptClusters: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
}
