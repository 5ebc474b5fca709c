/** Follows stories side by side in one project, and compares each step with the naive evaluator and the oracle. */

import type { Change, End, Lane, Phase, StepEnd } from "./lane.ts";
import { dataPath, type State, taskName } from "./language.ts";
import type { Naive } from "./naive.ts";
import { type Bounds, Oracle } from "./oracle.ts";
import { type Files, printProgram } from "./print.ts";
import { Project } from "./project.ts";
import { show } from "./show.ts";
import { naive as naiveOf, type Version } from "./story.ts";

/** What was run and what should have come of it. */
export interface Step {
  readonly edit: string;
  readonly files: Files;
  readonly data: Readonly<Record<string, string>>;
  readonly task: string;
  /** Of each execution at the same time. */
  readonly given: readonly number[];
  readonly results: readonly string[];
  readonly calls: readonly (readonly [call: string, bounds: Bounds])[];
  readonly killed: boolean;
  /** The file of a task that was deleted (null) or changed before. */
  readonly damage: Change;
  /** While the files changed, the code before was being run with this argument. */
  readonly race: number | null;
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
  /** Programs that changed while they ran. */
  races: number;
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
  races: 0,
  edits: new Map(),
});

/** What happens to all programs of a project. */
export interface Fate {
  /** In which steps the process is killed, after how many events of the store. */
  readonly kills: ReadonlyMap<number, number>;
  /** In which steps the change comes while the code before runs, after how many events of the store. */
  readonly races: ReadonlyMap<number, number>;
  /** Bodies run in threads and processes too. */
  readonly executors: boolean;
}

interface Thread {
  readonly prefix: string;
  readonly versions: readonly Version[];
  readonly oracle: Oracle;
  readonly steps: Step[];
  state: State;
  naives: readonly Naive[];
  /** What tasks have written, as it is on disk. */
  outputs: Map<string, string>;
  failure: Disagreement | null;
}

let prefixes = 0;

/** Follows programs through their versions. Returns what disagreed in the first step in which anything did. */
export async function follow(
  lane: Lane,
  stories: readonly (readonly Version[])[],
  { kills, races, executors }: Fate,
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
      naives: naiveOf(prefix, state)!,
      outputs: new Map(),
      failure: null,
    };
  });
  const root = lane.newProject();
  const project = new Project(root, executors);
  tally.programs += threads.length;
  let killed = false;
  const count = Math.max(...threads.map(({ versions }) => versions.length));
  for (let at = 0; at < count; at++) {
    const killAfter = kills.get(at);
    const raceAfter = killed || killAfter !== undefined || at === 0 ? undefined : races.get(at);
    const expected = threads.map((thread) => prepare(thread, at, killed, raceAfter !== undefined));
    const damaged = threads.map(({ prefix, versions }) => project.damage(prefix, versions[at]?.damage));
    for (const thread of threads) thread.outputs = project.outputs(thread.prefix);
    const change = Object.assign({}, ...threads.map(({ prefix, state }) => project.change(prefix, state))) as Change;
    if (raceAfter === undefined) project.apply(change);
    const racing = threads.flatMap(({ prefix }, i) => {
      const { race } = expected[i]!;
      return race ? [{ task: rootOf(prefix, race.state), args: [race.state.argument] }] : [];
    });
    tally.races += racing.length;
    const end = await lane.step({
      root,
      runs: threads.flatMap(({ prefix, state }) =>
        argumentsOf(state).map((argument) => ({ task: rootOf(prefix, state), args: [argument] })),
      ),
      ...(killAfter === undefined ? {} : { killAfter }),
      ...(raceAfter === undefined ? {} : { race: { runs: racing, after: raceAfter, change } }),
    });
    if (killAfter !== undefined && end.reply !== null) await lane.kill();
    killed = killAfter !== undefined;
    tally.kills += killed ? 1 : 0;
    tally.midway += end.reply === null ? 1 : 0;
    const told = byPrefix(end);
    threads.forEach((thread, i) => {
      if (thread.failure !== null) return;
      const { prefix, state, naives, steps } = thread;
      const { before, race, edit } = expected[i]!;
      const { resumed, fresh, resumedEnds, ends } = told(prefix);
      const problems: string[] = [...(end.reply?.failures ?? [])];
      if (race) problems.push(...checkRace(thread, race, resumed, resumedEnds[0]));
      else if (before && end.reply !== null) {
        // Those that had ended before the kill are not resumed.
        const arguments_ = argumentsOf(before.state);
        const chosen = resumedEnds.map(({ given }) => before.naives[arguments_.indexOf(given)]!);
        problems.push(...check(thread, before.state, chosen, resumed, resumedEnds).problems);
      }
      // Killed again, after what was resumed had ended.
      else if (before) problems.push(...check(thread, before.state, before.naives, resumed, null).problems);
      else if (resumed.ran.length > 0) problems.push("bodies ran although nothing was resumed");
      const { bounds, problems: more } = check(thread, state, naives, fresh, end.reply && ends);
      problems.push(...more);
      // A resumed execution also has the jobs of the process before.
      if (end.reply) problems.push(...compareJobs(state, ends, fresh.ran));
      steps.push(stepOf(thread, edit, bounds, killed, damaged[i]!, race?.state.argument ?? null));
      tally.steps++;
      tally.bodies += fresh.ran.length;
      for (const { calls } of naives) tally.calls += calls.size;
      tally.failures += naives[0]!.settled.ok ? 0 : 1;
      const kind = edit.replace(/ \(.*/, " (unfit)");
      tally.edits.set(kind, (tally.edits.get(kind) ?? 0) + 1);
      if (problems.length > 0) thread.failure = new Disagreement(i, steps, problems);
    });
    if (threads.some(({ failure }) => failure !== null)) break;
  }
  return threads.flatMap(({ failure }) => failure ?? []);
}

