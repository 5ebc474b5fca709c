/**
 * The naive evaluator: what a program gives when everything is evaluated from scratch, and which calls that takes. It works on the program as data, keeps nothing from one evaluation to the next, and uses nothing
 * of the code under test.
 */

import {
  type Body,
  DATA,
  dataFolder,
  dataPath,
  type Expr,
  GLOBS,
  keepsResult,
  outFolder,
  type Pure,
  type State,
  type Task,
  taskName,
} from "./language.ts";
import { after, done, failed, type Problem, type Settled, type Trace, together } from "./settled.ts";
import { outName, show } from "./show.ts";
import { type DirectoryOf, fileValue, type PathOf, TaskValue } from "./values.ts";

/** The program cannot serve as a test: it is too large, goes round in circles, or depends on which of two failures comes first. */
export class Unfit extends Error {}

/** A call that was made. */
export interface Call {
  readonly task: number;
  /** Name and arguments as the body tells them. */
  readonly shown: string;
  /** What the call is known by beside its code; calls that are equal in it are one, if the task keeps its results. */
  readonly key: string;
  /** The body gave a result, whatever came of that. */
  readonly bodyOk: boolean;
  /** Under how many contexts. */
  readonly asked: number;
  /** The file that it wrote. */
  readonly wrote: { readonly path: string; readonly text: string } | null;
}

/** What came of it; of several failures any may be told. */
export interface Naive {
  readonly settled: Settled;
  readonly trace: Trace;
  readonly calls: ReadonlyMap<string, Call>;
}

/** Values that calls below can see. */
type Context = ReadonlyMap<number, unknown>;

const MOST_CALLS = 150;
const MOST_STEPS = 20_000;

