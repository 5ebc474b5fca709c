/** What every executor of flow code promises; run against each of them. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeParquet } from "../../../src/data/write-parquet.ts";
import { DatasetValue, FileValue } from "../../../src/define/external.ts";
import { TaskReference } from "../../../src/define/task.ts";
import type { TaskInfo } from "../../../src/evaluate/code.ts";
import type { DatasetRecord, Executor, Outcome } from "../../../src/evaluate/ports.ts";
import { decodeValue } from "../../../src/hash/decode.ts";
import { digestBytes, digestValue } from "../../../src/hash/digest.ts";
import { isProgram, parseProgram } from "../../../src/hash/program.ts";
import { encodeValue } from "../../../src/hash/value.ts";
import { FlowHost } from "../../../src/route/flow/flow-host.ts";
import type { LoadRequest } from "../../../src/route/flow/messages.ts";
import { anyValue } from "../../hash/values.ts";

const FLOW = `import { field, readRows, readText, sql, task, Code, FiresteelError, type Dataset, type File } from "firesteel";
import { appendFileSync } from "node:fs";
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export const echo = task("echo", (value: unknown) => value);
export const add = task("add", async (a: number, b: number) => a + b);
export const later = task("later", () => [add(1, 2), field(add(3, 4) as never, "x")]);
export const own = task("own", (bytes: Uint8Array) => { bytes.fill(0); return bytes.length; });
export const fails = task("fails", (kind: string): unknown => {
  class Money extends Error {}
  switch (kind) {
    case "TypeError": return (null as never as { x: number }).x;
    case "own class": throw new Money("not enough");
    case "coded": throw new FiresteelError(Code.notFound, "no such day", { details: { day: 3 } });
    case "text": throw "plain words";
    case "undefined": throw undefined;
    case "bare object": throw Object.create(null);
    case "lazy": throw add(1, 2);
    case "foreign": throw Object.assign(new Error("throttled"), { code: "Throttling", retryable: true });
    case "details that cannot be sent": throw new FiresteelError(Code.notFound, "no", { details: { f: () => 1, n: 1n } });
    case "result that is no value": return { a: [() => 1] };
    case "rejection": return Promise.reject(new RangeError("later"));
    default: throw new Error(kind);
  }
});
export const wait = task("wait", async (log: string, ms: number) => { appendFileSync(log, "begin "); await pause(ms); appendFileSync(log, "end "); return ms; });
export const spin = task("spin", (log: string) => { appendFileSync(log, "begin "); for (;;); });
export const spinLater = task("spinLater", async () => { await pause(1); for (;;); });
export const exits = task("exits", async (how: string) => {
  console.log("last words of " + how);
  if (how === "exit") process.exit(7);
  if (how === "exit later") { await pause(5); process.exit(7); }
  if (how === "throw") setTimeout(() => { throw new Error("nobody catches this"); }, 1);
  if (how === "reject") void Promise.reject(new Error("nobody handles this"));
  await pause(60_000);
});
export const rows = task("rows", async (d: Dataset) => [d.rows, (await readRows(d)).map((row) => row["n"])]);
export const text = task("text", (f: File) => readText(f));
export const query = task("query", (d: Dataset) => sql\`SELECT * FROM \${d} WHERE n > \${1}\`);
export const echoLater = task("echoLater", async (value: unknown) => value);
`;

/** One call of a task as the tests write it. */
export interface Call {
  readonly datasets?: readonly DatasetRecord[];
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly code?: string;
}

/** A project with the flow module of the suite, its identified code, and one executor. */
export class Bench {
  readonly root: string;
  readonly host: FlowHost;
  readonly tasks: ReadonlyMap<string, TaskInfo>;
  executor: Executor;
  #jobs = 0;

  constructor(root: string, host: FlowHost, executor: Executor) {
    this.root = root;
    this.host = host;
    this.tasks = new Map(host.tasks.map((task) => [task.name, task]));
    this.executor = executor;
  }

  call(
    task: string,
    args: readonly unknown[],
    { datasets = [], timeoutMs, signal, code }: Call = {},
  ): Promise<Outcome> {
    return this.executor.run(
      {
        jobId: `job-${++this.#jobs}`,
        executionId: "execution",
        task,
        code: code ?? this.tasks.get(task)!.code,
        evalHash: "0".repeat(64),
        args: args.map((arg) => encodeValue(arg)),
        datasets,
        options: { tags: [], ...(timeoutMs === undefined ? {} : { timeoutMs }) },
        user: "tester",
      },
      signal ?? new AbortController().signal,
    );
  }