const argumentsOf = ({ argument, beside }: State) => (beside === null ? [argument] : [argument, beside]);

interface Expected {
  readonly state: State;
  readonly naives: readonly Naive[];
}

/** Goes on to the next state. After a kill also tells what the resumed execution is to do: the old call with the new code; for a race, what the old code may do meanwhile, with the data of before or of after. */
function prepare(
  thread: Thread,
  at: number,
  killed: boolean,
  racing: boolean,
): { readonly edit: string; readonly before: Expected | null; readonly race: Expected | null } {
  const { prefix, versions, state: old } = thread;
  const next = versions[at] ?? { edit: "nothing", state: old };
  const resumed = { ...next.state, argument: old.argument, beside: old.beside };
  const before = killed ? naiveOf(prefix, resumed) : null;
  // A resumed execution asks for the root by its old name.
  const lost = killed && (!before || next.state.program.tasks[0]!.name !== old.program.tasks[0]!.name);
  if (lost)
    return { edit: `nothing (${next.edit} after a kill)`, before: { state: old, naives: thread.naives }, race: null };
  let race: Expected | null = null;
  if (racing) {
    const state = { ...old, argument: (old.argument + 3) % 7, beside: null };
    const naives = [naiveOf(prefix, state), naiveOf(prefix, { ...state, data: next.state.data })];
    if (naives.every((naive) => naive !== null)) race = { state, naives: naives.flat() };
  }
  thread.state = next.state;
  thread.naives = naiveOf(prefix, next.state)!;
  return { edit: next.edit, before: before && { state: resumed, naives: before }, race };
}

/** Compares what was done with what should have been done, and takes note of it. `ends` is null after a kill. */
function check(
  thread: Thread,
  { program }: State,
  naives: readonly Naive[],
  { ran, asked, durable }: Phase,
  ends: readonly End[] | null,
): { readonly bounds: ReadonlyMap<string, Bounds>; readonly problems: string[] } {
  const { oracle, outputs } = thread;
  const bounds = oracle.bounds(program, naives, outputs);
  const counts = countOf(ran);
  const problems = tooOften(counts, bounds);
  if (ends) {
    for (const [call, { least }] of bounds) {
      const times = counts.get(call) ?? 0;
      if (times < least) problems.push(`ran ${times} times, not ${least} at least: ${call}`);
    }
    naives.forEach((naive, i) => {
      problems.push(...(ends[i] ? compareResult([naive], ends[i]) : ["no answer"]));
    });
  }
  const killed = ends === null;
  oracle.record(program, naives, { asked: new Set(asked), durable: new Set(durable), killed, complete: !killed });
  written(thread, naives, counts);
  return { bounds, problems };
}

/** Compares what the old code did while the files changed. */
function checkRace(
  thread: Thread,
  { state: { program }, naives }: Expected,
  { ran, asked, durable }: Phase,
  end: End | undefined,
): string[] {
  const { oracle, outputs } = thread;
  const counts = countOf(ran);
  const problems = [
    ...tooOften(counts, oracle.bounds(program, naives, outputs)),
    ...(end ? compareResult(naives, end) : ["no answer"]),
  ];
  oracle.record(program, naives, {
    asked: new Set(asked),
    durable: new Set(durable),
    killed: false,
    complete: false,
  });
  written(thread, naives, counts);
  return problems;
}

