/** What is configured of a cluster. */

import type { EndpointAccess } from "../http/endpoint.ts";
import type { SessionsConfig } from "../sessions/session-request.ts";
import type { AdmissionLimits, LimitEach } from "./admission.ts";

/** What the gateway goes by, wherever the cluster is. */
export interface ClusterSettings {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Submissions of ours that may live there at once, of all orchestrators of one database together. @default 16 */
  readonly maxLive?: number;
  /** Submissions of ours posted in any second at most. @default as quickly as Livy takes them */
  readonly maxPerSecond?: number;
  /** As `maxLive`, of one queue: a number for each, or numbers by name, `*` for all others. Work that names no queue is in `default`. @default none */
  readonly perQueue?: LimitEach;
  /** As `maxLive`, of one user, who is whoever started the execution. @default none */
  readonly perUser?: LimitEach;
  /** How long it may give no sign of life, while nothing of ours lives there, before it is asked for one, in ms. @default 15,000 */
  readonly probeMs?: number;
  /** How often its list of batches is asked for while something of ours lives there, in ms. @default 500 */
  readonly tickMs?: number;
  /** Spark conf for everything sent there. */
  readonly conf?: Readonly<Record<string, string>>;
  /** Warm sessions for small work, from Livy 0.9; see `docs/sessions.md`. @default none */
  readonly sessions?: SessionsConfig;
  /** Major version of its Spark: part of the identity of bulk work, and checked when a job ends. @default 3 */
  readonly spark?: number;
}

/** A cluster as it is configured. */
export interface ClusterConfig extends EndpointAccess, ClusterSettings {
  /** Livy's base URL; a path in it is kept. */
  readonly url: string;
  /** YARN's ResourceManager. Without it, what Livy forgets is waited for a stated time only. */
  readonly resourceManager?: EndpointAccess & { readonly url: string | readonly string[] };
  /** Spark's History Server: asked what the ResourceManager does not know any more. */
  readonly historyServer?: EndpointAccess & { readonly url: string };
  /** User named to a ResourceManager without security when an application is killed. @default the user of this process */
  readonly user?: string;
  /** What to do while it is down, for people. */
  readonly whenDown?: string;
}

/** How much of ours it takes. */
export function limitsOf({ maxLive = 16, maxPerSecond, perQueue, perUser }: ClusterConfig): AdmissionLimits {
  return { maxLive, maxPosts: 2, maxPerSecond, perQueue, perUser };
}
