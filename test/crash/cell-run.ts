/**
 * Runs one cell of the crash matrix: a small project runs through the front door while processes, servers and the database go away at named moments, and afterwards it is counted what really happened (`invariants.ts`).
 */

import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Cleanup } from "../../src/cleanup.ts";
import type { FiresteelClient } from "../../src/serve/client.ts";
import { messageFromValue } from "../../src/serve/value-message.ts";
import type { Entry } from "../livy/ledger.ts";
import type { Remote } from "../livy/remote.ts";
import { type Cell, type Incident, type Outage, titleOf } from "./cell.ts";
import { jobsRunning, violations } from "./invariants.ts";
import { Connection, type Lane, type Orchestrator } from "./lane.ts";
import type { ProcessOptions, Stop } from "./orchestrator-process.ts";
import { type Point, REQUESTS, type Write } from "./points.ts";
import { APP, FLOW, SCENARIOS, type Scenario } from "./scenario.ts";

const QUICK = {
  askMs: 50,
  manifestMs: 50,
  postMs: 700,
  zombieMs: 400,
  endMs: 400,
  lostMs: 60_000,
  quietMs: 300,
  lingerMs: 2_000,
};
/** The lease of processes that cannot be seen to be dead; those on this machine can. */
const LEASE_MS = 10_000;
const WITHIN_MS = 400_000;
/** How long after the end of all executions everything else may take to end too. */
const SETTLE_MS = 20_000;
const OUTAGE_MS = 600;

/** Runs a cell; gives the points that its processes came to (`point/side`) and the transitions of its submissions (`from -> to`). Rejects with all that is wrong. */
export async function runCell(
  lane: Lane,
  cell: Cell,
): Promise<{ readonly reached: readonly string[]; readonly transitions: readonly string[] }> {
  await using run = await CellRun.open(lane, cell);
  return await run.run();
}

let cells = 0;

class CellRun implements AsyncDisposable {
  readonly #lane: Lane;
  readonly #cell: Cell;
  readonly #scenario: Scenario;
  readonly #double: Remote;
  readonly #root: string;
  readonly #url: string;
  readonly #database: Connection;
  readonly #since: number;
  readonly #cleanup = new Cleanup();
  readonly #stop = new AbortController();
  readonly #reached = new Set<string>();
  readonly #story: string[] = [];
  readonly #began = Date.now();
  #processes: Orchestrator[] = [];
  #executions: string[] = [];

  private constructor(lane: Lane, cell: Cell, double: Remote, root: string, database: string, since: number) {
    this.#lane = lane;
    this.#cell = cell;
    this.#scenario = SCENARIOS[cell.scenario];
    this.#double = double;
    this.#root = root;
    this.#url = database;
    this.#database = new Connection(database);
    this.#since = since;
  }

