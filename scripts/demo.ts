/**
 * `npm run demo`: a local cluster, an orchestrator, and the pipeline of `examples/flights` three times: from nothing, again, and after an edit.
 *
 * It works in a copy of the example, and stops and removes all that it started, also on Ctrl-C. `-- --keep` leaves it running until Ctrl-C.
 */

import { readFile, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type ClusterInfo, startCluster, stopCluster } from "../cluster/cluster.ts";
import { checkPrerequisites } from "../cluster/prerequisites.ts";
import { ExitCode } from "../src/cli/exit-code.ts";
import { formatDuration } from "../src/cli/format.ts";
import { onInterrupt } from "../src/cli/interrupt.ts";
import { openProjectLog } from "../src/cli/log-file.ts";
import { formatResult } from "../src/cli/result-text.ts";
import { removeServerState, writeServerState } from "../src/cli/server-state.ts";
import { outputWidth, paint, paintError, print, say } from "../src/cli/terminal.ts";
import { FiresteelError } from "../src/errors.ts";
import { type RunningOrchestrator, startOrchestrator } from "../src/main.ts";
import { loadConfig } from "../src/project.ts";
import { createClient, type FiresteelClient } from "../src/serve/client.ts";
import { valueFromMessage } from "../src/serve/value-message.ts";
import { type DemoFolder, openDemoFolder } from "./demo-folder.ts";
import { type DemoRun, runWatched, submittedTasks, summary, whereItRan } from "./demo-run.ts";
import { readOptions } from "./options.ts";

const TASK = "flights.main";

/** The edit before the third run, and the tasks whose Spark work depends on it. */
const EDIT = {
  file: "flows/flights.ts",
  task: "flights.dailyDelay",
  before: "GROUP BY origin, day\n",
  after: "GROUP BY origin, day HAVING count(*) >= 20\n",
  reaches: ["flights.dailyDelay", "flights.risingDelays"],
};

const options = readOptions("npm run demo -- [--keep]", { keep: { type: "boolean", default: false } });
const interrupted = new AbortController();
{
  using _interrupts = onInterrupt(() => {
    say("stopping what the demo has started; Ctrl-C again leaves at once");
    interrupted.abort();
  });
  try {
    await demo(interrupted.signal);
    process.exitCode = ExitCode.ok;
  } catch (error) {
    if (interrupted.signal.aborted) process.exitCode = ExitCode.interrupted;
    else {
      say(`${paintError("red", "error:")} ${FiresteelError.from(error).message}`);
      process.exitCode = ExitCode.failed;
    }
  }
}

async function demo(signal: AbortSignal): Promise<void> {
  const began = performance.now();
  await using cleanup = new AsyncDisposableStack();
  const { java, python, maven } = await checkPrerequisites(["java", "python", "maven"]);
  say(`Java ${java.version}, Python ${python.version}, Maven ${maven.version}`);
  const folder = cleanup.use(await openDemoFolder());
  signal.throwIfAborted();
  const cluster = await startOwnCluster(folder, cleanup, signal);
  const { orchestrator, client } = await serveProject(folder, cluster, cleanup);
  signal.throwIfAborted();
  say(`firesteel is up: gRPC ${orchestrator.grpcAddress}, HTTP http://${orchestrator.httpAddress}`);
  const run = (reason: string) => runWatched(client, { task: TASK, reason }, folder.project, signal);

  heading(`First run of ${TASK}: nothing is known yet`);
  const first = await run("first run");
  tell(first);
  print(`\n${resultText(first)}`);

  heading("Second run: nothing has changed");
  const second = await run("second run");
  tell(second);
  require("the second run submits nothing", submittedTasks(second), []);

  heading(`Third run, after an edit to the SQL text of ${EDIT.task}`);
  await edit(client, folder.project, signal);
  const third = await run("after an edit");
  tell(third);
  print(`\n${resultText(third)}`);
  require("the third run submits only what the edit reaches", submittedTasks(third), EDIT.reaches);

  print(`\n${paint("bold", "Times")}`);
  [first, second, third].forEach((each, i) => {
    print(`  run ${i + 1}    ${summary(each)}`);
  });
  print(`  in all   ${formatDuration(performance.now() - began)}, the cluster's start included`);
  printAddresses(orchestrator, cluster);
  if (options.keep) await keep(orchestrator, folder, signal);
  else say("stopping the cluster and removing the copy; `npm run demo -- --keep` leaves both");
}