/** Takes note of the files that bodies wrote. */
function written({ outputs }: Thread, naives: readonly Naive[], ran: ReadonlyMap<string, number>): void {
  for (const { calls } of naives)
    for (const { shown, wrote } of calls.values()) if (wrote && ran.has(shown)) outputs.set(wrote.path, wrote.text);
}

function countOf(ran: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const call of ran) counts.set(call, (counts.get(call) ?? 0) + 1);
  return counts;
}

function tooOften(counts: ReadonlyMap<string, number>, bounds: ReadonlyMap<string, Bounds>): string[] {
  return [...counts].flatMap(([call, times]) => {
    const most = bounds.get(call)?.most ?? 0;
    return times > most ? [`ran ${times} times, not ${most} at most: ${call}`] : [];
  });
}

/** The result has to be one of these. */
function compareResult(naives: readonly Naive[], { result }: End): string[] {
  const got = result.ok ? result.value : show({ code: result.code, name: result.name, message: result.message });
  const fits = naives.some(({ settled }) => result.ok === settled.ok && resultsOf(settled).includes(got));
  return fits ? [] : [`result is ${got}, not ${naives.flatMap(({ settled }) => resultsOf(settled)).join(" or ")}`];
}

const resultsOf = (settled: Naive["settled"]): readonly string[] =>
  settled.ok ? [show(settled.value)] : [...settled.problems.keys()];

/** The jobs tell what ran: all of it, and of what was given up at the end perhaps more. Jobs of one body may be several where executions or contexts share it. */
function compareJobs(state: State, ends: readonly End[], ran: readonly string[]): string[] {
  const left = ran.map((call) => call.slice(0, call.indexOf("[")));
  const shared = ends.length > 1 || JSON.stringify(state.program).includes('"under"');
  const problems: string[] = [];
  for (const [task, told] of ends.flatMap(({ jobs }) => jobs)) {
    const at = left.indexOf(task);
    if (at >= 0) left.splice(at, 1);
    else if (told !== "cancelled" && !shared) problems.push(`a job says that it ran: ${task}`);
  }
  return [...problems, ...left.map((task) => `no job says that it ran: ${task}`)];
}

function stepOf(
  { prefix, state, naives }: Thread,
  edit: string,
  bounds: ReadonlyMap<string, Bounds>,
  killed: boolean,
  damage: Change,
  race: number | null,
): Step {
  const data = state.data.flatMap((content, file) =>
    content === null ? [] : [[dataPath(prefix, file), String(content)]],
  );
  return {
    edit,
    files: printProgram(prefix, state.program),
    data: Object.fromEntries(data),
    task: rootOf(prefix, state),
    given: argumentsOf(state),
    results: naives.map(({ settled }) => resultsOf(settled).join(" or ")),
    calls: [...bounds],
    killed,
    damage,
    race,
  };
}

const rootOf = (prefix: string, { program }: State) => taskName(prefix, program.tasks[0]!);
const prefixOf = (task: string) => task.slice(0, task.indexOf("."));

interface Told {
  readonly resumed: Phase;
  readonly fresh: Phase;
  readonly resumedEnds: readonly End[];
  readonly ends: readonly End[];
}

/** Sorts what came of a step by program. */
function byPrefix({ resumed, fresh, reply }: StepEnd): (prefix: string) => Told {
  const sorted = <T>(list: readonly T[], taskOf: (item: T) => string) => {
    const found = Map.groupBy(list, (item) => prefixOf(taskOf(item)));
    return (prefix: string) => found.get(prefix) ?? [];
  };
  const lines = ({ ran, asked, durable }: Phase) => {
    const by = [ran, asked, durable].map((list) => sorted(list, (line) => line));
    return (prefix: string): Phase => ({ ran: by[0]!(prefix), asked: by[1]!(prefix), durable: by[2]!(prefix) });
  };
  const phases = [lines(resumed), lines(fresh)] as const;
  const ends = [reply?.resumed ?? [], reply?.ends ?? []].map((list) => sorted(list, ({ task }) => task));
  return (prefix) => ({
    resumed: phases[0](prefix),
    fresh: phases[1](prefix),
    resumedEnds: ends[0]!(prefix),
    ends: ends[1]!(prefix),
  });
}
