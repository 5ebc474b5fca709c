/** A store on Postgres keeps to what processes share. */
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openStore } from "../../src/record/store.ts";
import { type PostgresBackend, postgresBackend } from "./backends.ts";
import { sharedSuite } from "./shared.suite.ts";

let backend: PostgresBackend;
beforeAll(async () => {
  backend = await postgresBackend();
});
afterAll(() => backend?.stop());

sharedSuite("on Postgres", async () => ({
  fresh: async () => {
    const { url } = await backend.fresh();
    const ask = async (text: string, values: unknown[] = []) => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      try {
        return (await client.query(text, values)).rows;
      } finally {
        await client.end();
      }
    };
    return {
      open: () => openStore({ kind: "postgres", url }),
      silence: async (alive) =>
        void (await ask(
          "update owner set heartbeat = heartbeat - interval '1 hour' where id not in (select id from owner order by started_at desc limit $1)",
          [alive],
        )),
      age: async (ms) =>
        void (await ask("update owner set ended_at = ended_at - make_interval(secs => $1) where ended_at is not null", [
          ms / 1_000,
        ])),
      listening: async (count) => {
        const listeners =
          "select from pg_stat_activity where datname = current_database() and application_name = 'firesteel notices' and query = 'listen firesteel' and state = 'idle'";
        await expect.poll(async () => (await ask(listeners)).length).toBe(count);
      },
    };
  },
  stop: async () => {},
}));

it("a lease is renewed while nothing is written", async () => {
  const { url } = await backend.fresh();
  const store = await openStore({ kind: "postgres", url, leaseMs: 150 });
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const heartbeat = async (): Promise<string> =>
      (await client.query("select heartbeat::text from owner")).rows[0].heartbeat;
    const first = await heartbeat();
    await expect.poll(heartbeat).not.toBe(first);
  } finally {
    await store[Symbol.asyncDispose]();
    await client.end();
  }
});
