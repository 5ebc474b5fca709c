/**
 * The HTTP front door: the same handlers by the Connect protocol (JSON for curl), metrics and probes.
 */

import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { create, type DescMethod } from "@bufbuild/protobuf";
import { ConnectError, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { Registry } from "prom-client";
import { FiresteelError } from "../errors.ts";
import { FailureSchema } from "../gen/firesteel/v1/failure_pb.ts";
import { CODE_NUMBERS, failureFromError } from "./failure-message.ts";
import { MESSAGE_DEPTH } from "./grpc-codec.ts";
import type { ServedService } from "./handlers.ts";
import type { Orchestrator } from "./orchestrator.ts";

/** What the HTTP server shows. */
export interface HttpInit {
  readonly services: readonly ServedService[];
  readonly registry: Registry;
  readonly orchestrator: Orchestrator;
  /** Aborts the calls that are under way when the server stops. */
  readonly stopping: AbortSignal;
  /** Largest request in bytes. */
  readonly maxRequestBytes: number;
}

/** An HTTP server that does not listen yet. */
export function createHttpServer({ services, registry, orchestrator, stopping, maxRequestBytes }: HttpInit): Server {
  const pages: Readonly<Record<string, (response: ServerResponse) => Promise<void>>> = {
    "/metrics": async (response) => send(response, 200, registry.contentType, await registry.metrics()),
    "/healthz": async (response) => send(response, 200, "text/plain; charset=utf-8", "ok\n"),
    "/readyz": async (response) => {
      const health = stopping.aborted
        ? { ready: false, reasons: ["server is stopping"] }
        : await orchestrator
            .health()
            .catch((error: unknown) => ({ ready: false, reasons: [FiresteelError.from(error).message] }));
      send(response, health.ready ? 200 : 503, "application/json", `${JSON.stringify(health)}\n`);
    },
  };
  const page = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const show = pages[pathname];
    if (!show) return send(response, 404, "text/plain; charset=utf-8", `nothing is served here: ${pathname}\n`);
    if (request.method !== "GET" && request.method !== "HEAD")
      return send(response, 405, "text/plain; charset=utf-8", `method is not allowed here: ${request.method}\n`, {
        allow: "GET, HEAD",
      });
    await show(response);
  };
  const adapter = connectNodeAdapter({
    routes: (router) => {
      for (const served of services)
        for (const method of served.service.methods) router.rpc(method, implementation(served, method) as never);
    },
    fallback: (request, response) => {
      page(request as IncomingMessage, response as ServerResponse).catch((error: unknown) => {
        if (!response.headersSent)
          send(response as ServerResponse, 500, "text/plain; charset=utf-8", `${FiresteelError.from(error).message}\n`);
        else response.destroy();
      });
    },
    // gRPC has its own port, and its trailers do not fit HTTP/1.1.
    grpc: false,
    grpcWeb: false,
    interceptors: [translateErrors],
    shutdownSignal: stopping,
    readMaxBytes: maxRequestBytes,
    // A misspelt field must not start something else than was meant.
    jsonOptions: { recursionLimit: MESSAGE_DEPTH, ignoreUnknownFields: false },
    binaryOptions: { recursionLimit: MESSAGE_DEPTH },
  });
  const listener = adapter as RequestListener;
  const server = createServer((request, response) => {
    // `close()` of node:http lets go of idle connections once; one that becomes idle later would hold up the stop.
    response.once("close", () => stopping.aborted && setImmediate(() => server.closeIdleConnections()));
    listener(request, response);
  });
  return server;
}

function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "content-type": type, ...headers });
  response.end(body);
}

function implementation(
  { unary, streams }: ServedService,
  method: DescMethod,
): (request: unknown, context: HandlerContext) => unknown {
  const handle = unary.get(method.localName);
  if (handle)
    return async (request, context) => create(method.output, await handle(request, { signal: context.signal }));
  const stream = streams.get(method.localName)!;
  return async function* (request: unknown, context: HandlerContext) {
    for await (const item of stream(request, { signal: context.signal })) yield create(method.output, item);
  };
}

const translateErrors: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    return response.stream ? { ...response, message: translated(response.message) } : response;
  } catch (error) {
    throw connectError(error);
  }
};

async function* translated<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw connectError(error);
  }
}

/** A thrown error as Connect's, with the `Failure` as a detail. */
function connectError(reason: unknown): ConnectError {
  if (reason instanceof ConnectError) return reason;
  const error = FiresteelError.from(reason);
  // Connect's codes have gRPC's numbers.
  return new ConnectError(
    error.message,
    CODE_NUMBERS[error.code],
    undefined,
    [{ desc: FailureSchema, value: failureFromError(error) }],
    error,
  );
}
