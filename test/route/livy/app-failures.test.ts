/** Whose a failure of an unmodified application is. The texts are those of Spark 3.5.6 on YARN 3.3.4 and in `local[*]`, shortened. */

import { describe, expect, it } from "vitest";
import { appFailureInLog, appFailureOnYarn } from "../../../src/route/livy/witness/app-failures.ts";

const FRAMES =
  "\tat java.base/java.lang.reflect.Method.invoke(Method.java:569)\n\tat org.apache.spark.deploy.yarn.ApplicationMaster$$anon$2.run(ApplicationMaster.scala:738)\n";
const threw = (text: string) => `User class threw exception: ${text}\n\tat shop.App.main(App.java:6)\n${FRAMES}`;
const TRACEBACK =
  'Traceback (most recent call last):\n  File "/tmp/container_1/app.py", line 5, in <module>\n    raise ValueError("price is missing")\n';
const HOOK = "Shutdown hook called before final status was reported.";
const STAGE =
  "org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 0.0 failed 4 times, most recent failure: Lost task 0.3 in stage 0.0 (TID 6) (node-1 executor 1):";

describe("an application that failed on YARN", () => {
  it.each<[string, string, { readonly stdout?: string; readonly stderr?: string }, string, string, string]>([
    [
      "throws",
      threw("java.lang.IllegalStateException: price is missing"),
      {},
      "user",
      "java.lang.IllegalStateException",
      "price is missing",
    ],
    [
      "throws without words",
      threw("java.lang.NullPointerException"),
      {},
      "user",
      "java.lang.NullPointerException",
      "java.lang.NullPointerException",
    ],
    ["throws in many lines", threw("shop.Bad: one\ntwo"), {}, "user", "shop.Bad", "one\ntwo"],
    [
      "fails in its rows",
      threw(`${STAGE} java.lang.RuntimeException: row is bad`),
      {},
      "user",
      "org.apache.spark.SparkException",
      `${STAGE.slice(STAGE.indexOf("Job"))} java.lang.RuntimeException: row is bad`,
    ],
    [
      "lost an executor",
      threw(`${STAGE} ExecutorLostFailure (executor 1 exited caused by one of the running tasks)`),
      {},
      "cluster",
      "org.apache.spark.SparkException",
      `${STAGE.slice(STAGE.indexOf("Job"))} ExecutorLostFailure (executor 1 exited caused by one of the running tasks)`,
    ],
    [
      "could not reach its storage",
      `${threw("java.lang.RuntimeException: broken")}Caused by: java.net.ConnectException: Connection refused\n\t... 12 more`,
      {},
      "cluster",
      "java.lang.RuntimeException",
      "broken",
    ],
    [
      "could not read a file",
      threw("java.io.IOException: disk is full"),
      {},
      "cluster",
      "java.io.IOException",
      "disk is full",
    ],
    [
      "only has such frames",
      `${threw("java.lang.RuntimeException: broken")}\tat java.io.Reader.read(Reader.java:1)\n`,
      {},
      "user",
      "java.lang.RuntimeException",
      "broken",
    ],
    [
      "throws in Python",
      "User application exited with status 1",
      { stdout: `hello\n${TRACEBACK}ValueError: price is missing` },
      "user",
      "ValueError",
      "price is missing",
    ],
    [
      "has no room in Python",
      "User application exited with status 1",
      { stdout: `${TRACEBACK}OSError: [Errno 28] No space left on device` },
      "cluster",
      "OSError",
      "[Errno 28] No space left on device",
    ],
    [
      "lost its JVM in Python",
      "User application exited with status 1",
      { stdout: `${TRACEBACK}py4j.protocol.Py4JNetworkError: Answer from Java side is empty` },
      "cluster",
      "py4j.protocol.Py4JNetworkError",
      "Answer from Java side is empty",
    ],
    [
      "exits with a status",
      "User application exited with status 3",
      { stdout: "bye" },
      "user",
      "ExitStatus",
      "application exited with status 3",
    ],
    [
      "is ended by a signal",
      "User application exited with status 137",
      {},
      "cluster",
      "DriverKilled",
      expect.stringContaining("SIGKILL"),
    ],
    [
      "calls System.exit",
      HOOK,
      { stderr: "INFO SparkContext: Invoking stop() from shutdown hook" },
      "user",
      "DriverExited",
      "app-1 ended before its main returned: System.exit is a failure on YARN, whatever its code; return from main instead",
    ],
    [
      "is stopped from outside",
      HOOK,
      { stderr: "ERROR ApplicationMaster: RECEIVED SIGNAL TERM" },
      "cluster",
      "DriverExited",
      "app-1 ended before its main returned: System.exit is a failure on YARN, whatever its code; return from main instead",
    ],
    [
      "ends so without a log",
      HOOK,
      {},
      "cluster",
      "DriverExited",
      "app-1 ended before its main returned: System.exit is a failure on YARN, whatever its code; return from main instead",
    ],
    [
      "has no such class",
      "Uncaught exception: java.lang.ClassNotFoundException: shop.Nope\n\tat java.base/java.net",
      {},
      "submit",
      "ClassNotFoundException",
      "class is not in the jars: shop.Nope",
    ],
    [
      "says something else",
      "Max number of executor failures (6) reached",
      {},
      "cluster",
      "ExecutorsLost",
      "app-1: Max number of executor failures (6) reached",
    ],
    ["says nothing", "", {}, "cluster", "ApplicationFailed", "app-1: no reason was given"],
  ])("%s", (_, diagnostics, output, owner, type, message) => {
    const application = {
      id: "app-1",
      state: "FINISHED",
      finalStatus: "FAILED",
      diagnostics,
      trackingUrl: null,
      logsUrl: "http://node:8042/node/containerlogs/container_1/root",
    };
    const failure = appFailureOnYarn(application, { stdout: "", stderr: "", ...output }, "file:///w/attempts/a");
    expect(failure).toMatchObject({ class: owner, type, message });
  });
});

