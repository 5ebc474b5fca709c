/** Random edits of a program and of the world around it, as functions of a state. */

import { Genes, growBody, growConstant, growHelper, growOptions, growUndecided } from "./grow.ts";
import { DATA, FILES, type Program, type Pure, type State, type Task } from "./language.ts";
import { taskCode } from "./oracle.ts";

/** Genes of one edit. */
export type EditGenes = readonly number[];

const replaced = <T>(list: readonly T[], at: number, change: (item: T) => T): readonly T[] =>
  list.map((item, i) => (i === at ? change(item) : item));

type Change = (state: State, genes: Genes, history: readonly State[]) => State;

/** The edit that leaves the program as it is, and takes away what it wrote. */
export const DAMAGE = "damaged output";

/** Each kind of edit with what a reader of a failure is told. */
const CHANGES: readonly (readonly [string, Change])[] = [
  ["nothing", (state) => state],
  [DAMAGE, (state) => state],
  [DAMAGE, (state) => state],
  ["code below a shallow result", (state, genes) => changeBelow(state, genes)],
  ["code below a shallow result", (state, genes) => changeBelow(state, genes)],
  ["style", (state, genes) => withProgram(state, { style: 1 + genes.next(1000) })],
  ["literal", (state, genes) => changeLiteral(state, genes, (v) => (v + 1 + genes.next(3)) % 7)],
  ["constant", (state, genes) => changeConstant(state, genes, (old) => ({ ...growConstant(genes), file: old.file }))],
  [
    "helper",
    (state, genes) => {
      const { program } = state;
      const at = genes.next(program.helpers.length);
      return withProgram(state, {
        helpers: replaced(program.helpers, at, (old) => ({ ...growHelper(genes, sizeOf(program)), file: old.file })),
      });
    },
  ],
  [
    "body",
    (state, genes) => {
      const { program } = state;
      const at = genes.next(program.tasks.length);
      return changeTask(state, at, () => ({ body: growBody(genes, at, program.tasks, sizeOf(program)) }));
    },
  ],
  ["another way to write it", (state, genes) => rewrite(state, genes)],
  [
    "options",
    (state, genes) =>
      changeTask(state, genes.next(state.program.tasks.length), () => ({ options: growOptions(genes) })),
  ],
  [
    "idle options",
    (state, genes) =>
      changeTask(state, genes.next(state.program.tasks.length), ({ options }) => ({
        options: { ...options, idle: genes.next(5) },
      })),
  ],
  [
    "a new version",
    (state, genes) =>
      changeTask(state, genes.next(state.program.tasks.length), ({ options }) => ({
        options: { ...options, version: genes.next(4) },
      })),
  ],
  [
    "data",
    (state, genes) => ({
      ...state,
      data: replaced(state.data, genes.next(DATA.length), () => [3, null, 1, 4][genes.next(4)] ?? null),
    }),
  ],
  [
    "what is undecided",
    (state, genes) => {
      const { tasks, helpers } = state.program;
      const at = genes.next(tasks.length + helpers.length);
      const undecided = growUndecided(genes, 2);
      return at < tasks.length
        ? changeTask(state, at, ({ body }) => ({ body: { ...body, undecided } }))
        : withProgram(state, { helpers: replaced(helpers, at - tasks.length, (old) => ({ ...old, undecided })) });
    },
  ],
  ["argument", (state, genes) => ({ ...state, argument: genes.next(7) })],
  ["argument beside", (state, genes) => ({ ...state, beside: [null, state.argument, genes.next(7)][genes.next(3)]! })],
  ["revert", (_, genes, history) => genes.pick(history)],
  ["revert of the code", (state, genes, history) => ({ ...state, program: genes.pick(history).program })],
  [
    "a task's name",
    (state, genes) =>
      changeTask(state, genes.next(state.program.tasks.length), ({ name }) => ({ name: freeName(state, name) })),
  ],
  [
    "a file's name",
    (state, genes) =>
      withProgram(state, { files: replaced(state.program.files, genes.next(FILES), (name) => name + FILES) }),
  ],
  [
    "place",
    (state, genes) => {
      const kind = genes.pick(["tasks", "helpers", "constants"] as const);
      const list: readonly { readonly file: number }[] = state.program[kind];
      const file = genes.next(FILES);
      return withProgram(state, { [kind]: replaced(list, genes.next(list.length), (thing) => ({ ...thing, file })) });
    },
  ],
  [
    "default",
    (state, genes) =>
      changeTask(state, genes.next(state.program.tasks.length), ({ params }) => ({
        params: params.map((param) => (param.default === undefined ? param : { ...param, default: genes.next(5) })),
      })),
  ],
];

