/** Claims: who works on a call or a piece of bulk work right now. A claim lives as long as its owner's lease. */

import { sql } from "kysely";
import { digestArray, digestBytes } from "./arrays.ts";
import type { Db } from "./database.ts";
import { endExpired } from "./lease.ts";
import { noAnswers, type WriteKind } from "./write-kind.ts";

export interface ClaimRequest {
  readonly kind: "call" | "work" | "cluster";
  readonly key: string;
}

/** Takes or renews claims; the answer is false where another live owner holds it. */
export const CLAIM: WriteKind<ClaimRequest, boolean> = {
  name: "claim",
  lane: "claim",
  repeatable: true,
  prepare: (requests) => async (db, writing) => {
    const { owner } = writing;
    const held = await insertClaims(db, requests, owner);
    const missed = requests.filter((request) => !held.has(nameOf(request)));
    if (missed.length > 0 && (await endExpired(db, writing)) > 0)
      for (const name of await insertClaims(db, missed, owner)) held.add(name);
    return requests.map((request) => held.has(nameOf(request)));
  },
};

/** Gives claims of this owner back. */
export const RELEASE: WriteKind<ClaimRequest, undefined> = {
  name: "release of a claim",
  lane: "claim",
  repeatable: true,
  patient: true,
  prepare:
    (requests) =>
    async (db, { owner }) => {
      await sql`delete from claim using ${rowsOf(requests)} where claim.kind = t.kind and claim.key = t.key and claim.owner = ${owner}`.execute(
        db,
      );
      return noAnswers(requests);
    },
};

/** Whether anybody works on it. */
export async function isClaimed(db: Db, { kind, key }: ClaimRequest): Promise<boolean> {
  const row = await db
    .selectFrom("claim")
    .select("owner")
    .where("kind", "=", kind)
    .where("key", "=", digestBytes(key))
    .executeTakeFirst();
  return row !== undefined;
}

async function insertClaims(db: Db, requests: readonly ClaimRequest[], owner: string): Promise<Set<string>> {
  const { rows } = await sql<{ kind: string; key: string }>`
    insert into claim (kind, key, owner)
    select distinct t.kind, t.key, ${owner}::uuid from ${rowsOf(requests)} order by 1, 2
    on conflict (kind, key) do update set owner = excluded.owner where claim.owner = excluded.owner
    returning kind, encode(key, 'hex') as key`.execute(db);
  return new Set(rows.map((row) => `${row.kind} ${row.key}`));
}

function rowsOf(requests: readonly ClaimRequest[]): ReturnType<typeof sql> {
  const kinds = `{${requests.map((request) => request.kind).join(",")}}`;
  return sql`unnest(${kinds}::text[], ${digestArray(requests.map((request) => request.key))}::bytea[]) as t(kind, key)`;
}

function nameOf(request: ClaimRequest): string {
  return `${request.kind} ${request.key}`;
}
