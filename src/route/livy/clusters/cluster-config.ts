/** What is configured of a cluster. */

import type { EndpointAccess } from "../http/endpoint.ts";
import type { SessionsConfig } from "../sessions/session-request.ts";
import type { AdmissionLimits, LimitEach } from "./admission.ts";

/** A cluster as it is configured. */
export interface ClusterConfig extends EndpointAccess {
  readonly name: string;
  /** Livy's base URL; a path in it is kept. */
  readonly url: string;
  /** YARN's ResourceManager. Without it, what Livy forgets is waited for a stated time only. */
  readonly resourceManager?: EndpointAccess & { readonly url: string | readonly string[] };
  /** Spark's History Server: asked what the ResourceManager does not know any more. */
  readonly historyServer?: EndpointAccess & { readonly url: string };
  readonly labels?: Readonly<Record<string, string>>;
  /** Most submissions of ours alive at once, default 16. */
  readonly maxLive?: number;
  /** Most submissions of ours posted a second. */
  readonly maxPerSecond?: number;
  /** Most submissions of ours alive at once of one queue (`default` where the work names none), and of one user. */
  readonly perQueue?: LimitEach;
  readonly perUser?: LimitEach;
  /** Longest time without a sign of life while nothing of ours is there, default 15,000; then it is asked. */
  readonly probeMs?: number;
  /** Time between two looks, default 500. */
  readonly tickMs?: number;
  /** Spark settings of every job here; a task's own win. */
  readonly conf?: Readonly<Record<string, string>>;
  /** Warm sessions; none without it. */
  readonly sessions?: SessionsConfig;
  /** Major version of Spark, default 3; part of the identity of bulk work and checked when a job ends. */
  readonly spark?: number;
  /** User named to a ResourceManager without security when an application is killed; default the user of this process. */
  readonly user?: string;
  /** What to do while it is down, for people. */
  readonly whenDown?: string;
}

/** How much of ours it takes. */
export function limitsOf({ maxLive = 16, maxPerSecond, perQueue, perUser }: ClusterConfig): AdmissionLimits {
  return { maxLive, maxPosts: 2, maxPerSecond, perQueue, perUser };
}
