/** What the types say; checked by the compiler, this file has no behaviour. */
import { expect, it } from "vitest";
import type { DatasetValue } from "../../src/define/external.ts";
import { all, apply, type CaughtError, catchError, cond, dataset, map, seq } from "../../src/define/forms.ts";
import { field, type Lazy, type LazyOf } from "../../src/define/lazy.ts";
import { pyspark, sql } from "../../src/define/spark.ts";
import { task } from "../../src/define/task.ts";

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
const recover = task("types.recover", (error: CaughtError) => error.message);

it("types follow laziness", () => {
  same<Of<ReturnType<typeof inc>>, number>(true);
  same<Of<ReturnType<typeof names>>, { readonly name: string; readonly size: number }[]>(true);
  same<Of<ReturnType<typeof query>>, DatasetValue>(true);
  same<Of<ReturnType<typeof single>>, DatasetValue>(true);
  same<Of<ReturnType<typeof job>["outputs"]["daily"]>, DatasetValue>(true);
  same<Of<ReturnType<typeof nested>["a"]>, number>(true);
  same<Of<ReturnType<typeof nested>["b"][0]>, number | "x">(true);
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
  const again: LazyOf<number[]> = map(inc, mapped);
  const both = all({ a: inc(1), b: [list] });
  same<Of<typeof both>["a"], number>(true);
  const pair = seq([inc(1), "x"]);
  same<Of<typeof pair>[0], number>(true);
  const applied: LazyOf<number> = apply(inc, inc(1));
  // biome-ignore lint/suspicious/noThenProperty: a field of that name is what `field` is for
  const then = field(task("types.then", () => ({ then: 1 }))(), "then");
  same<Of<typeof then>, number>(true);
  expect([chosen, caught, again, applied, both, pair]).toHaveLength(6);

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
    // @ts-expect-error a plain function is no task
    map((n: number) => n, [1]);
    // @ts-expect-error the items do not fit the task
    map(inc, ["a"]);
    // @ts-expect-error a condition is a boolean
    cond(inc(1), 1, 2);
    // @ts-expect-error an object of a query is no parameter
    sql`SELECT ${{}}`;
    // @ts-expect-error an unknown output
    job().outputs.weekly;
    // @ts-expect-error an unknown option
    task("types.wrong", { retry: 1 }, () => 1);
    // @ts-expect-error a lazy dataset has a location only
    dataset("x").rows;
  };
  expect(wrong).toEqual(expect.any(Function));
});
