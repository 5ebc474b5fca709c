/** Interactive sessions and statements of the double (0.9.0; 0.7.1 has none for Spark 3). */

import type { World } from "./batch.ts";
import { Refusal } from "./batch-request.ts";
import { wait } from "./clock.ts";
import { type Answer, json } from "./exchange.ts";
import { interpret, type Output } from "./interpreter.ts";
import { letters } from "./random.ts";
import { isOurs, runOurs } from "./session-statement.ts";
import { type Application, type End, hasEnded } from "./yarn.ts";

interface SessionRequest {
  readonly kind?: string;
  readonly name?: string;
  readonly conf?: Readonly<Record<string, string>>;
  readonly queue?: string;
  readonly ttl?: string;
  readonly idleTimeout?: string;
}

interface Statement {
  readonly id: number;
  readonly code: string;
  state: "waiting" | "running" | "available" | "cancelling" | "cancelled";
  output: Output | null;
  progress: number;
  started: number;
  completed: number;
}

interface Session {
  readonly id: number;
  readonly name: string | null;
  readonly request: SessionRequest;
  state: "starting" | "idle" | "busy" | "dead" | "killed" | "shutting_down";
  /** Ends its application. */
  readonly die: (end: End) => void;
  readonly drive: () => Promise<End>;
  application: Application | null;
  /** Settles when the driver answers, or never will. */
  readonly ready: Promise<void>;
  statements: Statement[];
  nextStatement: number;
  readonly names: Map<string, number>;
  busy: Promise<void>;
}

const KINDS = ["spark", "pyspark", "sparkr", "shared", "sql"];
const FIELDS = [
  "executorCores",
  "conf",
  "driverMemory",
  "name",
  "driverCores",
  "idleTimeout",
  "pyFiles",
  "archives",
  "kind",
  "files",
  "jars",
  "proxyUser",
  "numExecutors",
  "heartbeatTimeoutInSecond",
  "ttl",
  "queue",
  "executorMemory",
];
const REMEMBERED = 100;
/** How long Livy tries to cancel. */
const CANCEL_MS = 30_000;
const RPC = "java.util.concurrent.ExecutionException: org.apache.livy.rsc.rpc.RpcException: ";

