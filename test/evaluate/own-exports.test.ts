/**
 * What each export of firesteel gives, as a task sees it. Tasks that mention an export are identified by the export's version and not by firesteel's (`src/hash/code/own-exports.ts`), so what it gives may only
 * change together with its version: raise it there, then `vitest run test/evaluate/own-exports.test.ts -u` writes the golden file anew.
 */
import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { writeParquet } from "../../src/data/write-parquet.ts";
import { exportVersion } from "../../src/hash/code/own-exports.ts";
import { encodeValue } from "../../src/hash/value.ts";
import * as firesteel from "../../src/index.ts";
import { Engine } from "./engine.ts";
import { useTemporaryStore } from "./temporary-store.ts";

const opened = useTemporaryStore();

/** Bodies; `a` is a text file, `rows` a dataset. What cannot be a value is shown as text. */
const SAMPLES: Readonly<Record<string, string>> = {
  Code: "() => ({ ...f.Code })",
  FiresteelError: `() => { const e = new f.FiresteelError("not_found", "gone", { details: { a: 1 } }); return [e.name, e.code, e.message, e.retryable, e.details, f.FiresteelError.from(new TypeError("t")).code]; }`,
  add: "() => [f.add(1, 2), f.add(1n, 2n), f.add(0.1, 0.2)]",
  all: "() => f.all([inc(1), 2, [inc(3)]])",
  and: "() => [f.and(true, f.eq(inc(1), 2), false), f.and(false, fail()), f.and(f.eq(inc(0), 1), true)]",
  apply: "() => [f.apply(inc, 1), f.apply(sum, 1, inc(1))]",
  catchAll: "() => f.catchAll({ good: inc(1), bad: fail() }, seen)",
  catchError:
    "() => [f.catchError(fail(), seen), f.catchError(inc(1), seen), f.catchError(fail(), seen, [TypeError]), f.catchAll([f.catchError(fail(), seen, [RangeError])], seen)]",
  cond: "() => [f.cond(true, inc(1), fail()), f.cond(f.eq(inc(1), 1), fail(), 2)]",
  contextValue: "() => f.withContext({ a: [1] }, context())",
  createDataset: "() => f.createDataset([{ n: 1, s: 'a' }, { n: null, s: 'b' }], { n: 'int', s: 'string' })",
  dataset:
    "() => [f.dataset('rows', { format: 'csv' }), f.dataset('rows', { format: 'csv', options: { header: 'true' } })]",
  defineConfig: "() => f.defineConfig({ flows: ['a.ts'] })",
  directory: "() => f.directory('in')",
  div: "() => [f.div(7, 2), f.div(7n, -2n), f.div(1, 0)]",
  eq: "() => [f.eq(1, 1), f.eq(inc(1), 1), f.eq([1], [1]), f.eq(Number.NaN, Number.NaN), f.eq(0, -0)]",
  field: "() => [f.field(f.all({ then: inc(1) }), 'then'), f.field(f.all([4, 5]), 1)]",
  file: "() => [f.file('in/a.txt'), f.file('in/a.txt').path]",
  filter: "() => f.filter(isOdd, [1, 2, inc(2)])",
  flatMap: "() => f.flatMap(pair, [1, inc(1)])",
  ge: "() => [f.ge(1, 1), f.ge('a', 'b'), f.ge(2n, 1n)]",
  glob: "() => f.glob('in/*.txt')",
  gt: "() => [f.gt(1, 1), f.gt('b', 'a'), f.gt(2n, 1n)]",
  ident: `() => JSON.stringify(f.sql\`SELECT \${f.ident('a.b\`c')}\`.text)`,
  isLazy: "() => [f.isLazy(inc(1)), f.isLazy(1)]",
  le: "() => [f.le(1, 1), f.le('a', 'b'), f.le(2n, 1n)]",
  localPath: "() => f.localPath('in/a.txt').endsWith('/in/a.txt')",
  lt: "() => [f.lt(1, 1), f.lt('a', 'b'), f.lt(1n, 2n)]",
  map: "() => f.map(inc, [1, inc(1)])",
  mod: "() => [f.mod(7, 3), f.mod(-7, 3), f.mod(-7n, 3n)]",
  mul: "() => [f.mul(2, 3), f.mul(2n, 3n), f.mul(inc(1), 0.5)]",
  namespace: "() => inside()",
  ne: "() => [f.ne(1, 1), f.ne(inc(1), 1), f.ne([1], [1]), f.ne(0, -0)]",
  neg: "() => [f.neg(1), f.neg(0), f.neg(2n)]",
  not: "() => [f.not(true), f.not(f.eq(inc(1), 1))]",
  or: "() => [f.or(true, fail()), f.or(false, f.eq(inc(1), 2)), f.or(false, false)]",
  outputFile: "async () => { await writeFile('out/b.txt', 'b'); return f.outputFile('out/b.txt'); }",
  partial: "() => [f.apply(f.partial(sum, 1), 2), f.map(f.partial(sum, 10), [1, 2])]",
  pyspark: "() => JSON.stringify(f.pyspark({ file: 'job.py', params: { a: 1, b: ['x'] } }))",
  raise: "() => f.catchError(f.raise('no', 'Refused'), seen)",
  readBytes: "() => bytes(f.file('in/a.txt'))",
  readLines: "() => lines(f.file('in/a.txt'))",
  readRows: "() => rows(f.dataset('table'))",
  readStream: "() => stream(f.file('in/a.txt'))",
  readText: "() => text(f.file('in/a.txt'))",
  reduce: "() => [f.reduce(sum, [1, 2, inc(2)]), f.reduce(sum, [1, 2], 10)]",
  registerCodec: "() => new Money(3)",
  seq: "() => f.seq([inc(1), inc(2)])",
  sparkApp:
    "() => JSON.stringify(f.sparkApp({ file: 'a.py', args: ({ outputs }) => ['--out', outputs.x, 1], outputs: { x: {}, y: { format: 'csv', schema: 'n INT' } } , ...{ args: ['${outputs.x}', '${outputs.y}'] } }))",
  sql: `() => { const { text, parameters } = f.sql\`  SELECT \${1}, \${'a'}, \${2n}, \${1.5}, \${[1, 2]}, \${new Date(0)}, \${null} \`; return [text, parameters]; }`,
  sub: "() => [f.sub(3, 1), f.sub(3n, 1n)]",
  task: "() => [inc(1), sum(inc(1), 2), inc.with({ tags: ['a'] })(1)]",
  text: `() => f.text\`a \${1} b \${inc(1)} c \${'x'} \${2n} \${true} \${new Date(0)}\``,
  withContext:
    "() => [f.withContext({ a: 1 }, context()), f.withContext({ a: 1 }, f.withContext({ a: { b: 2 } }, context()))]",
  withLimits: "() => f.withLimits(['one'], inc(1))",
  withTags: "() => f.withTags(['a'], inc(1))",
  writeFile: "() => f.writeFile('out/a.txt', 'a')",
};

