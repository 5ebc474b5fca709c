/** Starts an execution in a process that the test kills: sends the execution's id, and word that the first calls are durable. */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeProgram } from "../../src/hash/program.ts";
import { openStore } from "../../src/record/store.ts";
import { Engine } from "./engine.ts";

const [root, log] = process.argv.slice(2) as [string, string];
const store = await openStore({ kind: "embedded", directory: join(root, "db") });
const project = await Engine.start(store, {}, { root });
const { id } = await project.executions.start({
  task: "kill.main",
  args: encodeProgram([log]),
  user: "u",
  reason: "r",
});
process.send?.({ id });
for (;;) {
  const jobs = await store.listJobs(id);
  if (jobs.some((job) => job.task === "kill.last" && job.state === "succeeded")) break;
  await sleep(20);
}
await store.flushed();
process.send?.({ durable: true });
await sleep(60_000);
