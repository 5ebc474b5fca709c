/** Several orchestrators on one Postgres and one Livy, as processes that a test can kill, pause and stop. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { Cleanup } from "../../src/cleanup.ts";
import { createClient, type FiresteelClient } from "../../src/serve/client.ts";
import type { Double } from "../livy/double.ts";
import { serveDouble } from "../livy/serve.ts";
import type { TestPostgres } from "../postgres.ts";
import type { ReplicaOptions } from "./replica-process.ts";

const PROCESS = fileURLToPath(new URL("./replica-process.ts", import.meta.url));

const FLOW = `import { sql, task, type Dataset } from "firesteel";
export const bulk = task("r.bulk", { tags: ["bulk-data"] }, (n: number) => sql\`SELECT \${n} AS id\`);
export const width = task("r.width", (rows: Dataset, n: number) => rows.identity.length + n);
export const main = task("r.main", (from: number, count: number) => Array.from({ length: count }, (_, i) => width(bulk(from + i), from + i)));
`;

/** An orchestrator. */
export interface Replica {
  readonly child: ChildProcess;
  readonly client: FiresteelClient;
  /** What it logged so far. */
  readonly log: () => string;
  /** Sends a signal; after one that ends it, resolves with its exit code. */
  end(signal: "SIGKILL" | "SIGTERM"): Promise<number | null>;
}

/** Where they run. */
export interface Site extends AsyncDisposable {
  readonly postgres: TestPostgres;
  readonly livy: Double;
  start(): Promise<Replica>;
  /** Rows of a query on their database. */
  query<T extends pg.QueryResultRow>(text: string): Promise<readonly T[]>;
}

/** An empty database with its Livy and its project. */
export async function createSite(
  postgres: TestPostgres,
  name: string,
  options: Partial<ReplicaOptions> = {},
): Promise<Site> {
  await using cleanup = new Cleanup();
  const root = await mkdtemp(join(tmpdir(), "firesteel-replicas-"));
  cleanup.defer(() => rm(root, { recursive: true, force: true, maxRetries: 5 }));
  await writeFile(join(root, "package.json"), '{ "type": "module" }\n');
  await writeFile(join(root, "flow.ts"), FLOW);
  const served = cleanup.use(await serveDouble({ master: "local" }));
  const database = await postgres.createDatabase(name);
  const all: ReplicaOptions = {
    database,
    livyUrl: served.url,
    clusters: ["double"],
    maxLive: 16,
    tickMs: 100,
    leaseMs: 4_000,
    moveMs: 500,
    ...options,
  };

  async function start(): Promise<Replica> {
    const child = spawn(process.execPath, [PROCESS, root, JSON.stringify(all)], { stdio: ["pipe", "pipe", "pipe"] });
    const exited = once(child, "exit") as Promise<[number | null]>;
    let log = "";
    child.stderr.on("data", (chunk) => {
      log += String(chunk);
    });
    cleanedUp.defer(async () => {
      child.kill("SIGKILL");
      await exited;
    });
    const [address] = (await Promise.race([
      once(createInterface({ input: child.stdout }), "line"),
      exited.then(([code]) => {
        throw new Error(`orchestrator ended with ${code}: ${log}`);
      }),
    ])) as [string];
    const client = createClient(address);
    cleanedUp.defer(() => client[Symbol.dispose]());
    return {
      child,
      client,
      log: () => log,
      end: async (signal) => {
        child.kill(signal);
        return (await exited)[0];
      },
    };
  }

  const cleanedUp = cleanup.move();
  return {
    postgres,
    livy: served.double,
    start,
    query: async <T extends pg.QueryResultRow>(text: string) => {
      const client = new pg.Client({ connectionString: database });
      await client.connect();
      try {
        return (await client.query<T>(text)).rows;
      } finally {
        await client.end();
      }
    },
    [Symbol.asyncDispose]: () => cleanedUp[Symbol.asyncDispose](),
  };
}

/** Waits until something holds. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 60_000,
): Promise<void> {
  const end = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`it did not come to this within ${withinMs} ms: ${what}`);
    await sleep(20);
  }
}
