/**
 * What a pool knows of one of its sessions, and what a look at all of them asks for: which are ended, and how many are made.
 */

import type { Cluster } from "../clusters/cluster.ts";
import type { LivySession, LivySessions } from "../http/session-client.ts";
import type { Doomed } from "../submissions/cancelling.ts";
import { hasEnded } from "../witness/resource-manager.ts";
import type { SessionRequests, SessionsConfig } from "./session-request.ts";

/** A session of a pool; its states are those of `session-pool.ts`. Times are by the clock's `elapsed`. */
export interface WarmSession {
  readonly name: string;
  state: "starting" | "warming" | "idle" | "busy" | "checking" | "ending";
  appId: string | null;
  sparkUiUrl: string | null;
  driverLogUrl: string | null;
  /** Statements that it has run, as far as is known. */
  statements: number;
  idleSince: number;
  usedAt: number;
  /** When it was in Livy's list last, or was asked for. */
  seenAt: number;
  /** Why it must not be used again, once nothing runs in it. */
  ends: string | null;
  ending: Promise<string> | null;
}

export type PoolLimits = Required<Pick<SessionsConfig, "min" | "max" | "idleTimeoutMs" | "recycleAfter">>;

/** One that is new to the pool. */
export function newWarmSession(name: string, state: WarmSession["state"], now: number): WarmSession {
  return {
    name,
    state,
    appId: null,
    sparkUiUrl: null,
    driverLogUrl: null,
    statements: 0,
    idleSince: now,
    usedAt: now,
    seenAt: now,
    ends: null,
    ending: null,
  };
}

/** Whether it has run so many statements that another is to take its place. */
export function isDue({ statements }: WarmSession, { recycleAfter }: PoolLimits): boolean {
  return statements >= recycleAfter;
}

/** Sessions that start at once. */
const STARTS = 2;

/** What is to be done about the sessions of a pool, given how many statements could run now if there were sessions enough. */
export function balance(
  sessions: readonly WarmSession[],
  limits: PoolLimits,
  ready: number,
  now: number,
): { readonly end: readonly { readonly session: WarmSession; readonly why: string }[]; readonly make: number } {
  const { min, max, idleTimeoutMs } = limits;
  const count = (of: readonly WarmSession[], ...states: readonly WarmSession["state"][]) =>
    of.filter(({ state }) => states.includes(state)).length;
  // Those that are to go count for nothing, so that others are there before they go.
  const staying = sessions.filter((one) => one.state !== "ending" && one.ends === null && !isDue(one, limits));
  const needed = Math.min(max, Math.max(min, ready + count(staying, "busy", "checking")));
  const end: { readonly session: WarmSession; readonly why: string }[] = [];
  let live = staying.length;
  const idle = sessions.filter(({ state }) => state === "idle").sort((a, b) => a.idleSince - b.idleSince);
  for (const session of idle) {
    if (isDue(session, limits)) {
      // It serves until another can.
      if (live >= needed && (needed === 0 || idle.length > 1))
        end.push({ session, why: `it has run ${session.statements} statements` });
    } else if (live > needed && now - session.idleSince >= idleTimeoutMs) {
      live--;
      end.push({ session, why: "it was idle for long" });
    }
  }
  return { end, make: Math.max(0, Math.min(needed - live, STARTS - count(staying, "starting", "warming"))) };
}

/** A session that is to be stopped for certain. */
export function doomedSession(session: WarmSession, sessions: LivySessions, failed: (words: string) => void): Doomed {
  return {
    tag: session.name,
    get appId() {
      return session.appId;
    },
    unanswered: false,
    remove: (signal) => sessions.delete(session.name, signal),
    found: async (appId) => {
      session.appId = appId;
    },
    tell: () => {},
    failed: async (words) => failed(words),
  };
}

/** Ends applications of warm sessions that Livy does not know: it was started again without its memory, and nobody can use their drivers any more. */
export async function endStrays(
  { resourceManager: yarn }: Cluster,
  { tag, ownership }: SessionRequests,
  listed: readonly LivySession[],
  signal: AbortSignal,
): Promise<void> {
  // One whose application is not known yet could be any of them.
  if (yarn === null || listed.some(({ name, appId }) => appId === null && ownership(name) !== null)) return;
  const known = new Set(listed.map(({ appId }) => appId));
  for (const application of await yarn.findByTag(tag, signal))
    if (!hasEnded(application) && !known.has(application.id)) await yarn.kill(application.id, signal);
}
