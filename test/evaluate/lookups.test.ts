/** Looking calls up: what was asked for ahead of time saves time, and is never needed. */
import { expect, it } from "vitest";
import { FiresteelError } from "../../src/errors.ts";
import type { Store } from "../../src/evaluate/ports.ts";
import { Engine } from "./engine.ts";
import { useTemporaryStore } from "./temporary-store.ts";

const opened = useTemporaryStore();

/** The store, with `previousCalls` replaced. */
function reading(previousCalls: Store["previousCalls"]): Store {
  return new Proxy<Store>(opened.store, {
    get(target, key) {
      if (key === "previousCalls") return previousCalls;
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

const CHAIN = `import { task } from "firesteel";
export const up = task("$.up", (n: number): unknown => n === 0 ? 0 : next(up(n - 1)));
export const next = task("$.next", (n: number) => n + 1);
`;

it.each<[string, Store["previousCalls"]]>([
  [
    "at once",
    async function* () {
      yield* [];
      throw new FiresteelError("unavailable", "reading ahead failed");
    },
  ],
  [
    "behind its first block",
    async function* (task, args) {
      for await (const block of opened.store.previousCalls(task, args)) {
        yield block.slice(0, 1);
        throw new FiresteelError("unavailable", "reading ahead failed");
      }
    },
  ],
])("a store whose reading ahead fails %s answers look-ups all the same", async (_, previousCalls) => {
  await using project = await Engine.start(reading(previousCalls), CHAIN);
  for (const ran of [["next", "next", "next", "up", "up", "up", "up"], []]) {
    const run = await project.run("up", 3);
    expect(run.error).toBeNull();
    expect(run.value).toBe(3);
    expect(run.ran).toEqual(ran);
  }
});
