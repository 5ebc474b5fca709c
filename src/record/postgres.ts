/** A shared store: Kysely on a pool of `pg`. */

import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import { Code, FiresteelError } from "../errors.ts";
import type { Ask, Database, Db } from "./database.ts";

/** How long the server lets one of our transactions sit idle: a paused or cut-off process must not keep its rows locked longer than its lease. */
const IDLE_IN_TRANSACTION_MS = 8_000;

/** Options of {@link openPostgres}. */
export interface PostgresOptions {
  /** `postgres://user:password@host:port/database?...`, as `pg` reads it. */
  readonly url: string;
  /** Connections at most: one for the writer, one for the lease, the rest for reads. @default 6 */
  readonly connections?: number;
  /** Told when an idle connection breaks; the pool replaces it. */
  readonly onNotice: (line: string) => void;
}

/** Makes the pool; nothing is connected yet. Throws `invalid_argument` for a URL of another kind. `db.destroy()` ends the pool. */
export function openPostgres(options: PostgresOptions): { readonly db: Db; readonly ask: Ask } {
  if (!/^postgres(ql)?:\/\//.test(options.url)) {
    throw new FiresteelError(
      Code.invalidArgument,
      `database URL must start with postgres://: ${options.url.replace(/:[^:@/]*@/, ":***@")}`,
    );
  }
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.connections ?? 6,
    application_name: "firesteel",
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    // A prepared statement keeps its parsed form, not a plan that was made when the table was small.
    options: "-c plan_cache_mode=force_custom_plan",
  });
  // Without listeners a server that goes away would end the process: the pool listens to idle clients only, so one that is lost between two statements of a transaction needs its own.
  pool.on("error", (error) => options.onNotice(`database connection lost: ${error.message}`));
  pool.on("connect", (client) => client.on("error", () => undefined));
  const names = new Map<string, string>();
  const nameOf = (text: string): string => {
    const known = names.get(text) ?? `firesteel ${names.size}`;
    names.set(text, known);
    return known;
  };
  return {
    db: new Kysely<Database>({ dialect: new PostgresDialect({ pool }) }),
    ask: async <R>(text: string, parameters: readonly unknown[]) =>
      (await pool.query({ name: nameOf(text), text, values: [...parameters] })).rows as R[],
  };
}
