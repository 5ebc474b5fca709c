import { once } from "node:events";
import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { Code, FiresteelError } from "../../src/errors.ts";
import { createClient } from "../../src/serve/client.ts";
import { startServer } from "../../src/serve/server.ts";
import { memoryOrchestrator } from "./memory-orchestrator.ts";
import { until } from "./until.ts";

async function occupied<T>(body: (port: number) => Promise<T>): Promise<T> {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  try {
    return await body((other.address() as { port: number }).port);
  } finally {
    other.close();
  }
}

const portOf = (address: string): number => Number(address.split(":").at(-1));

describe("starting", () => {
  test("a gRPC port in use is named, with what to do", async () => {
    await occupied(async (port) => {
      const error = await startServer({ orchestrator: memoryOrchestrator(), grpcPort: port, httpPort: 0 }).catch(
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(FiresteelError);
      expect(error).toMatchObject({
        code: Code.failedPrecondition,
        message: `gRPC address is in use; stop the process that listens there (perhaps another firesteel serve), or choose another port: 127.0.0.1:${port}`,
        details: { address: `127.0.0.1:${port}`, reason: "EADDRINUSE" },
      });
    });
  });

  test("an HTTP port in use is named, and the gRPC port is given back", async () => {
    await using first = await startServer({ orchestrator: memoryOrchestrator(), grpcPort: 0, httpPort: 0 });
    const grpcPort = await occupied(async (port) => port);
    const start = (httpPort: number) => startServer({ orchestrator: memoryOrchestrator(), grpcPort, httpPort });
    await expect(start(portOf(first.httpAddress))).rejects.toMatchObject({
      code: Code.failedPrecondition,
      message: expect.stringMatching(/^HTTP address is in use;/),
    });
    await using second = await start(0);
    expect(portOf(second.grpcAddress)).toBe(grpcPort);
  });

  test("a host that is not this machine's is refused", async () => {
    await expect(
      startServer({ orchestrator: memoryOrchestrator(), grpcPort: 0, httpPort: 0, host: "192.0.2.1" }),
    ).rejects.toMatchObject({
      code: Code.invalidArgument,
      message: "gRPC host is not an address of this machine; use 127.0.0.1 or 0.0.0.0: 192.0.2.1:0",
    });
  });

  test("a port that is none is refused", async () => {
    await expect(
      startServer({ orchestrator: memoryOrchestrator(), grpcPort: 70_000, httpPort: 0 }),
    ).rejects.toMatchObject({
      code: Code.invalidArgument,
      message: "gRPC port is not between 0 and 65535: 127.0.0.1:70000",
    });
  });

  test("the orchestrator's own metrics are shown", async () => {
    const { Gauge } = await import("prom-client");
    const metrics = (registry: import("prom-client").Registry): void => {
      new Gauge({ name: "firesteel_jobs", help: "Jobs.", registers: [registry] }).set(3);
    };
    await using server = await startServer({
      orchestrator: { ...memoryOrchestrator(), metrics },
      grpcPort: 0,
      httpPort: 0,
    });
    expect(await (await fetch(`http://${server.httpAddress}/metrics`)).text()).toContain("firesteel_jobs 3");
  });
});

describe("stopping", () => {
  test("ends waits and watches as unavailable, closes the ports, and can be asked for twice", async () => {
    const orchestrator = memoryOrchestrator();
    // Far beyond the time of a test: the stop must need no grace.
    const server = await startServer({ orchestrator, grpcPort: 0, httpPort: 0, graceMs: 600_000 });
    using client = createClient(server.grpcAddress);
    const { execution } = await client.executions.startExecution({ task: "hang" });
    const { id } = execution!;
    const waiting = client.executions.waitExecution({ id }).catch((reason: unknown) => reason);
    const watching = (async () => {
      for await (const _ of client.executions.watchExecution({ id }));
    })().catch((reason: unknown) => reason);
    const overHttp = fetch(`http://${server.httpAddress}/firesteel.v1.ExecutionService/WaitExecution`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ id }),
    });
    await until(() => orchestrator.open.waits === 2 && orchestrator.open.watches === 3);

    await Promise.all([server[Symbol.asyncDispose](), server[Symbol.asyncDispose]()]);
    const stopping = { code: Code.unavailable, message: "server is stopping; call again when it is back" };
    expect(await waiting).toMatchObject(stopping);
    expect(await watching).toMatchObject(stopping);
    expect(await (await overHttp).json()).toMatchObject(stopping);
    expect(orchestrator.open).toEqual({ watches: 0, waits: 0 });
    await expect(fetch(`http://${server.httpAddress}/healthz`)).rejects.toThrow();
    await expect(client.tasks.listTasks({}, { timeoutMs: 5000 })).rejects.toMatchObject({ code: Code.unavailable });
  });
});
