/**
 * A Livy server that is none: it answers as 0.7.1 and 0.9.0 do, with a small YARN behind it, faults on demand, and a ledger of what really happened.
 *
 * No sockets and no timers of its own: requests are handed in, and time, randomness and files are given. `serve.ts` puts it on ports, `process.ts` into a process.
 */

import { type Clock, machineClock } from "../../src/clock.ts";
import type { LivyBatchRequest } from "../../src/route/livy/http/client.ts";
import { type Batch, isOver, logOf, poll, startSubmit, type Timings, type World } from "./batch.ts";
import { checkRequest, NULL_CONF, Refusal, readRequest } from "./batch-request.ts";
import { wait } from "./clock.ts";
import { type Answer, json, type Request, requestKind } from "./exchange.ts";
import { type Fault, Faults, spoil } from "./faults.ts";
import type { JobFiles, JobPlan } from "./job.ts";
import { Ledger } from "./ledger.ts";
import { PROFILES, type ProfileName } from "./profile.ts";
import { letters, seeded } from "./random.ts";
import { Sessions } from "./sessions.ts";
import { Yarn } from "./yarn.ts";

export interface DoubleOptions {
  /** Where jobs read and write. */
  readonly files: JobFiles;
  /** @default 0.9.0 */
  readonly profile?: ProfileName;
  /** @default yarn */
  readonly master?: World["master"];
  /** Folders (file paths) from which it takes local files. @default all */
  readonly whitelist?: readonly string[];
  readonly clock?: Clock;
  /** @default 1 */
  readonly seed?: number;
  readonly timings?: Partial<Timings>;
  /** Most spark-submit processes at once; more are "too many sessions". @default 100 */
  readonly maxCreation?: number;
}

/** Quick, for tests; a real server's are a hundred times as long. */
const TIMINGS: Timings = {
  postMs: 2,
  submitMs: 10,
  pollMs: 10,
  acceptMs: 10,
  killMs: 5,
  runMs: 20,
  closeMs: 5,
  lookupMs: 120_000,
  retainMs: 600_000,
};

export class Double {
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly yarn: Yarn;
  readonly faults: Faults;
  readonly batches = new Map<number, Batch>();
  readonly sessions: Sessions;
  /** All batches whose POST took effect, also those that are forgotten. */
  readonly taken: Batch[] = [];
  /** Kinds of all requests that came, in order. */
  readonly requests: string[] = [];
  /** What jobs do; null leaves it to the job file, and then to the harness. */
  plan: (request: LivyBatchRequest) => Partial<JobPlan> | null = () => null;
  readonly #world: World;
  readonly #whitelist: readonly string[] | null;
  readonly #maxCreation: number;
  #nextId = 0;
  /** Another one after every start; what was begun in an earlier one gives no answer. */
  #life = 1;
  #up = true;
  #polling = false;
  #posting: Promise<void> = Promise.resolve();

  constructor(options: DoubleOptions) {
    const { clock = machineClock, seed = 1, profile = "0.9.0", master = "yarn", files } = options;
    const random = seeded(seed);
    const timings = { ...TIMINGS, ...options.timings };
    this.clock = clock;
    this.ledger = new Ledger(clock);
    this.faults = new Faults(seeded(seed + 1));
    this.yarn = new Yarn({ clock, ledger: this.ledger, acceptMs: timings.acceptMs, killMs: timings.killMs });
    this.#whitelist = options.whitelist ?? null;
    this.#maxCreation = options.maxCreation ?? 100;
    this.#world = {
      clock,
      random,
      ledger: this.ledger,
      yarn: this.yarn,
      files,
      profile: PROFILES[profile],
      timings,
      master,
      plan: (request) => this.plan(request),
    };
    this.sessions = new Sessions(this.#world);
  }

  get up(): boolean {
    return this.#up;
  }

  /** The server's process is gone; applications live on, and so does spark-submit unless it is to die too. */
  crash({ submitters = false } = {}): void {
    this.#up = false;
    this.#life++;
    this.ledger.note("crashed", null);
    if (!submitters) return;
    for (const { submit } of this.batches.values())
      if (submit?.alive) Object.assign(submit, { alive: false, exit: 137 });
  }

