/**
 * One soak: a simulated world in which orchestrators evaluate executions on clusters while things go wrong, all of it in one thread and by one clock that goes to the next timer when nothing else can run.
 *
 * An execution here is the product's own: started by a client that tries again elsewhere when nobody answers, evaluated by the real `Executions` over a host in the same process, its calls, jobs and end in the store
 * (in memory; it passes the suite of the real ones). Nothing in it reads a file, a socket, the machine's clock or its chance, so a seed replays exactly.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { SubmissionRecord } from "../../src/evaluate/ports.ts";
import { encodeProgram } from "../../src/hash/program.ts";
import { packageFolder } from "../../src/package-info.ts";
import type { ClusterConfig } from "../../src/route/livy/clusters/cluster-config.ts";
import { createStaging, type StagedHarness } from "../../src/route/livy/submissions/staging.ts";
import { ManualClock, wait } from "../livy/clock.ts";
import { Double } from "../livy/double.ts";
import type { JobPlan } from "../livy/job.ts";
import { letters, type Random, seeded } from "../livy/random.ts";
import { MemoryDatabase } from "../route/memory-database.ts";
import { MemoryStorage } from "../route/storage/memory-storage.ts";
import { Life } from "./life.ts";
import { away, Network, travel } from "./network.ts";
import { Orchestrator, WAREHOUSE } from "./orchestrator.ts";
import type { Ask, Scenario, Trouble } from "./scenario.ts";
import { TROUBLES_MS } from "./scenario.ts";
import { crowd, trip } from "./troubles.ts";
import { reachedFrom } from "./warehouse.ts";

/** How jobs of a piece of work go. */
export type WorkKind = "ok" | "fails" | "refused" | "dies once" | "throws once" | "silent once";

const START = Date.UTC(2026, 0, 1);
/** After the last trouble everything has to end within. */
const LIMIT_MS = 3_600_000;
/** What lingers after that, at most: Livy's look for an application, and what waits for a confirmation. */
const QUIET_MS = 4 * 60_000;

/** All random numbers of one part of the world, independent of what the other parts do. */
export class Simulation {
  readonly scenario: Scenario;
  readonly clock: ManualClock;
  readonly database: MemoryDatabase;
  readonly files: MemoryStorage;
  readonly network: Network;
  readonly doubles: readonly Double[];
  readonly clusters: readonly ClusterConfig[];
  readonly processes: (Orchestrator | null)[];
  /** Of all lives so far. */
  readonly lives: Life[] = [];
  readonly errors: string[] = [];
  /** Submissions that an operator cancelled. */
  readonly stopped = new Set<string>();
  /** Told of everything that happens. */
  trace: ((line: string) => void) | null = null;
  readonly #random: (part: number) => Random;
  readonly #chance: Random;
  readonly #harness: Promise<StagedHarness>;
  readonly #store = { down: 0 };
  readonly #warehouse = { rate: 0, down: false };
  #ids = 0;
  #over = false;

