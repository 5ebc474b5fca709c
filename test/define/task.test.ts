import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { isLazy } from "../../src/define/lazy.ts";
import { definedTasks, type TaskOptions, TaskReference, task, taskByName, taskNameOf } from "../../src/define/task.ts";

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
    ["executor", "spark", `executor must be "inline", "thread" or "process", not 'spark'`],
    ["retries", -1, "retries must be a whole number from 0, not -1"],
    ["retries", "2", "retries must be a whole number from 0, not '2'"],
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
