/**
 * The naive evaluator: what a program gives when everything is evaluated from scratch, and which calls that takes. It works on the program as data, keeps nothing from one evaluation to the next, and uses nothing
 * of the code under test.
 *
 * Calls come in two kinds. Those that *must* be made, whatever the order in which things happen; and those that *may* be made: when something failed, what was asked for beside it goes on, but an execution that
 * got its result by catching the failure ends without waiting for it.
 */

import { createHash } from "node:crypto";
import { type Body, dataPath, type Expr, type Pure, type State, type Task, taskName } from "./language.ts";
import { show } from "./show.ts";

/** The program cannot serve as a test: it is too large, goes round in circles, or depends on which of two failures comes first. */
export class Unfit extends Error {}

/** A failure as those see it who catch it, less its path. */
export interface Problem {
  readonly code: string;
  readonly name: string;
  readonly message: string;
}

/** A call that was made. */
export interface Call {
  readonly task: number;
  /** Name and arguments as a text; calls that are equal in it are one, unless the task is not cached at all. */
  readonly shown: string;
  /** The body gave a result, whatever came of that. */
  readonly bodyOk: boolean;
}

/** Calls by an id that tells apart those that are not merged. */
export interface Trace {
  readonly must: ReadonlySet<string>;
  readonly may: ReadonlySet<string>;
}

type Settled = { readonly trace: Trace } & (
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problems: ReadonlyMap<string, Problem> }
);

/** What came of it; of several failures any may be told. */
export interface Naive {
  readonly settled: Settled;
  readonly trace: Trace;
  readonly calls: ReadonlyMap<string, Call>;
}

const MOST_CALLS = 150;
const MOST_STEPS = 20_000;
const NOTHING: Trace = { must: new Set(), may: new Set() };

