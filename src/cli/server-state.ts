/**
 * The server of a project, as other commands find it: `.firesteel/server.json`, written when it is ready and removed when it stops.
 *
 * After a crash the file stays. So it is believed only while the very process that wrote it runs (its pid and start time) and its gRPC port answers.
 */

import { readFileSync, rmSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { identify, isAlive } from "../../cluster/processes.ts";
import { Code, FiresteelError } from "../errors.ts";
import { packageVersion } from "../package-info.ts";
import { createClient } from "../serve/client.ts";

/** What a server says of itself. */
export interface ServerState {
  readonly pid: number;
  /** Tells the process from a later one with the same pid. */
  readonly process: string;
  /** Epoch ms. */
  readonly startedAt: number;
  /** `host:port`. */
  readonly grpcAddress: string;
  readonly httpAddress: string;
  readonly version: string;
  /** `serve` stays until it is stopped, `run` until its execution has ended. */
  readonly command: "serve" | "run";
}

const schema: z.ZodType<ServerState> = z.object({
  pid: z.number(),
  process: z.string(),
  startedAt: z.number(),
  grpcAddress: z.string(),
  httpAddress: z.string(),
  version: z.string(),
  command: z.enum(["serve", "run"]),
});

/** How long a server may take to answer, in ms. */
const ANSWER_MS = 5000;

const stateFile = (root: string): string => join(root, ".firesteel", "server.json");

/** Says that this process serves the project. */
export async function writeServerState(
  root: string,
  about: Pick<ServerState, "grpcAddress" | "httpAddress" | "command">,
): Promise<ServerState> {
  const self = identify(process.pid);
  const state: ServerState = {
    pid: process.pid,
    process: self?.startedAt ?? "",
    startedAt: Date.now(),
    version: packageVersion,
    ...about,
  };
  const file = stateFile(root);
  await mkdir(dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(state, undefined, 2)}\n`);
  await rename(draft, file);
  return state;
}

/** Takes back what this process said; leaves alone what another one said since. */
export async function removeServerState(root: string): Promise<void> {
  const state = await readServerState(root);
  if (state?.pid === process.pid) await rm(stateFile(root), { force: true });
}

/** {@link removeServerState} without waiting, for a process that exits now. */
export function removeServerStateNow(root: string): void {
  try {
    const state = schema.parse(JSON.parse(readFileSync(stateFile(root), "utf8")));
    if (state.pid === process.pid) rmSync(stateFile(root), { force: true });
  } catch {
    // It is gone, or another's: nobody believes it once this process has ended.
  }
}

/** What the file says, whether that server runs or not. */
async function readServerState(root: string): Promise<ServerState | null> {
  let text: string;
  try {
    text = await readFile(stateFile(root), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    // Not of our making, or of another version: there is no server that we could talk to.
    return null;
  }
}

/**
 * The server that is up for a project, or null.
 *
 * @throws FiresteelError `unavailable` when its process runs and does not answer
 */
export async function findServer(root: string, timeoutMs: number = ANSWER_MS): Promise<ServerState | null> {
  const state = await readServerState(root);
  if (state === null || !isAlive({ pid: state.pid, startedAt: state.process })) return null;
  using client = createClient(state.grpcAddress);
  try {
    await client.health.check({}, { timeoutMs });
    return state;
  } catch (error) {
    const { code } = FiresteelError.from(error);
    // Its port is closed: it is stopping.
    if (code === Code.unavailable) return null;
    throw new FiresteelError(
      Code.unavailable,
      `server of this project does not answer (${code}) on ${state.grpcAddress}; its process is ${state.pid}`,
      { cause: error },
    );
  }
}