  constructor(scenario: Scenario) {
    this.scenario = scenario;
    this.#random = (part) => seeded(Math.imul(scenario.seed, 2_654_435_761) + part * 7_919);
    this.#chance = this.#random(1);
    this.clock = new ManualClock(START, this.#random(2));
    this.database = new MemoryDatabase(this.clock);
    this.files = new MemoryStorage(this.clock);
    this.network = new Network(this.clock, this.#random(3));
    this.network.weather.rate = scenario.rate;
    this.#warehouse.rate = scenario.warehouseRate;
    this.network.onExchange = (line) => this.trace?.(line());
    this.doubles = scenario.clusters.map(
      (plan, i) =>
        new Double({
          files: this.files,
          clock: this.clock,
          seed: scenario.seed * 16 + i,
          profile: plan.profile,
          maxCreation: plan.maxCreation,
          timings: {
            postMs: 300,
            submitMs: 2_000,
            pollMs: 1_000,
            acceptMs: 1_500,
            killMs: 400,
            closeMs: 2_000,
            retainMs: plan.retainMs,
          },
        }),
    );
    this.clusters = this.doubles.map((double, i) => {
      double.plan = ({ name }) => this.#planOf(name ?? "");
      const { livy, yarn } = this.network.add(String(i), double);
      const plan = scenario.clusters[i]!;
      return {
        name: `cluster-${i}`,
        url: livy,
        tickMs: 1_000,
        maxLive: plan.maxLive,
        user: "soak",
        ...(plan.resourceManager ? { resourceManager: { url: yarn } } : {}),
      };
    });
    this.processes = Array.from({ length: scenario.processes }, () => null);
    this.#harness = this.#stageHarness();
  }

  /** How jobs of a work go: its own, whatever happens around it. */
  kindOf(work: string): WorkKind {
    const chance = Number.parseInt(work.slice(0, 8), 16) / 0xffffffff;
    if (chance < 0.08) return "fails";
    if (chance < 0.1) return "refused";
    if (chance < 0.16) return "dies once";
    if (chance < 0.18) return "throws once";
    return chance < 0.2 ? "silent once" : "ok";
  }

  /** Lets it all happen; what did not come to its end is told by the invariants. */
  async run(): Promise<void> {
    await this.#settle();
    for (let i = 0; i < this.processes.length; i++) await this.#start(i);
    for (const ask of this.scenario.asks) this.clock.after(ask.at, () => void this.#ask(ask));
    for (const trouble of this.scenario.troubles) this.clock.after(trouble.at, () => this.#begin(trouble));
    await this.advance(TROUBLES_MS, () => false);
    this.#over = true;
    this.network.weather.rate = 0;
    this.#warehouse.rate = 0;
    await this.advance(LIMIT_MS, () => this.#isDone);
    // Whatever lingers: applications that close, batches of failed POSTs.
    await this.advance(QUIET_MS, () => false);
  }

  /** Stops all processes in an orderly way. */
  async close(): Promise<void> {
    for (const one of this.processes) if (one !== null) one.life.trap = null;
    const stopping = Promise.all(this.processes.map((one) => one?.stop()));
    let stopped = false;
    void stopping.then(() => (stopped = true));
    await this.advance(60_000, () => stopped);
    if (!stopped) this.errors.push("a process does not stop");
    await this.advance(QUIET_MS, () => false);
  }

  /** Goes on in time, up to a limit or as far as is said. */
  async advance(limitMs: number, until: () => boolean): Promise<boolean> {
    const end = this.clock.elapsed() + limitMs;
    const start = this.clock.now() - this.clock.elapsed();
    const marker = this.clock.after(limitMs, () => {});
    await this.#settle();
    while (!until()) {
      const at = this.clock.nextAt;
      if (at - start > end || at === Number.POSITIVE_INFINITY || this.clock.elapsed() >= end) {
        marker();
        return false;
      }
      while (this.clock.nextAt === at) this.clock.next();
      await this.#settle();
    }
    marker();
    return true;
  }

  /** Until nothing can run without time going on. */
  async #settle(): Promise<void> {
    do await new Promise((resolve) => setImmediate(resolve));
    while (process.getActiveResourcesInfo().includes("Immediate"));
  }

  get #isDone(): boolean {
    const { executions } = this.database;
    if (executions.size < this.scenario.asks.length) return false;
    for (const { record } of executions.values()) if (record.endedAt === null) return false;
    return true;
  }

  // ------------------------------------------------------------------------------------------- processes

  async #stageHarness(): Promise<StagedHarness> {
    const folder = join(packageFolder, "jobs");
    const staging = createStaging({ storage: this.files, warehouse: WAREHOUSE, root: "/" });
    const names = readdirSync(folder).filter((name) => /^firesteel_.*\.py$/.test(name));
    const uris = new Map<string, string>();
    for (const name of names.sort()) uris.set(name, (await staging.put(name, readFileSync(join(folder, name)))).uri);
    const file = uris.get("firesteel_harness.py") ?? "";
    return { file, pyFiles: [...uris.values()].filter((uri) => uri !== file) };
  }

  async #start(index: number): Promise<void> {
    const harness = await this.#harness;
    const life = new Life(this.clock, this.#random(100 + this.lives.length));
    this.lives.push(life);
    const number = this.lives.length;
    this.trace?.(`process ${index} starts (life ${number})`);
    const random = this.#random(10_000 + number);
    const orchestrator = new Orchestrator({
      life,
      database: this.database,
      reach: (kind) => this.#reach(life, kind, random),
      storage: reachedFrom(life, this.files, this.clock, random, this.#warehouse),
      connect: this.network.connect(life),
      clusters: this.clusters,
      harness,
      newId: () => `${String(++this.#ids).padStart(6, "0")}${letters(random, 4)}`,
      onError: (error) => {
        this.trace?.(`life ${number}: ${error.message}`);
        if (!this.#isExpected(error)) this.errors.push(`life ${number}: ${error.stack ?? error.message}`);
      },
    });
    this.processes[index] = orchestrator;
    life.ends.push(() => this.#ended(index, orchestrator, "was killed"));
    void orchestrator.lost.then(() => this.#ended(index, orchestrator, "lost its lease and stopped"));
  }

  #ended(index: number, orchestrator: Orchestrator, how: string): void {
    if (this.processes[index] !== orchestrator) return;
    this.trace?.(`process ${index} ${how}`);
    this.processes[index] = null;
    const afterMs = this.#over ? 1_000 : 1_000 + this.#chance() * 40_000;
    this.clock.after(afterMs, () => void this.#start(index));
  }

  /** What a process may tell of when its store, warehouse or lease goes. */
  #isExpected(error: Error): boolean {
    const { code } = error as { code?: unknown };
    return code === "aborted" || code === "unavailable";
  }

  async #reach(life: Life, kind: "read" | "write", random: Random): Promise<void> {
    await life.able();
    if (kind === "write" && !life.step("write before")) await new Promise(() => {});
    await travel(this.clock, random, 4);
    if (kind === "read" && this.#store.down > 0) throw away("database");
    while (this.#store.down > 0) await wait(this.clock, 500);
    if (kind === "write") life.step("write after");
  }

  // ------------------------------------------------------------------------------------------- clients

  async #ask(ask: Ask): Promise<void> {
    const { kind, bytes } = encodeProgram([ask.chains]);
    const request = { task: "soak.main", args: { kind, bytes }, requestId: ask.id, user: "soak", reason: "soak" };
    if (ask.cancelAfter !== null) this.clock.after(ask.cancelAfter, () => void this.#cancel(ask));
    for (;;) {
      const started = await this.#call((one) => one.executions.start(request));
      if (started) return;
      await wait(this.clock, 500);
    }
  }

  async #cancel(ask: Ask): Promise<void> {
    for (;;) {
      const found = [...this.database.executions.values()].find(({ record }) => record.requestId === ask.id);
      if (found !== undefined) {
        if (await this.#call((one) => one.executions.cancel(found.record.id, "enough"))) return;
      }
      await wait(this.clock, 1_000);
    }
  }

  /** Calls some process; false when there was no answer in time, or a refusal. */
  async #call(action: (orchestrator: Orchestrator) => Promise<unknown>): Promise<boolean> {
    const there = this.processes.filter((one) => one !== null);
    const one = there[Math.floor(this.#chance() * there.length)];
    if (one === undefined) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const callOff = this.clock.after(5_000, () => resolve(false));
    one.life.run(() =>
      action(one).then(
        () => one.life.run(() => resolve(true)),
        () => one.life.run(() => resolve(false)),
      ),
    );
    const answered = await promise;
    callOff();
    return answered;
  }

  // ------------------------------------------------------------------------------------------- troubles

  #planOf(name: string): JobPlan {
    const submission = this.database.submissions.get(this.database.byName.get(name) ?? "");
    if (submission === undefined) return { runs: "ok" };
    const { work, attempt } = submission;
    const kind = this.kindOf(work);
    const length = Number.parseInt(work.slice(8, 12), 16) / 0xffff;
    const ms = length < 0.95 ? 1_000 + length * 20_000 : 100_000;
    // Now and then more lines than Livy keeps.
    const lines = Math.floor(length < 0.9 ? length * 20 : length * 300);
    const times = { ms, closeMs: 500 + length * 10_000, lines };
    switch (kind) {
      case "fails":
      case "refused":
        return { runs: kind, ...times };
      case "dies once":
        return { runs: attempt === 1 ? "dies" : "ok", ...times };
      case "throws once":
        return { runs: attempt === 1 ? "throws" : "ok", ...times };
      case "silent once":
        return { runs: attempt === 1 ? "silent" : "ok", ...times };
      case "ok":
        return { runs: "ok", ...times };
    }
  }

  #begin(trouble: Trouble): void {
    this.trace?.(`trouble: ${JSON.stringify(trouble)}`);
    const after = (action: () => void) => void this.clock.after(trouble.forMs, action);
    switch (trouble.kind) {
      case "livy": {
        const double = this.doubles[trouble.cluster]!;
        double.crash({ submitters: trouble.submitters });
        return after(() => {
          if (double.up) return;
          double.start({ recovery: trouble.recovery });
          if (!trouble.recovery) crowd(this, double);
        });
      }
      case "yarn":
      case "kills refused": {
        const { yarn } = this.doubles[trouble.cluster]!;
        const key = trouble.kind === "yarn" ? "down" : "refusesKills";
        yarn[key] = true;
        if (key === "refusesKills") void this.#stopOne(trouble.cluster, true, trouble.forMs);
        return after(() => (yarn[key] = false));
      }
      case "cut": {
        const { cut } = this.network.weather;
        const url = `http://${trouble.what}-${trouble.cluster}`;
        cut.set(url, trouble.how);
        return after(() => cut.delete(url));
      }
      case "store":
        this.#store.down++;
        return after(() => {
          if (--this.#store.down === 0) this.database.tell({ kind: "missed" });
        });
      case "warehouse":
        this.#warehouse.down = true;
        return after(() => (this.#warehouse.down = false));
      case "storm":
        this.network.weather.rate = trouble.rate;
        return after(() => (this.network.weather.rate = this.#over ? 0 : this.scenario.rate));
      case "kill":
      case "pause": {
        const life = this.processes[trouble.process]?.life;
        const { kind, step, nth, forMs } = trouble;
        if (life === undefined) return;
        // What it was about to send, others take over, and end it before it wakes up.
        const sprung = () => {
          if (kind === "pause" && step === "submitting")
            for (const at of this.clusters.keys()) void this.#stopOne(at, false, forMs);
        };
        if (step !== null) life.trap = { step, left: nth, pauseMs: kind === "pause" ? forMs : null, sprung };
        else if (kind === "kill") life.kill();
        else {
          life.pause();
          after(() => life.wake());
        }
        return;
      }
      case "stop": {
        const one = this.processes[trouble.process];
        if (one == null) return;
        one.life.run(() => void one.stop().then(() => this.#ended(trouble.process, one, "was stopped")));
        return;
      }
      case "cancel":
        return void this.#stopOne(trouble.cluster, trouble.posted, trouble.forMs);
      case "stranger":
        this.doubles[trouble.cluster]!.add(`somebody-${trouble.at}`, "success");
        return;
      default:
        return trip(this, trouble, after);
    }
  }

  /** An operator cancels a submission that was posted, or one that is being posted, as soon as there is one. */
  async #stopOne(at: number, posted: boolean, withinMs: number): Promise<void> {
    const until = this.clock.now() + withinMs;
    const cluster = this.clusters[at]!.name;
    const isMeant = ({ state }: SubmissionRecord) =>
      posted ? state === "starting" || state === "running" : state === "submitting";
    // Whose answer takes long, or is lost.
    let long = new Set<string>();
    for (; this.clock.now() < until; await wait(this.clock, 500)) {
      const meant = this.database.listPresent().filter((one) => one.cluster === cluster && isMeant(one));
      const found = meant.find(({ id }) => posted || long.has(id));
      long = new Set(meant.map(({ id }) => id));
      if (found === undefined) continue;
      this.trace?.(`an operator cancels ${found.id} (${found.livyName})`);
      this.stopped.add(found.id);
      if (await this.#call((one) => one.gateway.cancel(found.id, "operator", "enough"))) return;
    }
  }
}
