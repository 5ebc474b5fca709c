import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Code, FiresteelError } from "../../src/errors.ts";
import { type RunningServer, startServer } from "../../src/serve/server.ts";
import { type MemoryOrchestrator, memoryOrchestrator } from "./memory-orchestrator.ts";
import { until } from "./until.ts";

let orchestrator: MemoryOrchestrator;
let server: RunningServer;

beforeAll(async () => {
  orchestrator = memoryOrchestrator();
  server = await startServer({ orchestrator, grpcPort: 0, httpPort: 0 });
});
beforeEach(() => {
  orchestrator.fault = null;
  orchestrator.ready = true;
});
afterAll(async () => server[Symbol.asyncDispose]());

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON the server sends
  readonly body: any;
}

async function call(method: string, request: unknown): Promise<Answer> {
  const response = await fetch(`http://${server.httpAddress}/firesteel.v1.${method}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request),
  });
  return { status: response.status, body: await response.json() };
}

describe("calls as JSON", () => {
  test("start, get and list work as over gRPC", async () => {
    const jsonArguments = [1.5, { a: [null, "x"] }];
    const started = await call("ExecutionService/StartExecution", { task: "echo", jsonArguments, user: "ada" });
    expect(started).toMatchObject({
      status: 200,
      body: {
        execution: {
          task: "echo",
          user: "ada",
          state: "EXECUTION_STATE_SUCCEEDED",
          jsonResult: jsonArguments,
          jsonArguments,
        },
      },
    });
    const { id } = started.body.execution;
    expect((await call("ExecutionService/GetExecution", { id })).body.execution).toEqual(started.body.execution);
    const listed = await call("ExecutionService/ListExecutions", { task: "echo" });
    expect(listed.body.executions).toMatchObject([{ id }]);
    expect((await call("TaskService/GetTask", { name: "echo" })).body.task.parameters).toMatchObject([
      { name: "first" },
      { name: "limit", constantDefault: { bigintValue: "10" } },
      { name: "more", rest: true },
    ]);
    expect((await call("SubmissionService/ListClusters", {})).body.clusters).toHaveLength(2);
  });

  test("arguments by location and path are passed on as such, and shown as they were given", async () => {
    const jsonArguments = [
      { days: { $dataset: { location: "data/days", format: "csv", options: { header: "true" } } } },
      { $file: "data/x.bin" },
    ];
    const { body } = await call("ExecutionService/StartExecution", { task: "echo", jsonArguments });
    expect(orchestrator.started.at(-1)!.args.kind).toBe("expression");
    expect(body.execution.jsonArguments).toEqual(jsonArguments);
  });

  test.each(Object.values(Code))("errors have Connect's codes and the details: %s", async (code) => {
    orchestrator.fault = new FiresteelError(code, `subject has a fault: ${code}`, { details: { place: 3 } });
    const { status, body } = await call("ExecutionService/StartExecution", { task: "echo" });
    expect(status).toBeGreaterThanOrEqual(400);
    // Connect spells this one as gRPC's older libraries do.
    expect(body).toMatchObject({
      code: code === "cancelled" ? "canceled" : code,
      message: `subject has a fault: ${code}`,
      details: [{ type: "firesteel.v1.Failure", debug: { code, details: { place: 3 } } }],
    });
  });

  test.each([
    [{ task: "echo", jsonArguments: 7 }, "google.protobuf.ListValue from JSON 7"],
    [{ task: "echo", tsak: 1 }, "tsak"],
    [
      { task: "echo", jsonArguments: [{ $dataset: { format: "csv" } }] },
      "argument 1 of echo at .$dataset needs either a location or an identity",
    ],
  ])("a bad request is refused, naming what is wrong: %j", async (request, words) => {
    const { status, body } = await call("ExecutionService/StartExecution", request);
    expect({ status, code: body.code }).toEqual({ status: 400, code: "invalid_argument" });
    expect(body.message).toContain(words);
  });

  test("a stream can be read, and ends with the execution", async () => {
    const { body } = await call("ExecutionService/StartExecution", { task: "hang" });
    const { id } = body.execution;
    const json = Buffer.from(JSON.stringify({ id }));
    const head = Buffer.alloc(5);
    head.writeUInt32BE(json.length, 1);
    const url = `http://${server.httpAddress}/firesteel.v1.ExecutionService/WatchExecution`;
    const watching = fetch(url, {
      method: "POST",
      headers: { "content-type": "application/connect+json" },
      body: Buffer.concat([head, json]),
    }).then((response) => response.arrayBuffer());
    await until(() => orchestrator.open.watches === 1);
    orchestrator.recordJob({ id: "j1", executionId: id });
    orchestrator.finish(id);
    const messages = envelopes(Buffer.from(await watching));
    expect(messages.at(0)).toMatchObject({ snapshot: { execution: { id } } });
    expect(messages.at(-2)).toMatchObject({ execution: { state: "EXECUTION_STATE_SUCCEEDED" } });
    expect(messages.at(-1)).toEqual({});
    expect(orchestrator.open.watches).toBe(0);
    const metrics = await (await fetch(`http://${server.httpAddress}/metrics`)).text();
    const labels = '{service="firesteel.v1.ExecutionService",method="watchExecution"';
    expect(metrics).toContain(`firesteel_open_streams${labels}} 0`);
    expect(metrics).toContain(`firesteel_calls_total${labels},code="ok"} 1`);
  });

  test("a caller that goes away is noticed", async () => {
    const { body } = await call("ExecutionService/StartExecution", { task: "hang" });
    const { id } = body.execution;
    const leaving = new AbortController();
    const url = `http://${server.httpAddress}/firesteel.v1.ExecutionService/WaitExecution`;
    const waiting = fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ id }),
      signal: leaving.signal,
    });
    await until(() => orchestrator.open.waits === 1);
    leaving.abort();
    await expect(waiting).rejects.toThrow();
    await until(() => orchestrator.open.waits === 0);
    orchestrator.finish(id);
  });
});

