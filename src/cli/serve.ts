/**
 * `firesteel serve`: the project's server, until it is told to stop.
 */

import type { Config } from "../config.ts";
import { Code, FiresteelError } from "../errors.ts";
import { findProject, loadConfigFiles } from "../project.ts";
import { ExitCode } from "./exit-code.ts";
import { formatTime } from "./format.ts";
import { onInterrupt } from "./interrupt.ts";
import { openProjectLog } from "./log-file.ts";
import { findServer, type ServerState } from "./server-state.ts";
import { paint, print, redirectOutput } from "./terminal.ts";

/** What the command line says. */
export interface ServeOptions {
  readonly grpcPort?: number;
  readonly httpPort?: number;
}

/** Serves the project that the current folder belongs to. */
export async function serve(options: ServeOptions): Promise<ExitCode> {
  const began = performance.now();
  const root = findProject(process.cwd());
  const other = await findServer(root);
  if (other)
    throw new FiresteelError(
      Code.alreadyExists,
      `project is served already by process ${other.pid} (firesteel ${other.command}, since ${formatTime(other.startedAt, Date.now())}): gRPC ${other.grpcAddress}, HTTP ${other.httpAddress}`,
    );
  // The configuration is evaluated in a thread; the orchestrator's modules load meanwhile.
  const [{ config: loaded, files }, { startOwnServer }] = await Promise.all([
    loadConfigFiles(root),
    import("./own-server.ts"),
  ]);
  const config: Config = {
    ...loaded,
    ...(options.grpcPort === undefined ? {} : { grpcPort: options.grpcPort }),
    ...(options.httpPort === undefined ? {} : { httpPort: options.httpPort }),
  };
  using log = await openProjectLog(root, print, "info");
  // What user code prints is part of what this command tells.
  redirectOutput((text) => print(text.replace(/\n$/, "")));

  const asked = Promise.withResolvers<null>();
  let told = false;
  using _interrupts = onInterrupt(() => {
    told = true;
    print("stopping; Ctrl-C again stops at once");
    asked.resolve(null);
  });
  await using server = await startOwnServer({
    root,
    config,
    log: log.logger,
    command: "serve",
    watched: { config: loaded, files, load: () => loadConfigFiles(root) },
  });
  if (!told) {
    tellReady(root, config, server.state, log.file, began);
    const { grpcAddress: grpc, httpAddress: http } = server.state;
    log.logger.info({ about: "start", grpc, http }, "ready");
  }
  const failure = await Promise.race([asked.promise, server.stopped]);
  if (failure) throw failure;
  await server[Symbol.asyncDispose]();
  log.logger.info("stopped");
  return ExitCode.ok;
}

function tellReady(root: string, config: Config, state: ServerState, logFile: string, began: number): void {
  print(
    [
      `${paint("bold", "firesteel serves")} ${root}`,
      `  gRPC      ${state.grpcAddress}`,
      `  HTTP      http://${state.httpAddress}`,
      `  database  ${config.database === "embedded" ? "embedded, in .firesteel/db" : "Postgres"}`,
      `  log       ${logFile}`,
      `ready after ${((performance.now() - began) / 1000).toFixed(1)} s; Ctrl-C stops it`,
    ].join("\n"),
  );
}
