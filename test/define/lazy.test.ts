import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { apply, catchAll, catchError, cond, createDataset, dataset } from "../../src/define/forms.ts";
import { expressionOf, field, isLazy } from "../../src/define/lazy.ts";
import { filter, flatMap, map, reduce } from "../../src/define/lists.ts";
import { partial } from "../../src/define/partial.ts";
import { contextValue, withContext, withLimits, withTags } from "../../src/define/scope.ts";
import { task } from "../../src/define/task.ts";
import { FiresteelError } from "../../src/errors.ts";

const report = task("lazy.report", (): Record<string, unknown> => ({}));
const lazy = report() as unknown as Record<string, never> & (() => void);

describe("a lazy", () => {
  it.each<[string, () => unknown, RegExp]>([
    [
      "+",
      () => (lazy as never as number) + 1,
      /^the result of task lazy\.report is lazy and has no value yet, so it cannot be used for a string or number \(\+, template text, comparison\); write text`\.\.\.`, add\(a, b\), lt\(a, b\), \.\.\., or pass it to a task and use it in that task's body$/,
    ],
    ["template text", () => `${lazy}`, /a string or number/],
    ["<", () => (lazy as never as number) < 1, /a string or number/],
    ["String()", () => String(lazy), /a string or number/],
    ["JSON.stringify", () => JSON.stringify({ lazy }), /cannot be used for JSON\.stringify/],
    ["spread into a list", () => [...(lazy as never as unknown[])], /iteration .*; write map\(task, list\), list\[0\]/],
    ["for...of", () => Array.from(lazy as never as unknown[]), /iteration|a string or number/],
    ["object spread", () => ({ ...lazy }), /Object\.keys or object spread/],
    ["Object.keys", () => Object.keys(lazy), /Object\.keys/],
    ["in", () => "a" in lazy, /the `in` operator/],
    ["assignment", () => Object.assign(lazy, { a: 1 }), /assignment/],
    ["delete", () => delete (lazy as { a?: unknown }).a, /delete/],
    ["toString()", () => (lazy as never as { toString(): string }).toString(), /field\(lazy, "toString"\)$/],
    ["constructor", () => (lazy as never as { constructor(): void }).constructor(), /field\(lazy, "constructor"\)$/],
    [
      "a field's field",
      () => `${(lazy as never as { a: { b: string } }).a.b}`,
      /^field "b" of field "a" of the result of task lazy\.report is lazy/,
    ],
    ["a form", () => `${dataset("x")}`, /^the result of dataset\(\.\.\.\) is lazy/],
  ])("refuses %s", (_, use, message) => {
    expect(use).toThrow(expect.objectContaining({ code: "invalid_argument", message: expect.stringMatching(message) }));
  });

  it("is shown as what it stands for", () => {
    expect(inspect({ lazy, a: (lazy as never as { a: unknown }).a })).toBe(
      `{\n  lazy: [lazy: the result of task lazy.report],\n  a: [lazy: field "a" of the result of task lazy.report]\n}`,
    );
  });

  it("is no promise: awaiting it gives it back", async () => {
    expect((await lazy) === lazy).toBe(true);
  });

  it("gives lazies for fields, indexes and methods' names", () => {
    const expression = (value: unknown) => expressionOf(value);
    expect(expression(lazy["total"])).toMatchObject({ kind: "field", key: "total" });
    expect(expression((lazy as never as unknown[])[3])).toMatchObject({ kind: "field", key: 3 });
    expect(expression((lazy as never as unknown[])["03" as never])).toMatchObject({ kind: "field", key: "03" });
    expect(expression(field(report(), "then"))).toMatchObject({ kind: "field", key: "then" });
    expect(() => field({} as never, "x" as never)).toThrow(/the first argument is not lazy/);
  });

  it("can be shown, thrown and asked for its class without being used", () => {
    expect(inspect(lazy)).toEqual(expect.any(String));
    expect(lazy instanceof Error).toBe(false);
    expect(lazy instanceof FiresteelError).toBe(false);
    expect(FiresteelError.from(lazy).message).toBe(
      "[lazy: the result of task lazy.report] was thrown, which is no Error",
    );
    expect([isLazy(lazy), isLazy({}), isLazy(null), isLazy(report)]).toEqual([true, false, false, false]);
  });
});

describe("forms", () => {
  it.each<[string, () => unknown]>([
    ["map", () => map(((n: number) => n) as never, [1])],
    ["flatMap", () => flatMap(((n: number) => [n]) as never, [1])],
    ["filter", () => filter((() => true) as never, [1])],
    ["reduce", () => reduce(((a: number) => a) as never, [1])],
    ["apply", () => apply((() => 1) as never)],
    ["partial", () => partial(((a: number) => a) as never, 1 as never)],
    ["catchError", () => catchError(1, (() => 1) as never)],
    ["catchAll", () => catchAll([1], (() => 1) as never)],
  ])("%s wants a task, not a function of code that firesteel has not loaded", (form, use) => {
    expect(use).toThrow(
      `${form}(...) wants a task here; a plain function is taken only where it is seen in the code: write it in the call of ${form} (imported from "firesteel", in a module that firesteel loads) or give the name of a function of the same module, else define it with task("name", ...)`,
    );
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      "a task with options of one call",
      () => map(report.with({ retries: 1 }) as never, [1]),
      /^map\(\.\.\.\) wants a task here; lazy\.report\.with\(\.\.\.\) is for one call that is written out/,
    ],
    ["map of a number", () => map(1 as never, [1]), /^map\(\.\.\.\) wants a task here, not number$/],
    [
      "cond without otherwise",
      () => (cond as unknown as (...args: unknown[]) => unknown)(true, 1, true, 2),
      /^cond\(condition, then, \.\.\., otherwise\) wants a branch for each condition .*; arguments given: 4$/,
    ],
    [
      "catchAll of any lazy",
      () => catchAll(report() as never),
      /^catchAll\(members\) wants a list or an object .*, or map\(task, items\)$/,
    ],
    ["catchAll of a number", () => catchAll(1 as never), /^catchAll\(members\) wants/],
    ["only without a list", () => catchError(1, report as never, "TypeError" as never), /only is a list of codes/],
    ["only with a number", () => catchError(1, report as never, [1 as never]), /only is a list of codes/],
    [
      "lazy tags",
      () => withTags(report() as never, 1),
      /^withTags\(tags, body\) wants a list of texts that are known, not a lazy$/,
    ],
    ["a limit without a name", () => withLimits([""], 1), /^withLimits\(limits, body\) wants a list of texts/],
    [
      "a lazy context",
      () => withContext(report() as never, 1),
      /^withContext\(values, body\): values must be an object .*, not a lazy$/,
    ],
    ["a context of a list", () => withContext([] as never, 1), /not \[\]$/],
    [
      "a context value outside of a body",
      () => contextValue("a"),
      /no body of a task that declares this key runs here/,
    ],
  ])("refuse %s", (_, use, message) => {
    expect(use).toThrow(expect.objectContaining({ message: expect.stringMatching(message) }));
  });

  it("refuse options that are not known", () => {
    expect(() => dataset("x", { header: true } as never)).toThrow(/unknown option .*: header$/);
    expect(() => dataset("x", { format: "avro" as never })).toThrow(
      /format must be parquet, csv, json, orc, not avro$/,
    );
  });

  it("run nothing", () => {
    expect([apply(report), createDataset([], { a: "int" }), dataset("nowhere")].every(isLazy)).toBe(true);
  });
});