  static async open(lane: Lane, cell: Cell): Promise<CellRun> {
    const double = await lane.double(cell.profile);
    const root = await mkdtemp(join(tmpdir(), "firesteel-crash-"));
    await writeFile(join(root, "package.json"), '{ "type": "module" }\n');
    await writeFile(join(root, "flow.ts"), FLOW);
    await writeFile(join(root, "app.py"), APP);
    const database = await lane.createDatabase(`cell_${process.pid}_${cells++}`);
    return new CellRun(lane, cell, double, root, database, (await double.control.ledger()).length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#cleanup[Symbol.asyncDispose]();
    for (const one of this.#processes) await one[Symbol.asyncDispose]();
    await this.#database[Symbol.asyncDispose]();
    await this.#double.control.release();
    await rm(this.#root, { recursive: true, force: true, maxRetries: 5 });
  }

  async run() {
    const { control } = this.#double;
    const { plans = {}, faults = {} } = this.#scenario;
    for (const [start, list] of Object.entries(plans)) await control.planFor(start, ...list);
    for (const [kind, list] of Object.entries(faults)) await control.fault(kind, ...list);
    await control.hold();
    const late = setTimeout(() => this.#stop.abort(new Error("it did not end in time")), WITHIN_MS);
    try {
      const released = this.#releaseJobs();
      await Promise.all([this.#happen(), this.#askAndAct()].map((one) => this.#orStopped(one)));
      await this.#orStopped(this.#settled());
      const wrong = await this.#orStopped(this.#leftWrong());
      this.#stop.abort();
      await released;
      if (wrong.length > 0) throw new Error(wrong.join("\n"));
      for (const one of this.#processes) await this.#end(one);
      return { reached: await this.#trace(), transitions: await this.#transitions() };
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${await this.#describe()}`, { cause: error });
    } finally {
      clearTimeout(late);
    }
  }

  // ------------------------------------------------------------------------------------------- what happens

  /** Starts the processes and lets the incidents happen. */
  async #happen(): Promise<void> {
    const { topology, incidents } = this.#cell;
    const [first] = incidents;
    if (topology === "keeper") await this.#start(first, true);
    if (topology === "asker") await this.#start(undefined, true);
    let current = this.#launch(topology === "keeper" ? undefined : first);
    if (topology === "keeper") current = this.#processes[0]!;
    if (topology === "joint") {
      await this.#upOrGone(current);
      await this.#start(undefined, true);
    }
    for (const [i, incident] of incidents.entries()) {
      const next = incidents[i + 1];
      await this.#happens(current, incident, next === undefined);
      if (incident.dies === false) {
        if (next !== undefined) throw new Error("a process that goes on has no second incident");
        continue;
      }
      if (topology === "alone" || next !== undefined) current = this.#launch(next);
    }
  }

  async #happens(process: Orchestrator, incident: Incident, last: boolean): Promise<void> {
    const { dies = true, outage } = incident;
    const { control } = this.#double;
    await this.#comesTo(process, incident);
    this.#tell(`${process.child.pid} ${dies ? "died" : "waits"} ${incident.side} ${incident.point}`);
    if (outage !== undefined) await this.#begin(outage);
    // Whoever comes to a further point needs something to come there with.
    if (dies && last && this.#cell.unseen) {
      await control.release();
      await until(async () => jobsRunning(await this.#ledger()).length === 0, this.#stop.signal, 3_000).catch(() => {});
      await control.hold();
    }
    // Postgres has to be there when one starts; the others may come later.
    if (outage === undefined) return;
    if (!dies) process.go();
    const over = sleep(OUTAGE_MS).then(() => this.#finish(outage));
    if (outage === "postgres" || !dies) await over;
    else this.#cleanup.defer(() => over);
  }

  /** Settles when a process is where it was to stop; kills it where only the other side of a request can tell. */
  async #comesTo(process: Orchestrator, { point, side, dies = true }: Incident): Promise<void> {
    if (!isRequest(point)) {
      if (!dies) return Promise.race([process.waits, process.exited.then(() => this.#died(process))]);
      const how = await process.exited;
      if (how !== "SIGKILL") this.#died(process);
      return;
    }
    const { control } = this.#double;
    const kind = KINDS[point];
    const before = () => this.#counted.get(kind) ?? Number.POSITIVE_INFINITY;
    await until(async () => (await control.count(kind)) > before(), this.#stop.signal);
    const effects = EFFECTS[point];
    if (side === "after")
      await until(async () => (await this.#ledger()).some(({ event }) => effects.includes(event)), this.#stop.signal);
    if (side !== "during") this.#reached.add(`${point}/${side}`);
    if (!dies) return;
    process.child.kill("SIGKILL");
    await process.exited;
  }

  readonly #counted = new Map<string, number>();

  #died(process: Orchestrator): never {
    throw new Error(`an orchestrator ended that was not to (${process.child.exitCode ?? process.child.signalCode})`);
  }

  async #begin(outage: Outage): Promise<void> {
    const { control } = this.#double;
    this.#tell(`${outage} away`);
    if (outage === "postgres") await this.#lane.postgres.halt("crash");
    else if (outage === "resource manager") await control.yarn({ down: true });
    else await control.crash({ submitters: outage.includes("spark-submit") });
  }

  async #finish(outage: Outage): Promise<void> {
    const { control } = this.#double;
    if (outage === "postgres") await this.#lane.postgres.resume();
    else if (outage === "resource manager") await control.yarn({ down: false });
    else await control.start({ recovery: outage !== "livy, forgets" });
    this.#tell(`${outage} back`);
  }

  // ------------------------------------------------------------------------------------------- processes

  /** Starts an orchestrator that stops at an incident, if that is its own to tell. */
  #launch(incident: Incident | undefined): Orchestrator {
    const { scenario, topology, witness } = this.#cell;
    const { point, side = "before", nth = 1, dies = true } = incident ?? {};
    let stop: Stop | null = null;
    if (point !== undefined && isRequest(point)) this.#arm(point, side, dies);
    else if (point !== undefined) stop = { point: point as Write, side, nth, does: dies ? "dies" : "waits" };
    const options: ProcessOptions = {
      database: this.#url,
      trace: join(this.#root, "trace"),
      livyUrl: this.#double.url,
      resourceManagerUrl: witness ? this.#double.resourceManagerUrl : null,
      leaseMs: LEASE_MS,
      maxLive: 8,
      sessions: this.#scenario.sessions ?? null,
      patience: { ...QUICK, ...(scenario === "lost" || witness ? {} : { lostMs: 2_000 }) },
      stop,
    };
    const process = this.#lane.launch(this.#root, options);
    this.#processes.push(process);
    this.#tell(`${process.child.pid} started (${topology})${stop ? ` to stop ${side} ${point}` : ""}`);
    if (incident === undefined || !dies)
      void process.exited.then((how) => {
        if (!this.#stop.signal.aborted) this.#stop.abort(new Error(`an orchestrator ended that was not to: ${how}`));
      });
    return process;
  }

  /** The next request of a kind is held, and with it who sent it. */
  #arm(point: keyof typeof KINDS, side: Incident["side"], dies: boolean): void {
    const kind = KINDS[point];
    const { control } = this.#double;
    // The first statement of a session prepares it.
    const waits = (this.#scenario.faults?.[kind]?.length ?? 0) + (point === "statement posted" ? 1 : 0);
    void control.count(kind).then((count) => this.#counted.set(kind, count + waits));
    // Who is not killed has to get an answer some time: a connection that breaks is one.
    const does = dies ? "hang" : "drop";
    const fault =
      side === "during" ? ({ when: "before", does: "delay", ms: 500 } as const) : ({ when: side, does } as const);
    void control.fault(kind, ...(point === "statement posted" ? [null, fault] : [fault]));
  }

  async #start(incident: Incident | undefined, serves: boolean): Promise<Orchestrator> {
    const process = this.#launch(incident);
    if (serves) await Promise.race([process.serves, process.exited.then(() => this.#died(process))]);
    return process;
  }

  async #upOrGone(process: Orchestrator): Promise<void> {
    await Promise.race([process.serves, process.exited, process.waits]);
  }

  async #end(process: Orchestrator): Promise<void> {
    if (process.ended) return;
    process.child.kill("SIGTERM");
    const how = await process.exited;
    if (how !== 0) throw new Error(`an orchestrator that was asked to stop ended with ${how}:\n${process.log()}`);
  }

  /** Calls whoever serves until somebody answers: the one started last, of two that do the same the one that is to go away. */
  async #call<T>(call: (client: FiresteelClient) => Promise<T>): Promise<T> {
    for (;;) {
      this.#stop.signal.throwIfAborted();
      const serving = this.#processes.filter(({ client }) => client !== null);
      const client = serving.at(this.#cell.topology === "joint" ? 0 : -1)?.client;
      if (client != null) {
        try {
          return await call(client);
        } catch (error) {
          const { code } = error as { code?: unknown };
          if (code !== "unavailable" && code !== "aborted" && code !== "cancelled") throw error;
        }
      }
      await sleep(50);
    }
  }

  // ------------------------------------------------------------------------------------------- what is asked for

  async #askAndAct(): Promise<void> {
    const { executions, act } = this.#scenario;
    const { topology } = this.#cell;
    // All are there, before anything is asked for.
    if (topology !== "alone")
      await until(
        () => this.#processes.length === 2 && this.#processes.every((one) => one.client !== null || one.ended),
        this.#stop.signal,
      );
    this.#executions = await Promise.all(
      executions.map(async ({ task, argument }, i) => {
        const { execution } = await this.#call((client) =>
          client.executions.startExecution({ task, arguments: [messageFromValue(argument)], requestId: `cell-${i}` }),
        );
        return execution!.id;
      }),
    );
    if (act === undefined) return;
    const [runs] = await this.#rows<{ livy_name: string; app_id: string | null }>(
      "select livy_name, app_id from submission where state = 'running' limit 1",
      ({ length }) => length > 0,
    );
    const { livy_name: name, app_id: appId } = runs!;
    if (act.startsWith("forget")) await this.#double.control.forget(name);
    if (act === "kill application")
      await fetch(`${this.#double.resourceManagerUrl}/ws/v1/cluster/apps/${appId}/state`, {
        method: "PUT",
        body: '{"state":"KILLED"}',
      });
    if (act.endsWith("cancel"))
      for (const id of this.#executions)
        await this.#call((client) => client.executions.cancelExecution({ id, reason: "enough" }));
  }

  /** Lets jobs end once their submissions are where the scenario wants them. */
  async #releaseJobs(): Promise<void> {
    const { until: state = "running" } = this.#scenario;
    const done = new Set<string>();
    while (!this.#stop.signal.aborted) {
      const rows = await this.#database
        .rows<{ livy_name: string }>(
          `select case when session is null then livy_name else lower(task || '-' || s.id) end as livy_name from submission_transition join submission s on s.id = submission_id where to_state = '${state}'`,
        )
        .catch(() => []);
      for (const { livy_name: name } of rows) {
        if (done.has(name)) continue;
        done.add(name);
        await this.#double.control.release(name);
      }
      await sleep(100);
    }
  }

  /** Waits for the end of everything: what is asked for, what runs for it, and what is written about it. */
  async #settled(): Promise<void> {
    await this.#rows(`select 1 from execution where state = 'running'`, ({ length }) => length === 0);
    await this.#double.control.release();
    await this.#rows(
      `select 1 from submission where state not in ('succeeded', 'failed', 'killed', 'cancelled')`,
      ({ length }) => length === 0,
    );
  }

  /** What is wrong and stays so: claims, rows and batches may still be on their way out. */
  async #leftWrong(): Promise<readonly string[]> {
    for (const end = Date.now() + SETTLE_MS; ; await sleep(100)) {
      const wrong = await this.#call((client) => this.#wrong(client));
      if (wrong.length === 0 || Date.now() > end) return wrong;
    }
  }

  async #wrong(client: FiresteelClient): Promise<readonly string[]> {
    return violations({
      database: this.#database,
      double: this.#double,
      ledger: await this.#ledger(),
      scenario: this.#scenario,
      cell: this.#cell,
      client,
      clients: this.#processes.flatMap((one) => one.client ?? []),
      executions: this.#executions,
    });
  }

  // ------------------------------------------------------------------------------------------- looking

  async #ledger(): Promise<readonly Entry[]> {
    return (await this.#double.control.ledger()).slice(this.#since);
  }

  /** Rows of a query, asked until they are as wanted; the database may be away. */
  async #rows<T extends Record<string, unknown>>(
    text: string,
    wanted: (rows: readonly T[]) => boolean,
  ): Promise<readonly T[]> {
    let rows: readonly T[] = [];
    await until(async () => {
      const got = await this.#database.rows<T>(text).catch(() => null);
      rows = got ?? [];
      return got !== null && wanted(got);
    }, this.#stop.signal);
    return rows;
  }

  async #trace(): Promise<readonly string[]> {
    const path = join(this.#root, "trace");
    const lines = existsSync(path) ? (await readFile(path, "utf8")).split("\n").filter(Boolean) : [];
    return [...new Set([...lines, ...this.#reached])];
  }

  async #transitions(): Promise<readonly string[]> {
    const rows = await this.#database.rows<{ edge: string }>(
      `select distinct coalesce(from_state, '') || ' -> ' || to_state as edge from submission_transition`,
    );
    return rows.map(({ edge }) => edge);
  }

  #tell(line: string): void {
    this.#story.push(`${((Date.now() - this.#began) / 1000).toFixed(1)} s: ${line}`);
  }

  #orStopped<T>(promise: Promise<T>): Promise<T> {
    const { signal } = this.#stop;
    return Promise.race([
      promise,
      new Promise<never>((_, reject) => {
        if (signal.aborted) reject(signal.reason);
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      }),
    ]);
  }

  /** All that may explain a failure. */
  async #describe(): Promise<string> {
    const rows = await this.#database
      .rows(
        `select task, attempt, livy_name, s.state, s.cause, app_id, note, cancel_requested, s.owner is not null as kept, (select json_agg(t.to_state || ': ' || t.cause order by t.seq) from submission_transition t where t.submission_id = s.id) as life from submission s order by seq`,
      )
      .catch((error: Error) => [error.message]);
    const executions = await this.#database.rows("select id, task, state, error from execution").catch(() => []);
    return [
      titleOf(this.#cell),
      ...this.#story,
      ...executions.map((row) => JSON.stringify(row)),
      ...rows.map((row) => JSON.stringify(row)),
      ...(await this.#ledger()).map(({ at, event, name, appId, detail }) =>
        [((at - this.#began) / 1000).toFixed(1), event, name, appId, detail].filter((part) => part != null).join(" "),
      ),
      ...this.#processes.map(
        (one) => `--- ${one.child.pid} ${one.child.exitCode ?? one.child.signalCode}\n${one.log()}`,
      ),
    ].join("\n");
  }
}

const KINDS = {
  "batch posted": "POST /batches",
  "batch deleted": "DELETE /batches/x",
  "application killed": "PUT /cluster/apps/x/state",
  "session posted": "POST /sessions",
  "statement posted": "POST /sessions/x/statements",
  "statement cancelled": "POST /sessions/x/statements/x/cancel",
  "session deleted": "DELETE /sessions/x",
} as const satisfies Readonly<Record<(typeof REQUESTS)[number], string>>;

/** What shows in the ledger that a request had its effect. */
const EFFECTS: Readonly<Record<keyof typeof KINDS, readonly Entry["event"][]>> = {
  "batch posted": ["taken"],
  "batch deleted": ["deleted", "killed"],
  "application killed": ["deleted", "killed"],
  "session posted": ["taken"],
  "statement posted": ["began"],
  "statement cancelled": ["interrupted"],
  "session deleted": ["deleted", "killed"],
};

function isRequest(point: Point): point is (typeof REQUESTS)[number] {
  return (REQUESTS as readonly string[]).includes(point);
}

export async function until(
  holds: () => boolean | Promise<boolean>,
  signal: AbortSignal,
  withinMs = WITHIN_MS,
): Promise<void> {
  const end = Date.now() + withinMs;
  while (!(await holds())) {
    signal.throwIfAborted();
    if (Date.now() > end) throw new Error("it did not come to this in time");
    await sleep(50);
  }
}
