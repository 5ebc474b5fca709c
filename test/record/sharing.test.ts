/** What the processes of one Postgres tell each other, and what they find to do. */

import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import type { FiresteelError } from "../../src/errors.ts";
import type { StoreChange } from "../../src/evaluate/ports.ts";
import { openStore, type RecordStore } from "../../src/record/store.ts";
import { type PostgresBackend, postgresBackend } from "./backends.ts";
import { sampleExecution, sampleSubmission } from "./samples.ts";

let backend: PostgresBackend;
let url: string;
let client: pg.Client;
let stores: RecordStore[];
beforeAll(async () => {
  backend = await postgresBackend();
});
afterAll(() => backend?.stop());
beforeEach(async () => {
  ({ url } = await backend.fresh());
  client = await connect();
  stores = [];
});
afterEach(async () => {
  for (const store of stores) await store[Symbol.asyncDispose]();
  await client.end();
});

async function connect(): Promise<pg.Client> {
  const made = new pg.Client({ connectionString: url });
  made.on("error", () => undefined); // Some tests stop the server.
  await made.connect();
  return made;
}

/** Waits until so many stores listen. */
async function listening(count: number): Promise<void> {
  await expect
    .poll(async () => {
      const { rows } = await client.query(
        "select from pg_stat_activity where datname = current_database() and application_name = 'firesteel notices' and query = 'listen firesteel' and state = 'idle'",
      );
      return rows.length;
    })
    .toBe(count);
}

async function open(leaseMs?: number): Promise<RecordStore> {
  const store = await openStore({ kind: "postgres", url, ...(leaseMs === undefined ? {} : { leaseMs }) });
  stores.push(store);
  return store;
}

function heard(store: RecordStore): StoreChange[] {
  const changes: StoreChange[] = [];
  store.onChange((change) => changes.push(change));
  return changes;
}

it("who was cut off is told that it may have missed something, and hears again", async () => {
  const [one, other] = [await open(), await open()];
  const changes = heard(one);
  await listening(2);
  changes.length = 0;
  await client.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'firesteel notices'",
  );
  await expect.poll(() => changes).toEqual([{ kind: "missed" }]);
  await other.createSubmission(sampleSubmission("s"), false);
  await expect.poll(() => changes.at(-1)).toEqual({ kind: "wish", id: "s" });
});

it("a lease that was not renewed for long is confirmed by the database, and not when another took over", async () => {
  const store = await open(300);
  const other = await open(60_000);
  await store.confirmLease();
  await client.query(
    "update owner set ended_at = now(), epoch = 2 where id <> (select id from owner order by started_at desc limit 1)",
  );
  await expect
    .poll(() =>
      store.confirmLease().then(
        () => "held",
        (error: FiresteelError) => error.code,
      ),
    )
    .toBe("aborted");
  await other.confirmLease();
});

it("nobody is ended by a process that could not renew its own lease a moment ago", async () => {
  const silent = await open(60_000);
  const notices: string[] = [];
  const store = await openStore({ kind: "postgres", url, leaseMs: 1_500, onNotice: (line) => notices.push(line) });
  stores.push(store);
  await silent.createExecution(sampleExecution("e"));
  await backend.server.halt("fast");
  await expect.poll(() => notices.join(), { timeout: 10_000 }).toMatch(/lease could not be renewed/);
  await client.end().catch(() => undefined);
  await backend.server.resume();
  client = await connect();
  await client.query(
    "update owner set heartbeat = heartbeat - interval '1 hour' where id <> (select id from owner order by started_at desc limit 1)",
  );
  await expect
    .poll(async () => (await store.lookAround().catch(() => null))?.executions, { timeout: 10_000 })
    .toBe(false);
  // A lease later it may be ended: it had the time to say that it lives.
  await sleep(1_500);
  await expect.poll(async () => (await store.lookAround()).executions, { timeout: 10_000 }).toBe(true);
});
