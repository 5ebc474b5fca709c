import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Code, FiresteelError } from "../../src/errors.ts";
import {
  ExecutionState,
  ExecutionStateSchema,
  JobState,
  JobStateSchema,
  StartExecutionRequestSchema,
  type WatchExecutionResponse,
} from "../../src/gen/firesteel/v1/execution_pb.ts";
import { Change, SparkWork } from "../../src/gen/firesteel/v1/explain_pb.ts";
import {
  ClusterState,
  SubmissionMode,
  SubmissionState,
  SubmissionStateSchema,
} from "../../src/gen/firesteel/v1/submission_pb.ts";
import { HealthCheckResponse_ServingStatus as ServingStatus } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { encodeValue } from "../../src/hash/value.ts";
import { createClient, type FiresteelClient } from "../../src/serve/client.ts";
import { CODE_NUMBERS } from "../../src/serve/failure-message.ts";
import { type RunningServer, startServer } from "../../src/serve/server.ts";
import { messageFromValue, valueFromMessage } from "../../src/serve/value-message.ts";
import {
  argumentsOf,
  EXPLANATION,
  type MemoryOrchestrator,
  memoryOrchestrator,
  START,
  submissionRecord,
} from "./memory-orchestrator.ts";
import { until } from "./until.ts";

let orchestrator: MemoryOrchestrator;
let server: RunningServer;
let client: FiresteelClient;

