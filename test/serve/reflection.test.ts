import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Client, credentials, loadPackageDefinition, type ServiceClientConstructor } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningServer, startServer } from "../../src/serve/server.ts";
import { memoryOrchestrator } from "./memory-orchestrator.ts";

const SERVICES = [
  "firesteel.v1.ExecutionService",
  "firesteel.v1.SubmissionService",
  "firesteel.v1.TaskService",
  "grpc.health.v1.Health",
];

let server: RunningServer;
beforeAll(async () => {
  server = await startServer({ orchestrator: memoryOrchestrator(), grpcPort: 0, httpPort: 0 });
});
afterAll(async () => server[Symbol.asyncDispose]());

interface ReflectionResponse {
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] };
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Buffer[] };
  readonly errorResponse?: { readonly errorMessage: string };
}

async function reflect(version: "v1" | "v1alpha", request: object): Promise<ReflectionResponse> {
  const folder = join(
    dirname(createRequire(import.meta.url).resolve("@grpc/reflection/package.json")),
    "build/proto/grpc/reflection",
  );
  const definition = loadSync(join(folder, version, "reflection.proto"), { longs: String, enums: String });
  const { grpc } = loadPackageDefinition(definition) as unknown as {
    grpc: { reflection: Record<string, { ServerReflection: ServiceClientConstructor }> };
  };
  const method = grpc.reflection[version]!.ServerReflection.service["ServerReflectionInfo"]!;
  const client = new Client(server.grpcAddress, credentials.createInsecure());
  try {
    const call = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize);
    call.write(request);
    call.end();
    for await (const response of call) return response as ReflectionResponse;
    throw new Error("reflection gave no answer");
  } finally {
    client.close();
  }
}

test.each(["v1", "v1alpha"] as const)("reflection %s lists the services", async (version) => {
  const { listServicesResponse } = await reflect(version, { listServices: "*" });
  expect(listServicesResponse!.service.map(({ name }) => name).sort()).toEqual(SERVICES);
});

test.each([...SERVICES, "firesteel.v1.Value", "firesteel.v1.Failure"])(
  "reflection gives the whole description of %s",
  async (symbol) => {
    const { fileDescriptorResponse, errorResponse } = await reflect("v1", { fileContainingSymbol: symbol });
    expect(errorResponse).toBeUndefined();
    const files = fileDescriptorResponse!.fileDescriptorProto.map((bytes) =>
      fromBinary(FileDescriptorProtoSchema, bytes),
    );
    const names = new Set(files.map(({ name }) => name));
    for (const file of files) for (const dependency of file.dependency) expect(names).toContain(dependency);
  },
);

const grpcurl = process.env["GRPCURL"] ?? "grpcurl";
const installed = await promisify(execFile)(grpcurl, ["-version"]).then(
  () => true,
  () => false,
);

test.skipIf(!installed)(
  `grpcurl works without proto files${installed ? "" : " (skipped: grpcurl is not installed; put it on PATH or name it in GRPCURL)"}`,
  async () => {
    const run = async (...args: string[]): Promise<string> =>
      (await promisify(execFile)(grpcurl, ["-plaintext", ...args])).stdout;
    expect((await run(server.grpcAddress, "list")).trim().split("\n").sort()).toEqual(SERVICES);
    const request = JSON.stringify({ task: "echo", json_arguments: [1, { $dataset: { location: "data/days" } }] });
    const answer = JSON.parse(
      await run("-d", request, server.grpcAddress, "firesteel.v1.ExecutionService/StartExecution"),
    );
    expect(answer).toMatchObject({
      execution: { state: "EXECUTION_STATE_SUCCEEDED", jsonArguments: [1, { $dataset: { location: "data/days" } }] },
    });
    const refused = await run(
      "-d",
      '{"task": "nope"}',
      server.grpcAddress,
      "firesteel.v1.ExecutionService/StartExecution",
    ).catch((error: { stderr: string }) => error.stderr);
    expect(refused).toContain("task is not known: nope");
    expect(refused).toContain("type.googleapis.com/firesteel.v1.Failure");
    expect(JSON.parse(await run(server.grpcAddress, "grpc.health.v1.Health/Check"))).toEqual({ status: "SERVING" });
  },
);
