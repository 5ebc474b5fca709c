/**
 * One cluster: its Livy server, its ResourceManager, and the loop that looks at all our batches there with one list request a tick.
 *
 * Nothing is asked while nothing lives or waits here. Who is told what a list shows: `watches.ts`.
 */

import { isDeepStrictEqual } from "node:util";
import { type Clock, machineClock } from "../../../clock.ts";
import type { FiresteelError } from "../../../errors.ts";
import type { ClusterDrain } from "../../../evaluate/ports.ts";
import type { LivyClient } from "../http/client.ts";
import { createEndpoint, type Endpoint, type EndpointOptions } from "../http/endpoint.ts";
import { LivyFailure, livyFailureOf } from "../http/errors.ts";
import type { SessionPoolStatus } from "../sessions/session-request.ts";
import { appConf, rowConf } from "../submissions/work-key.ts";
import { textHash } from "../text-hash.ts";
import { Backoff } from "../waiting.ts";
import type { DriverLogs } from "../witness/driver-logs.ts";
import type { HistoryServer } from "../witness/history-server.ts";
import type { ResourceManager } from "../witness/resource-manager.ts";
import { Admission, type AdmissionLimits } from "./admission.ts";
import { Breaker } from "./breaker.ts";
import { type Access, accessOf, accessTo, closeAccess } from "./cluster-access.ts";
import { type ClusterConfig, limitsOf } from "./cluster-config.ts";
import { type GatewayObserver, NO_OBSERVER, observed } from "./observer.ts";
import { type Watch, Watches } from "./watches.ts";

/** A cluster as it is shown. */
export interface ClusterStatus {
  readonly name: string;
  readonly url: string;
  readonly labels: Readonly<Record<string, string>>;
  /** False for one that was taken out of the configuration and is still needed. */
  readonly isConfigured: boolean;
  /** Null where it takes new submissions. */
  readonly drained: ClusterDrain | null;
  /** `unknown` until the first answer; `recovering`: it answers again, and one submission at a time is sent to see how that goes. */
  readonly state: "up" | "down" | "recovering" | "unknown";
  /** When that state began, ms since the epoch. */
  readonly since: number;
  /** When the server last answered, ms since the epoch. */
  readonly confirmedAt: number | null;
  /** Livy's version; null until it was asked. */
  readonly version: string | null;
  readonly live: number;
  readonly waiting: number;
  /** Why work waits, with how much of it. */
  readonly waits: readonly { readonly reason: string; readonly count: number }[];
  readonly limits: Omit<AdmissionLimits, "maxPosts">;
  /** Its warm sessions; null where it keeps none. */
  readonly sessions: SessionPoolStatus | null;
  /** The last error in words; kept after a recovery. */
  readonly lastError: string | null;
}

/** What clusters live in. */
export interface ClusterWorld {
  readonly clock: Clock;
  /** Makes what is asked over HTTP. */
  readonly connect: (options: EndpointOptions) => Endpoint;
}

/** The machine's time and real connections. */
export const CLUSTER_WORLD: ClusterWorld = { clock: machineClock, connect: createEndpoint };

/** How long requests by an earlier way may take. */
const RETIRE_MS = 180_000;

/** The state of one cluster and the loop over it. */
export class Cluster implements AsyncDisposable {
  readonly clock: Clock;
  readonly observer: GatewayObserver;
  readonly admission: Admission;
  readonly #world: ClusterWorld;
  readonly #watches: Watches;
  readonly #stop = new AbortController();
  readonly #retry: Backoff;
  #config: ClusterConfig;
  /** The same text for all that is asked: thousands hold it. */
  #rows: { readonly app: string; readonly own: string } | null = null;
  #access: Access;
  /** Earlier ones, whose requests may still be under way. */
  readonly #retired = new Set<Access>();
  #breaker: Breaker;
  #toldDown = false;
  #drained: ClusterDrain | null = null;
  #leaves = false;
  #confirmedAt: number | null = null;
  #version: string | null = null;
  #lastError: string | null = null;
  #onTick: () => void = () => {};
  #running = false;
  #tended = false;
  /** By the clock's `elapsed`. */
  #answeredAt = Number.NEGATIVE_INFINITY;
  #asksVersion = false;
  #callOffProbe: (() => void) | null = null;
  #wakeLoop: (() => void) | null = null;

