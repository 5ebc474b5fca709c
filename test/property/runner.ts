/** Follows stories side by side in one project, and compares each step with the naive evaluator and the oracle. */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type End, LAST_TASK, type Lane, type Phase } from "./lane.ts";
import { dataPath, type State, taskName } from "./language.ts";
import type { Naive } from "./naive.ts";
import { type Bounds, Oracle } from "./oracle.ts";
import { type Files, mainFile, printProgram, ranModule } from "./print.ts";
import { show } from "./show.ts";
import { naive as naiveOf, type Version } from "./story.ts";

/** What was run and what should have come of it. */
export interface Step {
  readonly edit: string;
  readonly files: Files;
  readonly data: Readonly<Record<string, string>>;
  readonly task: string;
  readonly argument: number;
  readonly result: string;
  readonly calls: readonly (readonly [call: string, bounds: Bounds])[];
  readonly killed: boolean;
}

/** A step that was not as it should be. */
export class Disagreement extends Error {
  /** The number of the story among those that were followed. */
  readonly story: number;
  readonly steps: readonly Step[];

  constructor(story: number, steps: readonly Step[], problems: readonly string[]) {
    super(`step ${steps.length - 1} (${steps.at(-1)!.edit}): ${problems.join("; ")}`);
    this.story = story;
    this.steps = steps;
  }
}

/** What was followed. */
export interface Tally {
  programs: number;
  steps: number;
  /** Kills in the middle of the work, and all. */
  midway: number;
  kills: number;
  bodies: number;
  calls: number;
  failures: number;
  /** Steps by kind of edit. */
  readonly edits: Map<string, number>;
}

export const newTally = (): Tally => ({
  programs: 0,
  steps: 0,
  midway: 0,
  kills: 0,
  bodies: 0,
  calls: 0,
  failures: 0,
  edits: new Map(),
});

/** In which steps the process is killed, after how many events of the store. */
export type Kills = ReadonlyMap<number, number>;

interface Thread {
  readonly prefix: string;
  readonly versions: readonly Version[];
  readonly oracle: Oracle;
  readonly steps: Step[];
  state: State;
  naive: Naive;
  failure: Disagreement | null;
}

let prefixes = 0;

