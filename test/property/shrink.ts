/** Makes a story that disagrees simpler, as long as it still does. */

import { pinVersions } from "./edits.ts";
import type { Expr, Pure, State, Task, Type } from "./language.ts";
import type { Disagreement } from "./runner.ts";
import { naive, type Version } from "./story.ts";

type Versions = readonly Version[];

/** Candidates that are tried at once: they share the time that loading a version takes. */
const TOGETHER = 16;

/** A way to make a story simpler; gives the same one where there is nothing to do. */
type Simplification = (versions: Versions) => Versions;

/** The disagreement of the simplest story found in that time; null when the given one shows none. */
export async function shrink(
  versions: Versions,
  follow: (candidates: readonly Versions[]) => Promise<readonly Disagreement[]>,
  timeMs: number,
): Promise<Disagreement | null> {
  const until = Date.now() + timeMs;
  let best = versions;
  let [found] = await follow([best]);
  /** Takes the first of these that still disagrees. */
  const attempt = async (candidates: readonly Versions[]): Promise<boolean> => {
    const fit = candidates.filter(
      (candidate) => candidate !== best && candidate.every(({ state }) => naive("p", state)),
    );
    const first = fit.length > 0 && Date.now() < until ? (await follow(fit))[0] : undefined;
    if (!first) return false;
    found = first;
    best = fit[first.story]!.slice(0, first.steps.length);
    return true;
  };
  for (let progress = found !== undefined; progress; ) {
    progress = await attempt([best.slice(-1), best.slice(-2), best.slice(-3)]);
    while (await attempt(best.map((_, at) => best.filter((_, i) => i !== at)).filter(({ length }) => length > 0)))
      progress = true;
    const ways = [...simplifications(best)];
    for (let at = 0; at < ways.length && Date.now() < until; at += TOGETHER) {
      const some = ways.slice(at, at + TOGETHER);
      const allOf = some.reduce((before, way) => way(before), best);
      if (await attempt([allOf, ...some.map((way) => way(best))])) progress = true;
    }
  }
  return found ?? null;
}

/** Ways to make a story simpler, large steps first. */
function* simplifications(versions: Versions): Generator<Simplification> {
  const every =
    (change: (state: State) => State): Simplification =>
    (before) => {
      const after = before.map((version) => ({ ...version, state: pinVersions(change(version.state)) }));
      return JSON.stringify(after).length < JSON.stringify(before).length ? after : before;
    };
  const task = (at: number, change: (task: Task) => Partial<Task>) =>
    every((state) => ({
      ...state,
      program: {
        ...state.program,
        tasks: state.program.tasks.map((old, i) => (i === at ? { ...old, ...change(old) } : old)),
      },
    }));
  const { program } = versions[0]!.state;
  for (const [at, { result }] of program.tasks.entries()) {
    if (result !== "task")
      yield task(at, () => ({
        body: { async: false, undecided: "no", fail: null, shared: [], result: simplest(result) },
      }));
  }
  for (const at of program.tasks.keys()) {
    yield task(at, () => ({ options: { version: null, cache: "store", shallow: false, executor: "inline", idle: 0 } }));
    yield task(at, ({ body }) => ({ body: { ...body, undecided: "no" } }));
    yield task(at, ({ body }) => ({ body: { ...body, fail: null } }));
    yield task(at, ({ body }) => ({ body: { ...body, async: false } }));
  }
  yield every((state) => ({ ...state, program: { ...state.program, style: 0 } }));
  yield every((state) => ({ ...state, beside: null }));
  for (const kind of ["tasks", "helpers", "constants"] as const)
    yield every((state) => ({
      ...state,
      program: { ...state.program, [kind]: state.program[kind].map((thing) => ({ ...thing, file: 0 })) },
    }));
  for (const [from, to] of replacements(versions)) {
    const key = JSON.stringify(from);
    yield every((state) => replace(state, key, to) as State);
  }
}

/** Everything that occurs, largest first, with what might stand in its place. */
function replacements(versions: Versions): readonly (readonly [Expr | Pure, Expr | Pure])[] {
  const found = new Map<string, readonly [Expr | Pure, Expr | Pure]>();
  const add = (from: Expr | Pure, to: Expr | Pure) =>
    found.set(`${JSON.stringify(from)} ${JSON.stringify(to)}`, [from, to]);
  const zero: Pure = { k: "lit", v: 0 };
  const visit = (node: unknown, task: Task | null, tasks: readonly Task[]): void => {
    if (Array.isArray(node)) for (const item of node) visit(item, task, tasks);
    if (typeof node !== "object" || node === null) return;
    const children = Object.values(node);
    if ("k" in node) {
      const at = node as Expr | Pure;
      const type = typeOf(at, task, tasks);
      if (type !== null) {
        if (type === "pure") add(at, zero);
        else if (type !== "task" && type !== "error") add(at, simplest(type));
        for (const child of children.flat())
          if (typeof child === "object" && child !== null && typeOf(child as Expr, task, tasks) === type)
            add(at, child as Expr);
      }
    }
    for (const child of children) visit(child, task, tasks);
  };
  for (const { state } of versions) {
    const { tasks, helpers } = state.program;
    for (const task of tasks) visit(task.body, task, tasks);
    for (const helper of helpers) visit(helper.body, null, tasks);
  }
  return [...found.values()].sort((a, b) => JSON.stringify(b[0]).length - JSON.stringify(a[0]).length);
}

/** The type of an expression; `pure` for what is computed at once. */
function typeOf(at: Expr | Pure, task: Task | null, tasks: readonly Task[]): Type | "pure" | null {
  switch (at.k) {
    case "pure":
    case "apply":
    case "catch":
    case "reduce":
      return "num";
    case "under":
      return typeOf(at.body, task, tasks);
    case "even":
      return "bool";
    case "given":
      return task?.params[at.i]?.type ?? null;
    case "shared":
      return task?.body.shared[at.slot] ? typeOf(task.body.shared[at.slot]!, task, tasks) : null;
    case "call":
      return tasks[at.task]!.result;
    case "when":
    case "cond":
      return typeOf(at.a, task, tasks) ?? typeOf(at.b, task, tasks);
    case "list":
    case "seq":
    case "map":
    case "each":
    case "flatMap":
    case "filter":
      return "list";
    case "rec":
    case "file":
    case "dir":
    case "task":
      return at.k;
    case "partial":
      return "task";
    case "write":
      return "file";
    case "glob":
    case "dirFiles":
      return "files";
    case "all":
      return typeOf(at.of, task, tasks);
    case "field":
      return at.key === "b" ? "list" : "num";
    case "raise":
    case "ends":
      return "num";
    case undefined:
      return null;
    default:
      return "pure";
  }
}

function simplest(type: Type): Expr {
  const zero: Expr = { k: "pure", p: { k: "lit", v: 0 } };
  switch (type) {
    case "bool":
      return { k: "even", p: { k: "lit", v: 0 } };
    case "list":
      return { k: "list", items: [] };
    case "rec":
      return { k: "rec", a: zero, b: { k: "list", items: [] } };
    case "file":
      return { k: "file", file: 0 };
    case "files":
      return { k: "glob", pattern: 0 };
    case "dir":
      return { k: "dir" };
    default:
      return zero;
  }
}

function replace(node: unknown, key: string, to: unknown): unknown {
  if (typeof node !== "object" || node === null) return node;
  if ("k" in node && JSON.stringify(node) === key) return to;
  if (Array.isArray(node)) return node.map((item) => replace(item, key, to));
  return Object.fromEntries(Object.entries(node).map(([name, value]) => [name, replace(value, key, to)]));
}
