/** The main thread's side of PGlite: a stand-in for the database object that forwards each query to the thread. */

import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { Kysely, type PGlite, PGliteDialect, type PGliteQueryResults, type PGliteTransaction } from "kysely";
import { Code, FiresteelError } from "../../errors.ts";
import type { Database, Db } from "../database.ts";
import type { Reply, Request, WireError, WorkerStart } from "./messages.ts";

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/** An error that the database raised in its thread; `code` is the SQLSTATE. */
class ThreadError extends Error {
  override readonly name: string = "ThreadError";
  readonly code: string | undefined;

  constructor(error: WireError) {
    super(error.detail === undefined ? error.message : `${error.message}: ${error.detail}`);
    this.code = error.code;
  }
}

/** Kysely calls it one query at a time (its dialect serialises connections), so a transaction needs no lock here. */
class ThreadedPGlite implements PGlite {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #ended: Error | null = null;
  closed = false;
  ready = false;
  readonly waitReady: Promise<void>;

  constructor(start: WorkerStart) {
    this.#worker = new Worker(new URL(`./worker${extname(import.meta.url)}`, import.meta.url), { workerData: start });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.waitReady = promise;
    this.#worker.on("message", (reply: Reply) => {
      if (reply.kind === "opened") {
        this.ready = true;
        resolve();
      } else if (reply.kind === "error" && reply.id === null) {
        reject(new ThreadError(reply.error));
      } else if (reply.id !== null) {
        this.#settle(reply.id, reply);
      }
    });
    this.#worker.on("error", (error) =>
      this.#end(new FiresteelError(Code.dataLoss, "embedded database's thread failed", { cause: error })),
    );
    this.#worker.on("exit", () => {
      const ended = new FiresteelError(Code.failedPrecondition, "embedded database is closed");
      this.#end(ended);
      reject(ended);
    });
    // A failed opening is reported by whoever awaits it; the thread's later end is not a second failure.
    promise.catch(() => undefined);
  }

  async query<T>(sql: string, parameters: unknown[] = []): Promise<PGliteQueryResults<T>> {
    const reply = await this.#ask({ kind: "query", id: this.#nextId++, sql, parameters });
    if (reply.kind !== "rows")
      throw new FiresteelError(Code.internal, `embedded database answered a query with ${reply.kind}`);
    return {
      rows: reply.rows as T[],
      fields: [],
      ...(reply.affected === undefined ? {} : { affectedRows: reply.affected }),
    };
  }

  async transaction<T>(run: (transaction: PGliteTransaction) => Promise<T>): Promise<T> {
    await this.query("begin");
    try {
      const result = await run({
        query: (sql, parameters) => this.query(sql, parameters),
        rollback: () => this.query("rollback").then(() => undefined),
      });
      await this.query("commit");
      return result;
    } catch (error) {
      await this.query("rollback");
      throw error;
    }
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    if (this.#ended === null && this.ready) await this.#ask({ kind: "close", id: this.#nextId++ });
    await this.#worker.terminate();
  }

  #ask(request: Request): Promise<Reply> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#waiting.set(request.id, { resolve, reject });
      this.#worker.postMessage(request);
    });
  }

  #settle(id: number, reply: Reply): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (reply.kind === "error") waiting?.reject(new ThreadError(reply.error));
    else waiting?.resolve(reply);
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#ended);
    this.#waiting.clear();
  }
}

/** Opens (or makes) the database in `dataDirectory`, which the caller has locked. `db.destroy()` closes it and ends the thread. */
export async function openPGlite(dataDirectory: string): Promise<Db> {
  const pglite = new ThreadedPGlite({ dataDirectory });
  try {
    await pglite.waitReady;
  } catch (error) {
    await pglite.close();
    throw new FiresteelError(
      Code.dataLoss,
      `embedded database cannot be opened: ${dataDirectory}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
  return new Kysely<Database>({ dialect: new PGliteDialect({ pglite }) });
}
