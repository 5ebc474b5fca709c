import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { failureLines } from "../../src/cli/failure-text.ts";
import { clipText, formatAge, formatDuration, oneLine, plainText } from "../../src/cli/format.ts";
import { jobTreeLines } from "../../src/cli/job-tree.ts";
import { newLines } from "../../src/cli/log.ts";
import { Progress } from "../../src/cli/progress.ts";
import { formatResult } from "../../src/cli/result-text.ts";
import { nearest } from "../../src/cli/suggestion.ts";
import { formatTable } from "../../src/cli/table.ts";
import { parseArguments } from "../../src/cli/task-arguments.ts";
import { DatasetValue } from "../../src/define/external.ts";
import {
  ExecutionState,
  type Job,
  JobSchema,
  JobState,
  WatchExecutionResponseSchema,
} from "../../src/gen/firesteel/v1/execution_pb.ts";
import { FailureSchema } from "../../src/gen/firesteel/v1/failure_pb.ts";
import { SubmissionState } from "../../src/gen/firesteel/v1/submission_pb.ts";

describe("times", () => {
  test.for([
    [0, "0 ms"],
    [999.4, "999 ms"],
    [999.6, "1.0 s"],
    [59_949, "59.9 s"],
    [59_950, "1 min 00 s"],
    [65_000, "1 min 05 s"],
    [3_599_400, "59 min 59 s"],
    [3_599_600, "1 h 00 min"],
    [11_220_000, "3 h 07 min"],
    [-5, "0 ms"],
  ] as const)("%d ms is %s", ([ms, text]) => expect(formatDuration(ms)).toBe(text));

  test("no duration has 60 seconds or 60 minutes", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (ms) => {
        expect(formatDuration(ms)).not.toMatch(/\b60(\.0)? (s|min)\b|\b1000 ms/);
      }),
    );
  });

  test.for([
    [0, "just now"],
    [40_000, "40 s ago"],
    [300_000, "5 min ago"],
    [7_200_000, "2 h ago"],
    [259_200_000, "3 d ago"],
    [-1000, "just now"],
  ] as const)("%d ms ago is %s", ([ms, text]) => expect(formatAge(1e12 - ms, 1e12)).toBe(text));
});

describe("texts of others", () => {
  test("what steers a terminal is taken out, line breaks stay", () => {
    expect(plainText("a\u001b[31mred\u001b[0m\u0007\r\nb\tc")).toBe("ared\nb\tc");
    expect(oneLine("a\n  b\n")).toBe("a b");
  });

  test("a clipped text is never longer than asked for", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.nat(40), (text, width) => {
        expect([...clipText(text, width)].length).toBeLessThanOrEqual(width);
      }),
    );
  });
});

describe("arguments", () => {
  test("any JSON value comes back from its text", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), (values) => {
        const expected = JSON.parse(JSON.stringify(values)) as unknown;
        expect(parseArguments([], JSON.stringify(values))).toEqual(expected);
        expect(parseArguments(values.map((value) => JSON.stringify(value)))).toEqual(expected);
      }),
    );
  });

  test("an integer is taken as JavaScript writes it or refused", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), (integer) => {
        const exact = BigInt(Number(integer)) === integer || String(Number(integer)) === String(integer);
        const parse = () => parseArguments([`{"a": [${integer}]}`]);
        if (exact) expect(parse()).toEqual([{ a: [Number(integer)] }]);
        else expect(parse).toThrow("argument 1 has a number that JavaScript cannot hold exactly");
      }),
    );
    expect(() => parseArguments(["1e400"])).toThrow("cannot hold exactly");
  });

  test.for([
    ["{", "--args is no JSON"],
    ['{"a":1}', `--args is no JSON list; write the arguments in brackets: --args '[{"a":1}]'`],
  ] as const)("--args %s is refused", ([list, message]) => expect(() => parseArguments([], list)).toThrow(message));

  test("arguments given in both ways are refused", () => {
    expect(() => parseArguments(["1"], "[2]")).toThrow("given twice");
  });
});

test("the nearest word is suggested only when it is near", () => {
  expect(nearest("sumbissions", ["submissions", "show"])).toBe("submissions");
  expect(nearest("xyz", ["submissions", "show"])).toBeUndefined();
});

test("lines of a log window that moves are told once, whatever was dropped before", () => {
  fc.assert(
    fc.property(fc.nat(30), fc.nat(30), fc.nat(20), (first, more, window) => {
      const all = Array.from({ length: first + more }, (_, i) => `line ${i}`);
      const before = all.slice(0, first).slice(-window - 1);
      const now = all.slice(-window - 1);
      const missed = Math.max(0, all.length - (window + 1));
      expect(newLines(before, now)).toEqual(all.slice(Math.max(first, missed)));
    }),
  );
  expect(newLines(["a", "a"], ["a", "a", "a"])).toEqual([]);
});

