/**
 * Words for the shell's completion that only the project's server knows.
 */

import { findProject } from "../project.ts";
import { createClient } from "../serve/client.ts";
import { findServer } from "./server-state.ts";

/** A shell does not wait for long. */
const PATIENCE_MS = 800;

/** Names of tasks that start with a word; none without a server. Never fails: a completion has nowhere to say why. */
export async function completeTask(prefix: string): Promise<string[]> {
  try {
    const server = await findServer(findProject(process.cwd()), PATIENCE_MS);
    if (!server) return [];
    using client = createClient(server.grpcAddress);
    const { tasks } = await client.tasks.listTasks({ prefix }, { timeoutMs: PATIENCE_MS });
    return tasks.map(({ name }) => name);
  } catch {
    return [];
  }
}
