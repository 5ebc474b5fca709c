/** What a Postgres database holds. */

import pg from "pg";

/** A table. */
export interface TableSize {
  readonly name: string;
  readonly rows: number;
  /** With its indexes. */
  readonly bytes: number;
}

/** All tables of a database that have rows, the largest first. */
export async function tableSizes(url: string): Promise<TableSize[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string; bytes: string }>(
      "select relname as name, pg_total_relation_size(relid) as bytes from pg_stat_user_tables",
    );
    const sizes: TableSize[] = [];
    for (const { name, bytes } of rows) {
      const counted = await client.query<{ rows: string }>(
        `select count(*) as rows from ${client.escapeIdentifier(name)}`,
      );
      sizes.push({ name, rows: Number(counted.rows[0]!.rows), bytes: Number(bytes) });
    }
    return sizes.filter((table) => table.rows > 0).sort((a, b) => b.bytes - a.bytes);
  } finally {
    await client.end();
  }
}
