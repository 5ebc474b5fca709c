/**
 * The process under test: a store, and the evaluator of one project after the other, as `serve` has them. It can kill itself in the middle of a step, as `kill -9` does.
 *
 * Beside its answers it leaves in the project's folder what survives a kill: `ran.txt` (written by the bodies), `asked.txt` (calls whose results it asked the store to keep) and `durable.txt` (those that the
 * store said are durable), one call a line, with a line {@link PHASE} between what resumed executions did and what new ones did.
 */

import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { CallRecord, Store } from "../../src/evaluate/ports.ts";
import { decodeValue } from "../../src/hash/decode.ts";
import { encodeProgram } from "../../src/hash/program.ts";
import { openStore, type StoreLocation } from "../../src/record/store.ts";
import { Engine, type Run } from "../evaluate/engine.ts";
import { type Change, type End, LAST_TASK, PHASE, type Runs, type StepReply, type StepRequest } from "./lane.ts";
import { show } from "./show.ts";

const real = await openStore(JSON.parse(process.argv[2]!) as StoreLocation);
let root = "";
let eventsLeft = Number.POSITIVE_INFINITY;
let onEvents: () => void = () => undefined;
/** How many arguments each task takes that there ever was. */
const arity = new Map<string, number>();

function note(file: string, text: string): void {
  appendFileSync(join(root, file), `${text}\n`);
}

function happened(events: number): void {
  eventsLeft -= events;
  if (eventsLeft <= 0) onEvents();
}

/** As the body shows it: with arguments that are left out at the end. */
function shown({ task, args }: CallRecord): string {
  const count = arity.get(task) ?? 0;
  return task + show(Array.from({ length: count }, (_, i) => args[i] && decodeValue(args[i].bytes)));
}

const store: Store = {
  ...real,
  // Those of a task that an edit renamed too: there is no other process that knows it, and which would get a minute for them.
  adoptExecutions: () => real.adoptExecutions(),
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
    given: Number((decodeValue(execution.args) as readonly unknown[])[0]),
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

async function load(): Promise<void> {
  if (engine) await engine.edit({});
  else engine = await Engine.start(store, {}, { root });
  for (const { name, parameters } of engine.code.tasks.values()) arity.set(name, parameters.length);
}

const runAll = (runs: Runs): Promise<End[]> =>
  Promise.all(runs.map(async ({ task, args }) => endOf(await run(task, args))));

/** Runs something with the code that is loaded, and meanwhile changes the files and loads the code anew. */
async function race({ runs, after, change }: NonNullable<StepRequest["race"]>): Promise<End[]> {
  let loaded: Promise<void> | undefined;
  onEvents = () => {
    if (loaded) return;
    apply(change);
    loaded = load();
  };
  eventsLeft = after;
  const ends = await runAll(runs);
  onEvents();
  await loaded;
  return ends;
}

/** Each file in one step, as an editor or a copy does that takes care of readers. */
function apply(change: Change): void {
  for (const [path, text] of Object.entries(change)) {
    const place = join(root, path);
    if (text === null) rmSync(place, { force: true });
    else {
      mkdirSync(dirname(place), { recursive: true });
      writeFileSync(join(root, "new"), text);
      renameSync(join(root, "new"), place);
    }
  }
}

async function step(request: StepRequest): Promise<StepReply> {
  eventsLeft = Number.POSITIVE_INFINITY;
  if (request.root !== root) {
    await engine?.[Symbol.asyncDispose]();
    engine = undefined;
    root = request.root;
  }
  // Bodies begin in the order in which they were asked for: when this one ran, none of those that nobody waits for can begin any more.
  const settle = () => run(LAST_TASK, []);
  let resumed: End[] = [];
  if (request.race) resumed = await race(request.race);
  else {
    await load();
    if (request.resume) resumed = await resume();
  }
  if (resumed.length > 0) await settle();
  for (const file of ["ran.txt", "asked.txt", "durable.txt"]) note(file, PHASE);
  onEvents = () => process.kill(-process.pid, "SIGKILL");
  eventsLeft = request.killAfter ?? Number.POSITIVE_INFINITY;
  const ends = await runAll(request.runs);
  await settle();
  return { resumed, ends, failures: engine!.failures.map((failure) => failure.message) };
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
