/**
 * What is told of a submission that left no manifest: the exception, or why the driver was stopped, and whose fault that was (`docs/failures.md` has the table).
 *
 * Told from structure where there is one: the line that the harness prints when it can write no manifest, YARN's final status and the exit statuses of containers, whether there ever was a container. Words are read only where
 * nothing else tells. Pure.
 */

import type { SubmissionFailure } from "../../../evaluate/ports.ts";
import type { DriverOutput } from "./driver-logs.ts";
import type { YarnApplication } from "./resource-manager.ts";

type Told = Pick<SubmissionFailure, "class" | "type" | "message">;
type Thrown = Pick<SubmissionFailure, "type" | "message" | "traceback">;

const MEMORY = "raise driverMemory, or spark.driver.memoryOverhead for what Python takes";

/** Exit statuses that YARN itself gives a container (org.apache.hadoop.yarn.api.records.ContainerExitStatus). */
const STATUSES: Readonly<Record<number, Told>> = {
  [-100]: { class: "cluster", type: "NodeLost", message: "its driver's node was lost, or was taken away from it" },
  [-101]: { class: "cluster", type: "NodeFailed", message: "the disks of its driver's node failed" },
  [-102]: { class: "cluster", type: "Preempted", message: "its driver was preempted" },
  [-103]: {
    class: "user",
    type: "DriverOutOfMemory",
    message: `its driver used more virtual memory than it has; ${MEMORY}`,
  },
  [-104]: { class: "user", type: "DriverOutOfMemory", message: `its driver used more memory than it has; ${MEMORY}` },
  [-106]: { class: "cluster", type: "DriverKilled", message: "its driver was killed by the ResourceManager" },
  [-108]: { class: "cluster", type: "Preempted", message: "its driver was killed to make room for others" },
  [-109]: { class: "user", type: "TooMuchLog", message: "its driver printed more than YARN allows" },
};
/** 128 and the number of a signal: the program was ended from outside. */
const SIGNALS: Readonly<Record<number, string>> = { 137: "SIGKILL", 143: "SIGTERM" };

/** The failure of an application that YARN says has ended. */
export function failureOnYarn(application: YarnApplication, output: DriverOutput, location: string): SubmissionFailure {
  const { id, state, finalStatus } = application;
  const words = application.diagnostics.trim();
  const about = ({ message, ...told }: Told): SubmissionFailure => ({ ...told, message: `${id}: ${message}` });
  if (state === "KILLED") return killed(id, words);
  if (finalStatus === "SUCCEEDED")
    return {
      class: "cluster",
      type: "ManifestMissing",
      message: `${id} ended well and left no manifest in ${location}`,
    };
  const own = ownReport(output.stdout);
  if (own !== null && own.class !== "cluster") return own;
  const thrown = /^User class threw exception: ([\s\S]*)/.exec(words);
  if (thrown !== null) return { class: "user", ...exceptionOf(thrown[1] ?? "") };
  // It never got as far as a container.
  if (state === "FAILED" && application.logsUrl === null)
    return { class: isTransient(words) ? "cluster" : "submit", type: "ApplicationRefused", message: words };
  const status = Number(
    /\bexitCode: (-?\d+)/.exec(words)?.[1] ?? /^User application exited with (?:status )?(-?\d+)/.exec(words)?.[1],
  );
  if (STATUSES[status] !== undefined) return about(STATUSES[status]);
  if (SIGNALS[status] !== undefined) {
    const message = `its driver was ended by ${SIGNALS[status]} from outside; mostly that is for memory: ${MEMORY}`;
    return about({ class: "cluster", type: "DriverKilled", message });
  }
  const executors = executorsLost(words, output.stderr);
  if (executors !== null) return about(executors);
  // Python knows only that its JVM was gone where YARN knows why.
  if (own !== null) return own;
  if (/Could not create the Java Virtual Machine/.test(`${words}\n${output.stderr}\n${output.stdout}`)) {
    const line = /^(?:Error: |Unrecognized |Invalid |Improperly )[^\n]*/m.exec(`${output.stderr}\n${words}`)?.[0];
    return about({
      class: "submit",
      type: "JvmNotStarted",
      message: `the driver's JVM did not start: ${line ?? words}`,
    });
  }
  const python = lastTraceback(output.stdout);
  if (python !== null) return { class: "cluster", type: python.type, message: python.message, traceback: python.text };
  // The harness ends with 0 or 1, the ApplicationMaster with 10 to 16.
  if (/^User application exited/.test(words) && status > 1)
    return about({
      class: "user",
      type: "DriverExited",
      message: `its program ended itself with exit code ${status}, and left no result; return from run() instead`,
    });
  const java = lastException(output.stderr);
  const first = words.split("\n", 1)[0] || "no reason was given";
  if (java !== null) return { class: "cluster", ...java, message: `${id}: ${java.message}` };
  return about({ class: "cluster", type: "ApplicationFailed", message: first });
}

