/** What the types say; checked by the compiler, this file has no behaviour. */
import { expect, it } from "vitest";
import type { DatasetValue, DirectoryValue as Directory, FileValue as File } from "../../src/define/external.ts";
import { directory, file, glob } from "../../src/define/files.ts";
import {
  all,
  apply,
  type CaughtError,
  catchAll,
  catchError,
  cond,
  dataset,
  type Result,
  raise,
  seq,
} from "../../src/define/forms.ts";
import { field, type Lazy, type LazyOf } from "../../src/define/lazy.ts";
import { filter, flatMap, map, reduce } from "../../src/define/lists.ts";
import { add, and, eq, gt, lt, text } from "../../src/define/operators.ts";
import { partial } from "../../src/define/partial.ts";
import { contextValue, withContext, withTags } from "../../src/define/scope.ts";
import { pyspark, sql } from "../../src/define/spark.ts";
import { type Task, task } from "../../src/define/task.ts";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** The type that a lazy stands for. */
type Of<L> = L extends LazyOf<infer T> ? T : never;
const same = <A, B>(_: Equal<A, B>): void => undefined;

const inc = task("types.inc", (n: number) => n + 1);
const names = task("types.names", async (list: string[]) => list.map((name) => ({ name, size: name.length })));
const use = task("types.use", (rows: { name: string; size: number }[]) => rows.length);
const plain = task("types.plain", (options: { a: number; tags?: readonly string[] }) => options);
const query = task("types.query", { tags: ["bulk-data"] }, (d: DatasetValue, n: number) => sql`SELECT ${n} FROM ${d}`);
const job = task("types.job", () => pyspark({ file: "a.py", outputs: { daily: {}, worst: {} } }));
const single = task("types.single", () => pyspark({ file: "a.py" }));
const nested = task("types.nested", (n: number) => ({
  a: inc(n),
  b: [inc(n), "x"] as const,
  c: query(dataset("d"), n),
}));
const defaults = task("types.defaults", (n: number, by = 1, { sign = "+" } = {}) => `${sign}${n * by}`);
const generic = task("types.generic", <T>(items: T[]) => items.length);
const rest = task("types.rest", async (first: string, ...more: number[]) => [first, ...more]);
const recover = task("types.recover", (error: CaughtError) => error.message);

const split = task("types.split", (words: string) => words.split(" "));
const isLong = task("types.isLong", (word: string) => word.length > 3);
const plus = task("types.plus", (a: number, b: number) => a + b);
const compare = task("types.compare", (a: number, b: number) => a < b);
const adder = task("types.adder", () => plus);
const repair = task("types.repair", (results: { a: Result<number>; b: Result<number> }) => (results.a.ok ? "a" : "b"));
const failed = task("types.failed", (results: Result<number>[]) => results.length);
const recoverWith = task("types.recoverWith", (prefix: string, error: CaughtError) => prefix + error.message);

/** Parameters of bodies; never called. */
function parameters(): void {
  same<Parameters<typeof defaults>["length"], 1 | 2 | 3>(true);
  same<Of<ReturnType<typeof defaults>>, string>(true);
  same<Of<ReturnType<typeof rest>>, (string | number)[]>(true);
  defaults(1);
  defaults(inc(1), inc(2), { sign: "-" });
  rest("a", 1, inc(1));
  generic([1]);
  // @ts-expect-error a text where its default is a number
  defaults(1, "x");
  // @ts-expect-error its first argument has no default
  defaults();
  // @ts-expect-error a body without a type of its parameter
  task("types.untyped", (n) => n);
  // @ts-expect-error a body that is no function
  task("types.none", {});
}

