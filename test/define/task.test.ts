import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { isLazy } from "../../src/define/lazy.ts";
import {
  definedTasks,
  namespace,
  type Task,
  TaskReference,
  task,
  taskByName,
  taskNameOf,
} from "../../src/define/task.ts";
import type { TaskOptions } from "../../src/define/task-options.ts";

let withTask: Task<readonly [number], number> | undefined;
const source = readFileSync(fileURLToPath(import.meta.url), "utf8").split("\n");
const lineOf = (text: string) => source.findIndex((line) => line.includes(text)) + 1;

describe("task", () => {
  it("keeps name, options, body and place, and runs nothing when it is called", () => {
    let ran = 0;
    const body = (n: number) => {
      ran++;
      return n;
    };
    const t = task("define.kept", { tags: ["x"], retries: 1, timeoutMs: undefined as never }, body);
    expect(isLazy(t(1))).toBe(true);
    expect(ran).toBe(0);
    expect(t.taskName).toBe("define.kept");
    const definition = definedTasks().get("define.kept");
    expect(definition).toMatchObject({ name: "define.kept", options: { tags: ["x"], retries: 1 }, body });
    expect(definition?.options).not.toHaveProperty("timeoutMs");
    expect(definition?.site).toMatchObject({ url: import.meta.url, line: lineOf('task("define.kept"'), column: 15 });
    expect(Object.isFrozen(definition)).toBe(true);
  });

  it("puts a namespace in front of the name, and keeps the place of the call", () => {
    const ns = namespace("define.ns");
    const one = ns.task("one", () => 1);
    const two = ns.task("two", { namespace: "deep" }, () => 1);
    const three = task("three", { namespace: "define.ns" }, () => 1);
    expect([one, two, three].map((t) => t.taskName)).toEqual([
      "define.ns.one",
      "define.ns.deep.two",
      "define.ns.three",
    ]);
    expect(definedTasks().get("define.ns.one")?.site).toMatchObject({ line: lineOf('ns.task("one"'), column: 20 });
    expect(() => namespace("a b")).toThrow("namespace must be words joined by dots");
    expect(() => ns.task("four.", () => 1)).toThrow(/task name must be words .*"four\."$/);
  });

  it("takes options that are undefined for none", () => {
    task("define.undefined", undefined as never, () => 1);
    expect(definedTasks().get("define.undefined")?.options).toEqual({});
  });

  it.each(["", "1a", "a b", "a..b", ".a", "a.", "a/b", "é"])("refuses the name %j", (name) => {
    expect(() => task(name, () => 1)).toThrow(
      expect.objectContaining({
        code: "invalid_argument",
        message: expect.stringMatching(/^task name must be words joined by dots .*task\.test\.ts\S*:\d+:\d+: ".*"$/),
      }),
    );
  });

  it.each<[string, unknown, string]>([
    ["retry", 1, "retry (known: "],
    ["executor", "spark", `Spark work is tagged "bulk-data", not 'spark'`],
    ["executor", "", "executor must be the name of an executor"],
    ["retries", -1, "retries must be a whole number from 0, or { max"],
    ["retries", "2", "only: [codes or class names] }, not '2'"],
    ["retries", {}, "not {}"],
    ["retries", { max: 1, factor: 0 }, "not { max: 1, factor: 0 }"],
    ["retries", { max: 1, on: ["x"] }, "not { max: 1, on: [ 'x' ] }"],
    ["checkValid", "deep", `checkValid must be "full" or "shallow", not 'deep'`],
    ["reads", ["env:"], `reads must be a list of paths and "env:NAME"s, not [ 'env:' ]`],
    ["context", [""], "context must be a list of names, not [ '' ]"],
    ["namespace", "a b", "namespace must be words joined by dots, not 'a b'"],
    [
      "resources",
      { memory: "lots" },
      `resources must be an object of texts and numbers such as { memory: "4g", cores: 2 }`,
    ],
    ["resources", { gpus: {} }, "not { gpus: {} }"],
    ["timeoutMs", 0, "timeoutMs must be a number of ms above 0 and below 2^31, not 0"],
    ["timeoutMs", 2 ** 31, "timeoutMs must be a number of ms above 0 and below 2^31, not 2147483648"],
    ["cache", "never", `cache must be "store", "execution" or "none", not 'never'`],
    ["tags", "bulk-data", "tags must be a list of texts, not 'bulk-data'"],
    ["limits", [1], "limits must be a list of texts, not [ 1 ]"],
    ["version", "", "version must be a text that is not empty, not ''"],
  ])("refuses the option %s: %j", (key, value, words) => {
    expect(() => task("define.wrong", { [key]: value } as TaskOptions, () => 1)).toThrow(
      expect.objectContaining({ code: "invalid_argument", message: expect.stringContaining(words) }),
    );
    expect(definedTasks().has("define.wrong")).toBe(false);
  });

  it.each<[object, string]>([
    [{ version: "2" }, "define.with.with(...) cannot set version, which belongs to the task itself"],
    [{ namespace: "a" }, "cannot set namespace"],
    [{ reads: ["a"] }, "cannot set reads"],
    [{ description: "a" }, "cannot set description"],
    [{ tags: ["bulk-data"] }, "define.with.with(...) cannot add the tag bulk-data"],
    [{ retry: 1 }, "define.with.with(...) has an unknown option: retry (known: tags, executor,"],
    [{ retries: -1 }, "define.with.with(...) has a wrong option: retries must be a whole number from 0"],
    [[], "define.with.with(...) has options that are no object"],
  ])("refuses for one call %j", (options, words) => {
    withTask ??= task("define.with", (n: number) => n);
    expect(() => withTask?.with(options)).toThrow(
      expect.objectContaining({
        code: "invalid_argument",
        message: expect.stringContaining(words),
        details: { task: "define.with" },
      }),
    );
  });

  it("refuses a second one of the name, with both places", () => {
    task("define.twice", () => 1);
    expect(() => task("define.twice", () => 1)).toThrow(
      expect.objectContaining({
        code: "already_exists",
        message: expect.stringMatching(/^two tasks have one name: define\.twice, at .*:\d+:\d+ and at .*:\d+:\d+$/),
      }),
    );
  });

  it("refuses a body that is none", () => {
    expect(() => task("define.bodyless", {} as never)).toThrow(/^task define\.bodyless has no body at /);
  });

  it("is found by name, and a reference stands for one that is not loaded", () => {
    const t = task("define.found", () => 1);
    expect(taskByName("define.found")).toBe(t);
    expect(taskByName("define.unknown")).toEqual(new TaskReference("define.unknown"));
    expect([t, new TaskReference("x"), () => 1, null, "define.found"].map(taskNameOf)).toEqual([
      "define.found",
      "x",
      undefined,
      undefined,
      undefined,
    ]);
  });
});
