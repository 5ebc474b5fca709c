/**
 * An attempt carried by a statement of a warm session.
 *
 * Statements have no names, but Livy shows their code, which names the attempt's spec: so one is found again after a lost answer or a restart, and no answer about another is taken for ours. The harness runs an attempt
 * once (`jobs/firesteel_statement.py`), so a POST that was repeated after all has no effect.
 *
 * An attempt stays with the session that it was posted to, unless the POST certainly had no effect there. When the session is gone the attempt has failed, and its work is tried again by another one.
 */

import { FiresteelError } from "../../../errors.ts";
import { LogSource, type SubmissionFailure, type SubmissionRecord } from "../../../evaluate/ports.ts";
import type { Cluster } from "../clusters/cluster.ts";
import { LivyFailure, livyFailureOf } from "../http/errors.ts";
import { hasRun, hasSessionEnded, type LivyStatement } from "../http/session-client.ts";
import type { Patience } from "../patience.ts";
import type { Admitted, Carrier, Posted, Sight } from "../submissions/carrier.ts";
import type { RowChange, SubmissionRow } from "../submissions/submission-row.ts";
import { Backoff, pause } from "../waiting.ts";
import { hasEnded } from "../witness/resource-manager.ts";
import { type Claim, findApplication, type Verdict } from "../witness/verdict.ts";
import type { SessionPool } from "./session-pool.ts";
import { readOutput } from "./statement-code.ts";
import type { SessionLease } from "./statement-queue.ts";

/** Between two looks at a statement: from the first to the second while it is young, so that the end of a short one is seen at once. */
const FIRST_MS = 20;
const LAST_MS = 500;
/** A look is due after this part of the time that it has run for. */
const PART = 0.1;

export class StatementCarrier implements Carrier {
  readonly endsEarly = false;
  readonly #cluster: Cluster;
  readonly #row: SubmissionRow;
  readonly #patience: Patience;
  readonly #pool: SessionPool | null;
  readonly #code: string;
  #lease: SessionLease | null = null;
  /** The statement when it had run. */
  #ran: LivyStatement | null = null;
  /** Why the session cannot be used again. */
  #ends: string | null = null;

  /** @param pool null where the cluster keeps no sessions any more */
  constructor(
    cluster: Cluster,
    row: SubmissionRow,
    { request }: Pick<SubmissionRecord, "request">,
    patience: Patience,
    pool: SessionPool | null,
  ) {
    this.#code = String(request["code"]);
    this.#cluster = cluster;
    this.#row = row;
    this.#patience = patience;
    this.#pool = pool;
  }