/** Of an arrow that a form is given; never called, since only code that firesteel loads may give one. */
function arrows(): void {
  const items = map(inc, [1]);
  const written = map((n: number) => n + 1, [1, inc(2)]);
  same<Of<typeof written>, number[]>(true);
  const inferred = map((n) => `${n + 1}`, [1, 2]);
  same<Of<typeof inferred>, string[]>(true);
  const overLazies = map((n) => n + 1, [1, inc(2)]);
  same<Of<typeof overLazies>, number[]>(true);
  const overLazy = map((n) => [n], items);
  same<Of<typeof overLazy>, number[][]>(true);
  const ofCalls = map((n) => inc(n), items);
  same<Of<typeof ofCalls>, number[]>(true);
  const later = map(async (n) => ({ a: inc(n) }), items);
  same<Of<typeof later>, { readonly a: number }[]>(true);
  const rows = map((row) => row.size, names(["a"]));
  same<Of<typeof rows>, number[]>(true);
  const none = map(() => 1, ["a"]);
  same<Of<typeof none>, number[]>(true);
  const joined = flatMap((text) => text.split(" "), ["a b"]);
  same<Of<typeof joined>, string[]>(true);
  const kept = filter((n) => n > 1, items);
  same<Of<typeof kept>, number[]>(true);
  const byLazy = filter((n) => lt(n, 3), items);
  same<Of<typeof byLazy>, number[]>(true);
  const total = reduce((a, b) => a + b, items, 0);
  same<Of<typeof total>, number>(true);
  const lazily = reduce((a, b) => add(a, b), items);
  same<Of<typeof lazily>, number>(true);
  const caught = catchError(inc(1), (error) => error.message);
  same<Of<typeof caught>, number | string>(true);
  const ended = catchAll(map(inc, [1]), (results) => results.map(({ ok }) => ok));
  same<Of<typeof ended>, number[] | boolean[]>(true);
  const record = catchAll({ a: inc(1) }, (results) => (results.a.ok ? "a" : null));
  const recordOf: LazyOf<{ a: number } | string | null> = record;
  const applied = apply((a: number, b: string) => b.repeat(a), inc(1), "x");
  same<Of<typeof applied>, string>(true);
  const one = partial((by: number, n: number) => inc(by * n), inc(1));
  same<typeof one, Task<[n: number], number>>(true);
  const two = partial((a: string, b: number, c: boolean) => [a, b, c], "a", 1);
  const mapped: LazyOf<(string | number | boolean)[][]> = map(two, [true]);
  expect([recordOf, mapped]).toHaveLength(2);
}

it("types of arrows", () => {
  expect(arrows).toBeInstanceOf(Function);
  expect(parameters).toBeInstanceOf(Function);
});

