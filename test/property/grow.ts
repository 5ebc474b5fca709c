/**
 * Grows programs from genes: lists of small numbers, each of which settles one choice. Whatever the genes, the program is well typed; shorter lists and smaller numbers give simpler programs, so what shrinks
 * lists of numbers shrinks programs.
 */

import {
  type Body,
  CONTEXT,
  type Constant,
  type Expr,
  FILES,
  GLOBS,
  type Helper,
  type Options,
  type Parameter,
  type Program,
  type Pure,
  type Task,
  type Type,
  type Undecided,
} from "./language.ts";

/** Reads genes one after the other; behind the last one come zeros. */
export class Genes {
  readonly #genes: readonly number[];
  #at = 0;

  constructor(genes: readonly number[]) {
    this.#genes = genes;
  }

  /** A number below `n`. */
  next(n: number): number {
    return (this.#genes[this.#at++] ?? 0) % n;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.next(list.length)]!;
  }

  /** The first one for the gene 0 only. */
  prefer<T>(list: readonly T[]): T {
    const gene = this.#genes[this.#at++] ?? 0;
    return list[gene === 0 || list.length === 1 ? 0 : 1 + ((gene - 1) % (list.length - 1))]!;
  }
}

/** What a program is grown from: one list of genes each. */
export interface ProgramGenes {
  readonly tasks: readonly (readonly number[])[];
  readonly helpers: readonly (readonly number[])[];
  readonly constants: readonly (readonly number[])[];
}

export type Signature = Pick<Task, "params" | "result" | "context">;

interface Scope {
  readonly genes: Genes;
  readonly signatures: readonly Signature[];
  readonly helpers: number;
  readonly constants: number;
  /** The task whose body it is; -1 in a helper. */
  readonly self: number;
  readonly params: readonly Parameter[];
  readonly context: readonly number[];
  /** Types of the shared expressions so far. */
  readonly shared: readonly Type[];
}

const DEPTH = 5;
const MESSAGES = ["odd", "bad luck", "no"] as const;
const ROOT: Signature = { params: [{ type: "num" }], result: "list", context: [] };
/** The last tasks, so that there is always one that can be given as a value, one that combines two numbers, and one that reads what another writes. */
const LAST: Signature = { params: [{ type: "num" }], result: "num", context: [] };
const WRITE: Signature = { params: [{ type: "num" }], result: "file", context: [] };
const READ: Signature = { params: [{ type: "file" }], result: "num", context: [] };
const COMBINE: Signature = { params: [{ type: "num" }, { type: "num" }], result: "num", context: [] };

export function growProgram(from: ProgramGenes): Program {
  const genes = from.tasks.map((list) => new Genes(list));
  const fixed = new Map([
    [genes.length - 4, READ],
    [genes.length - 3, WRITE],
    [genes.length - 2, COMBINE],
    [genes.length - 1, LAST],
    [0, ROOT],
  ]);
  const signatures = genes.map((own, at) => fixed.get(at) ?? growSignature(own));
  const size = { helpers: from.helpers.length, constants: from.constants.length };
  return {
    tasks: genes.map((own, at) => ({
      name: at,
      file: own.next(FILES),
      options: growOptions(own),
      ...signatures[at]!,
      body: growBody(own, at, signatures, size),
    })),
    helpers: from.helpers.map((list) => growHelper(new Genes(list), size)),
    constants: from.constants.map((list) => growConstant(new Genes(list))),
    style: 0,
    files: Array.from({ length: FILES }, (_, i) => i),
  };
}

function growSignature(genes: Genes): Signature {
  const result = genes.pick<Type>(["num", "num", "num", "num", "list", "rec", "bool", "file", "task", "num", "files"]);
  const context = [[], [], [], [], [0], [1], [0, 1]][genes.next(7)]!;
  if (result === "num" && genes.next(6) === 5) return { params: [{ type: "error" }], result, context };
  const first: Parameter = {
    type: genes.pick<Type>(["num", "num", "num", "num", "list", "list", "file", "rec", "task", "files", "dir", "num"]),
  };
  const more = genes.next(4);
  if (more === 1) return { params: [first, { type: genes.pick<Type>(["num", "list"]) }], result, context };
  if (more === 2) return { params: [first, { type: "num", default: genes.next(5) }], result, context };
  return { params: [first], result, context };
}

export function growOptions(genes: Genes): Options {
  const at = genes.next(12);
  return {
    version: at === 10 ? 1 : null,
    cache: at === 11 ? "execution" : at === 9 ? "none" : "store",
    shallow: at === 8 || at === 7,
    executor: genes.pick(["inline", "inline", "inline", "inline", "inline", "thread", "thread", "process"] as const),
    idle: 0,
  };
}

export function growConstant(genes: Genes): Constant {
  return {
    value: genes.next(7),
    form: genes.pick(["literal", "computed", "object"] as const),
    extra: genes.next(3),
    file: genes.next(FILES),
  };
}

export function growHelper(genes: Genes, size: { readonly helpers: number; readonly constants: number }): Helper {
  const scope: Scope = { ...size, genes, signatures: [], self: -1, params: [{ type: "num" }], context: [], shared: [] };
  return {
    body: pure(scope, 3),
    arrow: genes.next(2) === 0,
    file: genes.next(FILES),
    undecided: growUndecided(genes, 16),
  };
}

/** Once in so many times something that cannot be decided. */
export function growUndecided(genes: Genes, seldom: number): Undecided {
  const at = genes.next(seldom * 2);
  return at === 1 ? "import" : at === 2 ? "state" : "no";
}

/** The body of the task `self`. */
export function growBody(
  genes: Genes,
  self: number,
  signatures: readonly Signature[],
  size: { readonly helpers: number; readonly constants: number },
): Body {
  const { params, result, context } = signatures[self]!;
  const scope: Scope = { ...size, genes, signatures, self, params, context, shared: [] };
  const shared: Expr[] = [];
  const types: Type[] = [];
  for (let left = genes.next(3); left > 0; left--) {
    const type = genes.pick<Type>(["num", "num", "list"]);
    shared.push(expr({ ...scope, shared: types }, type, 2));
    types.push(type);
  }
  const inner: Scope = { ...scope, shared: types };
  // Two calls that wrote one file would take each other's result away.
  const writes = result === "file" && context.length === 0 && !params.some(({ type }) => type === "task");
  const value: Expr =
    writes && genes.next(3) < 2
      ? { k: "write", p: pure(scope, 2) }
      : self === 0
        ? { k: "list", items: Array.from({ length: 1 + genes.next(4) }, () => expr(inner, "num", DEPTH)) }
        : expr(inner, result, DEPTH - 1);
  const fails = genes.next(7) === 6;
  return {
    shared,
    result: value,
    fail: fails
      ? { p: pure(scope, 2), kind: genes.pick(["RangeError", "TypeError"] as const), message: genes.pick(MESSAGES) }
      : null,
    async: genes.next(4) === 3,
    undecided: growUndecided(genes, 14),
  };
}

function indices(params: readonly Parameter[], type: Type): number[] {
  return params.flatMap((param, i) => (param.type === type ? [i] : []));
}

export function pure(scope: Scope, depth: number): Pure {
  const { genes, params } = scope;
  const leaves: (() => Pure)[] = [
    () => ({ k: "lit", v: genes.next(7) }),
    ...indices(params, "num").map((i) => (): Pure => ({ k: "param", i })),
    ...indices(params, "list").flatMap((i) => [(): Pure => ({ k: "sum", i }), (): Pure => ({ k: "size", i })]),
    ...(["file", "files", "dir"] as const).flatMap((type) =>
      indices(params, type).map((i) => (): Pure => ({ k: "content", i })),
    ),
    ...scope.context.map((key) => (): Pure => ({ k: "context", key, otherwise: genes.next(5) })),
    ...indices(params, "error").map((i) => (): Pure => ({ k: "message", i })),
    ...indices(params, "rec").map((i) => (): Pure => ({ k: "part", i })),
    () => ({ k: "const", id: genes.next(scope.constants) }),
  ];
  // What the body was given comes more often than the rest.
  const leaf = () =>
    (leaves.length > 2 && genes.next(2) === 0 ? leaves[1 + genes.next(leaves.length - 2)]! : genes.pick(leaves))();
  if (depth <= 0) return leaf();
  const sub = () => pure(scope, depth - 1);
  const more: (() => Pure)[] = [
    leaf,
    leaf,
    () => ({ k: "op", op: genes.pick(["+", "-", "*"] as const), a: sub(), b: sub() }),
    () => ({ k: "help", id: genes.next(scope.helpers), a: sub() }),
    () => ({ k: "if", a: sub(), b: sub(), c: sub() }),
  ];
  if (scope.self < 0) more[3] = () => ({ k: "again", id: genes.next(scope.helpers) });
  return genes.pick(more)();
}

/** Tasks of this type that come later: calls of these end. */
function later(scope: Scope, type: Type, fits: (signature: Signature) => boolean = () => true): number[] {
  return scope.signatures.flatMap((signature, i) =>
    i > scope.self && signature.result === type && signature.params[0]?.type !== "error" && fits(signature) ? [i] : [],
  );
}

/** Can be called with one number. */
const plain = ({ params }: Signature) => takes("num", params);
/** Can be called with one file. */
const onFile = ({ params }: Signature) => takes("file", params);
const takes = (type: Type, params: readonly Parameter[]) =>
  params[0]?.type === type && (params.length < 2 || params[1]?.default !== undefined);

/** Can be called with two numbers. */
const pair = ({ params }: Signature) => params.length === 2 && params.every(({ type }) => type === "num");

function expr(scope: Scope, type: Type, depth: number): Expr {
  const { genes } = scope;
  const choices: (() => Expr)[] = [];
  // More of one kind makes it more likely; the first one is what shrinking ends with.
  const add = (times: number, make: () => Expr) => {
    for (let i = 0; i < times; i++) choices.push(make);
  };
  const sub = (wanted: Type) => () => expr(scope, wanted, depth - 1);
  const literal = simplest(scope, type);
  add(1, literal);
  for (const i of indices(scope.params, type)) add(1, () => ({ k: "given", i }));
  scope.shared.forEach((shared, slot) => {
    if (shared === type) add(4, () => ({ k: "shared", slot }));
  });
  if (depth > 0) {
    for (const make of calls(scope, type, depth)) add(4, make);
    composite(scope, type, depth, sub, add);
  }
  return (depth > 1 ? genes.prefer(choices) : genes.pick(choices))();
}

function simplest(scope: Scope, type: Type): () => Expr {
  const { genes } = scope;
  switch (type) {
    case "bool":
      return () => ({ k: "even", p: pure(scope, 1) });
    case "list":
      return () => ({
        k: "list",
        items: Array.from({ length: genes.next(3) }, () => ({ k: "pure", p: pure(scope, 1) })),
      });
    case "rec":
      return () => ({ k: "rec", a: { k: "pure", p: pure(scope, 1) }, b: { k: "list", items: [] } });
    case "file":
      return () => ({ k: "file", file: genes.next(2) });
    case "files":
      return () => genes.pick<Expr>([...GLOBS.map((_, pattern): Expr => ({ k: "glob", pattern })), { k: "dirFiles" }]);
    case "dir":
      return () => ({ k: "dir" });
    case "task": {
      const tasks = later(scope, "num", plain);
      // The last task finds none after it: itself then, whose calls may go round; such programs are left out.
      const whole = (): Expr => ({ k: "task", task: tasks.length > 0 ? genes.pick(tasks) : scope.self });
      const pairs = later(scope, "num", pair);
      if (pairs.length === 0) return whole;
      return () =>
        genes.next(2) === 0
          ? whole()
          : { k: "partial", task: genes.pick(pairs), arg: { k: "pure", p: pure(scope, 1) } };
    }
    default:
      return () => ({ k: "pure", p: pure(scope, 2) });
  }
}

/** Expressions that are lazy whatever they hold: calls, or what wraps them. */
function calls(scope: Scope, type: Type, depth: number): (() => Expr)[] {
  const { genes } = scope;
  return later(scope, type).map((task) => () => {
    const { params } = scope.signatures[task]!;
    const given = params.at(-1)?.default !== undefined && genes.next(2) === 0 ? params.slice(0, -1) : params;
    return { k: "call", task, args: given.map((param) => expr(scope, param.type, depth - 1)) };
  });
}

function composite(
  scope: Scope,
  type: Type,
  depth: number,
  sub: (type: Type) => () => Expr,
  add: (times: number, make: () => Expr) => void,
): void {
  const { genes } = scope;
  if (type !== "task") {
    if (calls(scope, type, depth).length > 0)
      add(2, () => ({
        k: "under",
        key: genes.next(CONTEXT),
        value: genes.next(3) > 0 ? { k: "pure", p: pure(scope, 1) } : sub("num")(),
        body: genes.pick(calls(scope, type, depth))(),
      }));
    add(1, () => ({ k: "cond", c: sub("bool")(), a: sub(type)(), b: sub(type)() }));
    add(1, () => ({ k: "when", p: pure(scope, 1), a: sub(type)(), b: sub(type)() }));
  }
  const lazyOf = (wanted: Type, minus: number): Expr => {
    const found = calls(scope, wanted, depth - minus);
    return found.length > 0 && genes.next(3) > 0
      ? genes.pick(found)()
      : { k: "all", of: expr(scope, wanted, depth - minus) };
  };
  const several = (min: number) => Array.from({ length: min + genes.next(3) }, sub("num"));
  const mappable = later(scope, "num", plain);
  switch (type) {
    case "num": {
      const recover = scope.signatures.flatMap(({ params }, i) => (params[0]?.type === "error" ? [i] : []));
      if (recover.length > 0)
        add(3, () => ({
          k: "catch",
          body: sub("num")(),
          task: genes.pick(recover),
          only: genes.pick([[], [], [], ["RangeError"], ["unknown"], ["not_found", "TypeError"]]),
        }));
      add(1, () => ({ k: "field", of: lazyOf("rec", 1), key: "a" }));
      add(1, () => ({ k: "field", of: lazyOf("list", 1), key: genes.pick(["length", 0, 1] as const) }));
      if (mappable.length > 0) add(1, () => ({ k: "apply", f: sub("task")(), arg: sub("num")() }));
      for (const i of indices(scope.params, "task"))
        add(2, () => ({ k: "apply", f: { k: "given", i }, arg: sub("num")() }));
      for (const task of later(scope, "num", pair))
        add(1, () => ({
          k: "reduce",
          task,
          items: sub("list")(),
          initial: genes.next(3) > 0 ? { k: "pure", p: pure(scope, 1) } : null,
        }));
      add(1, () => ({ k: "ends", items: several(1) }));
      if (genes.next(4) === 3) add(1, () => ({ k: "raise", message: genes.pick(MESSAGES) }));
      recursions(scope, sub, add);
      return;
    }
    case "list":
      add(2, () => ({ k: "list", items: several(1) }));
      add(1, () => ({ k: "seq", items: several(1) }));
      if (mappable.length > 0) add(3, () => ({ k: "map", task: genes.pick(mappable), items: sub("list")() }));
      for (const task of later(scope, "num", onFile)) add(3, () => ({ k: "map", task, items: sub("files")() }));
      if (indices(scope.params, "task").length > 0 || genes.next(3) === 2)
        add(2, () => ({ k: "each", f: sub("task")(), items: sub("list")() }));
      for (const task of later(scope, "list", plain)) add(2, () => ({ k: "flatMap", task, items: sub("list")() }));
      for (const task of later(scope, "bool", plain)) add(2, () => ({ k: "filter", task, items: sub("list")() }));
      add(1, () => ({ k: "field", of: lazyOf("rec", 1), key: "b" }));
      add(1, () => ({ k: "all", of: sub("list")() }));
      return;
    case "rec":
      add(2, () => ({ k: "rec", a: sub("num")(), b: sub("list")() }));
      return;
    default:
      return;
  }
}

/** Calls of tasks that come earlier, or of itself, with a smaller number. */
function recursions(
  scope: Scope,
  sub: (type: Type) => () => Expr,
  add: (times: number, make: () => Expr) => void,
): void {
  const [i] = indices(scope.params, "num");
  if (i === undefined) return;
  const back = scope.signatures.flatMap((signature, at) =>
    at <= scope.self && signature.result === "num" && plain(signature) ? [at] : [],
  );
  const p: Pure = { k: "param", i };
  const less: Expr = { k: "pure", p: { k: "op", op: "-", a: p, b: { k: "lit", v: 1 } } };
  if (back.length > 0)
    add(1, () => ({ k: "when", p, a: { k: "call", task: scope.genes.pick(back), args: [less] }, b: sub("num")() }));
}
