/**
 * The thread that runs PGlite: in the main thread its WebAssembly would hold up everything else for the length of each batch.
 *
 * Entry file of a `Worker`; speaks the messages of `messages.ts`. Requests run in the order in which they come.
 */

import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { parentPort, workerData } from "node:worker_threads";
import { PGlite, type QueryOptions } from "@electric-sql/pglite";
import { dataDir } from "@electric-sql/pglite-prepopulatedfs";
import type { Reply, Request, WireError, WorkerStart } from "./messages.ts";

const port = parentPort;
if (port === null) throw new Error("pglite/worker is the entry of a worker thread");

/** Bytes go to the database as they are, in its binary format, and not as hex digits that are made one at a time; what comes back is read by Node. By object id: bytea, bytea[], int8[]. */
const asItIs = (value: unknown): string => value as string;
const BINARY: QueryOptions = {
  serializers: { 17: asItIs, 1001: asItIs, 1016: asItIs },
  parsers: { 17: (text: string) => new Uint8Array(Buffer.from(text.slice(2), "hex")) },
};

const reply = (message: Reply): void => port.postMessage(message);

/** Opens the data folder. A new one is filled beside its place and renamed, so that a crash never leaves half a database under the final name. */
async function open(dataDirectory: string): Promise<PGlite> {
  if (!existsSync(dataDirectory)) {
    const fresh = `${dataDirectory}.new`;
    await rm(fresh, { recursive: true, force: true });
    const first = await PGlite.create({ dataDir: fresh, loadDataDir: await dataDir() });
    await first.close();
    await rename(fresh, dataDirectory);
  }
  return await PGlite.create({ dataDir: dataDirectory });
}

function wireError(error: unknown): WireError {
  if (!(error instanceof Error)) return { message: String(error) };
  const code: unknown = "code" in error ? error.code : undefined;
  const detail: unknown = "detail" in error ? error.detail : undefined;
  return {
    message: error.message,
    ...(typeof code === "string" ? { code } : {}),
    ...(typeof detail === "string" ? { detail } : {}),
  };
}

async function handle(database: PGlite, request: Request): Promise<void> {
  try {
    if (request.kind === "close") {
      await database.close();
      reply({ kind: "closed", id: request.id });
      port?.close();
      return;
    }
    const result = await database.query(request.sql, [...request.parameters], BINARY);
    reply({ kind: "rows", id: request.id, rows: result.rows, affected: result.affectedRows });
  } catch (error) {
    reply({ kind: "error", id: request.id, error: wireError(error) });
  }
}

const start = workerData as WorkerStart;
try {
  const database = await open(start.dataDirectory);
  let last: Promise<void> = Promise.resolve();
  port.on("message", (request: Request) => {
    last = last.then(() => handle(database, request));
  });
  reply({ kind: "opened" });
} catch (error) {
  reply({ kind: "error", id: null, error: wireError(error) });
  port.close();
}
