/**
 * The small language of the property test: programs as plain data. They are printed as flow modules (`print.ts`) and evaluated by the naive evaluator (`naive.ts`), which knows nothing of the code under test.
 *
 * All arithmetic is modulo 7, so that arguments meet again (shared calls) and edits often leave results as they were (early cutoff).
 */

/** What a task takes and gives. `rec` is `{ a: number, b: number[] }`; `error` is what a recovery task gets; `task` takes and gives a number, and may be a partial one; `files` is a list of files, `dir` a directory. */
export type Type = "num" | "bool" | "list" | "rec" | "file" | "files" | "dir" | "task" | "error";

/** Computed at once inside a body or helper; gives a number. `i` are numbers of parameters, `id` of constants and helpers. */
export type Pure =
  | { readonly k: "lit"; readonly v: number }
  | { readonly k: "param"; readonly i: number }
  | { readonly k: "const"; readonly id: number }
  | { readonly k: "op"; readonly op: "+" | "-" | "*"; readonly a: Pure; readonly b: Pure }
  /** `a > 0 ? b : c` */
  | { readonly k: "if"; readonly a: Pure; readonly b: Pure; readonly c: Pure }
  | { readonly k: "help"; readonly id: number; readonly a: Pure }
  /** `n > 0 && n < 5 ? helper(n - 1) : 0`: only in helpers, of any helper, so they may recurse. */
  | { readonly k: "again"; readonly id: number }
  | { readonly k: "sum"; readonly i: number }
  | { readonly k: "size"; readonly i: number }
  /** Of a file; of a list of files or a directory the sum. */
  | { readonly k: "content"; readonly i: number }
  /** A value of the context, in bodies of tasks that declare it. */
  | { readonly k: "context"; readonly key: number; readonly otherwise: number }
  | { readonly k: "message"; readonly i: number }
  | { readonly k: "part"; readonly i: number }
  /** Another way to write `a`. */
  | { readonly k: "same"; readonly a: Pure };

/** Given to forms and tasks, and returned by bodies; may be lazy. */
export type Expr =
  | { readonly k: "pure"; readonly p: Pure }
  | { readonly k: "even"; readonly p: Pure }
  | { readonly k: "given"; readonly i: number }
  | { readonly k: "shared"; readonly slot: number }
  | { readonly k: "call"; readonly task: number; readonly args: readonly Expr[] }
  | { readonly k: "when"; readonly p: Pure; readonly a: Expr; readonly b: Expr }
  | { readonly k: "cond"; readonly c: Expr; readonly a: Expr; readonly b: Expr }
  | { readonly k: "catch"; readonly body: Expr; readonly task: number; readonly only: readonly string[] }
  | { readonly k: "map"; readonly task: number; readonly items: Expr }
  /** The same with a task that is a value. */
  | { readonly k: "each"; readonly f: Expr; readonly items: Expr }
  | { readonly k: "flatMap"; readonly task: number; readonly items: Expr }
  | { readonly k: "filter"; readonly task: number; readonly items: Expr }
  | { readonly k: "reduce"; readonly task: number; readonly items: Expr; readonly initial: Expr | null }
  /** The number of members, all of them evaluated to their ends: `catchAll([...]).length`. */
  | { readonly k: "ends"; readonly items: readonly Expr[] }
  | { readonly k: "list"; readonly items: readonly Expr[] }
  | { readonly k: "seq"; readonly items: readonly Expr[] }
  | { readonly k: "rec"; readonly a: Expr; readonly b: Expr }
  | { readonly k: "all"; readonly of: Expr }
  | { readonly k: "field"; readonly of: Expr; readonly key: string | number }
  | { readonly k: "apply"; readonly f: Expr; readonly arg: Expr }
  | { readonly k: "task"; readonly task: number }
  | { readonly k: "partial"; readonly task: number; readonly arg: Expr }
  /** `withContext({ [key]: value }, body)` */
  | { readonly k: "under"; readonly key: number; readonly value: Expr; readonly body: Expr }
  | { readonly k: "raise"; readonly message: string }
  | { readonly k: "file"; readonly file: number }
  | { readonly k: "glob"; readonly pattern: number }
  | { readonly k: "dir" }
  | { readonly k: "dirFiles" }
  /** Writes a file, at once and at a place of the call's own; only as the result of a body. */
  | { readonly k: "write"; readonly p: Pure };

