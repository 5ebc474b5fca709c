/**
 * The lease of this process on what it writes: one row in `owner`, alive while `ended_at` is null.
 *
 * The owner renews `heartbeat` by the database's clock: with every batch that it writes, and every 5 s by a timer. Nobody looks at the heartbeat to decide whether to trust a row; an owner that has not renewed for 15 s is
 * first *ended* by whoever wants something of it, in one statement that bumps its epoch and drops its claims. Every transaction of an owner starts by updating its own row where the epoch is still its
 * own. So either the batch commits before the end, or it finds the new epoch and is refused; and an owner whose batch is under way holds the row's lock and cannot be ended.
 */

import { randomUUID } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { sql } from "kysely";
import { Code, FiresteelError } from "../errors.ts";
import type { Db } from "./database.ts";
import { fromDatabase, isTransient } from "./errors.ts";
import type { Writing } from "./write-kind.ts";
import type { WriterLease } from "./writer.ts";

/** An owner that has not renewed for this long may be ended by others. */
export const LEASE_MS = 15_000;

export interface LeaseOptions {
  readonly db: Db;
  /** No other process can live: end every former owner at once. */
  readonly exclusive: boolean;
  /** @default 15,000; renewed three times in that span */
  readonly leaseMs?: number;
  /** Told when renewing fails because the database cannot be reached; the lease may live on. */
  readonly onNotice: (line: string) => void;
  /** Told once when the lease was lost. */
  readonly onLost: (error: FiresteelError) => void;
}

/** The lease that this process holds; disposing ends it and drops its claims. */
export interface Lease extends WriterLease, AsyncDisposable {}

/** Ends owners that are dead by their lease (or, on this machine, by their process), inserts a row for this process and starts renewing it. */
export async function takeLease(options: LeaseOptions): Promise<Lease> {
  const { db, onNotice, onLost } = options;
  const leaseMs = options.leaseMs ?? LEASE_MS;
  const owner = randomUUID();
  const place = ownPlace();
  await endDeadNeighbours(db, place, options.exclusive);
  await endExpired(db, { owner, leaseMs });
  await sql`insert into owner (id, epoch, heartbeat, place, pid) values (${owner}, 1, clock_timestamp(), ${place}, ${process.pid})`.execute(
    db,
  );

  const own = sql`id = ${owner} and epoch = 1 and ended_at is null`;
  const renew = async (): Promise<void> => {
    try {
      const { rows } =
        await sql`update owner set heartbeat = clock_timestamp() where ${own} returning 1 as one`.execute(db);
      if (rows.length === 0) {
        clearInterval(timer);
        onLost(lostLease(owner));
      }
    } catch (error) {
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
      await endOwners(db, sql`${own}`);
    },
  };
}

/** Ends every other owner whose lease has run out; returns how many. Owners that are writing right now are passed over. */
export async function endExpired(db: Db, { owner, leaseMs }: Writing): Promise<number> {
  return await endOwners(
    db,
    sql`id <> ${owner} and ended_at is null and heartbeat < clock_timestamp() - make_interval(secs => ${leaseMs / 1000}::float8)`,
  );
}

async function endOwners(db: Db, which: ReturnType<typeof sql>): Promise<number> {
  const { rows } = await sql<{ ended: number }>`
    with dead as (select id from owner where ${which} for update skip locked),
      ended as (update owner set ended_at = clock_timestamp(), epoch = epoch + 1 where id in (select id from dead) returning id),
      dropped as (delete from claim where owner in (select id from ended))
    select count(*)::int as ended from ended`.execute(db);
  return rows[0]?.ended ?? 0;
}

/** An owner on the same boot and in the same process namespace whose process is gone is dead now, not in 15 s: a restart goes on at once. */
async function endDeadNeighbours(db: Db, place: string | null, exclusive: boolean): Promise<void> {
  if (exclusive) {
    await endOwners(db, sql`ended_at is null`);
    return;
  }
  if (place === null) return;
  const neighbours = await db
    .selectFrom("owner")
    .select(["id", "pid"])
    .where("ended_at", "is", null)
    .where("place", "=", place)
    .execute();
  for (const { id, pid } of neighbours) {
    if (!isAlive(pid)) await endOwners(db, sql`id = ${id} and ended_at is null`);
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

function lostLease(owner: string): FiresteelError {
  return new FiresteelError(
    Code.aborted,
    `lease was lost: another process took over from owner ${owner}; this process must stop writing`,
    { retryable: false },
  );
}
