/** Random programs and edits: what a dry run says would run is what then runs first. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { useTemporaryStore } from "../temporary-store.ts";
import { Explained } from "./explained.ts";

/** A call in the root's body: of task `task` with a number or the result of another call. */
type Expression = { readonly task: number; readonly of: number | Expression };

const TASKS = 4;
const expression: fc.Arbitrary<Expression> = fc.letrec<{ readonly call: Expression }>((tie) => ({
  call: fc.record({
    task: fc.nat(TASKS - 1),
    of: fc.oneof({ maxDepth: 4 }, fc.nat(2), tie("call")) as fc.Arbitrary<number | Expression>,
  }),
})).call;

/** A program: expressions of the root, for each task whether its body calls the next one, and the edits: which tasks change in each. */
const program = fc.record({
  roots: fc.array(expression, { minLength: 1, maxLength: 4 }),
  nested: fc.array(fc.boolean(), { minLength: TASKS, maxLength: TASKS }),
  edits: fc.array(fc.uniqueArray(fc.nat(TASKS - 1), { maxLength: 2 }), { minLength: 1, maxLength: 3 }),
});
type Program = typeof program extends fc.Arbitrary<infer P> ? P : never;

function sourceOf({ roots, nested }: Program, versions: readonly number[]): string {
  const write = ({ task, of }: Expression): string => `t${task}(${typeof of === "number" ? of : write(of)})`;
  const tasks = nested.map((calls, i) => {
    const body = `(x + ${versions[i]}) % 5`;
    return `export const t${i} = task("$.t${i}", (x: number): never => ${calls && i > 0 ? `t${i - 1}(${body})` : body} as never);`;
  });
  return `import { task } from "firesteel";
${tasks.join("\n")}
export const main = task("$.main", () => [${roots.map(write).join(", ")}]);
`;
}

/** What runs first, worked out from the program alone: calls of changed tasks (each once) whose arguments are known without running anything. `call` gives the value, or null where it is not known yet. */
function firstWave({ roots, nested }: Program, versions: readonly number[], known: ReadonlySet<string>): string[] {
  const wave = new Set<string>();
  const call = (task: number, x: number): number | null => {
    const name = `t${task}(${x}) ${versions[task]}`;
    if (!known.has(name)) {
      wave.add(`t${task}(${x})`);
      return null;
    }
    const value = (x + versions[task]!) % 5;
    return nested[task] && task > 0 ? call(task - 1, value) : value;
  };
  const evaluate = ({ task, of }: Expression): number | null => {
    const x = typeof of === "number" ? of : evaluate(of);
    return x === null ? null : call(task, x);
  };
  roots.map(evaluate);
  return [...wave].sort();
}

/** Notes all calls that a whole run makes. */
function remember({ roots, nested }: Program, versions: readonly number[], known: Set<string>): void {
  const call = (task: number, x: number): number => {
    known.add(`t${task}(${x}) ${versions[task]}`);
    const value = (x + versions[task]!) % 5;
    return nested[task] && task > 0 ? call(task - 1, value) : value;
  };
  const evaluate = ({ task, of }: Expression): number => call(task, typeof of === "number" ? of : evaluate(of));
  roots.map(evaluate);
}

const opened = useTemporaryStore();

test("the calls that would run are the first of those that then run", { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(program, async (sample) => {
      const versions = new Array<number>(TASKS).fill(0);
      const known = new Set<string>();
      await using project = await Explained.start(opened.store, sourceOf(sample, versions));
      await project.run("main");
      remember(sample, versions, known);
      for (const edit of sample.edits) {
        for (const task of edit) versions[task]!++;
        await project.edit(sourceOf(sample, versions));
        const dry = await project.dryRun("main");
        const told = dry.groups.flatMap(({ task, examples }) => examples.map(({ args }) => `${task}(${args.join()})`));
        expect(told.sort()).toEqual(firstWave(sample, versions, known));
        expect(dry.groups.reduce((sum, { calls }) => sum + calls, 0)).toBe(told.length);
        const hashes = dry.groups.flatMap(({ examples }) => examples.map(({ evalHash }) => evalHash));
        const { jobs } = await project.run("main");
        const ran = new Set(jobs.filter(({ cached }) => !cached).map(({ evalHash }) => evalHash));
        for (const hash of hashes) expect(ran).toContain(hash);
        // Where nothing would run nothing runs, and the other way round.
        expect(ran.size > 0).toBe(hashes.length > 0);
        remember(sample, versions, known);
      }
    }),
    { numRuns: 25 },
  );
});
