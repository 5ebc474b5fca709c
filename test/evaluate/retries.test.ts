import { describe, expect, it } from "vitest";
import { Code, FiresteelError } from "../../src/errors.ts";
import { mayRetry, retryPause, retryPolicy } from "../../src/evaluate/retries.ts";

describe("retries", () => {
  it("fills in what an option leaves out", () => {
    expect(retryPolicy(undefined).max).toBe(0);
    expect(retryPolicy(3)).toEqual({ max: 3, backoffMs: 200, factor: 2, maxBackoffMs: 10_000, only: null });
    expect(retryPolicy({ max: 1, backoffMs: 0, only: ["TypeError"] })).toMatchObject({
      backoffMs: 0,
      only: new Set(["TypeError"]),
    });
  });

  it("waits exponentially longer up to a bound, somewhere in the upper half of it", () => {
    const policy = retryPolicy({ max: 9, backoffMs: 100, factor: 3, maxBackoffMs: 1000 });
    expect([0, 1, 2, 3].map((tried) => retryPause(policy, tried, () => 1))).toEqual([100, 300, 900, 1000]);
    expect([0, 1, 2, 3].map((tried) => retryPause(policy, tried, () => 0))).toEqual([50, 150, 450, 500]);
    expect(new Set(Array.from({ length: 50 }, () => retryPause(policy, 3))).size).toBeGreaterThan(5);
  });

  const typed = new FiresteelError(Code.unknown, "no", { details: { name: "TypeError" } });
  it.each<[string, unknown, readonly string[] | undefined, boolean]>([
    ["any error without a choice", typed, undefined, true],
    ["by class", typed, ["TypeError"], true],
    ["by code", typed, ["unknown"], true],
    ["another class", typed, ["RangeError"], false],
    ["no class at all", typed, [], false],
    ["cancelled", new FiresteelError(Code.cancelled, "no"), undefined, false],
    ["cancelled by name", new FiresteelError(Code.cancelled, "no"), ["cancelled"], false],
    [
      "an input that changed",
      new FiresteelError(Code.aborted, "no", { details: { kind: "inputChanged" } }),
      ["aborted"],
      false,
    ],
    [
      "arguments that their schema refuses",
      new FiresteelError(Code.invalidArgument, "no", { details: { kind: "schema" } }),
      ["invalid_argument"],
      false,
    ],
    ["what is no error of ours", new Error("no"), undefined, false],
  ])("%s", (_, error, only, wanted) => {
    expect(mayRetry(retryPolicy({ max: 1, ...(only ? { only } : {}) }), error)).toBe(wanted);
  });
});
