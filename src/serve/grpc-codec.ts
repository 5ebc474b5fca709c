/**
 * Services of protobuf-es as `@grpc/grpc-js` wants them, for servers and clients.
 */

import { type DescMessage, type DescService, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import type { ServiceDefinition } from "@grpc/grpc-js";

/** Nested messages allowed in one. A level of a value takes three, so this fits the 300 levels of values. */
export const MESSAGE_DEPTH = 1000;

/** Describes a service for grpc-js: method paths and how messages become bytes. */
export function grpcDefinition(service: DescService): ServiceDefinition {
  return Object.fromEntries(
    service.methods.map((method) => [
      method.localName,
      {
        path: `/${service.typeName}/${method.name}`,
        requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
        responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
        requestSerialize: writer(method.input),
        requestDeserialize: reader(method.input),
        responseSerialize: writer(method.output),
        responseDeserialize: reader(method.output),
        originalName: method.localName,
      },
    ]),
  );
}

function writer(schema: DescMessage): (message: Message) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function reader(schema: DescMessage): (bytes: Buffer) => Message {
  return (bytes) => fromBinary(schema, bytes, { recursionLimit: MESSAGE_DEPTH });
}
