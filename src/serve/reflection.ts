/**
 * gRPC server reflection, so that grpcurl and the like need no proto files.
 */

import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { Server } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";

/**
 * Adds reflection (v1 and v1alpha) to a server.
 *
 * @param more files that no service needs but whose messages travel all the same, as details of errors
 */
export function addReflection(server: Server, services: readonly DescService[], more: readonly DescFile[]): void {
  const files = new Map<string, DescFile>();
  const visit = (file: DescFile): void => {
    if (files.has(file.proto.name)) return;
    files.set(file.proto.name, file);
    file.dependencies.forEach(visit);
  };
  for (const { file } of services) visit(file);
  more.forEach(visit);
  const fileDescriptorProtos = [...files.values()].map((file) =>
    Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)),
  );
  // The library reads nothing but the descriptors of a definition (1.0.4).
  const definition = { format: "Protocol Buffer 3 EnumDescriptorProto" as const, type: {}, fileDescriptorProtos };
  new ReflectionService({ files: definition }).addToServer(server);
}