  constructor(config: ClusterConfig, world: ClusterWorld = CLUSTER_WORLD, observer: GatewayObserver = NO_OBSERVER) {
    const { clock } = world;
    this.#world = { clock, connect: observed(world.connect, observer, clock) };
    this.#config = config;
    this.#access = accessTo(config, this.#world);
    this.clock = clock;
    this.#watches = new Watches(clock);
    this.observer = observer;
    this.#breaker = new Breaker(clock);
    this.#retry = new Backoff(clock, 500, 10_000);
    const { name } = config;
    this.admission = new Admission(clock, name, limitsOf(config), {
      obstacle: () => this.obstacle,
      trial: () =>
        this.#breaker.passes === "one" ? `cluster ${name} answers again; one submission goes there first` : null,
      posting: () => this.#breaker.posting(),
      posted: (answered) => {
        this.#breaker.posted(answered);
        this.#tellState();
        if (!this.#breaker.settled) this.#start();
      },
    });
  }

  get config(): ClusterConfig {
    return this.#config;
  }

  get client(): LivyClient {
    return this.#access.client;
  }

  get resourceManager(): ResourceManager | null {
    return this.#access.resourceManager;
  }

  get driverLogs(): DriverLogs | null {
    return this.#access.driverLogs;
  }

  get historyServer(): HistoryServer | null {
    return this.#access.historyServer;
  }

  /** Prepares another configuration of the same cluster, and throws where that cannot be; gives what puts it in force. See `fleet.ts`. */
  reconfigured(config: ClusterConfig): () => void {
    const same = isDeepStrictEqual(accessOf(this.#config), accessOf(config));
    const access = same ? null : accessTo(config, this.#world);
    return () => {
      this.#config = config;
      this.#rows = null;
      this.#leaves = false;
      this.admission.limits = limitsOf(config);
      if (access !== null) this.#reach(access);
    };
  }

  #reach(access: Access): void {
    this.#retire(this.#access);
    this.#access = access;
    // What was found out of the other address does not count for this one.
    this.#breaker = new Breaker(this.clock);
    [this.#confirmedAt, this.#version, this.#lastError] = [null, null, null];
    this.admission.pump();
    if (this.#tended) void this.probe();
  }

  #retire(old: Access): void {
    this.#retired.add(old);
    const callOff = this.clock.after(RETIRE_MS, () => {
      this.#retired.delete(old);
      void closeAccess(old);
    });
    this.#stop.signal.addEventListener("abort", callOff, { once: true });
  }

  /** It was taken out of the configuration: what is there goes on, nothing new is taken. */
  leave(): void {
    this.#leaves = true;
    this.admission.pump();
  }

  get isConfigured(): boolean {
    return !this.#leaves;
  }

  get drained(): ClusterDrain | null {
    return this.#drained;
  }

  set drained(drain: ClusterDrain | null) {
    this.#drained = drain;
    this.admission.pump();
  }

  get status(): ClusterStatus {
    const { maxPosts: _, ...limits } = this.admission.limits;
    return {
      name: this.config.name,
      url: this.client.url,
      labels: this.labels,
      isConfigured: this.isConfigured,
      drained: this.#drained,
      state: this.#state,
      since: this.#breaker.since,
      confirmedAt: this.#confirmedAt,
      version: this.#version,
      live: this.admission.live,
      waiting: this.admission.waiting,
      waits: this.admission.waits,
      limits,
      sessions: null,
      lastError: this.#lastError,
    };
  }

  get #state(): ClusterStatus["state"] {
    const { state } = this.#breaker;
    if (state === "closed") return this.#confirmedAt === null ? "unknown" : "up";
    return state === "open" ? "down" : "recovering";
  }

  /** Major version of Spark that jobs are made for. */
  get sparkMajor(): number {
    return this.config.spark ?? 3;
  }

  get name(): string {
    return this.config.name;
  }

  /** Most submissions alive at once. */
  get maxLive(): number {
    return this.admission.limits.maxLive;
  }

  get labels(): Readonly<Record<string, string>> {
    return this.config.labels ?? {};
  }

  /** Its settings that can change rows: more can change those of an unmodified application. */
  rowsOf({ isApp = false }: { readonly isApp?: boolean }): string {
    this.#rows ??= { app: this.#rowsBy(appConf), own: this.#rowsBy(rowConf) };
    return isApp ? this.#rows.app : this.#rows.own;
  }

  #rowsBy(counts: typeof rowConf): string {
    const { sparkMajor } = this;
    const conf = counts(this.config.conf ?? {}, sparkMajor);
    return JSON.stringify([sparkMajor, Object.entries(conf).sort()]);
  }

  /** Why nothing can be sent there, for people. */
  get trouble(): string {
    const { name, whenDown } = this.config;
    if (this.#breaker.state !== "open")
      return `cluster ${name} at ${this.client.url} did not answer the last request, which is tried again: ${this.#lastError}`;
    const outage = `cluster ${name} at ${this.client.url} is down since ${new Date(this.#breaker.since).toISOString()}: ${this.#lastError}`;
    return whenDown === undefined ? outage : `${outage}; ${whenDown}`;
  }

  /** Why nothing may be sent there now, for people; null when something may. */
  get obstacle(): string | null {
    if (this.#leaves) return `cluster ${this.name} is not configured any more`;
    if (this.#drained !== null) {
      const { at, by, reason } = this.#drained;
      return `cluster ${this.name} is drained by ${by} since ${new Date(at).toISOString()}: ${reason}`;
    }
    return this.#breaker.passes === "none" ? this.trouble : null;
  }

  /** Goes on asking how it is also while nothing of ours is there, until it is disposed of. */
  tend(): void {
    if (this.#tended) return;
    this.#tended = true;
    void this.#probeAgain();
  }

  async #probeAgain(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const { probeMs = 15_000 } = this.config;
    const silentMs = this.clock.elapsed() - this.#answeredAt;
    if (silentMs >= probeMs && !this.#running) await this.probe();
    if (this.#stop.signal.aborted) return;
    this.#callOffProbe = this.clock.after(
      silentMs >= probeMs ? probeMs : probeMs - silentMs,
      () => void this.#probeAgain(),
    );
  }

  /** Asks once whether the server is there. */
  async probe(): Promise<void> {
    try {
      this.#version = await this.client.version(this.#stop.signal);
      this.answered();
    } catch (error) {
      this.failed(error);
    }
  }

  /** A request got an answer, whatever it said: the server is there. */
  answered(): void {
    this.#confirmedAt = this.clock.now();
    this.#answeredAt = this.clock.elapsed();
    const { passes, state } = this.#breaker;
    this.#breaker.answered();
    this.#tellState();
    if (this.#breaker.settled) this.#retry.reset();
    if (this.#breaker.passes !== passes) this.admission.pump();
    // After an outage it may be another one.
    if ((this.#version === null || state === "open") && !this.#asksVersion) {
      this.#asksVersion = true;
      void this.probe().finally(() => (this.#asksVersion = false));
    }
  }

  /** A request failed; where that says that the server is not well, the loop asks until it is. */
  failed(error: unknown): void {
    const kind = livyFailureOf(error);
    if (kind === LivyFailure.cancelled) return;
    const { words } = (error as FiresteelError).details ?? {};
    this.#lastError = typeof words === "string" ? words : (error as Error).message;
    if (
      kind !== LivyFailure.unreachable &&
      kind !== LivyFailure.noAnswer &&
      kind !== LivyFailure.server &&
      kind !== LivyFailure.unauthorized &&
      kind !== LivyFailure.forbidden
    )
      return;
    this.#breaker.failed();
    this.#tellState();
    this.admission.pump();
    this.#start();
  }

  /** Tells once that it went down, and once that it is back: not each time that it answers in between. */
  #tellState(): void {
    const { state } = this.#breaker;
    if (state === "open" && !this.#toldDown) this.observer.down(this.name, this.trouble);
    if (state === "closed" && this.#toldDown) this.observer.back(this.name);
    this.#toldDown = state === "open" || (this.#toldDown && state !== "closed");
  }

  /** Looks at a batch at every tick until the watch is disposed of. */
  watch(name: string): Watch {
    const watch = this.#watches.open(name);
    this.#start();
    return watch;
  }

  /** Has something done after each list that was answered. */
  onTick(listener: () => void): void {
    this.#onTick = listener;
  }

  /** Lets the next tick begin now. */
  kick(): void {
    this.#wakeLoop?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#wakeLoop?.();
    this.#callOffProbe?.();
    this.admission.close();
    await Promise.all([this.#access, ...this.#retired].map(closeAccess));
  }

  #start(): void {
    if (this.#running || this.#stop.signal.aborted) return;
    this.#running = true;
    void this.#loop();
  }

  /** Whether anybody wants to know: a live submission, or whoever waits or tends while it is not clear how the server is. */
  get #wanted(): boolean {
    if (this.#stop.signal.aborted) return false;
    return this.#watches.size > 0 || (!this.#breaker.settled && (this.#tended || this.admission.waiting > 0));
  }

  async #loop(): Promise<void> {
    const tickMs = this.config.tickMs ?? 500;
    // What was just posted needs no look at once; what just failed neither.
    await this.#sleep(this.#breaker.settled ? Math.min(100, tickMs) : this.#retry.next());
    /** When this tick was to begin: the next one counts from there, so that ticks do not drift. */
    let due = this.clock.elapsed();
    while (this.#wanted) {
      const began = this.clock.elapsed();
      due = Math.min(due, began);
      let delay = tickMs;
      try {
        await this.#watches.look(this.client, this.#stop.signal, () => this.answered());
        this.#onTick();
      } catch (error) {
        if (this.#stop.signal.aborted) break;
        this.failed(error);
        delay = Math.max(tickMs, this.#retry.next());
        if (this.#state === "down") this.#watches.tellOutage(this.trouble);
      }
      const now = this.clock.elapsed();
      // A server that needs long for an answer is not asked all the time.
      due = Math.max(this.#inPhase(due + delay, tickMs), now + Math.min(tickMs, now - began), now + 10);
      await this.#sleep(due - now);
    }
    this.#running = false;
    if (this.#wanted) this.#start();
  }

  /** The nearest time that is this cluster's own within a tick: clusters whose work began together are looked at one after another, not all at once. */
  #inPhase(time: number, tickMs: number): number {
    const late = (time + tickMs - ((textHash(this.name) >>> 0) % tickMs)) % tickMs;
    return time - late + (late > tickMs / 2 ? tickMs : 0);
  }

  async #sleep(ms: number): Promise<void> {
    if (this.#stop.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const callOff = this.clock.after(ms, resolve);
      this.#wakeLoop = () => {
        callOff();
        resolve();
      };
    });
    this.#wakeLoop = null;
  }
}
