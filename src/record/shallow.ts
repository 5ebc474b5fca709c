/** Final values of calls that are checked shallowly. */

import { sql } from "kysely";
import type { Digest, ShallowRecord } from "../evaluate/ports.ts";
import { storedPlaces } from "../hash/stored.ts";
import { digestArray, digestBytes, hexOf } from "./arrays.ts";
import type { Db } from "./database.ts";
import type { ValueFiles } from "./value-files.ts";
import { allThere } from "./values.ts";
import { noAnswers, type WriteKind } from "./write-kind.ts";

/** Inserts or replaces final values; of several records of one call the last counts. */
export const RECORD_SHALLOW: WriteKind<ShallowRecord, undefined> = {
  name: "shallow result",
  lane: "shallow",
  repeatable: false,
  prepare: (records) => {
    const last = [...new Map(records.map((record) => [record.evalHash, record])).values()];
    // One order everywhere, so that two processes never wait for each other in a circle.
    last.sort((a, b) => (a.evalHash < b.evalHash ? -1 : 1));
    return async (db) => {
      for (const { evalHash, bytes, digest, tasks } of last) {
        const row = { digest: digestBytes(digest), bytes, tasks: JSON.stringify(tasks) };
        await db
          .insertInto("shallow_result")
          .values({ eval_hash: digestBytes(evalHash), ...row })
          .onConflict((conflict) => conflict.column("eval_hash").doUpdateSet(row))
          .execute();
      }
      return noAnswers(records);
    };
  },
};

/** Final values by call; one query. One that holds a stored value whose file is lost is left out. */
export async function findShallow(
  db: Db,
  files: ValueFiles | null,
  evalHashes: readonly Digest[],
): Promise<ReadonlyMap<Digest, ShallowRecord>> {
  if (evalHashes.length === 0) return new Map();
  const rows = await db
    .selectFrom("shallow_result")
    .selectAll()
    .where("eval_hash", "=", sql<Uint8Array>`any(${digestArray(evalHashes)}::bytea[])`)
    .execute();
  const found = new Map<Digest, ShallowRecord>();
  for (const { eval_hash, bytes, digest, tasks } of rows) {
    const evalHash = hexOf(eval_hash);
    if (await allThere(files, storedPlaces(bytes)))
      found.set(evalHash, { evalHash, bytes, digest: hexOf(digest), tasks });
  }
  return found;
}