async function startOwnCluster(
  folder: DemoFolder,
  cleanup: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<ClusterInfo> {
  cleanup.defer(async () => {
    await stopCluster({ directory: folder.cluster, wipe: true });
  });
  // Jobs of the copy are read from its warehouse.
  return startCluster({ directory: folder.cluster, allow: [folder.project], signal, onProgress: say });
}

async function serveProject(
  { project }: DemoFolder,
  cluster: ClusterInfo,
  cleanup: AsyncDisposableStack,
): Promise<{ readonly orchestrator: RunningOrchestrator; readonly client: FiresteelClient }> {
  const log = cleanup.use(await openProjectLog(project, say, "warn"));
  const orchestrator = await startOrchestrator({
    root: project,
    // Any free ports: those of the configuration may be in use by a project of the user's.
    config: { ...(await loadConfig(project)), grpcPort: 0, httpPort: 0 },
    log: log.logger,
    localCluster: async () => cluster,
  });
  cleanup.defer(() => orchestrator.stop());
  const { grpcAddress, httpAddress } = orchestrator;
  await writeServerState(project, { grpcAddress, httpAddress, command: "serve" });
  cleanup.defer(() => removeServerState(project));
  return { orchestrator, client: cleanup.use(createClient(grpcAddress)) };
}

function heading(text: string): void {
  print(`\n${paint("bold", text)}`);
}

function tell(run: DemoRun): void {
  print(`\n${whereItRan(run)}\n${summary(run)}`);
}

function resultText({ execution }: DemoRun): string {
  return formatResult(execution.result && valueFromMessage(execution.result), outputWidth() ?? 120, false);
}

/** @throws Error when what the demo is to show is not so */
function require(what: string, found: readonly string[], wanted: readonly string[]): void {
  if (found.join() !== wanted.join())
    throw new Error(
      `${what}: not so. Submitted were: ${found.join(", ") || "none"}; wanted: ${wanted.join(", ") || "none"}`,
    );
  print(`${paint("green", "ok")} ${what}${wanted.length > 0 ? `: ${wanted.join(", ")}` : ""}`);
}

/** Edits the SQL text in the copy and waits until the orchestrator has taken the new code over. */
async function edit(client: FiresteelClient, project: string, signal: AbortSignal): Promise<void> {
  const digest = async () => (await client.tasks.getTask({ name: EDIT.task }, { signal })).task?.codeDigest;
  const old = await digest();
  const file = join(project, EDIT.file);
  const text = await readFile(file, "utf8");
  if (text.split(EDIT.before).length !== 2)
    throw new Error(`${EDIT.file} has not exactly one place to edit: ${EDIT.before.trim()}`);
  await writeFile(file, text.replace(EDIT.before, EDIT.after));
  print(`  - ${EDIT.before.trim()}\n  + ${EDIT.after.trim()}`);
  const deadline = Date.now() + 30_000;
  while ((await digest()) === old) {
    if (Date.now() > deadline) throw new Error(`edit of ${EDIT.file} was not taken over within 30 s`);
    await sleep(100, undefined, { signal });
  }
}

function printAddresses({ grpcAddress, httpAddress }: RunningOrchestrator, cluster: ClusterInfo): void {
  print(
    [
      `\n${paint("bold", "Addresses")}`,
      `  gRPC     ${grpcAddress}`,
      `  HTTP     http://${httpAddress}`,
      `  Livy     ${cluster.livyUrl}`,
      `  YARN     ${cluster.resourceManagerUrl}`,
    ].join("\n"),
  );
}

async function keep(
  { grpcAddress, httpAddress, stopped }: RunningOrchestrator,
  folder: DemoFolder,
  signal: AbortSignal,
) {
  const bin = relative(folder.project, fileURLToPath(new URL("../bin/firesteel.js", import.meta.url)));
  print(
    [
      `\n${paint("bold", "It goes on running.")} In another terminal:`,
      `  cd ${folder.project}`,
      `  node ${bin} ls                     # executions; also: show, log, submissions, tasks`,
      `  node ${bin} run ${TASK}       # edit ${EDIT.file} there and run again`,
      `  grpcurl -plaintext -d '{"task": "${TASK}"}' ${grpcAddress} firesteel.v1.ExecutionService/StartExecution`,
      `  curl http://${httpAddress}/metrics`,
      "Ctrl-C here stops the orchestrator and the cluster and removes the copy.",
    ].join("\n"),
  );
  const ended = Promise.withResolvers<Error | null>();
  signal.addEventListener("abort", () => ended.resolve(null), { once: true });
  if (signal.aborted) ended.resolve(null);
  const reason = await Promise.race([ended.promise, stopped]);
  if (reason) throw reason;
}
