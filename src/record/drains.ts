/** Clusters that are out of use, and the history of that. */

import { type Selectable, sql } from "kysely";
import type { ClusterDrain } from "../evaluate/ports.ts";
import { storable } from "./arrays.ts";
import type { ClusterDrainTable, Db } from "./database.ts";
import { notify } from "./notices.ts";
import { toMs } from "./page.ts";
import type { WriteKind } from "./write-kind.ts";

export interface DrainRequest {
  readonly cluster: string;
  readonly by: string;
  readonly reason: string;
}

/** Drains clusters; the answer is what is in force, which may be somebody else's of before. */
export const DRAIN_CLUSTER: WriteKind<DrainRequest, ClusterDrain> = {
  name: "drain of a cluster",
  lane: "cluster",
  repeatable: true,
  prepare: (requests) => async (db, writing) => {
    const answers: ClusterDrain[] = [];
    for (const { cluster, by, reason } of requests) {
      await sql`
        insert into cluster_drain (cluster, drained_at, drained_by, reason)
        values (${storable(cluster)}, clock_timestamp(), ${storable(by)}, ${storable(reason)})
        on conflict (cluster) where resumed_at is null do nothing`.execute(db);
      const [drain] = await readDrains(db, cluster);
      answers.push(drain!);
      await notify(db, writing, "wish", [cluster]);
    }
    return answers;
  },
};

/** Resumes clusters; the answer is what was in force. */
export const RESUME_CLUSTER: WriteKind<Omit<DrainRequest, "reason">, ClusterDrain | null> = {
  name: "resumption of a cluster",
  lane: "cluster",
  repeatable: true,
  prepare: (requests) => async (db, writing) => {
    const answers: (ClusterDrain | null)[] = [];
    for (const { cluster, by } of requests) {
      const row = await db
        .updateTable("cluster_drain")
        .set({ resumed_at: sql`clock_timestamp()`, resumed_by: storable(by) })
        .where("cluster", "=", storable(cluster))
        .where("resumed_at", "is", null)
        .returningAll()
        .executeTakeFirst();
      answers.push(row === undefined ? null : fromRow(row));
      await notify(db, writing, "wish", [cluster]);
    }
    return answers;
  },
};

/** The clusters that are drained now, all or one of them. */
export async function readDrains(db: Db, cluster?: string): Promise<readonly ClusterDrain[]> {
  let query = db.selectFrom("cluster_drain").selectAll().where("resumed_at", "is", null).orderBy("seq");
  if (cluster !== undefined) query = query.where("cluster", "=", storable(cluster));
  return (await query.execute()).map(fromRow);
}

function fromRow(row: Selectable<ClusterDrainTable>): ClusterDrain {
  return { cluster: row.cluster, at: toMs(row.drained_at), by: row.drained_by, reason: row.reason };
}
