/**
 * Identities as an execution gives them: code of tasks, calls, files, directories, datasets. A change here makes every recorded result stale.
 * Where it is meant: `vitest run test/evaluate/golden.test.ts -u` writes the file anew.
 */
import { expect, it } from "vitest";
import { InstanceValue } from "../../src/define/codec.ts";
import { directory, file, glob } from "../../src/define/files.ts";
import { createDataset, dataset } from "../../src/define/forms.ts";
import { givenCodecs, hashCall } from "../../src/evaluate/call-identity.ts";
import { FINGERPRINT_TASK } from "../../src/evaluate/fingerprint.ts";
import { extendContext, NO_SCOPE } from "../../src/evaluate/scope.ts";
import { encodeProgram } from "../../src/hash/program.ts";
import { encodeValue } from "../../src/hash/value.ts";
import { Engine } from "./engine.ts";
import { openTemporaryStore } from "./temporary-store.ts";

// Tasks and codecs mention nothing of the library: `own-exports.test.ts` has that.
const FLOW = `import { registerCodec, task } from "firesteel";
import { RATE, scale } from "./lib.ts";
class Money { readonly cents: number; constructor(cents: number) { this.cents = cents; } }
registerCodec({ name: "golden.Money", version: "1", class: Money, encode: (m) => m.cents, decode: (cents) => new Money(cents) });
const text = { "~standard": { version: 1, vendor: "golden", validate: (value: unknown) => ({ value }) } } as const;
export const plain = task("golden.plain", (n: number, by = 10) => scale(n) * RATE * by);
export const take = task("golden.take", (...given: { identity?: string; version?: string }[]) => given.map((one) => one.identity ?? one.version ?? null));
export const versioned = task("golden.versioned", { version: "1" }, (n: number) => n);
export const reading = task("golden.reading", { reads: ["in", "none.txt"] }, (n: number) => n);
export const checked = task("golden.checked", { args: [text] }, (value: unknown) => value);
export const given = task("golden.given", (money: unknown) => (money as { cents: number }).cents);
export const main = task("golden.main", () => [plain(1), plain(1, 10), plain(1, 11), versioned(1), reading(1), checked("a")]);
`;
const FILES = {
  "flow.ts": FLOW,
  "lib.ts": "export const RATE = 2;\nexport function scale(n: number) { return n + 1; }\n",
  "in/a.txt": "a",
  "in/deep/b.txt": "b",
  "rows/day=1/x.csv": "1\n",
  "rows/day=2/y.csv": "2\n",
};

it("identities of an execution are those of the golden file", async () => {
  await using opened = await openTemporaryStore();
  await using project = await Engine.start(opened.store, FILES);
  const run = async (task: string, ...args: readonly unknown[]) => {
    const started = await project.executions.start({ task, args: encodeProgram(args), user: "tester", reason: "test" });
    const { value, error, jobs } = await project.end(started.id);
    expect(error).toBeNull();
    const calls = jobs.map((job) => `${job.task} ${job.evalHash}`).sort();
    return { value: String(value), ...Object.fromEntries(calls.map((call, i) => [`call ${i + 1}`, call])) };
  };
  const { tasks, codecs, version } = project.code;
  const context = extendContext(
    NO_SCOPE.context,
    new Map([
      ["b", encodeValue(1)],
      ["a", encodeValue("x")],
    ]),
  );
  const one = "1".repeat(64);
  const found = {
    project: version,
    tasks: Object.fromEntries([...tasks.values()].map(({ name, code }) => [name, code])),
    "built-in task": FINGERPRINT_TASK.code,
    codecs: Object.fromEntries(codecs),
    calls: await run("golden.main"),
    "calls with data": {
      file: await run("golden.take", file("in/a.txt")),
      directory: await run("golden.take", directory("in")),
      glob: await run("golden.take", glob("in/**/*.txt")),
      "dataset of others": await run("golden.take", dataset("rows", { format: "csv", options: { header: "false" } })),
      "rows made in TypeScript": await run("golden.take", createDataset([{ n: 1 }, { n: 2 }], { n: "int" })),
      instance: await run("golden.given", new InstanceValue("golden.Money", 3)),
    },
    context: context.id,
    "call that sees a context": hashCall(
      "golden.plain",
      one,
      [one],
      [
        ["a", context.values.get("a")],
        ["c", undefined],
      ],
    ),
    "codecs of what is given": Object.fromEntries(
      givenCodecs([encodeValue([new InstanceValue("golden.Money", 3)])], codecs),
    ),
  };
  await expect(`${JSON.stringify(found, null, 2)}\n`).toMatchFileSnapshot("golden.json");
});
