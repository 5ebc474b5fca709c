/**
 * Starts and stops the front doors: gRPC on one port, HTTP on another.
 */

import { once } from "node:events";
import type { Server as HttpServer } from "node:http";
import { type AddressInfo, createServer as createNetServer, type Server as NetServer } from "node:net";
import { type Server as GrpcServer, Server, ServerCredentials } from "@grpc/grpc-js";
import { Code, FiresteelError } from "../errors.ts";
import { ExecutionService } from "../gen/firesteel/v1/execution_pb.ts";
import { file_firesteel_v1_failure } from "../gen/firesteel/v1/failure_pb.ts";
import { SubmissionService } from "../gen/firesteel/v1/submission_pb.ts";
import { TaskService } from "../gen/firesteel/v1/task_pb.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { executionHandlers } from "./executions.ts";
import { addGrpcService } from "./grpc-adapter.ts";
import { serveService } from "./handlers.ts";
import { healthHandlers } from "./health.ts";
import { createHttpServer } from "./http.ts";
import { createCallMetrics } from "./metrics.ts";
import type { Orchestrator } from "./orchestrator.ts";
import { addReflection } from "./reflection.ts";
import { submissionHandlers } from "./submissions.ts";
import { taskHandlers } from "./tasks.ts";

/** Largest request in bytes; arguments travel whole. */
const MAX_REQUEST_BYTES = 64 * 1024 * 1024;

/** What to serve, and where. */
export interface ServerInit {
  readonly orchestrator: Orchestrator;
  /** 0 for a free port. */
  readonly grpcPort: number;
  /** 0 for a free port. */
  readonly httpPort: number;
  /** Name or address to listen on. The service knows no users and no passwords: whoever reaches it can run the project's tasks. @default "127.0.0.1" */
  readonly host?: string;
  /** How long calls may go on after the stop was asked for, in ms. Streams and waits are ended at once. @default 2000 */
  readonly graceMs?: number;
}

/** Running front doors; disposing of them stops them and leaves the orchestrator alone. */
export interface RunningServer extends AsyncDisposable {
  /** `host:port`. */
  readonly grpcAddress: string;
  /** `host:port`. */
  readonly httpAddress: string;
}

/**
 * Serves an orchestrator.
 *
 * @throws FiresteelError `failed_precondition` when a port is in use, `permission_denied` when it may not be used, `invalid_argument` for a port that is none or a host that is not this machine's
 */
export async function startServer({
  orchestrator,
  grpcPort,
  httpPort,
  host = "127.0.0.1",
  graceMs = 2000,
}: ServerInit): Promise<RunningServer> {
  const stopping = new AbortController();
  const metrics = createCallMetrics();
  orchestrator.metrics?.(metrics.registry);
  const services = [
    serveService(ExecutionService, executionHandlers(orchestrator)),
    serveService(TaskService, taskHandlers(orchestrator)),
    serveService(SubmissionService, submissionHandlers(orchestrator)),
  ].map(metrics.observe);
  const names = services.map(({ service }) => service.typeName);
  const health = serveService(Health, healthHandlers(orchestrator, names));

  const grpc = new Server({ "grpc.max_receive_message_length": MAX_REQUEST_BYTES, "grpc.max_send_message_length": -1 });
  for (const served of [...services, health]) addGrpcService(grpc, served, stopping.signal);
  addReflection(
    grpc,
    [...services, health].map(({ service }) => service),
    [file_firesteel_v1_failure],
  );
  const http = createHttpServer({
    services,
    registry: metrics.registry,
    orchestrator,
    stopping: stopping.signal,
    maxRequestBytes: MAX_REQUEST_BYTES,
  });

  try {
    const boundGrpc = await bindGrpc(grpc, host, grpcPort);
    const boundHttp = await bindHttp(http, host, httpPort);
    let stopped: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      stopping.abort(new FiresteelError(Code.unavailable, "server is stopping; call again when it is back"));
      await Promise.all([stopGrpc(grpc, graceMs), stopHttp(http, graceMs)]);
      metrics.registry.clear();
    };
    return {
      grpcAddress: address(host, boundGrpc),
      httpAddress: address(host, boundHttp),
      [Symbol.asyncDispose]() {
        stopped ??= stop();
        return stopped;
      },
    };
  } catch (error) {
    grpc.forceShutdown();
    metrics.registry.clear();
    throw error;
  }
}

function address(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

async function bindGrpc(server: GrpcServer, host: string, port: number): Promise<number> {
  // grpc-js prints to stderr when it cannot bind, and hides Node's error code; so the address is tried first.
  const probe = createNetServer();
  await listen(probe, "gRPC", host, port);
  probe.close();
  await once(probe, "close");
  return new Promise((resolve, reject) => {
    server.bindAsync(address(host, port), ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(bindError("gRPC", address(host, port), error));
      else resolve(bound);
    });
  });
}

async function bindHttp(server: HttpServer, host: string, port: number): Promise<number> {
  await listen(server, "HTTP", host, port);
  return (server.address() as AddressInfo).port;
}

async function listen(server: NetServer, what: string, host: string, port: number): Promise<void> {
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (error) {
    throw bindError(what, address(host, port), error as NodeJS.ErrnoException);
  }
}

function bindError(what: string, where: string, error: NodeJS.ErrnoException): FiresteelError {
  const reason = error.code;
  const init = { cause: error, details: { address: where, reason: reason ?? error.message } };
  switch (reason) {
    case "ERR_SOCKET_BAD_PORT":
      return new FiresteelError(Code.invalidArgument, `${what} port is not between 0 and 65535: ${where}`, init);
    case "EADDRINUSE":
      return new FiresteelError(
        Code.failedPrecondition,
        `${what} address is in use; stop the process that listens there (perhaps another firesteel serve), or choose another port: ${where}`,
        init,
      );
    case "EACCES":
      return new FiresteelError(
        Code.permissionDenied,
        `${what} address may not be used by this user; choose a port above 1023: ${where}`,
        init,
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new FiresteelError(
        Code.invalidArgument,
        `${what} host is not an address of this machine; use 127.0.0.1 or 0.0.0.0: ${where}`,
        init,
      );
    default:
      return new FiresteelError(Code.internal, `${what} server cannot listen (${error.message}): ${where}`, init);
  }
}

function stopGrpc(server: GrpcServer, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function stopHttp(server: HttpServer, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
