/** What is told of submissions without a manifest; the texts are what YARN 3.3.4, Spark 3.5.6 and Livy 0.7.1 said. */
import { describe, expect, it } from "vitest";
import { failureOfSubmit, failureOnYarn, shortStack } from "../../../src/route/livy/witness/failure-report.ts";
import type { YarnApplication } from "../../../src/route/livy/witness/resource-manager.ts";

const ID = "application_1795631961390_0016";
const PLACE = "file:/warehouse/attempts/a1";

interface Case {
  readonly state?: string;
  readonly finalStatus?: string;
  readonly diagnostics: string;
  readonly stdout?: string;
  readonly stderr?: string;
  /** It never had a container. */
  readonly refused?: boolean;
}

function reported({ state = "FINISHED", finalStatus = "FAILED", refused = false, ...one }: Case) {
  const application: YarnApplication = {
    id: ID,
    state,
    finalStatus,
    diagnostics: one.diagnostics,
    trackingUrl: null,
    logsUrl: refused ? null : "http://node:8042/node/containerlogs/container_1_0001_01_000001/etl",
  };
  return failureOnYarn(application, { stdout: one.stdout ?? "", stderr: one.stderr ?? "" }, PLACE);
}

const amExit = (status: number, more = "") =>
  `Application ${ID} failed 1 times (global limit =2; local limit is =1) due to AM Container for appattempt_1795631961390_0016_000001 exited with  exitCode: ${status}\nFailing this attempt.Diagnostics: ${more}`;

describe("an application that ended without a manifest", () => {
  it.each<[what: string, given: Case, kind: string, type: string, message: RegExp]>([
    [
      "an unknown queue",
      {
        state: "FAILED",
        refused: true,
        diagnostics: `Application ${ID} submitted by user root to unknown queue: nope`,
      },
      "submit",
      "ApplicationRefused",
      /unknown queue: nope$/,
    ],
    [
      "a ResourceManager that could not reach HDFS",
      { state: "FAILED", refused: true, diagnostics: "Failed to renew token: Kind: HDFS_DELEGATION_TOKEN" },
      "cluster",
      "ApplicationRefused",
      /renew token/,
    ],
    [
      "a lost node",
      { state: "FAILED", diagnostics: amExit(-100, "Container released on a *lost* node") },
      "cluster",
      "NodeLost",
      /node was lost/,
    ],
    ["preemption", { state: "FAILED", diagnostics: amExit(-102) }, "cluster", "Preempted", /was preempted/],
    [
      "a driver over its memory",
      { state: "FAILED", diagnostics: amExit(-104, "Container is running beyond physical memory limits.") },
      "user",
      "DriverOutOfMemory",
      /more memory than it has; raise driverMemory/,
    ],
    [
      "a driver killed by a signal",
      { diagnostics: "User application exited with status 137" },
      "cluster",
      "DriverKilled",
      /SIGKILL from outside.*raise driverMemory/,
    ],
    [
      "a driver that ended itself",
      { diagnostics: "User application exited with status 7", stdout: "about to go\n" },
      "user",
      "DriverExited",
      /exit code 7, and left no result/,
    ],
    [
      "a kill",
      { state: "KILLED", finalStatus: "KILLED", diagnostics: `Application ${ID} was killed by user root at 127.0.0.1` },
      "user",
      "ApplicationKilled",
      /was killed by user root/,
    ],
    [
      "a kill without a name",
      { state: "KILLED", finalStatus: "KILLED", diagnostics: "" },
      "cluster",
      "ApplicationKilled",
      /no reason was given/,
    ],
    [
      "executors out of memory",
      {
        diagnostics: "Max number of executor failures (3) reached",
        stderr:
          "ERROR YarnScheduler: Lost executor 3 on localhost: Container from a bad node: container_1 on host: localhost. Exit status: 52. Diagnostics: ...\n",
      },
      "user",
      "ExecutorOutOfMemory",
      /ran out of memory again and again \(exit status 52\); raise executorMemory/,
    ],
    [
      "executors lost",
      {
        diagnostics: "Max number of executor failures (3) reached",
        stderr: "Lost executor 1: Container marked as failed. Exit status: -100.\n",
      },
      "cluster",
      "ExecutorsLost",
      /^application_\S+: Max number of executor failures \(3\) reached \(exit status -100\)$/,
    ],
    [
      "a good end",
      { finalStatus: "SUCCEEDED", diagnostics: "" },
      "cluster",
      "ManifestMissing",
      /left no manifest in file:\/warehouse/,
    ],
    ["no word at all", { diagnostics: "" }, "cluster", "ApplicationFailed", /no reason was given$/],
  ])("because of %s is told by structure", (_, given, kind, type, message) => {
    const failure = reported(given);
    expect({ class: failure.class, type: failure.type }).toEqual({ class: kind, type });
    expect(failure.message).toMatch(message);
  });

  it("is told by the harness where that could write no manifest", () => {
    const told = {
      class: "submit",
      type: "java.lang.ClassNotFoundException",
      message: "no.such.Serializer",
      position: null,
      traceback: "Traceback (most recent call last):\n...",
    };
    const stdout = `firesteel: session ...\nTraceback (most recent call last):\nfiresteel: failure ${JSON.stringify(told)}\n`;
    const { position: _, ...expected } = told;
    expect(reported({ state: "FAILED", diagnostics: amExit(13), stdout })).toEqual(expected);
    // Half a line, and words that only look like it, are no report.
    expect(
      reported({ diagnostics: "User application exited with status 1", stdout: "firesteel: failure {oops}\n" }).type,
    ).toBe("ApplicationFailed");
  });

  it("names memory where executors ended by a signal, as they do when they run out of heap", () => {
    const stderr = "Lost executor 2: Container from a bad node: container_1. Exit status: 143. Diagnostics: ...\n";
    const { class: kind, message } = reported({ diagnostics: "Max number of executor failures (3) reached", stderr });
    expect(kind).toBe("cluster");
    expect(message).toMatch(/\(exit status 143\); ended by a signal, mostly that is for memory: raise executorMemory/);
  });

  it("is told by YARN where the harness knows only that its JVM was gone", () => {
    const told = {
      class: "cluster",
      type: "ConnectionRefusedError",
      message: "[Errno 111] Connection refused",
      traceback: "",
    };
    const stdout = `firesteel: failure ${JSON.stringify(told)}\n`;
    const stderr = "WARN YarnAllocator: Container exited with status 52.\n";
    const diagnostics = "Max number of executor failures (3) reached";
    expect(reported({ diagnostics, stdout, stderr })).toMatchObject({ class: "user", type: "ExecutorOutOfMemory" });
    expect(reported({ state: "FAILED", diagnostics: amExit(-104), stdout }).type).toBe("DriverOutOfMemory");
    expect(reported({ diagnostics: "User application exited with status 1", stdout })).toMatchObject({
      class: "cluster",
      type: "ConnectionRefusedError",
    });
  });

  it("has the exception of an application of one's own, with a short stack", () => {
    const frames = Array.from({ length: 20 }, (_, i) => `\tat org.example.Job.step${i}(Job.java:${i})`).join("\n");
    const diagnostics = `User class threw exception: java.lang.IllegalStateException: no orders\nfor 2023\n${frames}\nCaused by: java.io.IOException: gone\n${frames}\n\t... 9 more`;
    const failure = reported({ diagnostics });
    expect(failure).toMatchObject({
      class: "user",
      type: "java.lang.IllegalStateException",
      message: "no orders\nfor 2023",
    });
    expect(failure.traceback?.split("\n")).toHaveLength(2 + 5 + 1 + 1 + 5 + 1);
    expect(failure.traceback).toMatch(/\.\.\. 15 more\nCaused by: java\.io\.IOException: gone\n[\s\S]*\.\.\. 24 more$/);
  });

  it("has the traceback of a driver that failed beside its job", () => {
    const stdout =
      'Traceback (most recent call last):\n  File "firesteel_harness.py", line 70, in run\n    write()\nOSError: disk is full\n';
    const failure = reported({ diagnostics: "User application exited with status 1", stdout });
    expect(failure).toMatchObject({ class: "cluster", type: "OSError", message: "disk is full" });
    expect(failure.traceback).toBe(stdout.trimEnd());
  });
});

