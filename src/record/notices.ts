/**
 * Notices between the processes of one Postgres database (LISTEN and NOTIFY): that something changed, never what. Whoever hears one reads the rows.
 *
 * A notice is sent by the transaction that made the change and arrives after its commit. It can be missed (a lost connection), so whoever depends on one also looks by itself from time to time, and a new connection says
 * that something may have been missed.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import pg from "pg";
import { Code, FiresteelError } from "../errors.ts";
import type { StoreChange } from "../evaluate/ports.ts";
import { textArray } from "./arrays.ts";
import type { Db } from "./database.ts";
import type { Writing } from "./write-kind.ts";

const CHANNEL = "firesteel";
const KINDS: ReadonlySet<string> = new Set<StoreChange["kind"]>(["owner", "wish", "submission", "execution"]);
const RETRY_FIRST_MS = 100;
const RETRY_LAST_MS = 5_000;
/** A connection on which nothing is ever sent would not notice that the other side is gone. */
const CHECK_MS = 15_000;

/** Tells the other processes once this transaction is committed; does nothing where there can be none. */
export async function notify(
  db: Db,
  { shared }: Pick<Writing, "shared">,
  kind: Exclude<StoreChange["kind"], "missed">,
  ids: readonly string[],
): Promise<void> {
  if (!shared || ids.length === 0) return;
  const notices = [...new Set(ids)].map((id) => `${kind} ${id}`);
  await sql`select pg_notify(${CHANNEL}, t.notice) from unnest(${textArray(notices)}::text[]) as t(notice)`.execute(db);
}

/** Hears notices on a connection of its own until it is disposed of. */
export class Listener implements AsyncDisposable {
  readonly #url: string;
  readonly #onNotice: (line: string) => void;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<(change: StoreChange) => void>();
  readonly #running: Promise<void>;

  constructor(url: string, onNotice: (line: string) => void) {
    this.#url = url;
    this.#onNotice = onNotice;
    this.#running = this.#run();
  }

  /** Adds a listener; returns what removes it. */
  add(listener: (change: StoreChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    for (let waitMs = RETRY_FIRST_MS, told = false; !signal.aborted; ) {
      try {
        await this.#listen(() => {
          if (told) this.#onNotice("changes of other processes are heard again");
          told = false;
          waitMs = RETRY_FIRST_MS;
          this.#tell({ kind: "missed" });
        });
      } catch (error) {
        if (signal.aborted) return;
        if (!told) this.#onNotice(`changes of other processes are not heard for now: ${(error as Error).message}`);
        told = true;
        await sleep(waitMs, undefined, { signal }).catch(() => undefined);
        waitMs = Math.min(waitMs * 2, RETRY_LAST_MS);
      }
    }
  }

  /** Until the connection breaks, which rejects, or the listener is disposed of. */
  async #listen(onOpen: () => void): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#url,
      application_name: "firesteel notices",
      connectionTimeoutMillis: 10_000,
      query_timeout: 10_000,
      keepAlive: true,
    });
    const broken = Promise.withResolvers<never>();
    broken.promise.catch(() => undefined);
    const end = () => broken.reject(new FiresteelError(Code.unavailable, "connection terminated"));
    client.on("error", broken.reject);
    client.on("end", end);
    this.#stop.signal.addEventListener("abort", end, { once: true });
    const check = setInterval(() => void client.query("select 1").catch(broken.reject), CHECK_MS);
    try {
      await Promise.race([client.connect(), broken.promise]);
      client.on("notification", ({ payload }) => {
        const change = changeOf(payload ?? "");
        if (change !== null) this.#tell(change);
      });
      await client.query(`listen ${CHANNEL}`);
      onOpen();
      await broken.promise;
    } finally {
      clearInterval(check);
      this.#stop.signal.removeEventListener("abort", end);
      // Not waited for: the other side may be gone.
      client.end().catch(() => undefined);
    }
  }

  #tell(change: StoreChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** Null for a notice of a later version. */
function changeOf(payload: string): StoreChange | null {
  const at = payload.indexOf(" ");
  const [kind, id] = [payload.slice(0, at), payload.slice(at + 1)];
  return at > 0 && KINDS.has(kind) ? ({ kind, id } as StoreChange) : null;
}