const FLOW = `import * as f from "firesteel";
import { catchError, contextValue, readBytes, readLines, readRows, readStream, readText, registerCodec, task, writeFile } from "firesteel";
class Money { readonly cents: number; constructor(cents: number) { this.cents = cents; } }
registerCodec({ name: "own.Money", version: "1", class: Money, encode: (m) => m.cents, decode: (cents) => new Money(cents as number) });
export const inc = task("$.inc", (n: number) => n + 1);
export const sum = task("$.sum", (a: number, b: number) => a + b);
export const isOdd = task("$.isOdd", (n: number) => n % 2 === 1);
export const pair = task("$.pair", (n: number) => [n, n]);
export const inside = f.namespace("$.inside").task("inside", () => "inside");
export const fail = task("$.fail", (): unknown => { throw new TypeError("broken"); });
export const seen = task("$.seen", (error: { code?: string; name?: string; message?: string }) => JSON.stringify(error, (key, value) => key === "stack" || key === "path" || key === "task" ? undefined : value));
export const context = task("$.context", { context: ["a"] }, () => contextValue("a") ?? null);
export const bytes = task("$.bytes", (file: f.File) => readBytes(file));
export const text = task("$.text", (file: f.File) => readText(file));
export const lines = task("$.lines", async (file: f.File) => Array.fromAsync(readLines(file)));
export const stream = task("$.stream", async (file: f.File) => (await Array.fromAsync(readStream(file))).length > 0);
export const rows = task("$.rows", (data: f.Dataset) => readRows(data));
${Object.entries(SAMPLES)
  .map(([name, body]) => `export const sample_${name} = task("$.sample.${name}", ${body});`)
  .join("\n")}
`;

const GOLDEN = new URL("own-exports.json", import.meta.url);

interface Known {
  readonly version: string | undefined;
  readonly digest: string;
}

it("an export gives what it gave, or has a new version", async () => {
  expect(Object.keys(SAMPLES).sort()).toEqual(Object.keys(firesteel).sort());
  await using project = await Engine.start(
    opened.store,
    { "flow.ts": FLOW, "in/a.txt": "one\ntwo\r\nthree", "rows/x.csv": "n\n1\n", "job.py": "" },
    { limits: { one: 1 } },
  );
  const columns = { n: "int", s: "string", d: "date", x: "double" };
  const rows = [
    { n: 1, s: "a", d: new Date(0), x: 1.5 },
    { n: null, s: null, d: null, x: null },
  ];
  await writeParquet(rows, columns, pathToFileURL(join(project.root, "table/part.parquet")).href);
  const before = JSON.parse(await readFile(GOLDEN, "utf8").catch(() => "{}")) as Readonly<Record<string, Known>>;
  const found: Record<string, Known> = {};
  for (const name of Object.keys(SAMPLES)) {
    const { error, value } = await project.run(`sample.${name}`);
    expect(error, name).toBeNull();
    found[name] = { version: exportVersion(name), digest: hash("sha256", encodeValue(value), "hex") };
    const known = before[name];
    if (known?.version === found[name].version)
      expect(found[name], `${name} gives something else: raise its version`).toEqual(known);
  }
  await expect(`${JSON.stringify(found, null, 2)}\n`).toMatchFileSnapshot(fileURLToPath(GOLDEN));
}, 60_000);
