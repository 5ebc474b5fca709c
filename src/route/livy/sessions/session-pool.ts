/**
 * The warm sessions of one cluster, and the statements that wait for one.
 *
 * ```
 * starting -> warming -> idle <-> busy        (any) -> ending -> (gone)
 *                          ^        |
 *                          +-- checking
 * ```
 *
 * - `starting`: posted, or about to be. `warming`: its first statement prepares it.
 * - `busy`: it is leased to one statement at a time, since its interpreter runs one after the other.
 * - `checking`: a statement may run that nobody here follows; it is idle when Livy says so.
 * - `ending`: it is stopped for certain (`cancelling.ts`): it was idle for long, has run many statements, is of other settings, or something is wrong with it.
 *
 * Only the keeper of the cluster has sessions. They outlive it: whoever keeps the cluster next finds them by their names (`session-request.ts`), and Livy ends those that nobody uses. They count by a limit of their own, not
 * by the cluster's `maxLive`: each is an application that holds its place whether statements run in it or not.
 *
 * Its settings can change while work runs: limits count at once; sessions that are not as they would be made now serve until nothing runs in them.
 *
 * All sessions are looked at with one list request a tick, and seldom while none of them changes.
 */

import { Code, FiresteelError } from "../../../errors.ts";
import type { Cluster } from "../clusters/cluster.ts";
import { LivyFailure, livyFailureOf } from "../http/errors.ts";
import { hasRun, hasSessionEnded, type LivySession } from "../http/session-client.ts";
import type { Patience } from "../patience.ts";
import { stopForCertain } from "../submissions/cancelling.ts";
import { Backoff, pause } from "../waiting.ts";
import {
  SESSION_DEFAULTS,
  type SessionPoolStatus,
  type SessionRequests,
  type SessionsConfig,
} from "./session-request.ts";
import { WARM_CODE } from "./statement-code.ts";
import { type SessionLease, StatementQueue } from "./statement-queue.ts";
import {
  balance,
  doomedSession,
  endStrays,
  isDue,
  newWarmSession,
  type PoolLimits,
  type WarmSession,
} from "./warm-session.ts";

export interface SessionPoolOptions {
  readonly cluster: Cluster;
  readonly config: SessionsConfig;
  readonly patience: Patience;
  /** The requests that make sessions of these settings; asked for when the first is needed. */
  readonly requests: (config: SessionsConfig) => Promise<SessionRequests>;
  /** Rejects where this process may not be the keeper any more: then it makes no session. */
  readonly confirm: () => Promise<void>;
  /** Sortable by time and unique, lower case letters and digits. */
  readonly newNumber: () => string;
  /** Aborted when this process stops: sessions are left to themselves. */
  readonly stop: AbortSignal;
}

/** Between two looks while nothing is about to change. */
const LOOK_MS = 5_000;
/** Between two looks at the statement that prepares one. */
const WARM_TICK_MS = 100;
/** Failures in a row before those that wait hear of it. */
const FAILURES = 3;
/** Why a session is not used that others made, or that was made before the settings changed. */
const OTHER = "its settings are not those of now";
/** After a request that Livy refuses. */
const REFUSED_MS = 60_000;

export class SessionPool {
  readonly #options: SessionPoolOptions;
  #config: SessionsConfig;
  #limits: PoolLimits;
  /** The cluster is to keep none any more. */
  #off = false;
  readonly #sessions = new Map<string, WarmSession>();
  readonly #queue: StatementQueue;
  /** Leased before they were found: statements that live from before this process kept the cluster. */
  readonly #expected = new Set<string>();
  readonly #backoff: Backoff;
  #requests: SessionRequests | null = null;
  #kept = false;
  #running = false;
  #wake: (() => void) | null = null;
  #nextTryAt = 0;
  /** What those that wait were told last, until a session could be made. */
  #refusal: FiresteelError | null = null;
  #lastError: string | null = null;

