/** What is put around the ports of an orchestrator under test: told of every crash point that it comes to, on either side. */

import type { Storage, Store, TakenSubmission } from "../../src/evaluate/ports.ts";
import { type Side, STORE, type Write } from "./points.ts";

/** Told of a point; the step, or what follows it, waits for the promise where there is one. */
export type Watcher = (point: Write, side: Side) => Promise<void> | undefined;

/** The store; `watch` is told of each write before it is asked for, and when it is durable. */
export function watchedStore(store: Store, watch: Watcher): Store {
  const states: Parameters<Extract<(typeof STORE)["updateSubmission"], (...args: never[]) => unknown>>[1] = new Map();
  return new Proxy(store, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      const method = value.bind(target) as (...args: unknown[]) => unknown;
      const point = STORE[key as keyof Store];
      if (typeof point !== "function") return method;
      const name = point as (args: unknown[], known: typeof states) => Write;
      return (...args: unknown[]) => {
        const at = name(args, states);
        return around(watch, at, async () => {
          const answer = await method(...args);
          if (key === "takeSubmissions")
            for (const { submission } of answer as readonly TakenSubmission[])
              states.set(submission.id, submission.state);
          return answer;
        });
      };
    },
  });
}

/** The storage; `watch` is told of what is staged, and of manifests that are read and written. */
export function watchedStorage(storage: Storage, watch: Watcher): Storage {
  return new Proxy(storage, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      const method = value.bind(target) as (uri: string, ...rest: unknown[]) => Promise<unknown>;
      return (uri: string, ...rest: unknown[]) => {
        const at = pointOf(key, uri);
        const run = () => method(uri, ...rest);
        return at === null ? run() : around(watch, at, run);
      };
    },
  });
}

function pointOf(method: string | symbol, uri: string): Write | null {
  if (method === "read" && uri.endsWith("/manifest.json")) return "manifest read";
  if (method === "putIfAbsent" && uri.endsWith("/manifest.json")) return "manifest written";
  if (method !== "putIfAbsent" || !uri.includes("/staging/")) return null;
  return uri.endsWith(".json") ? "specification staged" : "harness staged";
}

/** Where nobody waits at the point the step is asked for in the same turn, as without a watcher: writes become durable in the order in which they are asked for. */
function around<T>(watch: Watcher, point: Write, step: () => Promise<T>): Promise<T> {
  const waits = watch(point, "before");
  const stepped = waits === undefined ? step() : waits.then(step);
  return stepped.then(async (answer) => {
    await watch(point, "after");
    return answer;
  });
}