beforeAll(async () => {
  orchestrator = memoryOrchestrator();
  server = await startServer({ orchestrator, grpcPort: 0, httpPort: 0 });
  client = createClient(server.grpcAddress);
});
beforeEach(() => {
  orchestrator.fault = null;
  orchestrator.ready = true;
  orchestrator.onGet = null;
  orchestrator.onListSubmissions = null;
  orchestrator.started.length = 0;
  orchestrator.rows.length = 0;
});
afterAll(async () => {
  client[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

/** Starts an execution that runs until the test ends it. */
async function hang(): Promise<string> {
  const { execution } = await client.executions.startExecution({ task: "hang", user: "ada", reason: "test" });
  return execution!.id;
}

async function failure(promise: Promise<unknown>): Promise<FiresteelError> {
  const error = await promise.then(
    () => new Error("the call succeeded"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FiresteelError);
  return error as FiresteelError;
}

describe("starting", () => {
  test("passes task, arguments, request id, user and reason on, and gives the execution", async () => {
    const value = new Map<unknown, unknown>([
      [1n, [Number.NaN, -0, undefined]],
      ["bytes", Uint8Array.of(1, 2)],
    ]);
    const { execution } = await client.executions.startExecution({
      task: "echo",
      arguments: [messageFromValue(value)],
      requestId: "r-1",
      user: "ada",
      reason: "nightly",
    });
    const [request] = orchestrator.started;
    expect(request).toMatchObject({ task: "echo", requestId: "r-1", user: "ada", reason: "nightly" });
    expect(argumentsOf(request!)).toEqual([value]);
    expect(execution).toMatchObject({
      task: "echo",
      requestId: "r-1",
      user: "ada",
      reason: "nightly",
      state: ExecutionState.SUCCEEDED,
    });
    expect(encodeValue(valueFromMessage(execution!.result!))).toEqual(encodeValue([value]));
    expect(Number(execution!.startedAt!.seconds) * 1000 + execution!.startedAt!.nanos / 1e6).toBeGreaterThanOrEqual(
      START,
    );
  });

  test("gives a request id's execution again", async () => {
    const first = await client.executions.startExecution({ task: "hang", requestId: "r-2" });
    const second = await client.executions.startExecution({ task: "hang", requestId: "r-2" });
    expect(second.execution!.id).toBe(first.execution!.id);
    orchestrator.finish(first.execution!.id);
  });

  test("names the place of a bad argument", async () => {
    const bad = create(StartExecutionRequestSchema, {
      task: "echo",
      arguments: [{ kind: { case: "nullValue", value: 0 } }, { kind: { case: "listValue", value: { values: [{}] } } }],
    });
    const error = await failure(client.executions.startExecution(bad));
    expect(error).toMatchObject({ code: Code.invalidArgument, retryable: false, details: { path: "[0]" } });
    expect(error.message).toContain("argument 2 of echo at [0] has no kind set");
    expect(orchestrator.started).toEqual([]);
  });

  test.each([
    [{ task: "" }, Code.invalidArgument, "request has an empty field: task"],
    [{ task: "nope" }, Code.notFound, "task is not known: nope"],
    [
      { task: "echo", requestId: "x".repeat(201) },
      Code.invalidArgument,
      "request id has more than 200 characters: 201",
    ],
    [
      { task: "echo", arguments: [messageFromValue(1)], jsonArguments: { values: [] } },
      Code.invalidArgument,
      "request has both arguments and json_arguments; send one of them",
    ],
  ])("refuses %j", async (request, code, message) => {
    expect(await failure(client.executions.startExecution(request))).toMatchObject({ code, message });
  });

  test("takes arguments of more than the 4 MiB that gRPC allows by default, and gives them back", async () => {
    const value = new Uint8Array(6 * 1024 * 1024).fill(7);
    const { execution } = await client.executions.startExecution({
      task: "echo",
      arguments: [messageFromValue(value)],
    });
    // Compared as bytes: a matcher takes seconds for so many elements.
    expect(Buffer.compare(encodeValue(valueFromMessage(execution!.result!)), encodeValue([value]))).toBe(0);
  });

  test("takes values as deep as messages allow", async () => {
    const deep = Array.from({ length: 298 }).reduce((inner) => ({ a: inner }), 1);
    const { execution } = await client.executions.startExecution({ task: "echo", arguments: [messageFromValue(deep)] });
    expect(valueFromMessage(execution!.result!)).toEqual([deep]);
  });
});

describe("errors", () => {
  test.each(Object.values(Code))("arrive with code, message, details and retryable: %s", async (code) => {
    orchestrator.fault = new FiresteelError(code, `subject has a fault (ü, %, "): ${code}`, {
      retryable: code === "internal",
      details: { place: { line: 3 }, list: [1, "a"], none: null },
    });
    const error = await failure(client.executions.startExecution({ task: "echo" }));
    expect(error).toMatchObject({
      code,
      message: orchestrator.fault.message,
      retryable: code === "internal",
      details: { place: { line: 3 }, list: [1, "a"], none: null },
    });
  });

  test("are gRPC's statuses", () => {
    expect(new Set(Object.values(CODE_NUMBERS)).size).toBe(Object.keys(CODE_NUMBERS).length);
  });

  test("that are too large for trailers are cut, not lost", async () => {
    orchestrator.fault = new FiresteelError(Code.invalidArgument, "ü".repeat(50_000), {
      details: { small: 1, large: "x".repeat(50_000) },
    });
    const error = await failure(client.executions.startExecution({ task: "echo" }));
    expect(error.code).toBe(Code.invalidArgument);
    expect(error.message).toMatch(/^ü{500,}\.\.\.$/);
    expect(error.details).toEqual({ small: 1, large: "(too large for the status of a call)" });
  });

  test("of foreign origin are internal and keep their stack to themselves", async () => {
    orchestrator.fault = new TypeError("x is not a function") as unknown as FiresteelError;
    const error = await failure(client.executions.startExecution({ task: "echo" }));
    expect(error).toMatchObject({
      code: Code.internal,
      message: "x is not a function",
      details: { name: "TypeError" },
    });
    expect(error.details).not.toHaveProperty("stack");
  });

  test("of a connection say what to do", async () => {
    using nobody = createClient("127.0.0.1:1");
    const error = await failure(nobody.tasks.listTasks({}));
    expect(error).toMatchObject({ code: Code.unavailable, retryable: true });
    expect(error.message).toMatch(
      /^firesteel service does not answer \(.*\); start it with `firesteel serve`, or check the address: 127\.0\.0\.1:1$/,
    );
  });

  test("of a failed execution are in the execution", async () => {
    const { execution } = await client.executions.startExecution({ task: "fail" });
    expect(execution).toMatchObject({
      state: ExecutionState.FAILED,
      error: {
        code: "unknown",
        name: "RangeError",
        message: "no such year: 1066",
        stack: "RangeError: ...",
        path: ["fail", "years"],
        details: { class: "user", position: { line: 1, column: 14 } },
      },
    });
    expect(execution!.result).toBeUndefined();
  });
});

describe("reading", () => {
  test("an execution's jobs come in pages, oldest first, with all their fields", async () => {
    const id = await hang();
    const error = { code: "unknown", name: "Error", message: "broken" };
    orchestrator.recordJob({ id: "j1", executionId: id, note: "waiting: cluster local is down", state: "waiting" });
    orchestrator.recordJob({
      id: "j2",
      executionId: id,
      parentId: "j1",
      task: "t",
      state: "failed",
      executor: "spark",
      cached: true,
      endedAt: START,
      error,
      submissionId: "s1",
    });
    orchestrator.recordJob({ id: "j3", executionId: id, state: "succeeded", endedAt: START });
    orchestrator.recordJob({ id: "j1", executionId: id, state: "running" });
    const first = await client.executions.getExecution({ id, jobPageSize: 2 });
    expect(first.jobs.map((job) => job.id)).toEqual(["j1", "j2"]);
    expect(first.jobs[0]).toMatchObject({
      state: JobState.RUNNING,
      note: "waiting: cluster local is down",
      executor: "inline",
      cached: false,
      evalHash: "ab".repeat(32),
    });
    expect(first.jobs[0]!.parentId).toBeUndefined();
    expect(first.jobs[1]).toMatchObject({
      parentId: "j1",
      task: "t",
      state: JobState.FAILED,
      executor: "spark",
      cached: true,
      error,
      submissionId: "s1",
      executionId: id,
    });
    expect(first.jobCount).toBe(3n);
    const second = await client.executions.getExecution({ id, jobPageSize: 1, jobPageToken: first.nextJobPageToken });
    expect(second.jobs.map((job) => job.id)).toEqual(["j3"]);
    expect(second.nextJobPageToken).toBe("");
    orchestrator.finish(id);
  });

  test("executions are listed in pages, newest first, by state and task, without results", async () => {
    const running = await hang();
    await client.executions.startExecution({ task: "echo", arguments: [messageFromValue(1)] });
    const byState = await client.executions.listExecutions({ state: ExecutionState.RUNNING });
    expect(byState.executions.map(({ id }) => id)).toEqual([running]);
    const ids: string[] = [];
    let pageToken = "";
    do {
      const page = await client.executions.listExecutions({ task: "echo", pageSize: 2, pageToken });
      expect(page.executions.length).toBeLessThanOrEqual(2);
      for (const execution of page.executions) {
        expect(execution.task).toBe("echo");
        expect(execution.result).toBeUndefined();
      }
      ids.push(...page.executions.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(ids).toEqual([...ids].sort((a, b) => Number(b.slice(1)) - Number(a.slice(1))));
    expect(ids.length).toBeGreaterThan(0);
    orchestrator.finish(running);
  });

  test.each([
    [
      "unknown execution",
      () => client.executions.getExecution({ id: "e999" }),
      Code.notFound,
      "execution is not known: e999",
    ],
    ["empty id", () => client.executions.getExecution({}), Code.invalidArgument, "request has an empty field: id"],
    [
      "foreign job page token",
      () => client.executions.getExecution({ id: "e1", jobPageToken: "x" }),
      Code.invalidArgument,
      'job page token was not given by this service: "x"',
    ],
    [
      "negative page size",
      () => client.executions.listExecutions({ pageSize: -1 }),
      Code.invalidArgument,
      "page size is negative: -1",
    ],
    [
      "waiting for an unknown execution",
      () => client.executions.waitExecution({ id: "e999" }),
      Code.notFound,
      "execution is not known: e999",
    ],
    [
      "cancelling an unknown execution",
      () => client.executions.cancelExecution({ id: "e999" }),
      Code.notFound,
      "execution is not known: e999",
    ],
    ["unknown task", () => client.tasks.getTask({ name: "nope" }), Code.notFound, "task is not known: nope"],
    [
      "unknown submission",
      () => client.submissions.getSubmission({ id: "s9" }),
      Code.notFound,
      "submission is not known: s9",
    ],
  ])("what is not there or not right is an error: %s", async (_what, call, code, message) => {
    expect(await failure(call())).toMatchObject({ code, message });
  });

  test("tasks are listed by name, with what is known of them", async () => {
    const { tasks, warnings } = await client.tasks.listTasks({});
    expect(warnings).toMatchObject([{ message: "a slip", file: "flows/echo.ts", line: 2, column: 3 }]);
    expect(tasks.map(({ name }) => name)).toEqual(["echo", "fail", "hang"]);
    expect((await client.tasks.listTasks({ prefix: "ha" })).tasks).toHaveLength(1);
    // Functions that forms are given are told to whoever asks for them.
    expect((await client.tasks.listTasks({ prefix: "a" })).tasks).toEqual([]);
    expect((await client.tasks.listTasks({ prefix: "arrow." })).tasks).toHaveLength(1);
    const { task } = await client.tasks.getTask({ name: "echo" });
    expect(task).toMatchObject({
      description: "Gives its arguments back.",
      module: "flows/echo.ts",
      codeDigest: "22".repeat(32),
      options: { tags: ["small"], retries: 2 },
      undecided: [{ reason: "eval", file: "flows/echo.ts", line: 3, column: 7 }],
    });
    expect(task!.parameters.map(({ name, optional, rest, hasDefault }) => [name, optional, rest, hasDefault])).toEqual([
      ["first", false, false, false],
      ["limit", true, false, true],
      ["more", false, true, false],
    ]);
    expect(valueFromMessage(task!.parameters[1]!.constantDefault!)).toBe(10n);
  });

  test("submissions are listed by filter, and shown with history and log", async () => {
    const failed = submissionRecord({
      id: "s2",
      state: "failed",
      cluster: "other",
      executionId: "e2",
      endedAt: START,
      appId: "application_1_1",
      batchId: 7,
      mode: "statement",
      session: "warm-1",
      statementId: 0,
      failure: {
        class: "user",
        type: "ParseException",
        message: "syntax error",
        position: { line: 2, column: 5 },
        traceback: "...",
      },
    });
    orchestrator.rows.push(submissionRecord({ id: "s1" }), failed);
    const list = async (filter: object): Promise<string[]> =>
      (await client.submissions.listSubmissions(filter)).submissions.map(({ id }) => id);
    expect(await list({})).toEqual(["s1", "s2"]);
    expect(await list({ live: true })).toEqual(["s1"]);
    expect(await list({ cluster: "other" })).toEqual(["s2"]);
    expect(await list({ executionId: "e2" })).toEqual(["s2"]);
    expect(await list({ state: SubmissionState.RUNNING })).toEqual(["s1"]);
    expect(await list({ work: "00" })).toEqual([]);
    const { submission, transitions, log } = await client.submissions.getSubmission({ id: "s2" });
    expect(submission).toMatchObject({
      state: SubmissionState.FAILED,
      appId: "application_1_1",
      batchId: 7,
      mode: SubmissionMode.STATEMENT,
      session: "warm-1",
      statementId: 0,
      livyName: "s-s2",
      request: { file: "file:///harness.py", args: ["file:///spec.json"] },
      failure: { type: "ParseException", message: "syntax error", position: { line: 2, column: 5 }, traceback: "..." },
    });
    expect(submission!.startedAt).toBeUndefined();
    expect(transitions.map(({ from, to }) => [from, to])).toEqual([
      [SubmissionState.UNSPECIFIED, SubmissionState.PLANNED],
      [SubmissionState.PLANNED, SubmissionState.SUBMITTING],
    ]);
    expect(log).toEqual(["line 1", "line 2"]);
  });

  test("clusters are shown with their state", async () => {
    const { clusters } = await client.submissions.listClusters({});
    expect(clusters[0]).toMatchObject({
      name: "local",
      labels: { zone: "a" },
      state: ClusterState.DOWN,
      livyVersion: "0.9.0",
      live: 1,
      waiting: 2,
      lastError: "connect ECONNREFUSED",
    });
    expect(clusters[1]).toMatchObject({ name: "new", state: ClusterState.UNKNOWN });
    expect(clusters[0]).toMatchObject({
      removed: false,
      limits: { maxLive: 4, perUser: { "*": 2 }, perQueue: { etl: 1 } },
      waits: [{ reason: "cluster local is down", count: 2 }],
    });
    expect(clusters[0]!.confirmedAt).toBeDefined();
    expect(clusters[1]).toMatchObject({ removed: true, limits: { maxLive: 16, maxPerSecond: 0.5 } });
    expect(clusters[1]!.since).toBeUndefined();
    expect(clusters[1]!.livyVersion).toBeUndefined();
  });
});

describe("operators", () => {
  test("drain a cluster with a reason, see who did, and resume it", async () => {
    const { submissions } = client;
    const request = { cluster: "local", reason: "new disks", user: "ann" };
    expect((await submissions.drainCluster(request)).drained).toMatchObject({ by: "ann", reason: "new disks" });
    expect((await submissions.drainCluster({ ...request, user: "bob" })).drained).toMatchObject({ by: "ann" });
    const [local] = (await submissions.listClusters({})).clusters;
    expect(local!.drained).toMatchObject({ by: "ann", reason: "new disks" });
    expect((await submissions.resumeCluster({ cluster: "local" })).drained).toMatchObject({ by: "ann" });
    expect((await submissions.resumeCluster({ cluster: "local" })).drained).toBeUndefined();
    for (const wrong of [{ cluster: "local" }, { reason: "x" }, { cluster: "none", reason: "x" }])
      await expect(submissions.drainCluster(wrong)).rejects.toMatchObject({ code: "invalid_argument" });
  });

  test("cancel a submission, and are told that its end is not confirmed", async () => {
    const { submissions } = client;
    orchestrator.rows.push(submissionRecord({ id: "doomed" }));
    const { submission } = await submissions.cancelSubmission({ id: "doomed", reason: "too big", user: "ann" });
    expect(submission).toMatchObject({
      state: SubmissionState.CANCELLING,
      cancelRequested: "cancelled by ann: too big",
    });
    await expect(submissions.cancelSubmission({ id: "none" })).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("waiting and cancelling", () => {
  test("a wait returns when the execution ends", async () => {
    const id = await hang();
    const waiting = client.executions.waitExecution({ id });
    await until(() => orchestrator.open.waits === 1);
    orchestrator.finish(id, { result: encodeValue("done") });
    expect((await waiting).execution).toMatchObject({
      state: ExecutionState.SUCCEEDED,
      jsonResult: { kind: { case: "stringValue", value: "done" } },
    });
  });

  test("a wait with a time-out gives the execution as it is", async () => {
    const id = await hang();
    const { execution } = await client.executions.waitExecution({ id, timeout: { seconds: 0n, nanos: 20_000_000 } });
    expect(execution!.state).toBe(ExecutionState.RUNNING);
    orchestrator.finish(id);
    expect(await failure(client.executions.waitExecution({ id, timeout: { seconds: -1n } }))).toMatchObject({
      code: Code.invalidArgument,
      message: "time-out is negative: -1000 ms",
    });
  });

  test("a time-out and a deadline that no timer can wait for, wait", async () => {
    const id = await hang();
    const month = 30 * 24 * 3600;
    const waiting = client.executions.waitExecution(
      { id, timeout: { seconds: BigInt(month) } },
      { timeoutMs: month * 1000 },
    );
    await until(() => orchestrator.open.waits === 1);
    orchestrator.finish(id);
    expect((await waiting).execution!.state).toBe(ExecutionState.SUCCEEDED);
  });

  test("a call with a signal that is aborted already is not made", async () => {
    const signal = AbortSignal.abort();
    expect(await failure(client.executions.startExecution({ task: "echo" }, { signal }))).toMatchObject({
      code: Code.cancelled,
    });
    expect(orchestrator.started).toEqual([]);
  });

  test("a passed deadline ends the call on both sides", async () => {
    const id = await hang();
    expect(await failure(client.executions.waitExecution({ id }, { timeoutMs: 50 }))).toMatchObject({
      code: Code.deadlineExceeded,
    });
    await until(() => orchestrator.open.waits === 0);
    orchestrator.finish(id);
  });

  test("an aborted call ends on both sides", async () => {
    const id = await hang();
    const leaving = new AbortController();
    const waiting = failure(client.executions.waitExecution({ id }, { signal: leaving.signal }));
    await until(() => orchestrator.open.waits === 1);
    leaving.abort();
    expect(await waiting).toMatchObject({ code: Code.cancelled });
    await until(() => orchestrator.open.waits === 0);
    orchestrator.finish(id);
  });

  test("cancelling tells who has ended, and is harmless afterwards", async () => {
    const id = await hang();
    const cancelled = await client.executions.cancelExecution({ id, reason: "wrong year" });
    expect(cancelled.execution).toMatchObject({
      state: ExecutionState.CANCELLED,
      cancelRequested: true,
      error: { code: "cancelled", message: "cancelled: wrong year" },
    });
    expect((await client.executions.cancelExecution({ id })).execution!.state).toBe(ExecutionState.CANCELLED);
  });
});

describe("watching", () => {
  type Update = WatchExecutionResponse["event"];

  /** What a watcher sees, as short words. */
  const words = ({ case: kind, value }: Update): string => {
    if (kind === "snapshot")
      return `snapshot ${value.jobs.map((job) => `${job.id}:${JobStateSchema.value[job.state]?.localName}`).join(",")}${value.complete ? "." : ""}`;
    if (kind === "job")
      return `job ${value.id}:${JobStateSchema.value[value.state]?.localName}${value.note ? ` (${value.note})` : ""}`;
    if (kind === "execution") return `execution ${ExecutionStateSchema.value[value.state]?.localName}`;
    if (kind === "submission") return `submission ${value.id}:${SubmissionStateSchema.value[value.state]?.localName}`;
    if (kind === "code") return `code ${value.version}`;
    return "nothing";
  };

  test("starts with a snapshot, tells every change and ends with the execution", async () => {
    const id = await hang();
    orchestrator.recordJob({ id: "j1", executionId: id });
    const seen: string[] = [];
    for await (const { event } of client.executions.watchExecution({ id })) {
      seen.push(words(event));
      if (event.case !== "snapshot") continue;
      orchestrator.recordJob({ id: "j1", executionId: id, note: "waiting: cluster local is down" });
      orchestrator.recordJob({ id: "j2", executionId: id, state: "waiting" });
      orchestrator.emit(id, { kind: "submission", submission: submissionRecord({ id: "s1" }) });
      orchestrator.emit(id, { kind: "code", version: "v2", message: "flows/a.ts has changed" });
      orchestrator.recordJob({ id: "j1", executionId: id, state: "succeeded", endedAt: START });
      orchestrator.finish(id);
    }
    expect(seen).toEqual([
      "snapshot j1:RUNNING.",
      "job j1:RUNNING (waiting: cluster local is down)",
      "job j2:WAITING",
      "submission s1:RUNNING",
      "code v2",
      "job j1:SUCCEEDED (waiting: cluster local is down)",
      "execution SUCCEEDED",
    ]);
    await until(() => orchestrator.open.watches === 0);
  });

  test("misses nothing that happens while the snapshot is made, and leaves out what it has overtaken", async () => {
    const id = await hang();
    orchestrator.onGet = () => {
      orchestrator.onGet = null;
      orchestrator.recordJob({ id: "j1", executionId: id });
      orchestrator.recordJob({ id: "j1", executionId: id, state: "succeeded", endedAt: START });
    };
    orchestrator.onListSubmissions = () => {
      orchestrator.recordJob({ id: "j2", executionId: id });
      orchestrator.finish(id);
    };
    const seen: string[] = [];
    for await (const { event } of client.executions.watchExecution({ id })) seen.push(words(event));
    // Jobs are read last, so that they need not wait in memory for the rest.
    expect(seen[0]).toBe("snapshot j1:SUCCEEDED,j2:RUNNING.");
    expect(seen).not.toContain("job j1:RUNNING");
    expect(seen.slice(-2)).toEqual(["job j2:RUNNING", "execution SUCCEEDED"]);
  });

  test("one that has ended is one snapshot", async () => {
    const { execution } = await client.executions.startExecution({ task: "echo", arguments: [messageFromValue(1)] });
    const seen: Update[] = [];
    for await (const { event } of client.executions.watchExecution({ id: execution!.id })) seen.push(event);
    expect(seen).toMatchObject([
      { case: "snapshot", value: { complete: true, execution: { state: ExecutionState.SUCCEEDED } } },
    ]);
  });

  test("a large snapshot comes in parts, each within gRPC's default limit", async () => {
    const id = await hang();
    for (let i = 0; i < 2500; i++) orchestrator.recordJob({ id: `j${i}`, executionId: id, note: "n".repeat(500) });
    orchestrator.rows.push(
      ...Array.from({ length: 250 }, (_, i) => submissionRecord({ id: `s${i}`, executionId: id })),
    );
    let jobs = 0;
    let submissions = 0;
    const parts: boolean[] = [];
    for await (const { event } of client.executions.watchExecution({ id })) {
      if (event.case !== "snapshot") continue;
      parts.push(event.value.complete);
      jobs += event.value.jobs.length;
      submissions += event.value.submissions.length;
      if (event.value.complete) orchestrator.finish(id);
    }
    expect({ parts, jobs, submissions }).toEqual({ parts: [false, false, true], jobs: 2500, submissions: 250 });
  });

  test("a watcher that leaves is forgotten", async () => {
    const id = await hang();
    for await (const { event } of client.executions.watchExecution({ id })) {
      expect(event.case).toBe("snapshot");
      break;
    }
    await until(() => orchestrator.open.watches === 0);
    const leaving = new AbortController();
    const watching = (async () => {
      for await (const _ of client.executions.watchExecution({ id }, { signal: leaving.signal })) leaving.abort();
    })();
    expect(await failure(watching)).toMatchObject({ code: Code.cancelled });
    await until(() => orchestrator.open.watches === 0);
    orchestrator.finish(id);
  });

  test("a deadline ends it", async () => {
    const id = await hang();
    const watching = (async () => {
      for await (const _ of client.executions.watchExecution({ id }, { timeoutMs: 100 }));
    })();
    expect(await failure(watching)).toMatchObject({ code: Code.deadlineExceeded });
    await until(() => orchestrator.open.watches === 0);
    orchestrator.finish(id);
  });

  test("one whose snapshot cannot be made is an error, and forgotten", async () => {
    const id = await hang();
    orchestrator.onGet = () => {
      throw new FiresteelError(Code.unavailable, "database is not reachable");
    };
    const watching = (async () => {
      for await (const _ of client.executions.watchExecution({ id }));
    })();
    expect(await failure(watching)).toMatchObject({ code: Code.unavailable, message: "database is not reachable" });
    expect(orchestrator.open.watches).toBe(0);
    orchestrator.finish(id);
  });

  test("an unknown one is an error", async () => {
    const watching = (async () => {
      for await (const _ of client.executions.watchExecution({ id: "e999" }));
    })();
    expect(await failure(watching)).toMatchObject({ code: Code.notFound, message: "execution is not known: e999" });
  });
});

describe("health", () => {
  test("follows the orchestrator", async () => {
    expect((await client.health.check({})).status).toBe(ServingStatus.SERVING);
    expect((await client.health.check({ service: "firesteel.v1.TaskService" })).status).toBe(ServingStatus.SERVING);
    orchestrator.ready = false;
    expect((await client.health.check({})).status).toBe(ServingStatus.NOT_SERVING);
    expect(Object.keys((await client.health.list({})).statuses).sort()).toEqual([
      "",
      "firesteel.v1.ExecutionService",
      "firesteel.v1.SubmissionService",
      "firesteel.v1.TaskService",
    ]);
    expect(await failure(client.health.check({ service: "nope" }))).toMatchObject({ code: Code.notFound });
  });
});

test("the wire form of a request is stable", () => {
  const request = create(StartExecutionRequestSchema, {
    task: "a.b",
    arguments: [messageFromValue({ n: 1n })],
    requestId: "r",
    user: "u",
    reason: "why",
  });
  expect(Buffer.from(toBinary(StartExecutionRequestSchema, request)).toString("hex")).toMatchInlineSnapshot(
    `"0a03612e62120c5a0a0a080a016e12032a01312201722a01753203776879"`,
  );
});

describe("explaining", () => {
  test("every reason goes over the wire", async () => {
    const { explanation } = await client.executions.dryRun({ task: "echo", maxExamples: 1 });
    expect(explanation!.groups.map(({ reasons }) => reasons[0]!.kind.case)).toEqual(
      EXPLANATION.groups.map(({ reasons }) => reasons[0]!.kind),
    );
    expect(explanation!.groups.map(({ calls }) => Number(calls))).toEqual(EXPLANATION.groups.map(({ calls }) => calls));
    expect(explanation!.groups.map(({ sparkWork }) => sparkWork).slice(0, 3)).toEqual([
      SparkWork.NEW,
      SparkWork.DONE,
      SparkWork.UNSPECIFIED,
    ]);
    const [example, ...more] = explanation!.groups[0]!.examples;
    expect(more).toEqual([]);
    expect(example).toMatchObject({
      arguments: ["1", "'x'"],
      changes: [{ path: "first.n", before: "0", after: "1" }],
      moreChanges: 1,
    });
    const { kind } = explanation!.groups[3]!.reasons[0]!;
    expect(kind.case === "newCode" && kind.value).toMatchObject({
      compared: true,
      changes: [
        { change: Change.CHANGED, name: "RATE", line: 2, before: "1", after: "2", diff: ["-RATE = 1", "+RATE = 2"] },
      ],
    });
    expect(explanation).toMatchObject({
      waiting: [{ task: "fail", calls: 5n, open: true, on: ["echo", "hang"] }],
      cached: [{ task: "hang", calls: 340n }],
      failure: { message: "file does not exist: y.csv" },
    });
    expect(explanation!.comparedWith).toBeUndefined();
  });

  test("an execution is explained by its id; an empty id and too many examples are refused", async () => {
    const { execution } = await client.executions.startExecution({ task: "echo" });
    const { explanation } = await client.executions.explainExecution({ id: execution!.id });
    expect(explanation).toMatchObject({ comparedWith: execution!.id });
    await expect(client.executions.explainExecution({})).rejects.toThrow("request has an empty field: id");
    await expect(client.executions.dryRun({ task: "echo", maxExamples: -1 })).rejects.toMatchObject({
      code: Code.invalidArgument,
    });
  });
});