  constructor(options: SessionPoolOptions) {
    this.#options = options;
    const { config, cluster } = options;
    this.#config = config;
    this.#limits = limitsOf(config);
    this.#backoff = new Backoff(cluster.clock, 1_000, 60_000);
    this.#queue = new StatementQueue(config.maxPerUser ?? SESSION_DEFAULTS.maxPerUser);
  }

  /** Other settings of the sessions, or of the cluster; null: it is to keep none any more. */
  configure(config: SessionsConfig | null): void {
    this.#off = config === null;
    if (config === null) {
      this.#limits = { ...this.#limits, min: 0, max: 0, idleTimeoutMs: 0 };
      this.#queue.refuse(this.#none);
      this.#retire([...this.#sessions.values()], "the cluster keeps no sessions any more");
    } else {
      this.#config = config;
      this.#limits = limitsOf(config);
      this.#queue.maxPerUser = config.maxPerUser ?? SESSION_DEFAULTS.maxPerUser;
      // What was refused may be right now; and which sessions are as they should be is found out again.
      [this.#requests, this.#refusal, this.#nextTryAt] = [null, null, 0];
    }
    this.#start();
    this.#wake?.();
  }

  get #none(): FiresteelError {
    return new FiresteelError(Code.failedPrecondition, `cluster ${this.#options.cluster.name} keeps no sessions`);
  }

  /** How long a cancelled statement may take to end. */
  get cancelMs(): number {
    return this.#config.cancelMs ?? SESSION_DEFAULTS.cancelMs;
  }

  /** Null where there are none and are to be none. */
  get status(): SessionPoolStatus | null {
    return this.#off && this.isEmpty ? null : this.#status;
  }

  get #status(): SessionPoolStatus {
    const count = (...states: WarmSession["state"][]) =>
      [...this.#sessions.values()].filter((one) => states.includes(one.state)).length;
    return {
      min: this.#limits.min,
      max: this.#limits.max,
      starting: count("starting", "warming"),
      idle: count("idle"),
      busy: count("busy", "checking"),
      waiting: this.#queue.size,
      lastError: this.#lastError,
    };
  }

  /** This process keeps the cluster now: sessions are taken over, and made where they are needed. */
  keep(): void {
    this.#kept = true;
    this.#start();
  }

  /** Waits for a session; `note` is told why, whenever the reason changes. Rejects with `failed_precondition` when this cluster takes none. */
  async lease(user: string, note: (reason: string) => void, signal: AbortSignal): Promise<SessionLease> {
    if (this.#off) throw this.#none;
    const alive = this.#in("starting", "warming", "idle", "busy", "checking").length > 0;
    if (this.#refusal !== null && !alive && this.#clock.elapsed() < this.#nextTryAt) throw this.#refusal;
    const waiting = this.#queue.wait(user, note, signal);
    this.#pump();
    this.#start();
    return waiting;
  }

  /** The session of a statement that lives already, or may live. */
  occupy(name: string, user: string): SessionLease {
    const session = this.#sessions.get(name);
    if (session === undefined) this.#expected.add(name);
    else if (session.state !== "ending") session.state = "busy";
    return this.#lease(name, user);
  }

  /** Stops a session for certain; tells how that was confirmed. */
  end(name: string, why: string): Promise<string> {
    return this.#end(this.#sessions.get(name) ?? this.#add(name, "ending"), why);
  }

  /** Livy does not know it any more, or shows it as ended. */
  lost(name: string, why: string): void {
    const session = this.#sessions.get(name);
    if (session !== undefined) void this.#end(session, why);
  }

  #lease(name: string, user: string): SessionLease {
    const session = () => this.#sessions.get(name);
    const leave = this.#queue.enter(user);
    let open = true;
    return {
      session: name,
      change: {
        session: name,
        appId: session()?.appId ?? null,
        sparkUiUrl: session()?.sparkUiUrl ?? null,
        driverLogUrl: session()?.driverLogUrl ?? null,
      },
      release: (statement, ends) => {
        if (!open) return;
        open = false;
        leave();
        this.#expected.delete(name);
        const one = session();
        if (one !== undefined && one.state === "busy") {
          one.usedAt = this.#clock.elapsed();
          one.statements = Math.max(one.statements, (statement ?? -1) + 1);
          one.ends ??= ends;
          if (statement === null) one.state = "checking";
          else this.#free(one);
        }
        this.#pump();
        this.#wake?.();
      },
    };
  }

  get #clock(): Cluster["clock"] {
    return this.#options.cluster.clock;
  }