export class Sessions {
  readonly #world: World;
  readonly #sessions = new Map<number, Session>();
  #nextId = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** After a new start those whose driver was known are found again, with their variables. */
  restart(recovery: boolean): void {
    for (const session of [...this.#sessions.values()])
      if (!recovery || session.state === "starting") this.#sessions.delete(session.id);
    if (!recovery) this.#nextId = 0;
  }

  async handle(
    method: string,
    which: string | undefined,
    part: string | undefined,
    rest: readonly string[],
    query: URLSearchParams,
    body: string,
  ): Promise<Answer> {
    if (which === undefined) return method === "POST" ? this.#post(body) : this.#list(query);
    const session = /^\d+$/.test(which) ? this.#sessions.get(Number(which)) : this.#named(which);
    if (session === undefined) return json(404, { msg: `Session '${which}' not found.` });
    notice(session);
    if (method === "DELETE") return this.#delete(session);
    switch (part) {
      case undefined:
        return json(200, this.#show(session));
      case "state":
        return json(200, { id: session.id, state: session.state });
      case "log":
        return json(200, {
          id: session.id,
          from: 0,
          total: 3,
          log: ["stdout: ", "\nstderr: ", "\nYARN Diagnostics: "],
        });
      case "connect":
        return json(200, this.#show(session));
      case "statements":
        return this.#serveStatements(session, method, rest, query, body);
      default:
        return { kind: "answer", status: 404, type: "text/html;charset=utf-8", body: "" };
    }
  }

  #named(name: string): Session | undefined {
    return [...this.#sessions.values()].find((one) => one.name === name);
  }

  #list(query: URLSearchParams): Answer {
    const from = Number(query.get("from") ?? 0);
    for (const session of this.#sessions.values()) notice(session);
    const shown = [...this.#sessions.values()].slice(from, from + Number(query.get("size") ?? 100));
    return json(200, { from, total: this.#sessions.size, sessions: shown.map((one) => this.#show(one)) });
  }

  #post(body: string): Answer {
    const { profile, ledger, random, clock, timings, yarn } = this.#world;
    const request = JSON.parse(body) as SessionRequest;
    if (!profile.sessions) return json(400, { msg: "requirement failed: Cannot find Livy REPL jars." });
    const unknown = Object.keys(request).find((key) => !FIELDS.includes(key));
    const type = "org.apache.livy.server.interactive.CreateInteractiveRequest";
    if (unknown !== undefined)
      return json(400, `Unrecognized field "${unknown}" (class ${type}), not marked as ignorable`);
    if (request.kind !== undefined && !KINDS.includes(request.kind))
      return json(400, `Invalid kind: ${request.kind} (through reference chain: ${type}["kind"])`);
    const id = this.#nextId++;
    const name = request.name ?? null;
    if (name !== null && this.#named(name) !== undefined)
      throw new Refusal(400, { msg: `${profile.refusal}Duplicate session name: Some(${name}) for session ${id}` });
    const { promise, resolve } = Promise.withResolvers<void>();
    const died = Promise.withResolvers<End>();
    const session: Session = {
      die: died.resolve,
      drive: () => died.promise,
      id,
      name,
      request,
      state: "starting",
      application: null,
      ready: promise,
      statements: [],
      nextStatement: 0,
      names: new Map(),
      busy: Promise.resolve(),
    };
    this.#sessions.set(id, session);
    ledger.note("taken", name, { id });
    const begin = async () => {
      await wait(clock, timings.submitMs);
      if (session.state !== "starting") return;
      session.application = yarn.submit({
        name: name ?? `livy-session-${id}`,
        queue: request.queue,
        tags: [
          `livy-session-${id}-${letters(random, 8)}`,
          ...(request.conf?.["spark.yarn.tags"] ?? "").split(",").filter(Boolean),
        ],
        drive: session.drive,
      });
      if (hasEnded(session.application)) session.state = "dead";
      await wait(clock, timings.acceptMs + timings.runMs);
      if (session.state === "starting") session.state = "idle";
    };
    void begin().then(resolve);
    return json(201, this.#show(session), { location: `/sessions/${id}` });
  }

  async #delete(session: Session): Promise<Answer> {
    session.state = "shutting_down";
    if (session.application !== null) await this.#world.yarn.kill(session.application);
    this.#sessions.delete(session.id);
    this.#world.ledger.note("deleted", session.name, { id: session.id });
    return json(200, { msg: "deleted" });
  }

  async #serveStatements(
    session: Session,
    method: string,
    [which, act]: readonly string[],
    query: URLSearchParams,
    body: string,
  ): Promise<Answer> {
    if (which === undefined && method === "POST") return this.#execute(session, body);
    if (session.state === "dead" || session.state === "killed")
      return json(400, { msg: "requirement failed: Session isn't active." });
    if (which === undefined) {
      await session.ready;
      const from = Number(query.get("from") ?? 0);
      const shown = session.statements.slice(from, from + Number(query.get("size") ?? session.statements.length));
      return json(200, { total_statements: session.statements.length, statements: shown });
    }
    if (!/^\d+$/.test(which)) return json(400, { msg: `For input string: "${which}"` });
    const statement = session.statements.find(({ id }) => id === Number(which));
    if (act === "cancel") {
      this.#world.ledger.note("interrupted", session.name, { id: Number(which) });
      if (statement?.state === "waiting")
        Object.assign(statement, { state: "cancelled", progress: 1, completed: this.#world.clock.now() });
      if (statement?.state === "running") {
        statement.state = "cancelling";
        // Then it says so, and the code runs on.
        this.#world.clock.after(CANCEL_MS, () => {
          if (statement.state === "cancelling") statement.state = "cancelled";
        });
      }
      return json(200, { msg: "canceled" });
    }
    return statement === undefined ? json(404, "Statement not found") : json(200, statement);
  }

  /** One statement after the other. */
  #execute(session: Session, body: string): Answer {
    const {
      code,
      kind = session.request.kind ?? "shared",
      ...more
    } = JSON.parse(body) as {
      readonly code?: string;
      readonly kind?: string;
    };
    const [unknown] = Object.keys(more);
    if (unknown !== undefined)
      return json(
        400,
        `Unrecognized field "${unknown}" (class org.apache.livy.ExecuteRequest), not marked as ignorable`,
      );
    if (session.state !== "idle" && session.state !== "busy")
      return json(500, `java.lang.IllegalStateException: Session is in state ${session.state}`);
    if (!KINDS.includes(kind)) return json(500, `${RPC}java.lang.IllegalArgumentException: Invalid kind: ${kind}`);
    if (code === undefined)
      return json(500, `${RPC}java.lang.NullPointerException: Cannot invoke "String.toCharArray()"`);
    const statement: Statement = {
      id: session.nextStatement++,
      code,
      state: "waiting",
      output: null,
      progress: 0,
      started: 0,
      completed: 0,
    };
    session.statements = [...session.statements, statement].slice(-REMEMBERED);
    const answer = json(201, statement, { location: `/sessions/${session.id}/statements/${statement.id}` });
    session.busy = session.busy.then(() => this.#run(session, statement, kind));
    return answer;
  }

  async #run(session: Session, statement: Statement, kind: string): Promise<void> {
    const { clock, ledger } = this.#world;
    if (statement.state !== "waiting") return;
    session.state = "busy";
    Object.assign(statement, { state: "running", started: clock.now() });
    ledger.note("statement", session.name, { id: statement.id, detail: statement.code });
    const output = await this.#play(session, statement, kind);
    if (output === null) return;
    // Cancelling interrupts Spark's jobs only: other code runs to its end.
    const cancelled = (statement.state as Statement["state"]) !== "running";
    Object.assign(statement, {
      state: cancelled ? "cancelled" : "available",
      output,
      progress: 1,
      completed: clock.now(),
    });
    if (session.state === "busy") session.state = "idle";
  }

  /** What a statement gives; null when its driver is gone. */
  async #play(session: Session, { code, id }: Statement, kind: string): Promise<Output | null> {
    const { application } = session;
    if (!isOurs(code) || application === null) {
      const { ms, output } = interpret(code, kind, id, session.names);
      await wait(this.#world.clock, ms);
      return output;
    }
    const lives = () => !hasEnded(application);
    const output = await runOurs(this.#world, code, { session: session.name, application, count: id, lives });
    if (output === "died")
      session.die({ state: "FAILED", finalStatus: "FAILED", diagnostics: "AM Container exited with exitCode: -100" });
    return output === "died" || output === "gone" ? null : output;
  }

  #show({ id, name, request, state, application }: Session): unknown {
    const { yarn } = this.#world;
    return {
      id,
      name,
      appId: application?.id ?? null,
      owner: null,
      proxyUser: null,
      state,
      kind: request.kind ?? "shared",
      appInfo: {
        driverLogUrl: application === null ? null : yarn.logUrl(application),
        sparkUiUrl: application === null ? null : yarn.trackingUrl(application),
        executorLogUrls: null,
      },
      log: ["stdout: ", "\nstderr: ", "\nYARN Diagnostics: "],
      ttl: request.ttl ?? null,
      idleTimeout: request.idleTimeout ?? null,
      driverMemory: null,
      driverCores: 0,
      executorMemory: null,
      executorCores: 0,
      conf: request.conf ?? {},
      archives: [],
      files: [],
      heartbeatTimeoutInSecond: 0,
      jars: [],
      numExecutors: 0,
      pyFiles: [],
      queue: request.queue ?? null,
    };
  }
}

/** Livy looks at a session's application from time to time. */
function notice(session: Session): void {
  const { application, state } = session;
  if (application === null || !hasEnded(application) || state === "shutting_down") return;
  session.state = application.state === "KILLED" ? "killed" : "dead";
}
