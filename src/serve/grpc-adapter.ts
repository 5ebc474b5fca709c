/**
 * The gRPC front door: serves handlers with `@grpc/grpc-js`, errors as statuses with their details.
 */

import { once } from "node:events";
import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type Server,
  type ServiceError,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { Code, FiresteelError } from "../errors.ts";
import { FailureSchema } from "../gen/firesteel/v1/failure_pb.ts";
import { StatusSchema } from "../gen/google/rpc/status_pb.ts";
import { CODE_NUMBERS, clip, failureFromError, MAX_STATUS_MESSAGE } from "./failure-message.ts";
import { grpcDefinition } from "./grpc-codec.ts";
import type { AnyMessageInit, CallContext, ServedService } from "./handlers.ts";

/** The trailer in which gRPC carries a `google.rpc.Status`. */
export const STATUS_DETAILS = "grpc-status-details-bin";

/**
 * Registers a service with a grpc-js server.
 *
 * @param stopping aborts the calls that are under way when the server stops
 */
export function addGrpcService(
  server: Server,
  { service, unary, streams }: ServedService,
  stopping: AbortSignal,
): void {
  const implementation: UntypedServiceImplementation = {};
  for (const method of service.methods) {
    const handle = unary.get(method.localName);
    if (handle) implementation[method.localName] = unaryCall(handle, (init) => create(method.output, init), stopping);
    const stream = streams.get(method.localName);
    if (stream)
      implementation[method.localName] = streamingCall(stream, (init) => create(method.output, init), stopping);
  }
  server.addService(grpcDefinition(service), implementation);
}

function unaryCall(
  handle: (request: unknown, context: CallContext) => Promise<AnyMessageInit>,
  message: (init: AnyMessageInit) => object,
  stopping: AbortSignal,
): handleUnaryCall<unknown, object> {
  return async (call, callback) => {
    const { signal, release } = callSignal(call, stopping);
    try {
      callback(null, message(await handle(call.request, { signal })));
    } catch (error) {
      callback(statusFromError(error));
    } finally {
      release();
    }
  };
}

function streamingCall(
  stream: (request: unknown, context: CallContext) => AsyncIterable<AnyMessageInit>,
  message: (init: AnyMessageInit) => object,
  stopping: AbortSignal,
): handleServerStreamingCall<unknown, object> {
  return async (call) => {
    const { signal, release } = callSignal(call, stopping);
    try {
      for await (const item of stream(call.request, { signal })) {
        if (signal.aborted) throw signal.reason;
        // A watcher that reads slowly holds up its own stream, not our memory.
        if (!call.write(message(item))) await once(call, "drain", { signal });
      }
      call.end();
    } catch (error) {
      // grpc-js sends the status of an emitted error and ends the call.
      call.emit("error", statusFromError(signal.aborted ? signal.reason : error));
    } finally {
      release();
    }
  };
}

interface CancellableCall {
  on(event: "cancelled", listener: () => void): unknown;
}

function callSignal(
  call: CancellableCall,
  stopping: AbortSignal,
): { readonly signal: AbortSignal; readonly release: () => void } {
  const controller = new AbortController();
  // grpc-js tells of a passed deadline as of a cancelled call, and answers the caller itself.
  call.on("cancelled", () =>
    controller.abort(
      new FiresteelError(Code.cancelled, "call was cancelled by the caller, or took longer than its deadline"),
    ),
  );
  const stop = (): void => controller.abort(stopping.reason);
  if (stopping.aborted) stop();
  else stopping.addEventListener("abort", stop);
  return { signal: controller.signal, release: () => stopping.removeEventListener("abort", stop) };
}

/** A thrown error as a gRPC status: code, message, and in the trailer a `google.rpc.Status` with the `Failure`. */
function statusFromError(reason: unknown): Partial<ServiceError> {
  const error = FiresteelError.from(reason);
  const code = CODE_NUMBERS[error.code];
  const message = clip(error.message, MAX_STATUS_MESSAGE);
  const metadata = new Metadata();
  const status = create(StatusSchema, { code, message, details: [anyPack(FailureSchema, failureFromError(error))] });
  metadata.set(STATUS_DETAILS, Buffer.from(toBinary(StatusSchema, status)));
  return { code, details: message, metadata };
}