/** Somebody stopped it on purpose: starting it again would work against them. */
function killed(id: string, words: string): SubmissionFailure {
  const onPurpose = /killed by/i.test(words) && !/killed by (?:the )?ResourceManager/i.test(words);
  return {
    class: onPurpose ? "user" : "cluster",
    type: "ApplicationKilled",
    message: `${id} was killed on the cluster: ${words || "no reason was given"}`,
  };
}

/** The last line `firesteel: failure {...}`: the harness prints it when it can write no manifest. */
function ownReport(stdout: string): SubmissionFailure | null {
  const line = stdout.match(/^firesteel: failure (\{.*\})$/gm)?.at(-1);
  if (line === undefined) return null;
  try {
    const told = JSON.parse(line.slice(line.indexOf("{"))) as Record<string, unknown>;
    const { type, message, traceback } = told;
    if (typeof type !== "string" || typeof message !== "string") return null;
    const known = told["class"] === "user" || told["class"] === "submit" ? told["class"] : "cluster";
    return { class: known, type, message, ...(typeof traceback === "string" && traceback ? { traceback } : {}) };
  } catch {
    return null; // A line that was cut: the log tells the rest.
  }
}

/** Spark lets an executor's JVM that is out of memory kill itself, which looks like a kill from outside. */
const HEAP =
  "; ended by a signal, mostly that is for memory: raise executorMemory or spark.executor.memoryOverhead, or make partitions smaller";

function isSignal(status: number): boolean {
  return SIGNALS[status] !== undefined;
}

/** What became of the executors, where it is they who ended the application. */
function executorsLost(words: string, stderr: string): Told | null {
  if (!/^Max number of executor failures/.test(words)) return null;
  const reasons = [...stderr.matchAll(/Exit status: (-?\d+)|exited with (?:status|code) (-?\d+)/g)].map((match) =>
    Number(match[1] ?? match[2]),
  );
  // 52 is Spark's own for an OutOfMemoryError.
  const memory =
    reasons.some((status) => status === 52 || status === -103 || status === -104) ||
    /exceeding (?:physical|virtual) memory limits|java\.lang\.OutOfMemoryError/.test(stderr);
  const statuses = reasons.length === 0 ? "" : ` (exit status ${[...new Set(reasons)].join(", ")})`;
  return memory
    ? {
        class: "user",
        type: "ExecutorOutOfMemory",
        message: `its executors ran out of memory again and again${statuses}; raise executorMemory or spark.executor.memoryOverhead, or make partitions smaller`,
      }
    : { class: "cluster", type: "ExecutorsLost", message: `${words}${statuses}${reasons.some(isSignal) ? HEAP : ""}` };
}

/** The failure of a batch of which YARN knows no application: what spark-submit printed tells. `claim` is what Livy says. */
export function failureOfSubmit(
  log: readonly string[],
  livyName: string,
  claim: string,
  location: string,
): SubmissionFailure {
  if (claim === "gone") {
    const message = `batch ${livyName} is not known to Livy, left no manifest, and has no application that could be found`;
    return { class: "cluster", type: "SubmissionLost", message };
  }
  if (claim === "success")
    return {
      class: "cluster",
      type: "ManifestMissing",
      message: `batch ${livyName} ended well and left no manifest in ${location}`,
    };
  const at = log.findLastIndex((line) => /^Exception in thread "main" /.test(line));
  if (at >= 0) {
    const text = log
      .slice(at)
      .join("\n")
      .replace(/^Exception in thread "main" /, "");
    // Without an application nothing but the request was judged, unless it could not be judged.
    return { class: isTransient(stackOf(text)) ? "cluster" : "submit", ...exceptionOf(text) };
  }
  const python = lastTraceback(log.join("\n"));
  if (python !== null) return { class: "cluster", type: python.type, message: python.message, traceback: python.text };
  const error = log.findLast((line) => /^Error: /.test(line));
  if (error !== undefined) return { class: "submit", type: "SparkSubmitError", message: error.slice("Error: ".length) };
  const words = log.findLast((line) => line.trim() !== "") ?? "its log is empty";
  return { class: "cluster", type: "BatchFailed", message: `batch ${livyName} is ${claim}: ${words}` };
}