/** Evaluates the root of a program. @throws Unfit */
export function evaluate(prefix: string, state: State): Naive {
  const { program } = state;
  const calls = new Map<string, Call>();
  const shared = new Map<string, Settled | "under way">();
  /** Calls below those that are checked shallowly: a final value that is taken spares them. */
  const hidden = new Set<string>();
  const outputs = new Map<string, string>();
  let steps = 0;

  function call(at: number, given: readonly unknown[], context: Context): Settled {
    const task = program.tasks[at]!;
    const args = task.params.map((param, i) => (given[i] === undefined ? param.default : given[i]));
    const shown = `${taskName(prefix, task)}${show(args)}`;
    const bound = args.map((arg) => (arg instanceof TaskValue ? arg.bound : []));
    const key = `${shown}${show(bound)}${show(task.context.map((k) => (context.has(k) ? [context.get(k)] : [])))}`;
    const under = `${key} under ${show([...context])}`;
    const id = task.options.cache === "none" ? `${key}#${calls.size}` : keepsResult(program, task) ? key : under;
    const known = shared.get(under);
    if (task.options.cache !== "none") {
      if (known === "under way") throw new Unfit("goes round in circles");
      if (known) return known;
      shared.set(under, "under way");
    }
    const settled = body(
      { task, args, own: context, context, slots: new Map() },
      { task: at, shown, key, bodyOk: false, asked: 0, wrote: null },
      id,
    );
    if (task.options.cache !== "none") shared.set(under, settled);
    return settled;
  }

  function body(frame: Frame, made: Call, id: string): Settled {
    const { task, args } = frame;
    const { fail, result }: Body = task.body;
    const ok = !(fail && pure(fail.p, frame) > 0);
    const own: Trace = { must: new Set([id]), may: new Set() };
    const wrote =
      ok && result.k === "write"
        ? {
            path: `${outFolder(prefix)}/${outName(taskName(prefix, task), args)}`,
            text: String(pure(result.p, frame)),
          }
        : null;
    calls.set(id, { ...made, bodyOk: ok, wrote, asked: (calls.get(id)?.asked ?? 0) + 1 });
    if (calls.size > MOST_CALLS) throw new Unfit("too many calls");
    if (!ok) return { ...failed({ code: "unknown", name: fail!.kind, message: fail!.message }), trace: own };
    if (wrote) outputs.set(wrote.path, wrote.text);
    const settled = wrote ? done(fileValue(wrote.path, wrote.text)) : expr(result, frame);
    if (!task.options.shallow) return after([done(null, own)], settled);
    const below = new Set([...settled.trace.must, ...settled.trace.may]);
    for (const one of below) hidden.add(one);
    return { ...settled, trace: { must: own.must, may: below } };
  }

  interface Frame {
    readonly task: Task;
    readonly args: readonly unknown[];
    /** What the body sees, and what the calls of an expression below see. */
    readonly own: Context;
    readonly context: Context;
    /** Shared expressions, and those under a context: evaluated once in each context. */
    readonly slots: Map<Expr, Map<string, Settled>>;
  }

  function once(at: Expr, frame: Frame): Settled {
    const [slots, key] = [frame.slots.get(at) ?? new Map<string, Settled>(), show([...frame.context])];
    frame.slots.set(at, slots.set(key, slots.get(key) ?? expr(at, frame)));
    return slots.get(key)!;
  }

  function expr(at: Expr, frame: Frame): Settled {
    if (++steps > MOST_STEPS) throw new Unfit("too many steps");
    const sub = (one: Expr) => expr(one, frame);
    const ask = (task: number, args: readonly unknown[]) => call(task, args, frame.context);
    const value = (task: number, ...bound: unknown[]) =>
      new TaskValue(task, taskName(prefix, program.tasks[task]!), bound);
    const apply = (f: unknown, arg: unknown) => ask((f as TaskValue).number, [...(f as TaskValue).bound, arg]);
    type Next = (values: readonly unknown[]) => Settled;
    /** A call for each item of a list. */
    const each = (f: unknown, items: unknown, next: Next) =>
      together(
        (items as unknown[]).map((item) => apply(f, item)),
        next,
      );
    const file = (number: number, name: string) => fileValue(`${dataFolder(prefix)}/${name}`, state.data[number]);
    const present = DATA.map((name, number) => ({ name, number }))
      .filter(({ number }) => state.data[number] !== null)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const then = (one: Expr, next: (value: unknown) => Settled): Settled => {
      const settled = sub(one);
      return settled.ok ? after([settled], next(settled.value)) : settled;
    };
    switch (at.k) {
      case "pure":
        return done(pure(at.p, frame));
      case "even":
        return done(pure(at.p, frame) % 2 === 0);
      case "given":
        return done(frame.args[at.i]);
      case "shared":
        return once(frame.task.body.shared[at.slot]!, frame);
      case "call":
        return together(at.args.map(sub), (values) => ask(at.task, values));
      case "when":
        return sub(pure(at.p, frame) > 0 ? at.a : at.b);
      case "cond":
        return then(at.c, (value) => sub(value === true ? at.a : at.b));
      case "catch": {
        const settled = sub(at.body);
        if (settled.ok) return settled;
        if (settled.problems.size > 1) throw new Unfit("either of two failures may be caught");
        const problem = [...settled.problems.values()][0]!;
        if (at.only.length > 0 && !at.only.includes(problem.code) && !at.only.includes(problem.name)) return settled;
        return after([settled], ask(at.task, [problem]));
      }
      case "map":
        return then(at.items, (items) => each(value(at.task), items, done));
      case "each":
        return together([sub(at.f), sub(at.items)], ([f, items]) => each(f, items, done));
      case "flatMap":
        return then(at.items, (items) => each(value(at.task), items, (lists) => done(lists.flat())));
      case "filter":
        return then(at.items, (items) =>
          each(value(at.task), items, (kept) => done((items as unknown[]).filter((_, i) => kept[i]))),
        );
      case "reduce":
        return together([sub(at.items), ...(at.initial ? [sub(at.initial)] : [])], ([items, ...initial]) => {
          let level = [...initial, ...(items as unknown[])].map((value) => done(value));
          const name = taskName(prefix, program.tasks[at.task]!);
          const empty = `reduce(${name}, items): the list is empty, so there is no result; give an initial value as the third argument`;
          if (level.length === 0) return failed({ code: "invalid_argument", name: "FiresteelError", message: empty });
          while (level.length > 1)
            level = level.flatMap((left, i) => {
              if (i % 2 === 1) return [];
              const right = level[i + 1];
              return right ? together([left, right], (values) => ask(at.task, values)) : left;
            });
          return level[0]!;
        });
      case "ends":
        return after(at.items.map(sub), done(at.items.length));
      case "list":
        return together(at.items.map(sub), done);
      case "seq": {
        const before: Settled[] = [];
        for (const item of at.items) {
          const settled = sub(item);
          if (!settled.ok) return after(before, settled);
          before.push(settled);
        }
        return after(before, done(before.map((settled) => settled.ok && settled.value)));
      }
      case "rec":
        return together([sub(at.a), sub(at.b)], ([a, b]) => done({ a, b }));
      case "all":
        return sub(at.of);
      case "field":
        return then(at.of, (value) => done((value as Record<string | number, unknown>)[at.key]));
      case "apply":
        return together([sub(at.f), sub(at.arg)], ([f, arg]) => apply(f, arg));
      case "task":
        return done(value(at.task));
      case "partial":
        return then(at.arg, (arg) => done(value(at.task, arg)));
      case "under":
        return then(at.value, (value) =>
          once(at.body, { ...frame, context: new Map([...new Map(frame.context).set(at.key, value)].sort()) }),
        );
      case "raise":
        return failed({ code: "unknown", name: "Raised", message: at.message });
      case "file": {
        const path = dataPath(prefix, at.file);
        if (typeof state.data[at.file] === "number") return done(file(at.file, DATA[at.file]!));
        return failed({ code: "not_found", name: "FiresteelError", message: `file does not exist: ${path}` });
      }
      case "glob":
      case "dirFiles": {
        const pattern = at.k === "glob" ? GLOBS[at.pattern]![1] : /./;
        return done(present.flatMap(({ name, number }) => (pattern.test(name) ? [file(number, name)] : [])));
      }
      case "dir": {
        const entries = present.map(({ name, number }) => ({ name, version: file(number, name).version }));
        return done({ kind: "directory", path: dataFolder(prefix), by: "content", hidden: false, entries });
      }
      case "write":
        throw new Error("only the result of a body writes");
    }
  }

  function pure(at: Pure, frame: Pick<Frame, "args" | "own">): number {
    const { args } = frame;
    if (++steps > MOST_STEPS) throw new Unfit("too many steps");
    const sub = (one: Pure) => pure(one, frame);
    switch (at.k) {
      case "lit":
        return at.v;
      case "param":
        return args[at.i] as number;
      case "const":
        return program.constants[at.id]!.value;
      case "op": {
        const [a, b] = [sub(at.a), sub(at.b)];
        return (at.op === "+" ? a + b : at.op === "-" ? a - b : a * b) % 7;
      }
      case "if":
        return sub(at.a) > 0 ? sub(at.b) : sub(at.c);
      case "help":
        return pure(program.helpers[at.id]!.body, { ...frame, args: [sub(at.a)] });
      case "again": {
        const n = args[0] as number;
        return n > 0 && n < 5 ? pure(program.helpers[at.id]!.body, { ...frame, args: [n - 1] }) : 0;
      }
      case "sum":
        return (args[at.i] as number[]).reduce((a, b) => a + b, 0) % 7;
      case "size":
        return (args[at.i] as number[]).length;
      case "content": {
        const { entries, path } = args[at.i] as DirectoryOf;
        const of = (one: string) =>
          Number(outputs.get(one) ?? state.data.find((_, number) => dataPath(prefix, number) === one));
        const list = args[at.i] as readonly PathOf[];
        if (Array.isArray(list)) return list.reduce((sum, one) => (sum + of(one.path)) % 7, 0);
        return entries ? entries.reduce((sum, { name }) => (sum + of(`${path}/${name}`)) % 7, 0) : of(path);
      }
      case "context":
        return (frame.own.get(at.key) as number | undefined) ?? at.otherwise;
      case "message":
        return (args[at.i] as Problem).message.length % 7;
      case "part": {
        const { a, b } = args[at.i] as { readonly a: number; readonly b: readonly number[] };
        return (a + b.length) % 7;
      }
      case "same":
        return sub(at.a);
    }
  }

  const settled = call(0, [state.argument], new Map());
  const { must, may } = settled.trace;
  // A root that failed waits for everything that was asked for.
  const also = settled.ok ? [] : [...may].filter((id) => !hidden.has(id));
  const trace: Trace = { must: new Set([...must, ...also]), may };
  return { settled, trace, calls };
}
