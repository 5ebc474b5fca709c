import { expect, it } from "vitest";
import type { Executor } from "../../src/evaluate/ports.ts";
import { createRouter } from "../../src/route/router.ts";

const executor = (name: string): Executor => ({
  name,
  run: () => Promise.reject(new Error("not run")),
  [Symbol.asyncDispose]: async () => {},
});
const names = (...list: readonly string[]) => new Map(list.map((name) => [name, executor(name)]));

it("sends bulk tasks to Spark and all others where they say", () => {
  const router = createRouter(names("inline", "thread", "spark"));
  expect(router.route({ tags: ["bulk-data", "x"], executor: "thread" }).name).toBe("spark");
  expect(router.route({ tags: [], executor: "thread" }).name).toBe("thread");
  expect(router.route({ tags: ["x"] }).name).toBe("inline");
});

it("says which executors there are", () => {
  const router = createRouter(names("inline", "thread"));
  expect(() => router.route({ tags: [], executor: "tread" })).toThrow(
    "executor is not known (there are: inline, thread): tread",
  );
  expect(() => router.route({ tags: ["bulk-data"] })).toThrow("no cluster is configured");
});