describe("tables", () => {
  const columns = [
    { title: "ID", text: (row: readonly string[]) => row[0]! },
    { title: "NOTE", text: (row: readonly string[]) => row[1]!, shrinks: true as const },
  ];
  test("fit the terminal", () => {
    const rows = [
      ["a1", "x".repeat(200)],
      ["b2", "short"],
    ];
    for (const width of [20, 40, 100])
      for (const line of formatTable(columns, rows, width).split("\n")) expect(line.length).toBeLessThanOrEqual(width);
    expect(formatTable(columns, rows, 40)).toContain("short");
  });

  test("are separated by tabs and whole without a terminal, one line a row", () => {
    expect(formatTable(columns, [["a", "two\nlines"]], undefined)).toBe("ID\tNOTE\na\ttwo lines");
  });
});

describe("results", () => {
  test("rows are a table, with a count of what is not shown", () => {
    const rows = Array.from({ length: 60 }, (_, i) => ({ name: `n${i}`, price: i }));
    const text = formatResult(rows, 80, false);
    expect(text.split("\n")[0]).toMatch(/^name +price$/);
    expect(text).toContain("(10 more rows; --json prints all)");
  });
  test("anything else is written as JavaScript does", () => {
    expect(formatResult("text", 80, false)).toBe("text");
    const lines = Array.from({ length: 101 }, (_, i) => `${i}`).join("\n");
    expect(formatResult(lines, undefined, false)).toBe(lines);
    expect(formatResult(lines, 80, false).split("\n").slice(-2)).toEqual([
      "99",
      "(4 more characters; --json or `> FILE` gives all)",
    ]);
    expect(formatResult("x".repeat(9000), 80, false)).toMatch(/x\n\(1,000 more characters; /);
    expect(formatResult("x".repeat(8000), 80, false)).toBe("x".repeat(8000));
    expect(formatResult({ n: 5n, m: new Map([["a", new Set([1])]]) }, 80, false)).toBe(
      "{ n: 5n, m: Map(1) { 'a' => Set(1) { 1 } } }",
    );
    expect(formatResult([new DatasetValue("ab".repeat(32))], 80, false)).toMatch(/^\[ <dataset abababababab/);
  });
});

test("a failure on Spark shows position, traceback, submission and the command for its log", () => {
  const failure = create(FailureSchema, {
    code: "unknown",
    name: "ParseException",
    message: "ParseException: syntax error at 'FORM' (line 2, column 5)",
    path: ["flights.main", "flights.clean"],
    stack:
      "FiresteelError: x\n    at obtain (/opt/firesteel/dist/x.js:1:1)\n    at body (file:///home/u/p/flows/a.ts:3:4)",
    details: {
      class: "user",
      submissionId: "m3abcdef012345678901",
      cluster: "local",
      appId: "application_1_0001",
      position: { line: 2, column: 5 },
      traceback: "Traceback (most recent call last):\n  File x",
    },
  });
  expect(failureLines(failure, { root: "/home/u/p", verbose: false })).toEqual([
    "flights.clean failed: ParseException: syntax error at 'FORM' (line 2, column 5)",
    "  task path: flights.main > flights.clean",
    "  place in the SQL text: line 2, column 5",
    "  Python traceback:",
    "    Traceback (most recent call last):",
    "      File x",
    "  at body (flows/a.ts:3:4)",
    "  submission m3abcdef012345678901 (application_1_0001 on local); its log: firesteel log m3abcdef012345678901",
  ]);
  expect(failureLines(failure, { root: "/home/u/p", verbose: true }).join("\n")).toContain("/opt/firesteel/dist/x.js");
});

function job(id: string, change: Partial<Job> = {}): Job {
  const { $typeName: _name, $unknown: _unknown, ...fields } = change;
  return create(JobSchema, {
    id,
    task: id,
    executionId: "e",
    state: JobState.SUCCEEDED,
    executor: "inline",
    ...fields,
  });
}

describe("the tree of jobs", () => {
  const plain = { now: 0, all: false, paint: (text: string) => text };
  test("shows who asked for whom, and a failure where it came up", () => {
    const error = create(FailureSchema, { message: "no such year" });
    const lines = jobTreeLines(
      [
        job("root", { state: JobState.FAILED, error }),
        job("a", { parentId: "root", cached: true }),
        job("b", { parentId: "root", state: JobState.FAILED, error }),
        job("c", { parentId: "b", state: JobState.FAILED, error }),
      ],
      plain,
    );
    expect(lines).toEqual([
      "root  failed  inline",
      "├ a  cached",
      "└ b  failed  inline",
      "  └ c  failed  inline  no such year",
    ]);
  });

  test("counts many alike, unless all are wanted, and takes a chain of any depth", () => {
    const many = [
      job("root"),
      ...Array.from({ length: 40 }, (_, i) => job(`j${i}`, { parentId: "root", task: "t", cached: true })),
    ];
    const lines = jobTreeLines(many, plain);
    expect(lines).toHaveLength(7);
    expect(lines.at(-1)).toBe("└ t: 35 more jobs (35 cached; --all shows them)");
    expect(jobTreeLines(many, { ...plain, all: true })).toHaveLength(41);
    const chain = Array.from({ length: 3000 }, (_, i) => job(`c${i}`, i === 0 ? {} : { parentId: `c${i - 1}` }));
    expect(jobTreeLines(chain, { ...plain, width: 80 })).toHaveLength(3000);
  });
});

describe("progress", () => {
  const at = (ms: number) => timestampFromMs(ms);
  const told = (progress: Progress, event: Parameters<typeof create<typeof WatchExecutionResponseSchema>>[1]) =>
    progress.apply(create(WatchExecutionResponseSchema, event)).map(({ text }) => text);
  const begun = () => {
    const progress = new Progress();
    const execution = { id: "e", task: "main", state: ExecutionState.RUNNING };
    told(progress, { event: { case: "snapshot", value: { execution, jobs: [], submissions: [], complete: true } } });
    return progress;
  };

  test("counts jobs once, however often they are told of", () => {
    const progress = begun();
    const event = (value: Job) => told(progress, { event: { case: "job", value } });
    event(job("a", { state: JobState.RUNNING, startedAt: at(0) }));
    event(job("b", { state: JobState.WAITING }));
    expect(progress.counts).toMatchObject({ running: 1, waiting: 1, ran: 0 });
    const ended = job("a", { startedAt: at(0), endedAt: at(400) });
    expect(event(ended)).toEqual(["a done in 400 ms (inline)"]);
    expect(event(ended)).toEqual([]);
    event(job("b", { cached: true, startedAt: at(0), endedAt: at(900) }));
    expect(progress.counts).toMatchObject({ running: 0, waiting: 0, ran: 1, cached: 1, failed: 0 });
  });

  test("tells how long a job ran, without its waiting", () => {
    let now = 0;
    const progress = new Progress(() => now);
    const event = (value: Job) => told(progress, { event: { case: "job", value } });
    event(job("a", { state: JobState.WAITING, startedAt: at(0) }));
    now = 5000;
    event(job("a", { state: JobState.RUNNING, startedAt: at(0) }));
    now = 5300;
    event(job("a", { state: JobState.RUNNING, startedAt: at(0) }));
    expect(event(job("a", { startedAt: at(0), endedAt: at(5400) }))).toEqual(["a done in 400 ms (inline)"]);
    event(job("b", { state: JobState.WAITING, startedAt: at(0) }));
    expect(event(job("b", { startedAt: at(0), endedAt: at(400) }))).toEqual([
      "b done, with its waiting, in 400 ms (inline)",
    ]);
  });

  test("tells of some calls of a task only, and the failure of the root at its end only", () => {
    const progress = begun();
    const event = (value: Job) => told(progress, { event: { case: "job", value } });
    const lines = Array.from({ length: 1000 }, (_, i) =>
      event(job("a", { id: `a${i}`, startedAt: at(0), endedAt: at(400 + i) })),
    ).flat();
    expect(lines).toHaveLength(21);
    expect(lines.at(-1)).toBe("further calls of a are counted only");
    expect(progress.counts.ran).toBe(1000);
    expect(event(job("b", { startedAt: at(0), endedAt: at(400) }))).toEqual(["b done in 400 ms (inline)"]);
    const error = create(FailureSchema, { message: "broken" });
    expect(event(job("main", { state: JobState.FAILED, endedAt: at(1), error }))).toEqual([]);
    expect(progress.originOf("broken")).toBe("main");
  });

  test("tells a reason to wait once, a failure where it came up first, and each state of a submission", () => {
    const progress = begun();
    const event = (value: Job) => told(progress, { event: { case: "job", value } });
    const note = "waiting: cluster local is down";
    expect(event(job("a", { state: JobState.WAITING, note }))).toEqual([`a ${note}`]);
    expect(event(job("b", { state: JobState.WAITING, note }))).toEqual([]);
    const failed = { state: JobState.FAILED, endedAt: at(1), error: create(FailureSchema, { message: "broken" }) };
    expect(event(job("a", failed))).toEqual(["a failed: broken"]);
    expect(event(job("main", failed))).toEqual([]);
    expect(progress.originOf("broken")).toBe("a");
    const submission = {
      id: "m3abcdef012345678901",
      executionId: "e",
      task: "t",
      cluster: "local",
      appId: "application_1",
    };
    const running = {
      event: { case: "submission", value: { ...submission, state: SubmissionState.RUNNING } },
    } as const;
    expect(told(progress, running)).toEqual(["submission m3abcdef0123 t running on local as application_1"]);
    expect(told(progress, running)).toEqual([]);
    expect(progress.counts.submitted).toBe(1);
  });

  test("its view fits the terminal and joins those that wait for the same", () => {
    const progress = begun();
    for (let i = 0; i < 30; i++) {
      const note = `waiting: ${"long ".repeat(40)}`;
      told(progress, { event: { case: "job", value: job(`w${i}`, { task: "w", state: JobState.WAITING, note }) } });
      told(progress, { event: { case: "job", value: job(`r${i}`, { state: JobState.RUNNING, startedAt: at(0) }) } });
    }
    const lines = progress.frame("main", 0, 1000, 60, 10);
    expect(lines).toHaveLength(11);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(60);
    expect(lines.at(-1)).toContain("and 22 more");
    expect(progress.frame("main", 0, 1000, 60, 100).at(-1)).toMatch(/^ {2}w \(30\)/);
  });
});