  async admit(signal: AbortSignal): Promise<Admitted> {
    const { user } = this.#row.record;
    try {
      if (this.#pool === null)
        throw new FiresteelError("failed_precondition", `cluster ${this.#cluster.name} keeps no sessions`);
      this.#lease = await this.#pool.lease(user, (reason) => this.#row.tell(`waiting: ${reason}`), signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof FiresteelError)) throw error;
      // Another attempt may be a batch.
      return { kind: "refused", failure: { class: "cluster", type: "NoSession", message: error.message }, error };
    }
    const { session, change } = this.#lease;
    return { kind: "admitted", cause: `POST to session ${session}`, change };
  }

  occupy(): void {
    const { session, user } = this.#row.record;
    if (session !== null) this.#lease = this.#pool?.occupy(session, user) ?? null;
  }

  release(): void {
    this.#lease?.release(this.#ran?.id ?? null, this.#ends);
    this.#lease = null;
  }

  async post(signal: AbortSignal): Promise<Posted> {
    const session = this.#session;
    try {
      const statement = await this.#cluster.client.sessions.post(session, this.#code);
      this.#cluster.answered();
      if (statement.code === this.#code) return this.#made(statement);
    } catch (error) {
      const failure = livyFailureOf(error);
      const why = (error as Error).message;
      if (failure === LivyFailure.unreachable) {
        this.#cluster.failed(error);
        return { kind: "again", why: this.#cluster.trouble, counts: false };
      }
      if (failure === LivyFailure.notFound || failure === LivyFailure.rejected) {
        this.#pool?.lost(session, why);
        return { kind: "again", why, counts: true };
      }
    }
    return this.resolve(`it is not known whether session ${session} took it`, signal);
  }

  async resolve(why: string, signal: AbortSignal): Promise<Posted> {
    const session = this.#session;
    const { clock } = this.#cluster;
    this.#row.tell(`waiting: ${why}`);
    let since: number | null = null;
    for (;;) {
      // What is known then was so at this time, however long the answers take.
      const asked = clock.elapsed();
      try {
        const statement = await this.#find(signal);
        if (statement === "gone") {
          const told = `session ${session} is gone`;
          return { kind: "made", cause: told, change: {}, told };
        }
        if (statement !== null) return this.#made(statement);
        since ??= asked;
        if (asked - since > this.#patience.postMs) return { kind: "again", why: `${why}; it did not`, counts: true };
      } catch (error) {
        signal.throwIfAborted();
        since = null;
        this.#cluster.failed(error);
        this.#row.tell(`waiting: ${why}, and ${(error as Error).message}`);
      }
      await pause(clock, this.#patience.askMs, signal);
    }
  }

  get #session(): string {
    return this.#row.record.session ?? "";
  }

  #made({ id }: LivyStatement): Posted {
    const told = `submitted as statement ${id} of session ${this.#session} on ${this.#cluster.name}`;
    return { kind: "made", cause: "Livy has the statement", change: { statementId: id }, told };
  }

  /** Our statement, by its id or else its code; null when the session has none, `gone` when Livy has no such session that lives. */
  async #find(signal: AbortSignal): Promise<LivyStatement | null | "gone"> {
    const { sessions } = this.#cluster.client;
    const { statementId } = this.#row.record;
    try {
      const found = statementId === null ? null : await sessions.findStatement(this.#session, statementId, signal);
      if (found?.code === this.#code) return found;
      // It waits for its driver while a session starts; ours was idle before it was given a statement.
      const all = await sessions.listStatements(this.#session, signal);
      const own = all?.find(({ code }) => code === this.#code);
      if (own !== undefined) return own;
      if (all === null) return "gone";
    } catch (error) {
      // `requirement failed: Session isn't active.`
      if (livyFailureOf(error) !== LivyFailure.rejected) throw error;
    }
    const session = await sessions.find(this.#session, signal);
    return session === null || hasSessionEnded(session) ? "gone" : null;
  }

  sight(): Sight {
    const { clock } = this.#cluster;
    const began = clock.elapsed();
    const retry = new Backoff(clock, 200, LOOK_AGAIN_MS);
    let seenAt: number | null = null;
    let silent = false;
    return {
      get seenAt() {
        return seenAt;
      },
      next: async (withinMs, _, signal) => {
        if (this.#ran !== null) {
          await pause(clock, this.#patience.askMs, signal);
          return claimOf(this.#ran);
        }
        const dueMs = silent ? retry.next() : Math.min(LAST_MS, Math.max(FIRST_MS, PART * (clock.elapsed() - began)));
        await pause(clock, Math.min(dueMs, withinMs), signal);
        if (withinMs < dueMs) return null;
        try {
          const claim = await this.#look(signal);
          this.#cluster.answered();
          silent = false;
          retry.reset();
          seenAt = clock.now();
          return claim;
        } catch (error) {
          signal.throwIfAborted();
          this.#cluster.failed(error);
          silent = true;
          this.#row.tell(`waiting: ${(error as Error).message}`);
          return "silent";
        }
      },
      [Symbol.dispose]: () => {},
    };
  }

  async #look(signal: AbortSignal): Promise<Claim | "lives"> {
    const statement = await this.#find(signal);
    // A session that lives and does not know it any more has forgotten it.
    if (statement === null || statement === "gone") return "gone";
    await this.#see(statement);
    return hasRun(statement) ? claimOf(statement) : "lives";
  }

  /** Takes over what Livy shows of it; only what is new is written. */
  async #see(statement: LivyStatement): Promise<void> {
    const { state, statementId, startedAt } = this.#row.record;
    const change: { -readonly [K in keyof RowChange]: RowChange[K] } = {};
    if (statementId !== statement.id) change.statementId = statement.id;
    if (startedAt === null && statement.started > 0) change.startedAt = this.#cluster.clock.now();
    const running = statement.state === "running" && (state === "starting" || state === "lost");
    if (running) {
      this.#row.tell(`running as statement ${statement.id} of session ${this.#session} on ${this.#cluster.name}`);
      await this.#row.to("running", "Livy says running", { ...change, confirmedAt: this.#cluster.clock.now() });
    } else if (Object.keys(change).length > 0) await this.#row.change(change);
    if (hasRun(statement) && this.#ran === null) await this.#over(statement);
  }

  /** What it printed is its log. */
  async #over(statement: LivyStatement): Promise<void> {
    this.#ran = statement;
    const { output } = statement;
    if (output === null) return;
    const { lines, ends } = readOutput(output.status === "ok" ? output.text : output.traceback);
    this.#ends = ends;
    await this.#row.append(lines, LogSource.statement);
  }

  async judge(claim: Claim, doubtMs: number, signal: AbortSignal): Promise<Verdict> {
    const { endMs, lostMs } = this.#patience;
    if (this.#ran !== null) {
      if (doubtMs < endMs)
        return { kind: "wait", why: `its statement is ${this.#ran.state}; looking for the manifest` };
      return {
        kind: "ended",
        state: claim === "killed" ? "killed" : "failed",
        failure: failureOfStatement(this.#ran, this.#session),
      };
    }
    const says = claim === "gone" ? `Livy does not know session ${this.#session} any more` : "Livy gives no answer";
    const lost = (why: string): Verdict => ({
      kind: "ended",
      state: "failed",
      failure: lostSession(this.#session, why),
    });
    if (this.#cluster.resourceManager === null) {
      if (claim === "silent") return { kind: "wait", why: says };
      if (doubtMs < lostMs)
        return {
          kind: "wait",
          state: "lost",
          why: `${says}; waiting ${Math.round(lostMs / 1_000)} s for a sign of it`,
        };
      return lost(says);
    }
    const application = await findApplication(this.#cluster, this.#application, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      return (error as Error).message;
    });
    if (typeof application === "string") return { kind: "wait", why: `${says}, and ${application}` };
    if (application !== null && !hasEnded(application)) {
      // Its driver would wait for a Livy that does not know it.
      if (claim === "gone") this.#pool?.lost(this.#session, says);
      return { kind: "wait", why: `${says}; the ResourceManager says ${application.state}` };
    }
    const waitMs = application === null ? lostMs : endMs;
    if (claim === "silent" && application === null) return { kind: "wait", why: says };
    if (doubtMs < waitMs) return { kind: "wait", state: "lost", why: `${says}; looking for the manifest` };
    return lost(
      application === null
        ? says
        : `the ResourceManager says ${application.finalStatus}: ${application.diagnostics.trim() || "no reason was given"}`,
    );
  }

  get #application(): { readonly tag: string; readonly appId: string | null } {
    return { tag: this.#session, appId: this.#row.record.appId };
  }

  async stop(succeeded: () => Promise<boolean>, signal: AbortSignal): Promise<string | null> {
    const { clock } = this.#cluster;
    const { sessions } = this.#cluster.client;
    const until = clock.elapsed() + (this.#pool?.cancelMs ?? 0);
    let asked = false;
    for (;;) {
      if (await succeeded()) return null;
      try {
        const statement = await this.#find(signal);
        if (statement === "gone") break;
        if (statement !== null && !hasRun(statement) && !asked)
          asked = await sessions.cancel(this.#session, statement.id, signal);
        if (statement !== null && hasRun(statement)) {
          await this.#see(statement);
          // It may have been faster than we.
          return (await succeeded()) ? null : "its statement has ended";
        }
      } catch (error) {
        signal.throwIfAborted();
        this.#cluster.failed(error);
        this.#row.tell(`cancelling: ${(error as Error).message}`);
      }
      if (clock.elapsed() >= until) break;
      await pause(clock, Math.min(100, this.#patience.askMs), signal);
    }
    // Python is not interrupted by Livy. Nothing else waits in the session.
    this.#row.tell(`cancelling: its statement does not end, so session ${this.#session} is stopped`);
    const how = await this.#pool?.end(this.#session, "a cancelled statement did not end");
    if (await succeeded()) return null;
    return how === undefined
      ? `cluster ${this.#cluster.name} keeps no sessions any more`
      : `its session was stopped, ${how}`;
  }

  async copyLog(): Promise<void> {}

  async linger(): Promise<void> {}
}

const LOOK_AGAIN_MS = 5_000;
/** Characters kept of what an interpreter that died had printed. */
const PRINTED = 4_000;

function claimOf({ state, output }: LivyStatement): Claim {
  return state === "cancelled" ? "killed" : output?.status === "ok" ? "success" : "dead";
}

/** Of one that has run and left no manifest. */
function failureOfStatement({ state, output }: LivyStatement, session: string): SubmissionFailure {
  if (output?.status === "error") {
    const { type, message, traceback } = output;
    // Livy may see the end of Python before that of the application; all that it ever printed follows.
    if (message.startsWith("Interpreter died"))
      return { ...lostSession(session, "its interpreter died"), traceback: message.slice(-PRINTED) };
    return { class: "cluster", type, message, ...(traceback === "" ? {} : { traceback }) };
  }
  // On purpose: starting it again would work against them.
  if (state === "cancelled")
    return { class: "user", type: "StatementCancelled", message: "somebody cancelled the statement" };
  return { class: "cluster", type: "ManifestMissing", message: "the statement ended and left no manifest" };
}

function lostSession(session: string, why: string): SubmissionFailure {
  return { class: "cluster", type: "SessionLost", message: `session ${session} was lost: ${why}` };
}