/** Evaluates the root of a program. @throws Unfit */
export function evaluate(prefix: string, state: State): Naive {
  const { program } = state;
  const calls = new Map<string, Call>();
  const shared = new Map<string, Settled | "under way">();
  /** Calls below those that are checked shallowly: a final value that is taken spares them. */
  const hidden = new Set<string>();
  let steps = 0;

  const done = (value: unknown, trace = NOTHING): Settled => ({ ok: true, value, trace });
  const failed = (problem: Problem): Settled => ({
    ok: false,
    problems: new Map([[show(problem), problem]]),
    trace: NOTHING,
  });

  /** Several things asked for at once: all their values, or whichever failure comes first. */
  const together = (parts: readonly Settled[], combine: (values: readonly unknown[]) => Settled): Settled => {
    const bad = parts.filter((part) => !part.ok);
    if (bad.length === 0) return after(parts, combine(parts.map((part) => (part.ok ? part.value : undefined))));
    const must = new Set(bad.length === 1 ? bad[0]!.trace.must : []);
    const may = new Set(parts.flatMap(({ trace }) => [...trace.must, ...trace.may]).filter((id) => !must.has(id)));
    return {
      ok: false,
      problems: new Map(bad.flatMap((part) => (part.ok ? [] : [...part.problems]))),
      trace: { must, may },
    };
  };

  /** What comes after other things were done. */
  const after = (before: readonly Settled[], last: Settled): Settled => {
    const traces = [...before, last].map(({ trace }) => trace);
    const must = new Set(traces.flatMap((trace) => [...trace.must]));
    return {
      ...last,
      trace: { must, may: new Set(traces.flatMap((trace) => [...trace.may]).filter((id) => !must.has(id))) },
    };
  };

  function call(at: number, given: readonly unknown[]): Settled {
    const task = program.tasks[at]!;
    const args = task.params.map((param, i) => (given[i] === undefined ? param.default : given[i]));
    const shown = `${taskName(prefix, task)}${show(args)}`;
    if (task.options.cache === "none") return body(task, at, args, shown, `${shown}#${calls.size}`);
    const known = shared.get(shown);
    if (known === "under way") throw new Unfit("goes round in circles");
    if (known) return known;
    shared.set(shown, "under way");
    const settled = body(task, at, args, shown, shown);
    shared.set(shown, settled);
    return settled;
  }

  function body(task: Task, at: number, args: readonly unknown[], shown: string, id: string): Settled {
    calls.set(id, { task: at, shown, bodyOk: false });
    if (calls.size > MOST_CALLS) throw new Unfit("too many calls");
    const own: Trace = { must: new Set([id]), may: new Set() };
    const { fail, result }: Body = task.body;
    if (fail && pure(fail.p, args) > 0)
      return { ...failed({ code: "unknown", name: fail.kind, message: fail.message }), trace: own };
    calls.set(id, { task: at, shown, bodyOk: true });
    const settled = expr(result, { task, args, slots: new Map() });
    if (!task.options.shallow) return after([done(null, own)], settled);
    const below = new Set([...settled.trace.must, ...settled.trace.may]);
    for (const one of below) hidden.add(one);
    return { ...settled, trace: { must: own.must, may: below } };
  }

  interface Frame {
    readonly task: Task;
    readonly args: readonly unknown[];
    /** Shared expressions: evaluated once. */
    readonly slots: Map<number, Settled>;
  }

  function expr(at: Expr, frame: Frame): Settled {
    if (++steps > MOST_STEPS) throw new Unfit("too many steps");
    const sub = (one: Expr) => expr(one, frame);
    const then = (one: Expr, next: (value: unknown) => Settled): Settled => {
      const settled = sub(one);
      return settled.ok ? after([settled], next(settled.value)) : settled;
    };
    switch (at.k) {
      case "pure":
        return done(pure(at.p, frame.args));
      case "even":
        return done(pure(at.p, frame.args) % 2 === 0);
      case "given":
        return done(frame.args[at.i]);
      case "shared": {
        const settled = frame.slots.get(at.slot) ?? sub(frame.task.body.shared[at.slot]!);
        frame.slots.set(at.slot, settled);
        return settled;
      }
      case "call":
        return together(at.args.map(sub), (values) => call(at.task, values));
      case "when":
        return sub(pure(at.p, frame.args) > 0 ? at.a : at.b);
      case "cond":
        return then(at.c, (value) => sub(value === true ? at.a : at.b));
      case "catch": {
        const settled = sub(at.body);
        if (settled.ok) return settled;
        if (settled.problems.size > 1) throw new Unfit("either of two failures may be caught");
        const problem = [...settled.problems.values()][0]!;
        if (at.only.length > 0 && !at.only.includes(problem.code) && !at.only.includes(problem.name)) return settled;
        return after([settled], call(at.task, [problem]));
      }
      case "map":
        return then(at.items, (value) =>
          together(
            (value as unknown[]).map((item) => call(at.task, [item])),
            done,
          ),
        );
      case "flatMap":
        return then(at.items, (value) =>
          together(
            (value as unknown[]).map((item) => call(at.task, [item])),
            (lists) => done(lists.flat()),
          ),
        );
      case "filter":
        return then(at.items, (value) =>
          together(
            (value as unknown[]).map((item) => call(at.task, [item])),
            (kept) => done((value as unknown[]).filter((_, i) => kept[i])),
          ),
        );
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
        return together([sub(at.f), sub(at.arg)], ([f, value]) =>
          call((f as { readonly number: number }).number, [value]),
        );
      case "task":
        return done(new TaskValue(at.task, taskName(prefix, program.tasks[at.task]!)));
      case "raise":
        return failed({ code: "unknown", name: "Raised", message: at.message });
      case "file": {
        const path = dataPath(prefix, at.file);
        const content = state.data[at.file];
        if (content === null || content === undefined)
          return failed({ code: "not_found", name: "FiresteelError", message: `file does not exist: ${path}` });
        const digest = createHash("sha256").update(String(content)).digest("hex");
        return done({ kind: "file", by: "content", path, version: digest });
      }
    }
  }

  function pure(at: Pure, args: readonly unknown[]): number {
    if (++steps > MOST_STEPS) throw new Unfit("too many steps");
    const sub = (one: Pure) => pure(one, args);
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
        return pure(program.helpers[at.id]!.body, [sub(at.a)]);
      case "again": {
        const n = args[0] as number;
        return n > 0 && n < 5 ? pure(program.helpers[at.id]!.body, [n - 1]) : 0;
      }
      case "sum":
        return (args[at.i] as number[]).reduce((a, b) => a + b, 0) % 7;
      case "size":
        return (args[at.i] as number[]).length;
      case "content": {
        const { path } = args[at.i] as { readonly path: string };
        return state.data.find((_, file) => dataPath(prefix, file) === path) as number;
      }
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

  const settled = call(0, [state.argument]);
  const { must, may } = settled.trace;
  // A root that failed waits for everything that was asked for.
  const also = settled.ok ? [] : [...may].filter((id) => !hidden.has(id));
  const trace: Trace = { must: new Set([...must, ...also]), may };
  return { settled, trace, calls };
}

/** A task as a value. */
class TaskValue {
  readonly number: number;
  readonly taskName: string;

  constructor(number: number, name: string) {
    this.number = number;
    this.taskName = name;
  }
}
