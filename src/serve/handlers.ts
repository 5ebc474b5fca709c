/**
 * Handlers: what an RPC does, told once and served over gRPC and over HTTP.
 */

import type {
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";

/** What a handler knows of its caller. */
export interface CallContext {
  /** Aborts when the caller has gone, its deadline has passed, or the server stops. */
  readonly signal: AbortSignal;
}

/** The handler of one RPC: of a unary one a promise, of a server stream an async iterable. Other kinds cannot be served. */
export type Handler<M> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>, context: CallContext) => Promise<MessageInitShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>, context: CallContext) => AsyncIterable<MessageInitShape<O>>
      : never;

/** The handlers of all RPCs of a service, by their names in lower camel case. */
export type Handlers<S extends DescService> = { readonly [K in keyof S["method"]]: Handler<S["method"][K]> };

/** The fields of some message. */
export type AnyMessageInit = Record<string, unknown>;

/** A service and its handlers, types erased: what the front doors register. */
export interface ServedService {
  readonly service: DescService;
  readonly unary: ReadonlyMap<string, (request: unknown, context: CallContext) => Promise<AnyMessageInit>>;
  readonly streams: ReadonlyMap<string, (request: unknown, context: CallContext) => AsyncIterable<AnyMessageInit>>;
}

/** Pairs a service with its handlers. A method without a handler fails to compile. */
export function serveService<S extends DescService>(service: S, handlers: Handlers<S>): ServedService {
  const unary = new Map<string, (request: unknown, context: CallContext) => Promise<AnyMessageInit>>();
  const streams = new Map<string, (request: unknown, context: CallContext) => AsyncIterable<AnyMessageInit>>();
  const byName = handlers as Readonly<Record<string, unknown>>;
  for (const method of service.methods) {
    const handler = byName[method.localName];
    if (method.methodKind === "unary")
      unary.set(method.localName, handler as (request: unknown, context: CallContext) => Promise<AnyMessageInit>);
    else if (method.methodKind === "server_streaming")
      streams.set(
        method.localName,
        handler as (request: unknown, context: CallContext) => AsyncIterable<AnyMessageInit>,
      );
    else throw new TypeError(`service ${service.typeName} has a method of a kind that is not served: ${method.name}`);
  }
  return { service, unary, streams };
}
