/** Who keeps which cluster, and what the processes of one store look for from time to time. */

import { sql } from "kysely";
import type { ClusterNote, Surroundings } from "../evaluate/ports.ts";
import { storable } from "./arrays.ts";
import type { ClaimRequest } from "./claims.ts";
import type { Db } from "./database.ts";
import { readDrains } from "./drains.ts";
import { noAnswers, type WriteKind, type Writing } from "./write-kind.ts";

/** The claim of a cluster's keeper. */
export function keeperClaim(cluster: string): ClaimRequest {
  return { kind: "cluster", key: Buffer.from(cluster).toString("hex") };
}

/** Stores how clusters are; the last word counts. */
export const TELL_CLUSTER: WriteKind<ClusterNote, undefined> = {
  name: "state of a cluster",
  lane: "cluster",
  repeatable: true,
  prepare: (notes) => async (db) => {
    const last = new Map(notes.map((note) => [note.name, note.status]));
    for (const [name, status] of [...last].sort()) {
      await sql`
        insert into cluster (name, status, told_at) values (${storable(name)}, ${JSON.stringify(status)}::text::json, clock_timestamp())
        on conflict (name) do update set status = excluded.status, told_at = excluded.told_at`.execute(db);
    }
    return noAnswers(notes);
  },
};

/** What is there for this process to do, and how clusters are that others keep. */
export async function lookAround(db: Db, { owner }: Pick<Writing, "owner">): Promise<Surroundings> {
  const { rows } = await sql<{
    executions: boolean;
    submissions: boolean;
    cancelledExecutions: readonly string[];
    cancelledSubmissions: readonly string[];
    clusters: readonly ClusterNote[];
  }>`
    select
      exists (select from execution e join owner o on o.id = e.owner where e.state = 'running' and o.ended_at is not null) as executions,
      exists (
        select from submission s left join owner o on o.id = s.owner
        where (s.state not in ('succeeded', 'failed', 'killed', 'cancelled') or s.gone_at is null and s.state <> 'cancelled') and (s.owner is null or o.ended_at is not null)
      ) as submissions,
      array(select id from execution where state = 'running' and owner = ${owner} and cancel_requested) as "cancelledExecutions",
      array(
        select id from submission
        where state not in ('succeeded', 'failed', 'killed', 'cancelled', 'cancelling') and owner = ${owner} and cancel_requested is not null
      ) as "cancelledSubmissions",
      (
        select coalesce(json_agg(json_build_object('name', convert_from(c.key, 'UTF8'), 'status', coalesce(t.status, '{}'::json))), '[]'::json)
        from claim c left join cluster t on t.name = convert_from(c.key, 'UTF8') where c.kind = 'cluster'
      ) as clusters`.execute(db);
  const [row] = rows;
  return {
    executions: row?.executions === true,
    submissions: row?.submissions === true,
    cancelledExecutions: row?.cancelledExecutions ?? [],
    cancelledSubmissions: row?.cancelledSubmissions ?? [],
    drains: await readDrains(db),
    keptClusters: new Map(row?.clusters.map(({ name, status }) => [name, status])),
  };
}
