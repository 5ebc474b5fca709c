/**
 * The lease of this process on what it writes: one row in `owner`, alive while `ended_at` is null.
 *
 * The owner renews `heartbeat` by the database's clock: with every batch that it writes, and three times in the span of a lease by a timer. Nobody looks at the heartbeat to decide whether to trust a row; an owner that has
 * not renewed for 10 s is first *ended* by whoever looks, in one statement that bumps its epoch and drops its claims. Every transaction of an owner starts by updating its own row where the epoch is still its
 * own. So either the batch commits before the end, or it finds the new epoch and is refused; and an owner whose batch is under way holds the row's lock and cannot be ended (the server ends a transaction that sits
 * idle for 8 s, so a paused process does not hold it for longer than its lease).
 *
 * While the database cannot be reached nobody can renew. So whoever could not renew its own lease ends nobody before a whole lease has passed since it can again, and a new process does not trust heartbeats from before
 * the server's start.
 *
 * What is done outside of the database (a POST) cannot be refused by it. Before such a thing an owner asks `confirm`, which goes by this process's clocks since the last renewal was *asked for*: a process that was paused
 * sees that its lease may be over, and asks the database first.
 */

import { randomUUID } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type RawBuilder, sql } from "kysely";
import { Code, FiresteelError } from "../errors.ts";
import type { Db } from "./database.ts";
import { fromDatabase, isTransient } from "./errors.ts";
import { notify } from "./notices.ts";
import type { Writing } from "./write-kind.ts";
import type { WriterLease } from "./writer.ts";

/** An owner that has not renewed for this long may be ended by others. */
export const LEASE_MS = 10_000;

/** Between two tries to confirm a lease while the database cannot be reached. */
const CONFIRM_MS = 200;

export interface LeaseOptions {
  readonly db: Db;
  /** No other process can live: end every former owner at once. */
  readonly exclusive: boolean;
  /** @default 10,000; renewed three times in that span */
  readonly leaseMs?: number;
  /** Told when renewing fails because the database cannot be reached; the lease may live on. */
  readonly onNotice: (line: string) => void;
  /** Told once when the lease was lost. */
  readonly onLost: (error: FiresteelError) => void;
}

/** The lease that this process holds; disposing ends it and drops its claims. */
export interface Lease extends WriterLease, AsyncDisposable {
  /** Rejects with `aborted` when the lease is over: what is done outside of the database must not be done then. Asks the database, and waits for it, only when the last renewal is not fresh. */
  confirm(): Promise<void>;
  /** Ends owners that are dead by their lease or, on this machine, by their process. */
  endDead(): Promise<void>;
}

/** Ends owners that are dead by their lease (or, on this machine, by their process), inserts a row for this process and starts renewing it. */
export async function takeLease(options: LeaseOptions): Promise<Lease> {
  const { db, onNotice, onLost } = options;
  const leaseMs = options.leaseMs ?? LEASE_MS;
  const owner = randomUUID();
  const place = ownPlace();
  const shared = !options.exclusive;
  if (shared) {
    await endDeadNeighbours(db, place);
    if (await serverIsOlderThan(db, leaseMs)) await endOwners(db, expired(owner, leaseMs), shared);
  } else await endOwners(db, sql`ended_at is null`, shared);
  await sql`insert into owner (id, epoch, heartbeat, place, pid) values (${owner}, 1, clock_timestamp(), ${place}, ${process.pid})`.execute(
    db,
  );

  const own = sql`id = ${owner} and epoch = 1 and ended_at is null`;
  let renewedAt = clocks();
  /** When renewing began to succeed after it had failed; null while it fails. */
  let steadySince: number | null = Number.NEGATIVE_INFINITY;
  const mayEndOthers = () => steadySince !== null && performance.now() - steadySince >= leaseMs;
  const renew = async (): Promise<void> => {
    const asked = clocks();
    try {
      const { rows } =
        await sql`update owner set heartbeat = clock_timestamp() where ${own} returning 1 as one`.execute(db);
      if (rows.length === 0) {
        clearInterval(timer);
        onLost(lostLease(owner));
        return;
      }
      // Also after a pause of our own, in which the database may have been away: others get the time to renew.
      if (since(renewedAt) > leaseMs) steadySince = null;
      steadySince ??= performance.now();
      renewedAt = asked;
    } catch (error) {
      steadySince = null;
      onNotice(fromDatabase(error, "lease could not be renewed").message);
      if (!isTransient(error)) throw error;
    }
  };
  let renewing: Promise<void> | null = null;
  const timer = setInterval(() => {
    renewing ??= renew()
      .catch((error: unknown) => {
        clearInterval(timer);
        onLost(fromDatabase(error, "lease cannot be renewed any more"));
      })
      .finally(() => {
        renewing = null;
      });
  }, leaseMs / 3);
  timer.unref();
  // Nobody else can look at the lease of a locked folder.
  if (options.exclusive) clearInterval(timer);

  return {
    owner,
    leaseMs,
    shared,
    mayEndOthers,
    confirm: async () => {
      while (shared && since(renewedAt) >= leaseMs / 2) {
        const asked = clocks();
        try {
          const { rows } =
            await sql`update owner set heartbeat = clock_timestamp() where ${own} returning 1 as one`.execute(db);
          if (rows.length === 0) throw lostLease(owner);
          renewedAt = asked;
        } catch (error) {
          // As long as the database is away nobody can take over, and nothing is confirmed.
          if (!isTransient(error)) throw error;
          await sleep(CONFIRM_MS, undefined, { ref: false });
        }
      }
    },
    endDead: async () => {
      if (!shared) return;
      await endDeadNeighbours(db, place);
      await endExpired(db, { owner, leaseMs, shared, mayEndOthers });
    },
    fence: async (trx, batch) => {
      const { rows } =
        await sql`update owner set heartbeat = clock_timestamp(), batch = ${batch} where ${own} returning 1 as one`.execute(
          trx,
        );
      if (rows.length === 0) throw lostLease(owner);
    },
    lastBatch: async (trx) => {
      const { rows } = await sql<{ batch: number | string }>`select batch from owner where ${own}`.execute(trx);
      if (rows[0] === undefined) throw lostLease(owner);
      return Number(rows[0].batch);
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await renewing;
      await endOwners(db, own, shared);
    },
  };
}