/** Follows programs through their versions. Returns what disagreed; a program is left at its first disagreement. */
export async function follow(
  lane: Lane,
  stories: readonly (readonly Version[])[],
  kills: Kills,
  tally: Tally,
): Promise<readonly Disagreement[]> {
  const threads = stories.map((versions): Thread => {
    const prefix = `p${prefixes++}`;
    const { state } = versions[0]!;
    return {
      prefix,
      versions,
      oracle: new Oracle(prefix),
      steps: [],
      state,
      naive: naiveOf(prefix, state)!,
      failure: null,
    };
  });
  const root = lane.newProject();
  const project = new Project(
    root,
    threads.map(({ prefix }) => prefix),
  );
  tally.programs += threads.length;
  let killed = false;
  const count = Math.max(...threads.map(({ versions }) => versions.length));
  for (let at = 0; at < count; at++) {
    const expected = threads.map((thread) => prepare(thread, at, killed));
    for (const { prefix, state } of threads) project.write(prefix, state);
    const killAfter = kills.get(at);
    const end = await lane.step({
      root,
      runs: threads.map(({ prefix, state }) => ({ task: rootOf(prefix, state), args: [state.argument] })),
      ...(killAfter === undefined ? {} : { killAfter }),
    });
    if (killAfter !== undefined && end.reply !== null) await lane.kill();
    killed = killAfter !== undefined;
    tally.kills += killed ? 1 : 0;
    tally.midway += end.reply === null ? 1 : 0;
    const [resumed, fresh] = [byPrefix(end.resumed), byPrefix(end.fresh)];
    threads.forEach((thread, i) => {
      if (thread.failure !== null) return;
      const { prefix, state, naive, steps } = thread;
      const { before, edit } = expected[i]!;
      const problems: string[] = [...(end.reply?.failures ?? [])];
      const resumedEnd = end.reply?.resumed.find(({ task }) => prefixOf(task) === prefix);
      if (before && resumedEnd)
        problems.push(...check(thread, before.state, before.naive, resumed(prefix), resumedEnd, false).problems);
      // Killed again, after what was resumed had ended.
      else if (before && end.reply === null)
        problems.push(...check(thread, before.state, before.naive, resumed(prefix), undefined, true).problems);
      else if (resumed(prefix).ran.length > 0) problems.push("bodies ran although nothing was resumed");
      const phase = fresh(prefix);
      const { bounds, problems: more } = check(thread, state, naive, phase, end.reply?.ends[i], end.reply === null);
      problems.push(...more);
      // A resumed execution also has the jobs of the process before.
      if (end.reply) problems.push(...compareJobs(end.reply.ends[i]!, phase.ran));
      steps.push(stepOf(thread, edit, bounds, killed));
      tally.steps++;
      tally.bodies += phase.ran.length;
      tally.calls += naive.calls.size;
      tally.failures += naive.settled.ok ? 0 : 1;
      const kind = edit.replace(/ \(.*/, " (unfit)");
      tally.edits.set(kind, (tally.edits.get(kind) ?? 0) + 1);
      if (problems.length > 0) thread.failure = new Disagreement(i, steps, problems);
    });
  }
  return threads.flatMap(({ failure }) => failure ?? []);
}

/** Goes on to the next state; after a kill also tells what the resumed execution is to do: the old call with the new code. */
function prepare(
  thread: Thread,
  at: number,
  killed: boolean,
): { readonly edit: string; readonly before: { readonly state: State; readonly naive: Naive } | null } {
  const { prefix, versions, state: old } = thread;
  const next = versions[at] ?? { edit: "nothing", state: old };
  const resumed = { ...next.state, argument: old.argument };
  const before = killed ? naiveOf(prefix, resumed) : null;
  // A resumed execution asks for the root by its old name.
  const lost = killed && (!before || next.state.program.tasks[0]!.name !== old.program.tasks[0]!.name);
  if (lost) return { edit: `nothing (${next.edit} after a kill)`, before: { state: old, naive: thread.naive } };
  thread.state = next.state;
  thread.naive = naiveOf(prefix, next.state)!;
  return { edit: next.edit, before: before && { state: resumed, naive: before } };
}

/** Compares what was done with what should have been done, and takes note of it. */
function check(
  { oracle }: Thread,
  { program }: State,
  naive: Naive,
  { ran, asked, durable }: Phase,
  end: End | undefined,
  killed: boolean,
): { readonly bounds: ReadonlyMap<string, Bounds>; readonly problems: string[] } {
  const bounds = oracle.bounds(program, naive);
  const problems: string[] = [];
  const counts = new Map<string, number>();
  for (const call of ran) counts.set(call, (counts.get(call) ?? 0) + 1);
  for (const [call, times] of counts) {
    const most = bounds.get(call)?.most ?? 0;
    if (times > most) problems.push(`ran ${times} times, not ${most} at most: ${call}`);
  }
  if (!killed) {
    for (const [call, { least }] of bounds) {
      const times = counts.get(call) ?? 0;
      if (times < least) problems.push(`ran ${times} times, not ${least} at least: ${call}`);
    }
    problems.push(...(end ? compareResult(naive, end) : ["no answer"]));
  }
  oracle.record(program, naive, { asked: new Set(asked), durable: new Set(durable), killed });
  return { bounds, problems };
}

function compareResult({ settled }: Naive, { result }: End): string[] {
  const got = result.ok ? result.value : show({ code: result.code, name: result.name, message: result.message });
  const wanted = settled.ok ? [show(settled.value)] : [...settled.problems.keys()];
  return result.ok === settled.ok && wanted.includes(got) ? [] : [`result is ${got}, not ${wanted.join(" or ")}`];
}

/** The jobs tell what ran: all of it, and of what was given up at the end perhaps more. */
function compareJobs({ jobs }: End, ran: readonly string[]): string[] {
  const left = ran.map((call) => call.slice(0, call.indexOf("[")));
  const problems: string[] = [];
  for (const [task, state] of jobs) {
    const at = left.indexOf(task);
    if (at >= 0) left.splice(at, 1);
    else if (state !== "cancelled") problems.push(`a job says that it ran: ${task}`);
  }
  return [...problems, ...left.map((task) => `no job says that it ran: ${task}`)];
}

function stepOf(
  { prefix, state, naive }: Thread,
  edit: string,
  bounds: ReadonlyMap<string, Bounds>,
  killed: boolean,
): Step {
  const data = state.data.flatMap((content, file) =>
    content === null ? [] : [[dataPath(prefix, file), String(content)]],
  );
  return {
    edit,
    files: printProgram(prefix, state.program),
    data: Object.fromEntries(data),
    task: rootOf(prefix, state),
    argument: state.argument,
    result: naive.settled.ok ? show(naive.settled.value) : [...naive.settled.problems.keys()].join(" or "),
    calls: [...bounds],
    killed,
  };
}

const rootOf = (prefix: string, { program }: State) => taskName(prefix, program.tasks[0]!);
const prefixOf = (task: string) => task.slice(0, task.indexOf("."));

/** Sorts the lines of a phase by program. */
function byPrefix(phase: Phase): (prefix: string) => Phase {
  const sorted = (lines: readonly string[]) => {
    const found = new Map<string, string[]>();
    for (const line of lines) {
      const list = found.get(prefixOf(line)) ?? [];
      found.set(prefixOf(line), list);
      list.push(line);
    }
    return found;
  };
  const [ran, asked, durable] = [sorted(phase.ran), sorted(phase.asked), sorted(phase.durable)];
  return (prefix) => ({
    ran: ran.get(prefix) ?? [],
    asked: asked.get(prefix) ?? [],
    durable: durable.get(prefix) ?? [],
  });
}

/** The files of a project, written where they change. */
export class Project {
  readonly #root: string;
  readonly #written = new Map<string, Files>();

  constructor(root: string, prefixes: readonly string[]) {
    this.#root = root;
    const imports = prefixes.map((prefix) => `import "./${mainFile(prefix)}";\n`).join("");
    const last = `import { task } from "firesteel";\nexport const last = task("${LAST_TASK}", { cache: "none" }, () => 0);\n`;
    this.#change({}, { "flow.ts": last + imports, "ran.ts": ranModule(join(root, "ran.txt")) });
  }

  write(prefix: string, state: State): void {
    const data = state.data.flatMap((content, file) =>
      content === null ? [] : [[dataPath(prefix, file), String(content)] as const],
    );
    this.replace(prefix, { ...printProgram(prefix, state.program), ...Object.fromEntries(data) });
  }

  /** Makes these the files of a program. */
  replace(prefix: string, files: Files): void {
    this.#change(this.#written.get(prefix) ?? {}, files);
    this.#written.set(prefix, files);
  }

  #change(before: Files, after: Files): void {
    for (const path of Object.keys(before)) if (!Object.hasOwn(after, path)) rmSync(join(this.#root, path));
    for (const [path, text] of Object.entries(after)) {
      if (before[path] === text) continue;
      mkdirSync(dirname(join(this.#root, path)), { recursive: true });
      writeFileSync(join(this.#root, path), text);
    }
  }
}