/** Applies an edit; `history` are all states before, the present one last. */
export function edit(
  state: State,
  from: EditGenes,
  history: readonly State[],
): { readonly kind: string; readonly state: State } {
  const genes = new Genes(from);
  const [kind, change] = genes.pick(CHANGES);
  return { kind, state: pinVersions(change(state, genes, history)) };
}

const sizeOf = ({ helpers, constants }: Program) => ({ helpers: helpers.length, constants: constants.length });

function withProgram(state: State, change: Partial<Program>): State {
  return { ...state, program: { ...state.program, ...change } };
}

function changeTask(state: State, at: number, change: (task: Task) => Partial<Task>): State {
  return withProgram(state, { tasks: replaced(state.program.tasks, at, (task) => ({ ...task, ...change(task) })) });
}

function changeConstant(
  state: State,
  genes: Genes,
  change: (constant: Program["constants"][number]) => Program["constants"][number],
): State {
  return withProgram(state, {
    constants: replaced(state.program.constants, genes.next(state.program.constants.length), change),
  });
}

function freeName(state: State, name: number): number {
  const taken = new Set(state.program.tasks.map((task) => task.name));
  let next = name;
  while (taken.has(next)) next += state.program.tasks.length;
  return next;
}

/** Changes one literal somewhere in the bodies and helpers. */
function changeLiteral(state: State, genes: Genes, change: (v: number) => number): State {
  return changeOne(
    state,
    genes,
    (node) => node.k === "lit",
    (node) => ({ k: "lit", v: change((node as { readonly v: number }).v) }),
  );
}

function rewrite(state: State, genes: Genes): State {
  return changeOne(
    state,
    genes,
    (node) => node.k === "lit" || node.k === "param" || node.k === "op" || node.k === "same",
    (node) => (node.k === "same" ? node.a : { k: "same", a: node }),
  );
}

/** Changes the body of a task that one with shallow results mentions; where there is none, makes a task's results shallow. */
function changeBelow(state: State, genes: Genes): State {
  const { tasks } = state.program;
  const below = tasks.flatMap(({ options, body }, at) =>
    options.shallow ? mentionedTasks(body).filter((one) => one !== at) : [],
  );
  if (below.length === 0)
    return changeTask(state, genes.next(tasks.length), ({ options }) => ({
      options: { ...options, cache: "store", shallow: true },
    }));
  const at = genes.pick(below);
  return changeTask(state, at, () => ({ body: growBody(genes, at, tasks, sizeOf(state.program)) }));
}

function mentionedTasks(node: unknown): number[] {
  if (typeof node !== "object" || node === null) return [];
  const { task } = node as { readonly task?: unknown };
  return [...(typeof task === "number" ? [task] : []), ...Object.values(node).flatMap(mentionedTasks)];
}

/** Changes one of those nodes of bodies and helpers that fit. */
function changeOne(state: State, genes: Genes, fits: (node: Pure) => boolean, change: (node: Pure) => Pure): State {
  const { tasks, helpers } = state.program;
  const walk = (node: unknown, visit: (node: Pure) => Pure): unknown => {
    if (Array.isArray(node)) return node.map((item) => walk(item, visit));
    if (typeof node !== "object" || node === null) return node;
    const inner = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, walk(value, visit)]));
    return "k" in inner && fits(inner as unknown as Pure) ? visit(inner as unknown as Pure) : inner;
  };
  let count = 0;
  walk([tasks.map((task) => task.body), helpers], (node) => {
    count++;
    return node;
  });
  if (count === 0) return state;
  let left = genes.next(count);
  const visit = (node: Pure) => (left-- === 0 ? change(node) : node);
  const changed = tasks.map((task) => ({ ...task, body: walk(task.body, visit) as Task["body"] }));
  return withProgram(state, { tasks: changed, helpers: walk(helpers, visit) as Program["helpers"] });
}

/**
 * Gives tasks with a version one that stands for what their code means: an author changes the version when the code means something else, and otherwise nothing that is kept is touched.
 * The last digit is what an edit of the version itself changes.
 */
export function pinVersions(state: State): State {
  const { program } = state;
  if (program.tasks.every((task) => task.options.version === null)) return state;
  const tasks = program.tasks.map((task) => {
    if (task.options.version === null) return task;
    const meaning = Number.parseInt(
      Buffer.from(taskCode("", program, task, true))
        .toString("hex")
        .slice(0, 10),
      16,
    );
    return { ...task, options: { ...task.options, version: meaning * 10 + (task.options.version % 10) } };
  });
  return withProgram(state, { tasks });
}
