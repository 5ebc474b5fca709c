/** The code that the executions of the soak run, in the process of the orchestrator: bulk tasks, two of which describe the same work and one of which reads what another wrote, and a task that asks for several chains of them. */

import { instanceOf } from "../../src/define/codec.ts";
import { type DatasetValue, rememberDataset } from "../../src/define/external.ts";
import { sql } from "../../src/define/spark.ts";
import { definedTasks, task, taskByName } from "../../src/define/task.ts";
import { FiresteelError } from "../../src/errors.ts";
import type { FlowCode, TaskInfo } from "../../src/evaluate/code.ts";
import type { Executor } from "../../src/evaluate/ports.ts";
import { decodeValue } from "../../src/hash/decode.ts";
import { digestOf, digestValue } from "../../src/hash/digest.ts";
import { encodeProgram } from "../../src/hash/program.ts";

const work = task("soak.work", { tags: ["bulk-data"] }, (n: number) => sql`SELECT ${n} AS id`);
/** The same work as another call: what is claimed of calls does not keep them apart. */
const same = task("soak.same", { tags: ["bulk-data"] }, (n: number) => sql`SELECT ${n} AS id`);
const next = task(
  "soak.next",
  { tags: ["bulk-data"] },
  (before: DatasetValue, n: number) => sql`SELECT ${n} AS step, id FROM ${before}`,
);

/** From here on the first number of a chain is asked for as {@link same}. */
export const SAME = 100;

/** Chains of pieces of work: in a chain each reads what the one before it wrote; chains go side by side. */
export const main = task("soak.main", (chains: number[][]) =>
  chains.map(([first, ...others]) =>
    others.reduce<ReturnType<typeof work>>(
      (before, n) => next(before as never, n) as never,
      first! < SAME ? work(first!) : same(first! - SAME),
    ),
  ),
);

const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  "soak.work": ["n"],
  "soak.same": ["n"],
  "soak.next": ["before", "n"],
  "soak.main": ["chains"],
};

/** Runs bodies at once, as the flow host does in its own thread. */
const host: Executor = {
  name: "inline",
  run: async ({ task: name, args, datasets }) => {
    for (const dataset of datasets) rememberDataset(dataset.identity, dataset);
    const definition = definedTasks().get(name);
    if (definition === undefined) throw new FiresteelError("not_found", `no such task: ${name}`);
    const given = args.map((bytes) => decodeValue(bytes, taskByName, instanceOf));
    const { kind, bytes } = encodeProgram(await definition.body(...(given as never[])));
    return { kind, bytes, digest: digestValue(bytes) };
  },
  [Symbol.asyncDispose]: async () => {},
};

/** The code with its bulk tasks on an executor. */
export function soakCode(spark: (host: Executor) => Executor): FlowCode {
  const bulk = spark(host);
  const infos = Object.entries(PARAMETERS).map(([name, parameters]): TaskInfo => {
    const { options } = definedTasks().get(name)!;
    return {
      name,
      description: "",
      module: "flow.ts",
      line: 1,
      code: digestOf("task", name),
      options,
      parameters: parameters.map((one) => ({ name: one, optional: false, rest: false, hasDefault: false })),
      undecided: [],
    };
  });
  return {
    version: "1",
    tasks: new Map(infos.map((info) => [info.name, info])),
    codecs: new Map(),
    warnings: [],
    executor: ({ options }) => (options.tags?.includes("bulk-data") ? bulk : host),
    writeParquet: async () => 0,
    checkArguments: async () => {},
    retain: () => {},
    release: () => {},
  };
}

/** Identities of the datasets in an execution's result. */
export function identitiesIn(result: Uint8Array): readonly string[] {
  return (decodeValue(result) as readonly DatasetValue[]).map(({ identity }) => identity);
}
