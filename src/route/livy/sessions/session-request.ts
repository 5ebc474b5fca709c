/**
 * What the warm sessions of a cluster are: their settings, the request that makes one, and the names by which they are known as ours and taken over.
 *
 * A name is `warm-<store>-<cluster>-<kind>-<digest>-<number>`. The digest is that of the request without the name: a session of other settings, or of another version of the harness, is never used, and is ended by
 * whoever finds it.
 */

import { createHash } from "node:crypto";
import type { LivySessionRequest } from "../http/session-client.ts";

/** What each session asks of the cluster. */
type SessionResource = "driverMemory" | "driverCores" | "executorMemory" | "executorCores" | "numExecutors" | "queue";

/** The warm sessions that a cluster may keep, and Livy's own settings of each. None is made without this. */
export interface SessionsConfig extends Pick<LivySessionRequest, SessionResource> {
  /** Most at once; one more while one is replaced. @default 2 */
  readonly max?: number;
  /** Kept also while nothing waits. @default 0 */
  readonly min?: number;
  /** One that is not needed is ended after so long. @default 600000 */
  readonly idleTimeoutMs?: number;
  /** One is replaced after so many statements. @default 100 */
  readonly recycleAfter?: number;
  /** Most statements of one user at once. @default as many as there are sessions */
  readonly maxPerUser?: number;
  /** How work that says nothing is carried. @default "auto" */
  readonly mode?: WorkMode;
  /** `auto`: work whose inputs are not larger together is a statement. @default 134217728 */
  readonly autoBytes?: number;
  /** A cancelled statement that has not ended after so long is stopped together with its session. @default 5000 */
  readonly cancelMs?: number;
}

/** How work wants to be carried; `auto` decides by what it is and reads. */
export type WorkMode = "batch" | "statement" | "auto";

/** What holds where an entry says nothing. */
export const SESSION_DEFAULTS: Readonly<Required<Omit<SessionsConfig, SessionResource>>> = {
  max: 2,
  min: 0,
  idleTimeoutMs: 600_000,
  recycleAfter: 100,
  maxPerUser: Number.POSITIVE_INFINITY,
  mode: "auto",
  autoBytes: 134_217_728,
  cancelMs: 5_000,
};

/** A pool as it is shown. */
export interface SessionPoolStatus {
  readonly min: number;
  readonly max: number;
  readonly starting: number;
  readonly idle: number;
  readonly busy: number;
  /** Statements that wait for a session. */
  readonly waiting: number;
  /** What went wrong last with a session, in words. */
  readonly lastError: string | null;
}

/** After its idle time, how long Livy itself waits before it ends a session that nobody uses: whoever made it may be gone for good. */
const LEAK_MS = 300_000;

/** Makes requests and knows names. */
export interface SessionRequests {
  /** Tag of the applications of all warm sessions of the cluster. */
  readonly tag: string;
  request(number: string): LivySessionRequest & { readonly name: string };
  /** Whether a session is a warm one of this store and cluster: `current` has these settings, `other` has not. */
  ownership(name: string | null): "current" | "other" | null;
}

export interface SessionRequestOptions {
  readonly store: string;
  readonly cluster: string;
  readonly config: SessionsConfig;
  /** The cluster's Spark settings, as a batch there is given them. */
  readonly conf: Readonly<Record<string, string>>;
  /** The harness's files, as Livy takes them. */
  readonly pyFiles: readonly string[];
  /** Whether this Livy knows an idle time-out of a session (from 0.9). */
  readonly idleTimeout: boolean;
}

export function createSessionRequests(options: SessionRequestOptions): SessionRequests {
  const { config, conf } = options;
  const { driverMemory, driverCores, executorMemory, executorCores, numExecutors, queue } = config;
  const asked = { driverMemory, driverCores, executorMemory, executorCores, numExecutors, queue };
  const idleS = Math.ceil(((config.idleTimeoutMs ?? SESSION_DEFAULTS.idleTimeoutMs) + LEAK_MS) / 1_000);
  const body = {
    kind: "pyspark" as const,
    pyFiles: options.pyFiles,
    ...Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined)),
    ...(options.idleTimeout ? { idleTimeout: `${idleS}s` } : {}),
  };
  const digest = createHash("sha256")
    .update(JSON.stringify([body, Object.entries(conf).sort()]))
    .digest("hex")
    .slice(0, 8);
  const tag = `warm-${options.store}-${plain(options.cluster)}-pyspark`.toLowerCase();
  return {
    tag,
    request: (number) => {
      const name = `${tag}-${digest}-${number}`.toLowerCase();
      const tags = [
        ...new Set([name, tag, "firesteel", ...(conf["spark.yarn.tags"] ?? "").split(",").filter(Boolean)]),
      ];
      return {
        ...body,
        name,
        conf: {
          "spark.app.name": name,
          // Livy gives a driver 90 s to report, which a full queue or a busy machine can take.
          "livy.rsc.server.connect.timeout": "300s",
          ...conf,
          "spark.yarn.tags": tags.join(","),
          // A driver that is started again has lost what was warm about it.
          "spark.yarn.maxAppAttempts": "1",
        },
      };
    },
    ownership: (name) => {
      const [, own, rest] = name?.startsWith(`${tag}-`)
        ? (/^([0-9a-f]{8})-([a-z0-9]+)$/.exec(name.slice(tag.length + 1)) ?? [])
        : [];
      return rest === undefined ? null : own === digest ? "current" : "other";
    },
  };
}

/** Short enough for a tag, which YARN cuts off at 100 characters. */
function plain(text: string): string {
  return text.replace(/[^A-Za-z0-9_]+/g, "-").slice(0, 36);
}
