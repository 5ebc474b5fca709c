import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import {
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as Status,
} from "../../src/gen/grpc/health/v1/health_pb.ts";
import { healthHandlers } from "../../src/serve/health.ts";
import { memoryOrchestrator } from "./memory-orchestrator.ts";

/** What a watcher sees while the orchestrator gives these answers, one a look; then it leaves. */
async function watched(service: string, answers: readonly (boolean | Error)[]): Promise<readonly Status[]> {
  const leaving = new AbortController();
  let looks = 0;
  const health = async () => {
    const answer = answers[looks++];
    if (looks > answers.length) leaving.abort();
    if (answer instanceof Error) throw answer;
    return { ready: answer ?? answers.at(-1) === true, reasons: [] };
  };
  const seen: Status[] = [];
  const handlers = healthHandlers({ ...memoryOrchestrator(), health }, ["a.B"], 1);
  try {
    for await (const { status } of handlers.watch(create(HealthCheckRequestSchema, { service }), leaving))
      seen.push(status as Status);
  } catch (error) {
    expect(error).toMatchObject({ name: "AbortError" });
  }
  return seen;
}

test("a watcher is told at once, and then only of changes", async () => {
  expect(await watched("", [true, true, false, false, true, true])).toEqual([
    Status.SERVING,
    Status.NOT_SERVING,
    Status.SERVING,
  ]);
  expect(await watched("a.B", [false, false])).toEqual([Status.NOT_SERVING]);
});

test("an orchestrator that cannot say how it is, is not ready", async () => {
  expect(await watched("", [true, new Error("database is not reachable"), true])).toEqual([
    Status.SERVING,
    Status.NOT_SERVING,
    Status.SERVING,
  ]);
});

test("the watcher of an unknown service is told so, and stays", async () => {
  const leaving = new AbortController();
  const stream = healthHandlers(memoryOrchestrator(), ["a.B"], 1).watch(
    create(HealthCheckRequestSchema, { service: "nope" }),
    leaving,
  );
  const watcher = stream[Symbol.asyncIterator]();
  expect(await watcher.next()).toMatchObject({ done: false, value: { status: Status.SERVICE_UNKNOWN } });
  const next = watcher.next();
  leaving.abort();
  await expect(next).rejects.toThrow();
});
