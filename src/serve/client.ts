/**
 * A typed gRPC client of the service, for the command line and for tests.
 */

import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import {
  Client,
  credentials,
  type CallOptions as GrpcCallOptions,
  Metadata,
  type MethodDefinition,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { Code, FiresteelError } from "../errors.ts";
import { ExecutionService } from "../gen/firesteel/v1/execution_pb.ts";
import { FailureSchema } from "../gen/firesteel/v1/failure_pb.ts";
import { SubmissionService } from "../gen/firesteel/v1/submission_pb.ts";
import { TaskService } from "../gen/firesteel/v1/task_pb.ts";
import { StatusSchema } from "../gen/google/rpc/status_pb.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { codeFromNumber, errorFromFailure } from "./failure-message.ts";
import { STATUS_DETAILS } from "./grpc-adapter.ts";
import { grpcDefinition } from "./grpc-codec.ts";
import type { AnyMessageInit } from "./handlers.ts";
import { MAX_TIMER_MS } from "./paging.ts";

/** How one call is made. */
export interface CallOptions {
  /** Aborting it cancels the call. */
  readonly signal?: AbortSignal;
  /** The call's deadline from now, in ms. Without it, or beyond 24 days, there is none. */
  readonly timeoutMs?: number;
}

/** One RPC as a function: of a unary one a promise of the response, of a server stream its messages. Failures are FiresteelErrors. */
export type RpcMethod<M> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
      : never;

/** The RPCs of a service as functions. */
export type RpcClient<S extends DescService> = { readonly [K in keyof S["method"]]: RpcMethod<S["method"][K]> };

/** A client of the whole service; disposing of it closes its connection. */
export interface FiresteelClient extends Disposable {
  readonly executions: RpcClient<typeof ExecutionService>;
  readonly tasks: RpcClient<typeof TaskService>;
  readonly submissions: RpcClient<typeof SubmissionService>;
  readonly health: RpcClient<typeof Health>;
}

/**
 * A client of the service at `host:port`. It connects with the first call.
 *
 * @example
 * ```ts
 * using client = createClient("127.0.0.1:8470");
 * const { execution } = await client.executions.startExecution({ task: "sales.main", reason: "nightly" });
 * ```
 */
export function createClient(address: string): FiresteelClient {
  const channel = new Client(address, credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
  });
  return {
    executions: rpcClient(channel, address, ExecutionService),
    tasks: rpcClient(channel, address, TaskService),
    submissions: rpcClient(channel, address, SubmissionService),
    health: rpcClient(channel, address, Health),
    [Symbol.dispose]: () => channel.close(),
  };
}

function rpcClient<S extends DescService>(channel: Client, address: string, service: S): RpcClient<S> {
  const definition = grpcDefinition(service);
  const methods = service.methods.map((method) => {
    const grpcMethod = definition[method.localName]!;
    const message = (init: AnyMessageInit): object => create(method.input as DescMessage, init);
    const call =
      method.methodKind === "unary"
        ? (init: AnyMessageInit, options: CallOptions = {}) =>
            callUnary(channel, address, grpcMethod, message(init), options)
        : (init: AnyMessageInit, options: CallOptions = {}) =>
            callStream(channel, address, grpcMethod, message(init), options);
    return [method.localName, call];
  });
  return Object.fromEntries(methods) as RpcClient<S>;
}

function grpcOptions({ timeoutMs }: CallOptions): GrpcCallOptions {
  // A grpc-js server takes a longer deadline for one that has passed (1.14).
  return timeoutMs === undefined || timeoutMs > MAX_TIMER_MS ? {} : { deadline: Date.now() + timeoutMs };
}

function callUnary(
  channel: Client,
  address: string,
  method: MethodDefinition<object, object>,
  request: object,
  options: CallOptions,
): Promise<object> {
  return new Promise((resolve, reject) => {
    refuseAborted(options);
    const call = channel.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      new Metadata(),
      grpcOptions(options),
      (error, response) => {
        options.signal?.removeEventListener("abort", cancel);
        if (error) reject(errorFromStatus(error, address));
        else resolve(response!);
      },
    );
    const cancel = (): void => call.cancel();
    options.signal?.addEventListener("abort", cancel);
  });
}

function refuseAborted({ signal }: CallOptions): void {
  if (signal?.aborted)
    throw new FiresteelError(Code.cancelled, "call was cancelled before it was made", { cause: signal.reason });
}

async function* callStream(
  channel: Client,
  address: string,
  method: MethodDefinition<object, object>,
  request: object,
  options: CallOptions,
): AsyncGenerator<object> {
  refuseAborted(options);
  const call = channel.makeServerStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    request,
    new Metadata(),
    grpcOptions(options),
  );
  const cancel = (): void => call.cancel();
  options.signal?.addEventListener("abort", cancel);
  try {
    for await (const message of call) yield message as object;
  } catch (error) {
    throw errorFromStatus(error as ServiceError, address);
  } finally {
    options.signal?.removeEventListener("abort", cancel);
    // Also when the caller has left the loop.
    call.cancel();
  }
}

/** The error that a failed call's status tells of. */
function errorFromStatus(error: ServiceError, address: string): FiresteelError {
  const [trailer] = error.metadata?.get(STATUS_DETAILS) ?? [];
  if (trailer instanceof Uint8Array) {
    for (const detail of fromBinary(StatusSchema, trailer).details) {
      const failure = anyUnpack(detail, FailureSchema);
      if (failure) return errorFromFailure(failure);
    }
  }
  if (error.code === status.UNAVAILABLE) {
    return new FiresteelError(
      Code.unavailable,
      `firesteel service does not answer (${error.details}); start it with \`firesteel serve\`, or check the address: ${address}`,
      { cause: error },
    );
  }
  return new FiresteelError(codeFromNumber(error.code), error.details ?? error.message, { cause: error });
}