/** Code whose identity cannot be decided: not at all, by a dynamic import, by a variable of the module that changes. */
export type Undecided = "no" | "import" | "state";

export interface Helper {
  /** Which of the program's files holds it. */
  readonly file: number;
  readonly arrow: boolean;
  readonly undecided: Undecided;
  readonly body: Pure;
}

export interface Constant {
  readonly file: number;
  readonly value: number;
  /** `literal` and `computed` differ only in how the value is written; `object` is `{ value, extra }`. */
  readonly form: "literal" | "computed" | "object";
  readonly extra: number;
}

export interface Options {
  /** Set: the task's `version` option; the text also names the code that it stands for (see `edits.ts`). */
  readonly version: number | null;
  readonly cache: "store" | "execution" | "none";
  readonly shallow: boolean;
  readonly executor: "inline" | "thread" | "process";
  /** Options without any effect on results: description, tags, timeoutMs. */
  readonly idle: number;
}

export interface Parameter {
  readonly type: Type;
  /** Only of the last one, and only of a number. */
  readonly default?: number;
}

export interface Body {
  readonly async: boolean;
  readonly undecided: Undecided;
  /** Fails when `p > 0`. */
  readonly fail: { readonly p: Pure; readonly kind: "RangeError" | "TypeError"; readonly message: string } | null;
  /** Expressions with a name, for sharing; evaluated only where they are mentioned. */
  readonly shared: readonly Expr[];
  readonly result: Expr;
}

export interface Task {
  /** The number in its name; a renamed task gets another one. */
  readonly name: number;
  readonly file: number;
  readonly options: Options;
  readonly params: readonly Parameter[];
  readonly result: Type;
  /** The keys of the context that it declares. */
  readonly context: readonly number[];
  readonly body: Body;
}

/** One version of a program; task 0 takes a number and is the root. */
export interface Program {
  readonly tasks: readonly Task[];
  readonly helpers: readonly Helper[];
  readonly constants: readonly Constant[];
  /** Everything about the text that must not count: names, comments, order, types. */
  readonly style: number;
  /** The numbers in the names of the files. */
  readonly files: readonly number[];
}

/** A program with the world around it. */
export interface State {
  readonly program: Program;
  /** Contents of the data files; null where there is none. */
  readonly data: readonly (number | null)[];
  readonly argument: number;
  /** The argument of a second execution of the root at the same time. */
  readonly beside: number | null;
}

/** Files of code of every program, and keys of the context. */
export const FILES = 3;
export const CONTEXT = 2;
/** Names of the data files of every program, not in the order of a listing. */
export const DATA = ["f0.txt", "f1.txt", "b/f2.txt", "f1-3.txt"] as const;
/** Patterns of globs, with what they match in {@link DATA}. */
export const GLOBS: readonly (readonly [string, RegExp])[] = [
  ["**/*.txt", /./],
  ["*.txt", /^[^/]*$/],
  ["f?.txt", /^f.\.txt$/],
  ["{b,c}/*", /^b/],
];

/** The name of a task, and the path of a data file, of the program with this prefix. */
export const taskName = (prefix: string, task: Task): string => `${prefix}.t${task.name}`;
export const dataFolder = (prefix: string): string => `data/${prefix}`;
export const dataPath = (prefix: string, file: number): string => `${dataFolder(prefix)}/${DATA[file]}`;
/** The folder of what its tasks write. */
export const outFolder = (prefix: string): string => `out/${prefix}`;

/** Whether results of a task are kept: those of code that cannot be decided are not, unless a version stands for it. */
export function keepsResult({ helpers }: Program, { options, body }: Task): boolean {
  if (options.cache !== "store") return false;
  if (options.version !== null) return true;
  const seen = new Set<number>();
  const decided = (code: { readonly undecided: Undecided; readonly body?: unknown }): boolean =>
    code.undecided === "no" && mentioned(code);
  const mentioned = (node: unknown): boolean => {
    if (typeof node !== "object" || node === null) return true;
    const { k, id } = node as { readonly k?: unknown; readonly id?: number };
    if ((k === "help" || k === "again") && !seen.has(id!)) {
      seen.add(id!);
      if (!decided(helpers[id!]!)) return false;
    }
    return Object.values(node).every(mentioned);
  };
  return decided(body);
}
