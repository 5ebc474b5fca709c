/** Datasets by identity and the places where they were verified; the stat cache of local files. */

import { sql } from "kysely";
import type { DatasetRecord, Digest, FileStat } from "../evaluate/ports.ts";
import { digestArray, digestBytes, hexOf, plainArray, textArray } from "./arrays.ts";
import type { Db } from "./database.ts";
import { noAnswers, type WriteKind } from "./write-kind.ts";

/** Records datasets and moves the given places to the front. */
export const RECORD_DATASET: WriteKind<DatasetRecord, undefined> = {
  name: "dataset",
  lane: "dataset",
  repeatable: false,
  prepare: (datasets) => async (db) => {
    for (const dataset of datasets) {
      const identity = digestBytes(dataset.identity);
      await db
        .insertInto("dataset")
        .values({ identity, rows: dataset.rows })
        // The count belongs to the identity: once somebody counted, it stays known.
        .onConflict((conflict) =>
          conflict.column("identity").doUpdateSet({ rows: sql<number>`coalesce(dataset.rows, excluded.rows)` }),
        )
        .execute();
      await sql`
        insert into dataset_location (identity, location, format, options, schema, partition_by, files, verified_at)
        values (${identity}, ${dataset.location}, ${dataset.format}, ${JSON.stringify(dataset.options)}::text::json, ${dataset.schema === null ? null : JSON.stringify(dataset.schema)}::text::json, ${JSON.stringify(dataset.partitionBy)}::text::json,
          ${JSON.stringify(dataset.files)}::text::json, clock_timestamp())
        on conflict (identity, location) do update set
          seq = excluded.seq, format = excluded.format, options = excluded.options, schema = excluded.schema, partition_by = excluded.partition_by, files = excluded.files, verified_at = excluded.verified_at`.execute(
        db,
      );
    }
    return noAnswers(datasets);
  },
};

/** All recorded places of a dataset, the one verified last first. */
export async function findDataset(db: Db, identity: Digest): Promise<readonly DatasetRecord[]> {
  const rows = await db
    .selectFrom("dataset_location as l")
    .innerJoin("dataset as d", "d.identity", "l.identity")
    .select(["l.identity", "l.location", "l.format", "l.options", "l.schema", "l.partition_by", "d.rows", "l.files"])
    .where("l.identity", "=", digestBytes(identity))
    .orderBy("l.seq", "desc")
    .execute();
  return rows.map((row) => ({
    identity: hexOf(row.identity),
    location: row.location,
    format: row.format,
    options: row.options,
    schema: row.schema,
    partitionBy: row.partition_by,
    rows: row.rows === null ? null : Number(row.rows),
    files: row.files,
  }));
}

/** Stats of files at the moment of their digest; the newest of each path counts. */
export const RECORD_FILE_STAT: WriteKind<FileStat, undefined> = {
  name: "file stat",
  lane: "file-stat",
  repeatable: false,
  prepare: (records) => async (db) => {
    const stats = [...new Map(records.map((stat) => [stat.path, stat])).values()].sort((a, b) =>
      a.path < b.path ? -1 : 1,
    );
    await sql`
      insert into file_stat (path, bytes, modified_ns, inode, digest)
      select * from unnest(
        ${textArray(stats.map((stat) => stat.path))}::text[], ${plainArray(stats.map((stat) => stat.bytes))}::bigint[], ${textArray(stats.map((stat) => stat.modifiedNs))}::text[],
        ${textArray(stats.map((stat) => stat.inode))}::text[], ${digestArray(stats.map((stat) => stat.digest))}::bytea[])
      on conflict (path) do update set bytes = excluded.bytes, modified_ns = excluded.modified_ns, inode = excluded.inode, digest = excluded.digest`.execute(
      db,
    );
    return noAnswers(records);
  },
};

export async function findFileStats(db: Db, paths: readonly string[]): Promise<ReadonlyMap<string, FileStat>> {
  if (paths.length === 0) return new Map();
  const { rows } = await sql<{
    path: string;
    bytes: number | string;
    modified_ns: string;
    inode: string;
    digest: string;
  }>`
    select f.path, f.bytes, f.modified_ns, f.inode, encode(f.digest, 'hex') as digest
    from unnest(${textArray(paths)}::text[]) as k(path) join file_stat f on f.path = k.path`.execute(db);
  return new Map(
    rows.map((row) => [
      row.path,
      { path: row.path, bytes: Number(row.bytes), modifiedNs: row.modified_ns, inode: row.inode, digest: row.digest },
    ]),
  );
}