/** Exceptions that tell of a server or a network, not of what was asked for. */
const TRANSIENT =
  /\bjava\.net\.(?!URI|Malformed)|java\.nio\.channels\.|java\.util\.concurrent\.Timeout|java\.lang\.OutOfMemoryError|org\.apache\.hadoop\.(?:ipc\.(?:Retriable|Standby|RpcNoSuch)|net\.|hdfs\.server\.namenode\.SafeMode)|\b(?:ConnectException|ConnectTimeout|NoRouteToHost|UnknownHost|SocketTimeout|SafeMode)\w*|Connection (?:refused|reset)|Failed to renew token/;

function isTransient(text: string): boolean {
  return TRANSIENT.test(text);
}

/** A Java stack trace from its first line to the last line that belongs to it. */
export function stackOf(text: string): string {
  const lines = text.split("\n");
  const end = lines.findIndex(
    (line, i) => i > 0 && !/^\s+(?:at |\.\.\. \d+ more)|^Caused by: |^\s+Suppressed: /.test(line),
  );
  return (end < 0 ? lines : lines.slice(0, end)).join("\n");
}

/** A Java exception taken apart: its class, its message and its causes. */
export function exceptionOf(text: string): Thrown {
  // The message may have lines of its own.
  const head = /^([\w.$]+)(?:: ([\s\S]*?))?(?=\n\s+at |\nCaused by: |$(?![\s\S]))/.exec(text);
  const type = head?.[1] ?? "Exception";
  const message = (head?.[2] ?? text.split("\n", 1)[0] ?? "").trim();
  return { type, message: message === "" ? type : message, traceback: shortStack(text) };
}

/** Frames kept of each exception in a chain. */
const FRAMES = 5;

/** A Java stack trace with the first frames of each of its exceptions. */
export function shortStack(text: string): string {
  const short: string[] = [];
  let run = 0;
  let left = 0;
  const close = () => {
    if (left > 0) short.push(`\t... ${left} more`);
    run = 0;
    left = 0;
  };
  for (const line of text.trimEnd().split("\n")) {
    const more = /^\s+\.\.\. (\d+) more/.exec(line);
    if (more !== null) left += Number(more[1]);
    else if (/^\s+at /.test(line)) {
      if (++run <= FRAMES) short.push(line);
      else left++;
    } else {
      close();
      short.push(line);
    }
  }
  close();
  return short.join("\n");
}

/** The last exception that a log of Spark's shows with its stack. */
function lastException(log: string): Thrown | null {
  const starts = [
    ...log.matchAll(
      /^(?:Exception in thread "[^"\n]*" )?((?:[a-z][\w$]*\.)+[A-Z][\w$]*(?:Exception|Error)\b[^\n]*)\n\s+at /gm,
    ),
  ];
  const last = starts.at(-1);
  return last === undefined
    ? null
    : exceptionOf(stackOf(log.slice(last.index).replace(/^Exception in thread "[^"\n]*" /, "")));
}

/** The last Python traceback in a text, taken apart. */
export function lastTraceback(
  text: string,
): { readonly type: string; readonly message: string; readonly text: string } | null {
  const start = text.lastIndexOf("Traceback (most recent call last):");
  if (start < 0) return null;
  const lines = text.slice(start).split("\n");
  const end = lines.findIndex((line, i) => i > 0 && /^[A-Za-z_]/.test(line));
  if (end < 0) return null;
  const [, type = "", message = ""] = /^([\w.]+)(?:: ?(.*))?$/.exec(lines[end]!) ?? [null, lines[end]!, ""];
  return { type, message: message || type, text: lines.slice(0, end + 1).join("\n") };
}
