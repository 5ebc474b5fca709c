/** Clusters that people took out of use. */

import type { EpochMs } from "./time.ts";

/** A cluster that takes no new submissions until somebody resumes it. */
export interface ClusterDrain {
  readonly cluster: string;
  readonly at: EpochMs;
  readonly by: string;
  readonly reason: string;
}

/** Durable for all processes of the store, whatever their configurations say. */
export interface ClusterStore {
  /** Takes a cluster out of use; one that is drained stays as it is. Returns what is in force. */
  drainCluster(cluster: string, by: string, reason: string): Promise<ClusterDrain>;
  /** Gives a cluster back; returns what was in force, null where nothing was. */
  resumeCluster(cluster: string, by: string): Promise<ClusterDrain | null>;
  /** The clusters that are drained now. */
  listDrains(): Promise<readonly ClusterDrain[]>;
}
