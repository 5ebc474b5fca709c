/**
 * Which executor runs a task: bulk tasks go to Spark, all others where their option says.
 */

import { Code, FiresteelError } from "../errors.ts";
import type { Executor } from "../evaluate/ports.ts";

/** The tag of tasks whose bodies describe Spark work. */
export const BULK_TAG = "bulk-data";

/** The options of a task that decide where it runs. */
export interface RouteOptions {
  readonly tags: readonly string[];
  /** `inline` where the task names none. */
  readonly executor?: string;
}

/** Picks executors. */
export interface Router {
  /** The executor for a task with these options; throws `invalid_argument` when there is none of that name. */
  route(options: RouteOptions): Executor;
}

/** A router over executors by name. */
export function createRouter(executors: ReadonlyMap<string, Executor>): Router {
  return {
    route(options) {
      const bulk = options.tags.includes(BULK_TAG);
      const name = bulk ? "spark" : (options.executor ?? "inline");
      const executor = executors.get(name);
      if (executor !== undefined) return executor;
      const known = [...executors.keys()].sort().join(", ") || "none";
      throw new FiresteelError(
        bulk ? Code.failedPrecondition : Code.invalidArgument,
        bulk
          ? `no cluster is configured, and a task tagged ${BULK_TAG} needs one: set \`clusters\` in firesteel.config.ts`
          : `executor is not known (there are: ${known}): ${name}`,
        { details: { executor: name } },
      );
    },
  };
}