  #add(name: string, state: WarmSession["state"]): WarmSession {
    const session = newWarmSession(name, state, this.#clock.elapsed());
    this.#sessions.set(name, session);
    return session;
  }

  #in(...states: readonly WarmSession["state"][]): readonly WarmSession[] {
    return [...this.#sessions.values()].filter(({ state }) => states.includes(state));
  }

  /** Nothing runs in it now. */
  #free(session: WarmSession): void {
    if (session.ends !== null) {
      void this.#end(session, session.ends);
      return;
    }
    session.state = "idle";
    session.idleSince = this.#clock.elapsed();
  }

  /** They are ended when nothing runs in them. */
  #retire(sessions: readonly WarmSession[], why: string): void {
    for (const session of sessions) {
      session.ends ??= why;
      if (session.state === "idle") this.#free(session);
    }
  }

  #end(session: WarmSession, why: string): Promise<string> {
    if (session.ending !== null) return session.ending;
    session.state = "ending";
    session.ends = why;
    const { cluster, patience, stop } = this.#options;
    const doomed = doomedSession(session, cluster.client.sessions, (words) => {
      this.#lastError = `session ${session.name}: ${words}`;
    });
    session.ending = stopForCertain(cluster, doomed, patience, async () => false, stop).then((how) => {
      this.#sessions.delete(session.name);
      this.#wake?.();
      return how ?? "";
    });
    session.ending.catch(() => {}); // This process stops.
    this.#wake?.();
    return session.ending;
  }

  /** Hands idle sessions to those that wait, and tells the others why they do. */
  #pump(): void {
    const { cluster } = this.#options;
    const { obstacle } = cluster;
    if (obstacle !== null) return this.#queue.note(obstacle);
    // The one used last first, so that others become idle for long; of those that are due only when there is no other.
    const order = (one: WarmSession) => (isDue(one, this.#limits) ? -1 : one.usedAt);
    const idle = [...this.#in("idle")].sort((a, b) => order(b) - order(a));
    for (const session of idle) {
      const waiter = this.#queue.next();
      if (waiter === null) break;
      session.state = "busy";
      waiter.admit(this.#lease(session.name, waiter.user));
    }
    this.#queue.note(this.#obstacle());
  }

  #obstacle(): string {
    const { name } = this.#options.cluster;
    const { starting, busy, max } = this.#status;
    if (this.#nextTryAt > this.#clock.elapsed() && busy + starting === 0)
      return `no session of cluster ${name} could be made; trying again: ${this.#lastError}`;
    if (busy >= max) return `${busy} of ${max} sessions of cluster ${name} are busy`;
    return `a session of cluster ${name} is starting`;
  }

  #start(): void {
    if (this.#running || !this.#kept || this.#options.stop.aborted) return;
    this.#running = true;
    void this.#loop().finally(() => {
      this.#running = false;
      if (this.#wanted && !this.#options.stop.aborted) this.#start();
    });
  }

  get #wanted(): boolean {
    const { isConfigured } = this.#options.cluster;
    // At first whoever kept the cluster before may have left some.
    const expects = !this.#off && (this.#requests === null || this.#limits.min > 0);
    return this.#kept && (this.#sessions.size > 0 || this.#queue.size > 0 || (isConfigured && expects));
  }

  /** Nothing of it is there, and nobody waits. */
  get isEmpty(): boolean {
    return this.#sessions.size === 0 && this.#queue.size === 0;
  }

  async #loop(): Promise<void> {
    const { cluster, stop } = this.#options;
    const tickMs = cluster.config.tickMs ?? 500;
    while (this.#wanted && !stop.aborted) {
      try {
        if (this.#requests === null && !this.#off) await this.#adopt();
        else if (this.#sessions.size > 0) this.#see(await cluster.client.sessions.list(stop));
        cluster.answered();
        this.#balance();
      } catch (error) {
        if (stop.aborted) return;
        cluster.failed(error);
        this.#lastError = (error as Error).message;
      }
      this.#pump();
      const soon = this.#in("starting", "warming", "checking").length > 0 || this.#queue.size > 0;
      await this.#sleep(soon ? tickMs : LOOK_MS);
    }
  }

  async #sleep(ms: number): Promise<void> {
    const { stop } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    const callOff = this.#clock.after(ms, wake);
    stop.addEventListener("abort", wake, { once: true });
    this.#wake = wake;
    await promise;
    this.#wake = null;
    stop.removeEventListener("abort", wake);
    callOff();
  }

  /** Takes over the sessions of whoever kept the cluster before, and stops what of them cannot be used. */
  async #adopt(): Promise<void> {
    const { cluster, stop, requests: make } = this.#options;
    // What a session may be asked depends on the version.
    if (cluster.status.version === null) await cluster.probe();
    const config = this.#config;
    const requests = await make(config);
    const sessions = await cluster.client.sessions.list(stop);
    // The settings changed meanwhile.
    if (config !== this.#config) return;
    const own = [...this.#sessions.values()].filter(({ name }) => requests.ownership(name) === "other");
    this.#retire(own, OTHER);
    for (const session of sessions) {
      const { name, state } = session;
      const owned = requests.ownership(name);
      if (owned === null || name === null || this.#sessions.has(name)) continue;
      const one = this.#add(name, this.#expected.has(name) ? "busy" : state === "starting" ? "starting" : "checking");
      if (owned === "other") one.ends = OTHER;
    }
    await endStrays(cluster, requests, sessions, stop);
    this.#requests = requests;
    this.#see(sessions);
  }

  /** Takes in what Livy shows of them. */
  #see(listed: readonly LivySession[]): void {
    const byName = new Map(listed.map((one) => [one.name, one]));
    const now = this.#clock.elapsed();
    for (const session of this.#in("starting", "warming", "idle", "busy", "checking")) {
      const shown = byName.get(session.name);
      if (shown === undefined) {
        // It may have been made since it was asked for.
        const late = session.state === "starting" && now - session.seenAt < this.#options.patience.postMs;
        if (!late) this.#failed(session, "Livy does not know it any more");
        continue;
      }
      session.seenAt = now;
      session.appId = shown.appId ?? session.appId;
      session.sparkUiUrl = shown.sparkUiUrl ?? session.sparkUiUrl;
      session.driverLogUrl = shown.driverLogUrl ?? session.driverLogUrl;
      if (hasSessionEnded(shown))
        this.#failed(session, `it is ${shown.state}: ${shown.log.findLast((line) => line.trim() !== "") ?? ""}`);
      else if (shown.state === "idle" && session.state === "starting") void this.#warm(session);
      else if (shown.state === "idle" && session.state === "checking") this.#free(session);
      if (session.state === "busy" || session.state === "idle") this.#touch(session, now);
    }
  }

  /** Livy must not end what runs for long, or what is kept though nothing waits. */
  #touch(session: WarmSession, now: number): void {
    const { sessions } = this.#options.cluster.client;
    if (now - session.usedAt < this.#limits.idleTimeoutMs / 2) return;
    session.usedAt = now;
    void sessions.touch(session.name).catch(() => {}); // The list shows what is wrong with it.
  }

  /** A session is of no use. Where it never was, the next one is not made at once. */
  #failed(session: WarmSession, why: string): void {
    const fresh = session.state === "starting" || session.state === "warming";
    this.#lastError = `session ${session.name}: ${why}`;
    void this.#end(session, why);
    if (fresh) this.#retryLater(false);
  }

  /** @param certain the request itself is refused: asking again soon gives the same */
  #retryLater(certain: boolean): void {
    const delayMs = this.#backoff.next();
    this.#nextTryAt = this.#clock.elapsed() + (certain ? REFUSED_MS : delayMs);
    if (!certain && this.#backoff.failures < FAILURES) return;
    const message = `cluster ${this.#options.cluster.name} gives no session: ${this.#lastError}`;
    this.#refusal = new FiresteelError(Code.failedPrecondition, message);
    this.#queue.refuse(this.#refusal);
  }

  /** Ends sessions that are not needed and makes those that are. */
  #balance(): void {
    // Of a cluster that is configured no more nothing is kept.
    const limits = this.#options.cluster.isConfigured ? this.#limits : { ...this.#limits, min: 0, idleTimeoutMs: 0 };
    const now = this.#clock.elapsed();
    const { end, make } = balance([...this.#sessions.values()], limits, this.#queue.ready, now);
    for (const { session, why } of end) void this.#end(session, why);
    // While it is not known which sessions there are, none is made: settings may have changed a moment ago.
    const requests = this.#requests;
    if (requests === null || now < this.#nextTryAt || this.#options.cluster.obstacle !== null) return;
    for (let n = make; n > 0; n--) void this.#make(requests);
  }

  async #make(requests: SessionRequests): Promise<void> {
    const { cluster, confirm, newNumber, stop } = this.#options;
    const request = requests.request(newNumber());
    const session = this.#add(request.name, "starting");
    try {
      await confirm();
      await cluster.client.sessions.create(request, stop);
      cluster.answered();
    } catch (error) {
      if (stop.aborted) return;
      const failure = livyFailureOf(error);
      // Whether it was made shows in the list.
      if (failure === LivyFailure.noAnswer || failure === LivyFailure.server || failure === LivyFailure.duplicateName) {
        cluster.failed(error);
        return;
      }
      this.#lastError = wordsOf(error);
      cluster.failed(error);
      // Also what it may have left behind.
      void this.#end(session, this.#lastError);
      this.#retryLater(failure === LivyFailure.rejected);
    }
  }

  /** Runs the first statement, so that the first job finds a session that has done all of it once. */
  async #warm(session: WarmSession): Promise<void> {
    const { cluster, stop } = this.#options;
    const { sessions } = cluster.client;
    session.state = "warming";
    try {
      let statement = await sessions.post(session.name, WARM_CODE, stop);
      while (!hasRun(statement) && session.state === "warming") {
        await pause(this.#clock, WARM_TICK_MS, stop);
        // Whether it lives shows in the list.
        const shown = await sessions
          .findStatement(session.name, statement.id, stop)
          .catch(cluster.failed.bind(cluster));
        statement = shown ?? statement;
      }
      if (session.state !== "warming") return;
      if (statement.output?.status === "error")
        return this.#failed(session, `${statement.output.type}: ${statement.output.message}`);
    } catch (error) {
      if (stop.aborted || session.state !== "warming") return;
      cluster.failed(error);
      return this.#failed(session, wordsOf(error));
    }
    session.statements = 1;
    this.#backoff.reset();
    this.#refusal = null;
    this.#nextTryAt = 0;
    this.#free(session);
    this.#pump();
    this.#wake?.();
  }
}

function limitsOf(config: SessionsConfig): PoolLimits {
  const { min, max, idleTimeoutMs, recycleAfter } = { ...SESSION_DEFAULTS, ...config };
  return { min: Math.min(min, max), max, idleTimeoutMs, recycleAfter };
}

function wordsOf(error: unknown): string {
  const { words } = (error as FiresteelError).details ?? {};
  return typeof words === "string" ? words : (error as Error).message;
}