/** The JSON messages of a Connect stream: a flag byte, the length, the message. */
function envelopes(bytes: Buffer): unknown[] {
  const messages: unknown[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 1);
    messages.push(JSON.parse(bytes.subarray(at + 5, at + 5 + length).toString()));
    at += 5 + length;
  }
  return messages;
}

describe("pages", () => {
  const get = async (
    path: string,
    init?: RequestInit,
  ): Promise<{ status: number; type: string | null; text: string }> => {
    const response = await fetch(`http://${server.httpAddress}${path}`, init);
    return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
  };

  test("/healthz says that the process serves", async () => {
    expect(await get("/healthz")).toMatchObject({ status: 200, text: "ok\n" });
  });

  test("/readyz says whether work can be taken, and why not", async () => {
    expect(await get("/readyz")).toMatchObject({ status: 200, text: '{"ready":true,"reasons":[]}\n' });
    orchestrator.ready = false;
    expect(await get("/readyz")).toMatchObject({
      status: 503,
      type: "application/json",
      text: '{"ready":false,"reasons":["database is not reachable"]}\n',
    });
  });

  test("/metrics counts calls by outcome", async () => {
    const count = async (): Promise<number> => {
      const { text } = await get("/metrics");
      return Number(
        /^firesteel_calls_total\{service="firesteel\.v1\.TaskService",method="getTask",code="not_found"\} (\d+)$/m.exec(
          text,
        )?.[1] ?? 0,
      );
    };
    const before = await count();
    await call("TaskService/GetTask", { name: "nope" });
    expect(await count()).toBe(before + 1);
    expect((await get("/metrics")).text).toContain("process_cpu_seconds_total");
  });

  test("anything else is not found, and other methods are refused", async () => {
    expect(await get("/nope")).toMatchObject({ status: 404, text: "nothing is served here: /nope\n" });
    expect(await get("/metrics", { method: "DELETE" })).toMatchObject({ status: 405 });
    expect((await get("/firesteel.v1.NoService/Nothing", { method: "POST" })).status).toBe(404);
  });
});