/** Ends every other owner whose lease has run out; returns how many. Owners that are writing right now are passed over. */
export async function endExpired(db: Db, { owner, leaseMs, shared, mayEndOthers }: Writing): Promise<number> {
  return shared && mayEndOthers() ? await endOwners(db, expired(owner, leaseMs), shared) : 0;
}

function expired(owner: string, leaseMs: number): RawBuilder<unknown> {
  return sql`id <> ${owner} and ended_at is null and heartbeat < clock_timestamp() - make_interval(secs => ${leaseMs / 1000}::float8)`;
}

async function endOwners(db: Db, which: RawBuilder<unknown>, shared: boolean): Promise<number> {
  const { rows } = await sql<{ id: string }>`
    with dead as (select id from owner where ${which} for update skip locked),
      ended as (update owner set ended_at = clock_timestamp(), epoch = epoch + 1 where id in (select id from dead) returning id),
      dropped as (delete from claim where owner in (select id from ended))
    select id from ended`.execute(db);
  await notify(
    db,
    { shared },
    "owner",
    rows.map(({ id }) => id),
  );
  return rows.length;
}

async function serverIsOlderThan(db: Db, ms: number): Promise<boolean> {
  const { rows } = await sql<{ older: boolean }>`
    select pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => ${ms / 1000}::float8) as older`.execute(
    db,
  );
  return rows[0]?.older === true;
}

/** An owner on the same boot and in the same process namespace whose process is gone is dead now, not in 10 s: a restart goes on at once. */
async function endDeadNeighbours(db: Db, place: string | null): Promise<void> {
  if (place === null) return;
  const neighbours = await db
    .selectFrom("owner")
    .select(["id", "pid"])
    .where("ended_at", "is", null)
    .where("place", "=", place)
    .execute();
  for (const { id, pid } of neighbours) {
    if (!isAlive(pid)) await endOwners(db, sql`id = ${id} and ended_at is null`, true);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

/** Boot id and process namespace (Linux), or null where a process id of another process cannot be told apart. */
function ownPlace(): string | null {
  try {
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return null;
  }
}

interface Clocks {
  readonly steady: number;
  readonly wall: number;
}

function clocks(): Clocks {
  return { steady: performance.now(), wall: Date.now() };
}

/** The longer of two clocks' answers: one stands still while the machine sleeps, the other may be set back. */
function since(then: Clocks): number {
  return Math.max(performance.now() - then.steady, Date.now() - then.wall);
}

function lostLease(owner: string): FiresteelError {
  return new FiresteelError(
    Code.aborted,
    `lease was lost: this process gave no sign of life for too long and another took over its work (owner ${owner}); nothing that it writes counts any more, so it has to be started again`,
    { retryable: false },
  );
}