describe("a batch that never got to YARN", () => {
  const thrown = (line: string) => [
    "INFO Client: Requesting a new application",
    `Exception in thread "main" ${line}`,
    "\tat org.apache.spark.deploy.yarn.Client.run(Client.scala:1)",
    "spark-submit start failed",
  ];

  it.each<[what: string, line: string, kind: string, message: RegExp]>([
    [
      "memory that no node has",
      "java.lang.IllegalArgumentException: Required AM memory (102400+10240 MB) is above the max threshold (6144 MB) of this cluster!",
      "submit",
      /^Required AM memory/,
    ],
    [
      "a setting that is none",
      "org.apache.spark.SparkException: Executor memory must be a positive number",
      "submit",
      /^Executor memory must be/,
    ],
    [
      "a missing jar",
      "java.io.FileNotFoundException: File file:/nope.jar does not exist",
      "submit",
      /nope\.jar does not exist$/,
    ],
    [
      "a NameNode that is down",
      "java.net.ConnectException: Call From host/127.0.0.1 to nn:8020 failed on connection exception",
      "cluster",
      /^Call From host/,
    ],
    [
      "a NameNode in safe mode",
      "org.apache.hadoop.ipc.RemoteException(org.apache.hadoop.hdfs.server.namenode.SafeModeException): Cannot create file",
      "cluster",
      /Cannot create file/,
    ],
  ])("because of %s", (_, line, kind, message) => {
    const failure = failureOfSubmit(thrown(line), "etl-1", "dead", PLACE);
    expect(failure.class).toBe(kind);
    expect(failure.message).toMatch(message);
  });

  it("is told by spark-submit's own words, else by the last line", () => {
    expect(
      failureOfSubmit(["Error: Missing application resource.", "Run with --help"], "etl-1", "dead", PLACE),
    ).toEqual({
      class: "submit",
      type: "SparkSubmitError",
      message: "Missing application resource.",
    });
    expect(failureOfSubmit(["spark-submit start failed"], "etl-1", "dead", PLACE)).toMatchObject({
      class: "cluster",
      message: "batch etl-1 is dead: spark-submit start failed",
    });
    expect(failureOfSubmit([], "etl-1", "gone", PLACE)).toMatchObject({ class: "cluster", type: "SubmissionLost" });
    expect(failureOfSubmit([], "etl-1", "success", PLACE)).toMatchObject({ class: "cluster", type: "ManifestMissing" });
  });
});

describe("a short stack", () => {
  it("leaves a short one as it is", () => {
    const stack = "java.lang.Error: x\n\tat a.b(C.java:1)\nCaused by: java.lang.Error: y\n\tat d.e(F.java:2)";
    expect(shortStack(stack)).toBe(stack);
  });
});
