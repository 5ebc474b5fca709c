/** Both kinds of store, for suites that run on each. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore, type RecordStore, type StoreLocation, type StoreSettings } from "../../src/record/store.ts";
import { startPostgres, type TestPostgres } from "../postgres.ts";
import type { SuiteBackend } from "./store.suite.ts";

/** A place for one store after another. */
export interface Backend {
  /** A new, empty place. */
  fresh(): Promise<StoreLocation>;
  stop(): Promise<void>;
}

export async function embeddedBackend(): Promise<Backend> {
  const root = await mkdtemp(join(tmpdir(), "firesteel-record-"));
  let next = 0;
  return {
    fresh: async () => ({ kind: "embedded", directory: join(root, String(next++)) }),
    stop: () => rm(root, { recursive: true, force: true }),
  };
}

export interface PostgresBackend extends Backend {
  readonly server: TestPostgres;
  fresh(): Promise<{ readonly kind: "postgres"; readonly url: string }>;
}

export async function postgresBackend(): Promise<PostgresBackend> {
  const server = await startPostgres();
  let next = 0;
  return {
    server,
    fresh: async () => ({ kind: "postgres", url: await server.createDatabase(`test_${next++}`) }),
    stop: () => server.stop(),
  };
}

/** Opens a store in a new place. */
export async function openFresh(backend: Backend, settings: StoreSettings = {}): Promise<RecordStore> {
  return await openStore({ ...(await backend.fresh()), ...settings });
}

/** The same for the suite of all stores. */
export function suiteBackend(backend: Backend): SuiteBackend {
  return {
    fresh: async () => {
      const location = await backend.fresh();
      return { open: (settings = {}) => openStore({ ...location, ...settings }) };
    },
    stop: () => backend.stop(),
  };
}