  /** A new process: with recovery it has what was stored, in any order and without logs; without it begins with id 0. */
  start({ recovery = true } = {}): void {
    if (this.#up) this.crash();
    const before = recovery ? [...this.batches.values()].filter(({ stored }) => stored) : [];
    this.batches.clear();
    this.#posting = Promise.resolve();
    if (!recovery) this.#nextId = 0;
    const order = before.map((batch) => [this.#world.random(), batch] as const).sort(([a], [b]) => a - b);
    for (const [, batch] of order)
      this.batches.set(batch.id, {
        ...batch,
        state: "recovering",
        links: { driverLogUrl: null, sparkUiUrl: null },
        submit: null,
        diagnostics: [],
        monitored: true,
        killed: false,
        endedAt: null,
        lookupUntil: this.clock.now() + this.#world.timings.lookupMs,
        lie: null,
      });
    this.sessions.restart(recovery);
    this.#up = true;
    this.ledger.note("started", null, { detail: recovery ? "with recovery" : "without recovery" });
    this.#poll();
  }

  /** A batch by id or name. */
  find(which: string): Batch | undefined {
    if (/^\d+$/.test(which)) return this.batches.get(Number(which));
    return [...this.batches.values()].find(({ name }) => name === which);
  }

  /** Makes Livy forget a batch, as it does ten minutes after its end. */
  forget(which: string): void {
    const batch = this.find(which);
    if (batch === undefined) throw new Error(`no such batch: ${which}`);
    this.batches.delete(batch.id);
    this.ledger.note("forgotten", batch.name, { id: batch.id, appId: batch.appId });
  }

  /** Livy shows this state of a batch in the place of the true one, until null. */
  lie(which: string, state: string | null): void {
    const batch = this.find(which);
    if (batch === undefined) throw new Error(`no such batch: ${which}`);
    batch.lie = state;
  }

  /** A batch of somebody else. */
  add(name: string | null, state: Batch["state"]): Batch {
    const batch = this.#make({ file: "/x.py", ...(name === null ? {} : { name }) });
    return Object.assign(batch, {
      state,
      monitored: true,
      stored: true,
      endedAt: isOver(batch) ? this.clock.now() : null,
    });
  }

  /** Requests of a kind so far. */
  count(kind: string): number {
    return this.requests.filter((one) => one === kind).length;
  }

  /** A request to Livy. */
  handle(request: Request): Promise<Answer> {
    return this.#answer(request, () => this.#serve(request));
  }

  /** A request to the ResourceManager or a NodeManager. */
  async handleYarn(request: Request): Promise<Answer> {
    if (this.yarn.down) return { kind: "reset" };
    return this.#faulty(request, async () => this.yarn.handle(request));
  }

  async #answer(request: Request, serve: () => Promise<Answer>): Promise<Answer> {
    const life = this.#life;
    if (!this.#up) return { kind: "reset" };
    const answer = await this.#faulty(request, async () => (life === this.#life ? serve() : { kind: "drop" })).catch(
      (error: unknown) => {
        if (error instanceof Refusal) return json(error.status, error.body);
        throw error;
      },
    );
    return life === this.#life ? answer : { kind: "drop" };
  }

  async #faulty(request: Request, serve: () => Promise<Answer>): Promise<Answer> {
    const kind = requestKind(request);
    this.requests.push(kind);
    const fault: Fault | null = this.faults.next(kind);
    if (fault === null) return serve();
    if (fault.does === "zombie") return this.#zombie(request, fault.status);
    if (fault.when === "late") {
      this.clock.after(fault.ms, () => void serve().catch(() => {}));
      return spoil(fault, { kind: "drop" });
    }
    if (fault.when === "before" && fault.does !== "delay") return spoil(fault, { kind: "drop" });
    if (fault.when === "before" && fault.does === "delay") await wait(this.clock, fault.ms);
    const serving = serve();
    if (fault.when === "during") {
      // Nobody hears what comes of it; the ledger tells.
      serving.catch(() => {});
      return spoil(fault, { kind: "drop" });
    }
    const ordinary = await serving;
    if (fault.when === "after" && fault.does === "delay") await wait(this.clock, fault.ms);
    return spoil(fault, ordinary);
  }

  async #serve(request: Request): Promise<Answer> {
    const url = new URL(request.target, "http://x");
    const [root, which, part, ...rest] = url.pathname.split("/").filter(Boolean).map(decodeURIComponent);
    if (root === "version") return json(200, { version: this.#world.profile.version });
    if (root === "sessions")
      return this.sessions.handle(request.method, which, part, rest, url.searchParams, request.body);
    if (root !== "batches") return { kind: "answer", status: 404, type: "text/html;charset=utf-8", body: "" };
    if (which === undefined) return request.method === "POST" ? this.#post(request.body) : this.#list(url.searchParams);
    const batch = this.find(which);
    if (batch === undefined) return json(404, { msg: `Session '${which}' not found.` });
    if (request.method === "DELETE") return this.#delete(batch);
    if (part === "state") return json(200, { id: batch.id, state: batch.lie ?? batch.state });
    if (part === "log") return this.#log(batch, url.searchParams);
    return json(200, this.#show(batch));
  }

  #list(query: URLSearchParams): Answer {
    const from = numberOf(query, "from") ?? 0;
    const size = numberOf(query, "size") ?? 100;
    const shown = [...this.batches.values()].slice(Math.max(0, from), Math.max(0, from + size));
    return json(200, { from, total: this.batches.size, sessions: shown.map((one) => this.#show(one)) });
  }

  #log(batch: Batch, query: URLSearchParams): Answer {
    const lines = logOf(batch, this.#world.master);
    const asked = numberOf(query, "size") ?? 100;
    const size = asked < 0 ? lines.length : asked;
    const first = numberOf(query, "from") ?? -1;
    const from = first < 0 ? Math.max(0, lines.length - size) : first;
    return json(200, { id: batch.id, from, total: lines.length, log: lines.slice(from, from + size) });
  }

  #show(batch: Batch): unknown {
    const { id, name, state, appId, links, lie } = batch;
    const { profile, master } = this.#world;
    const appInfo = Object.fromEntries(
      profile.links.map((key) => [key, (links as Record<string, string | null>)[key] ?? null]),
    );
    const log = logOf(batch, master).slice(-10);
    return { id, name, owner: null, proxyUser: null, state: lie ?? state, appId, appInfo, log };
  }

  /** POSTs wait for each other. */
  async #post(body: string): Promise<Answer> {
    const life = this.#life;
    const before = this.#posting;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#posting = promise;
    await before;
    try {
      const alive = [...this.batches.values()].filter(({ submit }) => submit?.alive).length;
      if (alive >= this.#maxCreation) return json(400, { msg: "Rejected, too many sessions are being created!" });
      const request = readRequest(body, this.#world.profile);
      const batch = this.#make(request);
      try {
        checkRequest(request, this.#world.profile, this.#whitelist, () => (batch.stored = true));
      } catch (error) {
        this.ledger.note("refused", batch.name, { id: batch.id, detail: "a zombie is left" });
        throw error;
      }
      await wait(this.clock, this.#world.timings.postMs);
      if (life !== this.#life) return { kind: "drop" };
      startSubmit(this.#world, batch);
      this.taken.push(batch);
      this.ledger.note("taken", batch.name, { id: batch.id });
      this.#poll();
      return json(201, this.#show(batch), { location: `/batches/${batch.id}` });
    } finally {
      resolve();
    }
  }

  /** Registers a batch: from here on it is in the list, whatever comes of it. */
  #make(request: LivyBatchRequest): Batch {
    const id = this.#nextId++;
    const name = request.name ?? null;
    const { refusal } = this.#world.profile;
    if (request.conf === null) throw new Refusal(500, NULL_CONF);
    if (name !== null && /^\d*$/.test(name)) throw new Refusal(400, { msg: `${refusal}Invalid session name: ${name}` });
    if (name !== null && this.find(name) !== undefined)
      throw new Refusal(400, { msg: `${refusal}Duplicate session name: Some(${name}) for session ${id}` });
    const batch: Batch = {
      id,
      name,
      request,
      tag: `livy-batch-${id}-${letters(this.#world.random, 8)}`,
      state: "starting",
      appId: null,
      links: { driverLogUrl: null, sparkUiUrl: null },
      submit: null,
      diagnostics: [],
      monitored: false,
      stored: false,
      killed: false,
      lookupUntil: this.clock.now() + this.#world.timings.lookupMs,
      endedAt: null,
      lie: null,
    };
    this.batches.set(id, batch);
    return batch;
  }

  #zombie({ body }: Request, status: number): Answer {
    const batch = this.#make(readRequest(body, this.#world.profile));
    batch.stored = true;
    this.ledger.note("refused", batch.name, { id: batch.id, detail: "a zombie is left" });
    return json(status, { msg: "Rejected, Reason: no" });
  }

  /** Answers when the application is gone; before it is known, that is when it has come. */
  async #delete(batch: Batch): Promise<Answer> {
    const life = this.#life;
    const { clock, timings, master } = this.#world;
    batch.killed = true;
    if (batch.monitored && !isOver(batch)) {
      if (master === "local") {
        if (batch.submit?.alive) {
          Object.assign(batch.submit, { alive: false, exit: 143 });
          this.ledger.note("killed", batch.name, { id: batch.id });
        }
      } else {
        while (life === this.#life && (this.yarn.down || (batch.appId === null && !isOver(batch))))
          await wait(clock, timings.pollMs);
        const application = this.yarn.applications.get(batch.appId ?? "");
        if (life === this.#life && application !== undefined) await this.yarn.kill(application);
      }
    }
    if (life !== this.#life) return { kind: "drop" };
    if (this.batches.delete(batch.id)) this.ledger.note("deleted", batch.name, { id: batch.id, appId: batch.appId });
    return json(200, { msg: "deleted" });
  }

  /** Livy's monitors and its collector, as long as there is something to look at. */
  #poll(): void {
    if (this.#polling) return;
    this.#polling = true;
    const look = () => {
      if (!this.#up) {
        this.#polling = false;
        return;
      }
      const oldest = this.clock.now() - this.#world.timings.retainMs;
      for (const batch of this.batches.values()) {
        if (batch.monitored && !isOver(batch)) poll(this.#world, batch);
        if (batch.endedAt !== null && batch.endedAt < oldest) this.forget(String(batch.id));
      }
      this.#polling = [...this.batches.values()].some((batch) => batch.monitored && !isOver(batch));
      if (this.#polling) this.clock.after(this.#world.timings.pollMs, look);
    };
    this.clock.after(this.#world.timings.pollMs, look);
  }
}

function numberOf(query: URLSearchParams, key: string): number | null {
  const text = query.get(key);
  if (text === null) return null;
  if (!/^[+-]?\d+$/.test(text)) throw new Refusal(400, { msg: `For input string: "${text}"` });
  return Number(text);
}
