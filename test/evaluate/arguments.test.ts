import { describe, expect, it } from "vitest";
import { checkArguments } from "../../src/evaluate/arguments.ts";
import type { TaskInfo } from "../../src/evaluate/code.ts";

function task(type: string): TaskInfo {
  const parameters = [{ name: "data", type, optional: false, rest: false, hasDefault: false }];
  return { name: "read", parameters } as unknown as TaskInfo;
}

describe("a wrong argument", () => {
  it.each([
    ["File", "a.log", 'File, not string "a.log"; in JSON it is written {"$file":"a.log"}'],
    ["Dataset", { path: "x" }, 'Dataset, not an object; in JSON it is written {"$dataset":"path"}'],
    ["Directory", "logs", 'Directory, not string "logs"; in JSON it is written {"$directory":"logs"}'],
    ["File", 3, "File, not number 3"],
    ["number", "3", 'number, not string "3"'],
  ])("for a %s %j says what is wanted, and how data is written", (type, value, message) => {
    expect(() => checkArguments(task(type), [value])).toThrow(`argument 1 (data) of read must be ${message}`);
  });
});