it("types follow laziness", () => {
  same<Of<ReturnType<typeof inc>>, number>(true);
  same<Of<ReturnType<typeof names>>, { readonly name: string; readonly size: number }[]>(true);
  same<Of<ReturnType<typeof query>>, DatasetValue>(true);
  same<Of<ReturnType<typeof single>>, DatasetValue>(true);
  same<Of<ReturnType<typeof job>["outputs"]["daily"]>, DatasetValue>(true);
  same<Of<ReturnType<typeof nested>["a"]>, number>(true);
  same<Of<ReturnType<typeof nested>["b"][0]>, number>(true);
  same<Of<ReturnType<typeof nested>["c"]>, DatasetValue>(true);

  const few = inc.with({ retries: 3 })(inc(1));
  same<Of<typeof few>, number>(true);
  const list = names(["a"]);
  const first: Lazy<string> = list[0]!.name;
  const size: LazyOf<number> = list.length;
  use(list);
  use([{ name: first, size }]);
  plain({ a: inc(1), tags: ["x"] });
  plain(plain({ a: 1 }));
  const chosen: LazyOf<number | string> = cond(inc(1) as never, inc(1), "x");
  const caught: LazyOf<number | string> = catchError(inc(1), recover);
  const mapped: LazyOf<number[]> = map(inc, [1, inc(2)]);
  const withDefault = task("types.withDefault", (n: number, by: number = 1) => n + by);
  const again: LazyOf<number[]> = map(withDefault, mapped);
  const needsTwo = task("types.needsTwo", (n: number, by: number) => n + by);
  // @ts-expect-error the second argument has no default
  void (() => map(needsTwo, [1]));
  const both = all({ a: inc(1), b: [list] });
  same<Of<typeof both>["a"], number>(true);
  const pair = seq([inc(1), "x"]);
  same<Of<typeof pair>[0], number>(true);
  const applied: LazyOf<number> = apply(inc, inc(1));
  // biome-ignore lint/suspicious/noThenProperty: a field of that name is what `field` is for
  const then = field(task("types.then", () => ({ then: 1 }))(), "then");
  same<Of<typeof then>, number>(true);
  const lengthOf = task("types.lengthOf", (f: File) => f.path.length);
  const sizes: LazyOf<number[]> = map(lengthOf, glob("in/*", { hidden: true }));
  const below: LazyOf<number[]> = map(lengthOf, directory("in").files);
  const first0: LazyOf<string> = directory("in").files[0]!.path;
  const count = task("types.count", (d: Directory) => d.entries.length);
  expect([
    sizes,
    below,
    first0,
    lengthOf(file("a", { by: "etag" })),
    count(directory("in", { by: "stat" })),
  ]).toHaveLength(5);
  expect([chosen, caught, again, applied, both, pair]).toHaveLength(6);

  const truth = lt(inc(1), 2);
  const grade = cond(truth, "a" as const, and(truth, true), inc(1), eq(first, "x"), null, [inc(1)]);
  same<Of<typeof grade>, "a" | number | null | number[]>(true);
  const sum: LazyOf<number> = add(inc(1), 2);
  const big: LazyOf<bigint> = add(2n, 3n);
  const line: LazyOf<string> = text`${sum} ${first} ${big} ${true}`;
  const lists: LazyOf<string[]> = flatMap(split, ["a b"]);
  const long: LazyOf<string[]> = filter(isLong, lists);
  const total = reduce(plus, mapped, 0);
  same<Of<typeof total>, number>(true);
  const addTwo = partial(plus, 2);
  same<typeof addTwo, Task<[b: number], number>>(true);
  const tried: LazyOf<number> = addTwo.with({ retries: 2 })(1);
  const bound: LazyOf<number[]> = map(addTwo, [1, inc(1)]);
  const later = partial(adder(), 1);
  const seven: LazyOf<number> = apply(later, inc(6));
  const tuple = all([inc(1), "x", [true]]);
  same<Of<(typeof tuple)[0]>, number>(true);
  same<Of<(typeof tuple)[1]>, string>(true);
  const ended = catchAll([inc(1), first]);
  same<Of<(typeof ended)[1]>, Result<string>>(true);
  const record = catchAll({ a: inc(1), b: names([]) });
  same<Of<(typeof record)["a"]>, Result<number>>(true);
  const fixed: LazyOf<{ a: number; b: number } | string> = catchAll({ a: inc(1), b: inc(2) }, repair);
  const each: LazyOf<Result<number>[]> = catchAll(map(inc, [1]));
  const eachOr: LazyOf<number[] | number> = catchAll(map(inc, [1]), failed);
  const listOr: LazyOf<number[] | number> = catchAll([inc(1), inc(2)], failed);
  const classes: LazyOf<number | string> = catchError(inc(1), recover, [
    "not_found",
    TypeError,
    class Mine extends Error {},
  ]);
  const prefixed: LazyOf<number | string> = catchError(inc(1), partial(recoverWith, "x"));
  const never: LazyOf<number> = cond(truth, inc(1), raise("no", "Empty"));
  const tagged = withTags(["a"], { a: inc(1) });
  same<Of<(typeof tagged)["a"]>, number>(true);
  const contexts: LazyOf<number> = withContext({ region: first, year: 2024 }, inc(1));
  const numbers: [() => number | undefined, () => number] = [
    () => contextValue<number>("a"),
    () => contextValue("a", 1),
  ];
  expect([
    grade,
    tried,
    line,
    long,
    bound,
    seven,
    fixed,
    each,
    eachOr,
    listOr,
    classes,
    prefixed,
    never,
    contexts,
  ]).toHaveLength(14);
  expect(numbers).toHaveLength(2);

  // Never run: each line has to be an error for the compiler.
  const wrong = () => {
    // @ts-expect-error a string is no number
    inc("1");
    // @ts-expect-error the arguments are those of the task
    inc.with({ retries: 3 })("1");
    // @ts-expect-error a version belongs to the task
    inc.with({ version: "1" });
    // @ts-expect-error a lazy of a string is no lazy of a number
    inc(first);
    // @ts-expect-error one argument is missing
    inc();
    // @ts-expect-error one argument is too many
    inc(1, 2);
    // @ts-expect-error a lazy has no arithmetic
    inc(inc(1) + 1);
    // @ts-expect-error there is no such field
    list[0]!.nome;
    // @ts-expect-error a lazy list has no methods
    list.map((x) => x);
    // @ts-expect-error the items do not fit the arrow
    map((n: number) => n, ["a"]);
    // @ts-expect-error an arrow gets the item, no index
    map((n: number, index: number) => n + index, [1]);
    // @ts-expect-error the item is a number
    map((n) => n.toUpperCase(), [1, inc(1)]);
    // @ts-expect-error a condition is a boolean
    filter((n) => n + 1, [1]);
    // @ts-expect-error flatMap joins lists
    flatMap((n) => n + 1, [1]);
    // @ts-expect-error what is combined is like the items
    reduce((a, b) => `${a}${b}`, [1]);
    // @ts-expect-error there is no such field
    catchError(inc(1), (error) => error.stack);
    // @ts-expect-error the argument given does not fit
    partial((a: number, b: number) => a + b, "1");
    // @ts-expect-error the argument does not fit
    apply((a: number) => a, "1");
    // @ts-expect-error a task is no arrow: its own type counts
    map(split, [1]);
    // @ts-expect-error the items do not fit the task
    map(inc, ["a"]);
    // @ts-expect-error a condition is a boolean
    cond(inc(1), 1, 2);
    // @ts-expect-error so is a second one
    cond(truth, 1, inc(1), 2, 3);
    // @ts-expect-error a condition without a branch for the case that it does not hold
    cond(truth, 1, truth, 2);
    // @ts-expect-error a number and a bigint
    add(inc(1), 1n);
    // @ts-expect-error texts are joined by text
    add("a", "b");
    // @ts-expect-error a number and a text
    gt(inc(1), "1");
    // @ts-expect-error two types
    eq(inc(1), "1");
    // @ts-expect-error a list has no text
    text`${list}`;
    // @ts-expect-error the argument given does not fit
    partial(plus, "1");
    // @ts-expect-error what is left does not fit the items
    map(partial(plus, 1), ["a"]);
    // @ts-expect-error two arguments are left, not one
    map(plus, [1]);
    // @ts-expect-error the task gives no truth
    filter(inc, [1]);
    // @ts-expect-error the task gives no list
    flatMap(inc, [1]);
    // @ts-expect-error the result is no further operand
    reduce(compare, [1, 2]);
    // @ts-expect-error a class that is no error
    catchError(inc(1), recover, [Map]);
    // @ts-expect-error the task does not take results
    catchAll([inc(1)], inc);
    // @ts-expect-error an object of a query is no parameter
    sql`SELECT ${{}}`;
    // @ts-expect-error an unknown output
    job().outputs.weekly;
    // @ts-expect-error an unknown option
    task("types.wrong", { retry: 1 }, () => 1);
    // @ts-expect-error an unknown way to know a file
    file("x", { by: "name" });
    // @ts-expect-error only directories and globs have hidden files
    file("x", { hidden: true });
    // @ts-expect-error a directory is no file
    lengthOf(directory("x"));
    // @ts-expect-error a lazy file has its path and version only
    file("x").digest;
    // @ts-expect-error a lazy dataset has a location only
    dataset("x").rows;
  };
  expect(wrong).toEqual(expect.any(Function));
});