  async value(task: string, args: readonly unknown[], call: Call = {}): Promise<unknown> {
    return decodeValue((await this.call(task, args, call)).bytes);
  }
}

/** Loads a flow module into a host, and makes an executor of the same code. */
export async function startBench(
  flow: string,
  make: (request: LoadRequest, host: FlowHost) => Executor | Promise<Executor>,
): Promise<Bench & AsyncDisposable> {
  const root = await mkdtemp(join(tmpdir(), "firesteel-executor-"));
  await writeFile(join(root, "package.json"), '{"type": "module"}');
  await writeFile(join(root, "flow.ts"), flow);
  const request = { root, modules: [join(root, "flow.ts")] };
  const host = await FlowHost.start(request);
  const bench = new Bench(root, host, await make({ ...request, pinned: host.pinned }, host));
  return Object.assign(bench, {
    async [Symbol.asyncDispose]() {
      await bench.executor[Symbol.asyncDispose]();
      await host[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  });
}

/** Waits until a file has this content. */
export async function written(path: string, text: string): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if ((await readFile(path, "utf8").catch(() => "")) === text) return;
    await sleep(20);
  }
  throw new Error(`${path} never had the content ${text}`);
}

export function testExecutor(
  name: string,
  make: (request: LoadRequest, host: FlowHost) => Executor | Promise<Executor>,
  // Starting a worker for every call takes time: then fewer calls are made.
  { ends, calls = 200 }: { readonly ends: "its thread" | "its process"; readonly calls?: number },
): void {
  describe(`executor ${name}`, () => {
    let bench: Awaited<ReturnType<typeof startBench>>;
    beforeAll(async () => {
      bench = await startBench(FLOW, make);
    });
    afterAll(() => bench[Symbol.asyncDispose]());

    it("has its name", () => expect(bench.executor.name).toBe(name));

    it("takes and gives every value", async () => {
      await fc.assert(
        fc.asyncProperty(anyValue, async (value) => {
          const bytes = encodeValue(value);
          const outcome = await bench.call("echo", [value]);
          expect(outcome).toEqual({ kind: "value", bytes, digest: digestValue(bytes) });
        }),
        { numRuns: Math.min(60, calls) },
      );
    });

    it("takes a value whose member `then` is a task for no promise, and says so where JavaScript itself does", async () => {
      const value: unknown = JSON.parse('{"then":1}', (key, member) =>
        key === "then" ? new TaskReference("echo") : member,
      );
      expect(await bench.value("echo", [value])).toEqual(value);
      await expect(bench.value("echoLater", [value])).rejects.toThrow(/^argument 1 of echo is a function .* no value/);
    });

    it("gives expressions unevaluated, and Spark work as a value", async () => {
      const outcome = await bench.call("later", []);
      expect(outcome.kind).toBe("expression");
      expect(isProgram(outcome.bytes)).toBe(true);
      expect(parseProgram(outcome.bytes).nodes).toHaveLength(3);
      expect(await bench.value("query", [new DatasetValue("1".repeat(64))])).toMatchObject({ kind: "sql" });
    });

    it("gives each body arguments of its own", async () => {
      const bytes = new Uint8Array([1, 2, 3]);
      expect(await bench.value("own", [bytes])).toBe(3);
      expect(bytes).toEqual(new Uint8Array([1, 2, 3]));
    });

    it("runs many at once", async () => {
      const results = await Promise.all(Array.from({ length: calls }, (_, i) => bench.value("add", [i, 1])));
      expect(results).toEqual(Array.from({ length: calls }, (_, i) => i + 1));
    });

    it.each<[string, object]>([
      [
        "TypeError",
        {
          code: "unknown",
          message: expect.stringMatching(/Cannot read properties of null/),
          details: { name: "TypeError" },
        },
      ],
      ["own class", { code: "unknown", message: "not enough" }],
      ["coded", { code: "not_found", message: "no such day", details: { day: 3 } }],
      ["text", { code: "unknown", message: "plain words" }],
      ["undefined", { code: "unknown", message: "undefined was thrown, which is no Error" }],
      ["bare object", { code: "unknown", message: "[Object: null prototype] {} was thrown, which is no Error" }],
      ["lazy", { code: "unknown", message: expect.stringMatching(/ was thrown, which is no Error$/) }],
      ["foreign", { code: "unknown", message: "throttled", retryable: false }],
      ["details that cannot be sent", { code: "not_found", details: { n: "1" } }],
      ["rejection", { code: "unknown", message: "later", details: { name: "RangeError" } }],
      [
        "result that is no value",
        {
          code: "invalid_argument",
          message: "result of fails at .a[0] is a function (anonymous), which is no value; define a task",
        },
      ],
    ])("rejects with what a body threw: %s", async (kind, error) => {
      await expect(bench.call("fails", [kind])).rejects.toMatchObject(error);
    });

    it("shows where in the flow module it was thrown", async () => {
      const error = await bench.call("fails", ["TypeError"]).catch((reason: unknown) => reason);
      expect((error as { details: { stack: string } }).details.stack).toContain(`${join(bench.root, "flow.ts")}:12:`);
    });

    it("refuses another version of the code", async () => {
      await expect(bench.call("add", [1, 2], { code: "0".repeat(64) })).rejects.toMatchObject({
        code: "aborted",
        message: "this worker holds another version of task add",
      });
    });

    it("reads the datasets and files that it is given", async () => {
      const location = pathToFileURL(join(bench.root, "rows.parquet")).href;
      await writeParquet([{ n: 3 }, { n: 4 }], { n: "int" }, location);
      const identity = "a".repeat(64);
      const record: DatasetRecord = {
        identity,
        location,
        format: "parquet",
        options: {},
        schema: null,
        partitionBy: [],
        rows: 2,
        files: [{ path: "", bytes: 1 }],
      };
      expect(await bench.value("rows", [new DatasetValue(identity)], { datasets: [record] })).toEqual([2, [3, 4]]);
      await expect(bench.call("rows", [new DatasetValue("b".repeat(64))])).rejects.toMatchObject({
        code: "invalid_argument",
      });
      await writeFile(join(bench.root, "a.txt"), "words");
      expect(await bench.value("text", [new FileValue("a.txt", digestBytes("words"))])).toBe("words");
      // What a body reads is the content that was identified, or nothing.
      await expect(bench.call("text", [new FileValue("a.txt", digestBytes("others"))])).rejects.toMatchObject({
        code: "aborted",
        details: { kind: "inputChanged", location: "a.txt" },
      });
    });

    it("is cancelled at once, before it starts and while it runs", async () => {
      await expect(bench.call("add", [1, 2], { signal: AbortSignal.abort() })).rejects.toMatchObject({
        code: "cancelled",
      });
      const log = join(bench.root, "cancel");
      const stop = new AbortController();
      const run = bench.call("wait", [log, 60_000], { signal: stop.signal });
      await written(log, "begin ");
      stop.abort();
      await expect(run).rejects.toMatchObject({ code: "cancelled" });
      expect(await bench.value("add", [1, 2])).toBe(3);
    });

    it("ends what runs longer than its time", async () => {
      await expect(bench.call("wait", [join(bench.root, "slow"), 60_000], { timeoutMs: 700 })).rejects.toMatchObject({
        code: "deadline_exceeded",
        message: "task wait ran longer than 700 ms",
      });
    });

    it.each(["spin", "spinLater"])(
      "survives an endless loop (%s), which costs only the body that loops",
      async (task) => {
        const log = join(bench.root, task);
        const stop = new AbortController();
        const innocent = bench.value("wait", [join(bench.root, `${task}-innocent`), 100]);
        const guilty = bench.call(task, [log], { signal: stop.signal });
        guilty.catch(() => undefined);
        if (task === "spin") await written(log, "begin ");
        else await sleep(300);
        stop.abort();
        await expect(guilty).rejects.toMatchObject({ code: "cancelled" });
        expect(await innocent).toBe(100);
        expect(await bench.value("add", [1, 2])).toBe(3);
      },
    );

    it.each(["exit", "exit later", "throw", "reject"])(
      "survives the end of a worker (%s), which costs only the guilty body",
      async (how) => {
        const log = join(bench.root, `innocent ${how}`);
        const innocent = bench.value("wait", [log, 400]);
        innocent.catch(() => undefined);
        await written(log, "begin ");
        await expect(bench.call("exits", [how])).rejects.toMatchObject({
          code: "unknown",
          message: expect.stringMatching(new RegExp(`^task exits ended ${ends}`)),
        });
        expect(await innocent).toBe(400);
        expect(await bench.value("add", [1, 2])).toBe(3);
      },
    );
  });
}