describe("an application that ends before YARN knows its driver", () => {
  const THROWN = `26/11/25 21:01:02 ERROR ApplicationMaster: User class threw exception:
java.lang.IllegalStateException: price is missing
\tat shop.App.main(App.java:6)
26/11/25 21:01:02 INFO ApplicationMaster: Final app status: FAILED, exitCode: 15, (reason: User class threw exception: java.lang.IllegalStateException: price is missing
\tat shop.App.main(App.java:6)
)
26/11/25 21:01:03 INFO ShutdownHookManager: Shutdown hook called`;

  it.each<[string, string, string, object]>([
    [
      "tells its exception in its log",
      "FAILED",
      THROWN,
      { class: "user", type: "java.lang.IllegalStateException", message: "price is missing" },
    ],
    ["tells nothing of its own when it was killed", "KILLED", THROWN, { class: "cluster" }],
    ["tells nothing where its log is gone", "FAILED", "", { class: "cluster" }],
  ])("%s", (_, state, stderr, expected) => {
    const application = {
      id: "app-1",
      state,
      finalStatus: state,
      diagnostics: "Application app-1 failed 1 times due to AM Container exited with  exitCode: 13",
      trackingUrl: null,
      logsUrl: "http://node:8042/node/containerlogs/container_1/root",
    };
    expect(appFailureOnYarn(application, { stdout: "", stderr }, "file:///w/attempts/a")).toMatchObject(expected);
  });
});

describe("spark-submit's output tells an application's own exception", () => {
  const log = (text: string) =>
    `stdout: \nINFO SparkContext: Running Spark\n${text}\nINFO ShutdownHookManager: Shutdown hook called\n\nstderr: `;
  const main =
    'Exception in thread "main" java.lang.IllegalStateException: price is missing\n\tat shop.App.main(App.java:6)\n\tat org.apache.spark.deploy.SparkSubmit.main(SparkSubmit.scala)';

  it.each<[string, string, string | null, object | null]>([
    [
      "by a frame of its class",
      log(main),
      "shop.App",
      {
        class: "user",
        type: "java.lang.IllegalStateException",
        message: "price is missing",
        traceback: expect.not.stringContaining("INFO"),
      },
    ],
    ["by a frame of its Scala object", log(main.replace("App.main", "App$.main")), "shop.App", { class: "user" }],
    ["not by spark-submit's frames alone", log(main.replace("\tat shop.App.main(App.java:6)\n", "")), "shop.App", null],
    ["not by another class", log(main), "shop.Ap", null],
    [
      "by a traceback with its file",
      log(`${TRACEBACK}ValueError: price is missing`),
      null,
      { class: "user", type: "ValueError", message: "price is missing" },
    ],
    ["not by another file's", log(`${TRACEBACK.replace("app.py", "other.py")}ValueError: x`), null, null],
    ["not where there is none", log(""), null, null],
  ])("%s", (_, text, className, expected) => {
    const failure = appFailureInLog(text, {
      file: "file:///w/staging/app.py",
      ...(className === null ? {} : { className }),
    });
    if (expected === null) expect(failure).toBeNull();
    else expect(failure).toMatchObject(expected);
  });
});
