/**
 * The process under test: a store, and the evaluator of one project after the other, as `serve` has them. It can kill itself in the middle of a step, as `kill -9` does.
 *
 * Beside its answers it leaves in the project's folder what survives a kill: `ran.txt` (written by the bodies), `asked.txt` (calls whose results it asked the store to keep) and `durable.txt` (those that the
 * store said are durable), one call a line, with a line {@link PHASE} between what resumed executions did and what new ones did.
 */

import { appendFileSync } from "node:fs";
import { join } from "node:path";
import type { CallRecord, Store } from "../../src/evaluate/ports.ts";
import { decodeValue } from "../../src/hash/decode.ts";
import { encodeProgram } from "../../src/hash/program.ts";
import { openStore } from "../../src/record/store.ts";
import { Engine, type Run } from "../evaluate/engine.ts";
import { type End, LAST_TASK, PHASE, type StepReply, type StepRequest } from "./lane.ts";
import { show } from "./show.ts";

const real = await openStore({ kind: "embedded", directory: process.argv[2]! });
let root = "";
let eventsLeft = Number.POSITIVE_INFINITY;

function note(file: string, text: string): void {
  appendFileSync(join(root, file), `${text}\n`);
}

function happened(events: number): void {
  eventsLeft -= events;
  if (eventsLeft <= 0) process.kill(process.pid, "SIGKILL");
}

/** As the body shows it: with arguments that are left out at the end. */
function shown({ task, args }: CallRecord): string {
  const count = engine!.code.tasks.get(task)?.parameters.length ?? 0;
  return task + show(Array.from({ length: count }, (_, i) => args[i] && decodeValue(args[i].bytes)));
}

const store: Store = {
  ...real,
  recordCalls(calls, replace) {
    const lines = calls.map(shown).join("\n");
    happened(calls.length);
    note("asked.txt", lines);
    const durable = real.recordCalls(calls, replace);
    durable.then(
      () => {
        happened(calls.length);
        note("durable.txt", lines);
      },
      () => undefined,
    );
    return durable;
  },
};

let engine: Engine | undefined;

function endOf({ value, error, execution, jobs }: Run): End {
  return {
    task: execution.task,
    result: error
      ? { ok: false, code: error.code, name: error.name, message: error.message }
      : { ok: true, value: show(value) },
    jobs: jobs.filter((job) => !job.cached).map((job) => [job.task, job.state]),
  };
}

async function run(task: string, args: readonly unknown[]): Promise<Run> {
  const { id } = await engine!.executions.start({ task, args: encodeProgram(args), user: "tester", reason: "test" });
  return engine!.end(id);
}

async function resume(): Promise<End[]> {
  const { rows } = await store.listExecutions({ state: "running" }, { limit: 10_000 });
  await engine!.executions.resume();
  return (await Promise.all(rows.map(({ id }) => engine!.end(id))))
    .filter(({ execution }) => execution.task !== LAST_TASK)
    .map(endOf);
}

async function step(request: StepRequest): Promise<StepReply> {
  if (request.root !== root) await engine?.[Symbol.asyncDispose]();
  if (request.root !== root || !engine) {
    root = request.root;
    engine = await Engine.start(store, {}, { root });
  } else await engine.edit({});
  // Bodies begin in the order in which they were asked for: when this one ran, none of those that nobody waits for can begin any more.
  const settle = () => run(LAST_TASK, []);
  const resumed = request.resume ? await resume() : [];
  if (resumed.length > 0) await settle();
  for (const file of ["ran.txt", "asked.txt", "durable.txt"]) note(file, PHASE);
  eventsLeft = request.killAfter ?? Number.POSITIVE_INFINITY;
  const ends = await Promise.all(request.runs.map(async ({ task, args }) => endOf(await run(task, args))));
  await settle();
  return { resumed, ends, failures: engine.failures.map((failure) => failure.message) };
}

process.on("message", (request: StepRequest) => {
  step(request).then(
    (reply) => process.send?.({ reply }),
    (error: Error) => process.send?.({ error: error.stack ?? error.message }),
  );
});
// A test that was itself killed leaves nothing running.
process.on("disconnect", () => process.exit());
process.send?.({ ready: true });
