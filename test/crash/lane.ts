/** What cells run in, one after another: a Postgres server with a migrated database to copy, a double of Livy for each version, and orchestrators in processes of their own. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { Cleanup } from "../../src/cleanup.ts";
import { openStore } from "../../src/record/store.ts";
import { createClient, type FiresteelClient } from "../../src/serve/client.ts";
import type { ProfileName } from "../livy/profile.ts";
import { type Remote, spawnDouble } from "../livy/remote.ts";
import { startPostgres, type TestPostgres } from "../postgres.ts";
import type { ProcessOptions } from "./orchestrator-process.ts";

const PROCESS = fileURLToPath(new URL("./orchestrator-process.ts", import.meta.url));
const TEMPLATE = "migrated";

/** An orchestrator in a process. */
export interface Orchestrator extends AsyncDisposable {
  readonly child: ChildProcess;
  /** Where it serves; null until it does. */
  readonly client: FiresteelClient | null;
  readonly serves: Promise<void>;
  /** Settles when it waits where it was told to. */
  readonly waits: Promise<void>;
  /** Exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals | null>;
  readonly ended: boolean;
  readonly log: () => string;
  /** Lets it go on from where it waits. */
  go(): void;
}

export interface Lane extends AsyncDisposable {
  readonly postgres: TestPostgres;
  double(profile: ProfileName): Promise<Remote>;
  /** A migrated, empty database. */
  createDatabase(name: string): Promise<string>;
  /** Starts an orchestrator; whoever calls ends it. */
  launch(root: string, options: ProcessOptions): Orchestrator;
}

export async function createLane(): Promise<Lane> {
  await using cleanup = new Cleanup();
  // What is compiled once need not be compiled by each of hundreds of processes: that halves their start.
  const cache = await mkdtemp(join(tmpdir(), "firesteel-crash-cache-"));
  cleanup.defer(() => rm(cache, { recursive: true, force: true, maxRetries: 5 }));
  const postgres = await startPostgres();
  cleanup.defer(() => postgres.stop());
  const template = await openStore({ kind: "postgres", url: await postgres.createDatabase(TEMPLATE) });
  const { storeId } = template;
  await template[Symbol.asyncDispose]();
  const doubles = new Map<ProfileName, Promise<Remote>>();
  cleanup.defer(async () => {
    for (const double of doubles.values()) await (await double)[Symbol.asyncDispose]();
  });
  const owned = cleanup.move();
  return {
    postgres,
    double: (profile) => {
      const double =
        doubles.get(profile) ?? spawnDouble({ profile, timings: { runMs: 30, closeMs: 20, lookupMs: 10_000 } });
      doubles.set(profile, double);
      return double;
    },
    createDatabase: async (name) => {
      const url = postgres.url.replace(/postgres$/, name);
      await ask(postgres.url, `create database "${name}" template "${TEMPLATE}"`);
      // A copy is another store: names of batches must not be those of other copies.
      await ask(url, `update store set id = '${nextStoreId(storeId)}'; delete from owner`);
      return url;
    },
    launch: (root, options) => launch(cache, root, options),
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

let stores = 0;

function nextStoreId(storeId: string): string {
  return (Number.parseInt(storeId.slice(0, 6), 16) + ++stores).toString(16).padStart(8, "0");
}

function launch(cache: string, root: string, options: ProcessOptions): Orchestrator {
  const child = spawn(process.execPath, [PROCESS, root, JSON.stringify(options)], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, NODE_COMPILE_CACHE: cache },
  });
  let log = "";
  child.stderr.on("data", (chunk) => {
    log += String(chunk);
  });
  // It may be dead when it is told to go on.
  child.stdin.on("error", () => {});
  const serves = Promise.withResolvers<void>();
  const waits = Promise.withResolvers<void>();
  let client: FiresteelClient | null = null;
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line === "waits") waits.resolve();
    if (!line.startsWith("serves ")) return;
    client = createClient(line.slice("serves ".length));
    serves.resolve();
  });
  const exited = once(child, "exit").then(
    ([code, signal]) => (code as number | null) ?? (signal as NodeJS.Signals | null),
  );
  return {
    child,
    get client() {
      return child.exitCode === null && child.signalCode === null ? client : null;
    },
    serves: serves.promise,
    waits: waits.promise,
    exited,
    get ended() {
      return child.exitCode !== null || child.signalCode !== null;
    },
    log: () => log,
    go: () => void child.stdin.write("go\n"),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await exited;
      client?.[Symbol.dispose]();
    },
  };
}

/** One connection to a database, made anew when it broke: the server may go away between two queries. */
export class Connection implements AsyncDisposable {
  readonly #url: string;
  #client: Promise<pg.Client> | null = null;

  constructor(url: string) {
    this.#url = url;
  }

  /** Rows of a query; rejects while the server is away. */
  async rows<T extends pg.QueryResultRow>(text: string): Promise<readonly T[]> {
    this.#client ??= this.#connect();
    try {
      return (await (await this.#client).query<T>(text)).rows;
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.then((one) => one.end()).catch(() => {});
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.#url });
    client.on("error", () => {});
    await client.connect();
    return client;
  }
}

async function ask(url: string, text: string): Promise<void> {
  await using connection = new Connection(url);
  await connection.rows(text);
}
