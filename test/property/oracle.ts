/**
 * The oracle: knows from the history of a program which calls have a kept result, and so which ones must run now.
 *
 * A call has to run when its task, code and arguments have not given a result before. The code of a task is taken from the program as data: its own syntax, and of everything that it mentions the syntax or (for
 * constants) the value; of tasks the name. Names of other things, their order and place, comments and types are not in it.
 */

import { createHash } from "node:crypto";
import { type Expr, keepsResult, type Program, type Pure, type Task, taskName } from "./language.ts";
import type { Call, Naive } from "./naive.ts";

/** How often a call must run at least and may run at most. */
export interface Bounds {
  least: number;
  most: number;
}

/** What the process under test told of one step. */
export interface Observed {
  /** Calls whose results it asked the store to keep, and those of them that the store said are durable. */
  readonly asked: ReadonlySet<string>;
  readonly durable: ReadonlySet<string>;
  /** It ended by itself: what had to be done is done. */
  readonly complete: boolean;
  readonly killed: boolean;
}

/** Texts of the files that calls wrote, by path. */
export type Outputs = ReadonlyMap<string, string>;

/** The history of one program. */
export class Oracle {
  readonly #prefix: string;
  /** Calls with a kept result; `maybe` when it is not known, after a kill. */
  readonly #kept = new Map<string, "surely" | "maybe">();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** What must run now, as bodies tell it, in executions at the same time. */
  bounds(program: Program, naives: readonly Naive[], outputs: Outputs): Map<string, Bounds> {
    const codes = taskCodes(this.#prefix, program);
    /** By what is one call in all executions. */
    const found = new Map<string, Bounds & { readonly shown: string }>();
    for (const { calls, trace } of naives)
      for (const [id, call] of calls) {
        const { task: at, shown, key, wrote, asked } = call;
        const keeps = keepsResult(program, program.tasks[at]!);
        // A result holds while the file that it names is there.
        const valid = wrote === null || outputs.get(wrote.path) === wrote.text;
        const kept = keeps && valid ? this.#kept.get(`${codes[at]} ${key}`) : undefined;
        if (kept === "surely") continue;
        const least = trace.must.has(id) && kept === undefined ? 1 : 0;
        const before = found.get(keeps ? key : id) ?? { least: 0, most: 0, shown };
        // Executions, and calls under several contexts, share a body while it runs, and its result. Who was told that there is none just before that was there runs it again.
        found.set(keeps ? key : id, {
          shown,
          least: keeps ? Math.max(before.least, least) : before.least + least,
          most: before.most + asked,
        });
      }
    const bounds = new Map<string, Bounds>();
    for (const { shown, least, most } of found.values()) {
      const sum = bounds.get(shown) ?? { least: 0, most: 0 };
      bounds.set(shown, { least: sum.least + least, most: sum.most + most });
    }
    return bounds;
  }

  /** Takes note of what was done. */
  record(program: Program, naives: readonly Naive[], { asked, durable, complete, killed }: Observed): void {
    const codes = taskCodes(this.#prefix, program);
    const calls = naives.flatMap(({ calls: made, trace }) =>
      [...made].map(([id, call]) => ({ ...call, must: trace.must.has(id) })),
    );
    // Several calls may be told in the same way: then it is not known which of them it was.
    const alike = new Map<string, Set<string>>();
    for (const { shown, key } of calls) alike.set(shown, (alike.get(shown) ?? new Set()).add(key));
    const ambiguous = ({ shown }: Pick<Call, "shown">) => alike.get(shown)!.size > 1;
    for (const call of calls) {
      const { task: at, shown, key: what, bodyOk, must } = call;
      if (!bodyOk || !keepsResult(program, program.tasks[at]!)) continue;
      const key = `${codes[at]} ${what}`;
      const told = killed ? durable.has(shown) : asked.has(shown);
      if ((complete && must) || (told && !ambiguous(call))) this.#kept.set(key, "surely");
      else if (asked.has(shown) && !this.#kept.has(key)) this.#kept.set(key, "maybe");
    }
  }
}

const digest = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("base64");

type Thing = readonly ["helper" | "constant", number];

/** What a piece of code is by itself, and what it mentions, in the order of mention. */
interface Piece {
  readonly own: string;
  readonly mentions: readonly Thing[];
}

const cache = new WeakMap<Program, readonly string[]>();

/** The identity of each task's code. */
export function taskCodes(prefix: string, program: Program): readonly string[] {
  const known = cache.get(program);
  if (known) return known;
  const codes = program.tasks.map((task) =>
    // A version stands for code that it names itself (`edits.ts`).
    task.options.version === null ? taskCode(prefix, program, task) : `version ${task.options.version}`,
  );
  cache.set(program, codes);
  return codes;
}

/** The code of a task as it is, whatever its version says. With `meaning`, two ways to write the same thing are one. */
export function taskCode(prefix: string, program: Program, task: Task, meaning = false): string {
  const helpers = program.helpers.map((helper) =>
    piece(prefix, program, [helper.arrow, helper.undecided, helper.body], meaning),
  );
  const constants = program.constants.map(({ form, value, extra }) =>
    digest(form === "object" ? { value, extra: meaning ? null : extra } : value),
  );
  // Helpers may go round in circles: one that is being described is told by how far up it is.
  const full = ({ own, mentions }: Piece, path: readonly number[]): string =>
    digest([own, mentions.map(([kind, id]) => (kind === "constant" ? constants[id] : helperCode(id, path)))]);
  const helperCode = (id: number, path: readonly number[]): string =>
    path.includes(id) ? `up ${path.length - path.indexOf(id)}` : full(helpers[id]!, [...path, id]);
  return full(piece(prefix, program, [taskName(prefix, task), task.params, task.body], meaning), []);
}

/** The syntax with names replaced by the number of their first mention. */
function piece(prefix: string, program: Program, syntax: unknown, meaning: boolean): Piece {
  const mentions: Thing[] = [];
  const mention = (kind: Thing[0], id: number): string => {
    const at = mentions.findIndex(([otherKind, otherId]) => otherKind === kind && otherId === id);
    return `${kind} ${at >= 0 ? at : mentions.push([kind, id]) - 1}`;
  };
  const visit = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(visit);
    if (typeof node !== "object" || node === null) return node;
    const at = node as Expr | Pure;
    if (at.k === "same" && meaning) return visit(at.a);
    if (at.k === "const") return [at.k, program.constants[at.id]!.form === "object", mention("constant", at.id)];
    if (at.k === "help" || at.k === "again") return [at.k, mention("helper", at.id), "a" in at ? visit(at.a) : null];
    const own = Object.entries(node)
      .filter(([key]) => key !== "task")
      .map(([key, value]) => [key, visit(value)]);
    return "task" in node
      ? [own, taskName(prefix, program.tasks[at.k === "task" ? at.task : (node.task as number)]!)]
      : own;
  };
  const own = digest(visit(syntax));
  return { own, mentions };
}
