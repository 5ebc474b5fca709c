/**
 * Failures of unmodified applications, told by YARN's words, by what the driver printed and by spark-submit's output.
 *
 * `user` (not tried again) only where it is certain: the application itself threw, or ended with a code of its own, and nothing in the exception tells of a cluster that lost something. All else is tried again.
 */

import type { SubmissionFailure, SubmissionRecord } from "../../../evaluate/ports.ts";
import type { DriverOutput } from "./driver-logs.ts";
import { exceptionOf, failureOnYarn, lastTraceback, stackOf } from "./failure-report.ts";
import { toHadoopPath } from "./hadoop-path.ts";
import type { YarnApplication } from "./resource-manager.ts";

/** What the ApplicationMaster logs of its end; the reason can have many lines, and the next entry begins with a date. */
const FINAL_STATUS = /Final app status: FAILED, exitCode: -?\d+, \(reason: ([\s\S]*?)\)\s*(?:$|\n\d\d\/\d\d\/\d\d )/;

/** The failure of an application that YARN calls ended otherwise than well. The words are those of Spark's ApplicationMaster (`org.apache.spark.deploy.yarn.ApplicationMaster`). */
export function appFailureOnYarn(
  application: YarnApplication,
  output: DriverOutput,
  location: string,
): SubmissionFailure {
  const { id, state, diagnostics } = application;
  const words = diagnostics.trim();
  // Only an end that the driver itself has told is the application's own: told YARN, or, where it came before the driver was known to YARN, its log.
  const told = state === "FINISHED" ? words : state === "FAILED" ? FINAL_STATUS.exec(output.stderr)?.[1] : undefined;
  const own = told === undefined ? null : ownFailure(id, told, output);
  return own ?? failureOnYarn(application, output, location);
}

function ownFailure(id: string, words: string, { stdout, stderr }: DriverOutput): SubmissionFailure | null {
  const threw = /^User class threw exception: ([\s\S]*)/.exec(words)?.[1];
  if (threw !== undefined) return { class: ownerOf(threw), ...exceptionOf(threw) };
  const exit = /^User application exited with (?:status )?(-?\d+)/.exec(words)?.[1];
  if (exit !== undefined) return failureOfExit(Number(exit), stdout);
  if (words.startsWith("Shutdown hook called before final status was reported")) {
    // A driver that is stopped from outside ends in the same words.
    const isOwn = stderr !== "" && !/RECEIVED SIGNAL/.test(stderr);
    return {
      class: isOwn ? "user" : "cluster",
      type: "DriverExited",
      message: `${id} ended before its main returned: System.exit is a failure on YARN, whatever its code; return from main instead`,
    };
  }
  const unknown = /^Uncaught exception: java\.lang\.ClassNotFoundException: (\S+)/.exec(words)?.[1];
  return unknown === undefined
    ? null
    : { class: "submit", type: "ClassNotFoundException", message: `class is not in the jars: ${unknown}` };
}

/** The exception that an application itself threw, told by its own frames in spark-submit's output; null when there is none. */
export function appFailureInLog(log: string, request: SubmissionRecord["request"]): SubmissionFailure | null {
  const { file = "", className } = request as { readonly file?: string; readonly className?: string };
  if (className === undefined) {
    const thrown = lastTraceback(log);
    const name = toHadoopPath(file.slice(file.lastIndexOf("/") + 1));
    const isOwn = [`/${name}", line `, `"${name}", line `].some((frame) => log.includes(frame));
    return thrown !== null && isOwn ? failureOfTraceback(thrown, log) : null;
  }
  const [, ...threw] = log.split('Exception in thread "main" ');
  const trace = stackOf(threw.at(-1) ?? "");
  const isOwn = [`at ${className}.`, `at ${className}$`].some((frame) => trace.includes(frame));
  return isOwn ? { class: ownerOf(trace), ...exceptionOf(trace) } : null;
}

function failureOfExit(status: number, stdout: string): SubmissionFailure | null {
  // Above 128 and below 0 it is the signal that ended it.
  if (status <= 0 || status > 128) return null;
  const thrown = lastTraceback(stdout);
  return thrown === null
    ? { class: "user", type: "ExitStatus", message: `application exited with status ${status}` }
    : failureOfTraceback(thrown, stdout.slice(stdout.indexOf("Traceback (most recent call last):")));
}

function failureOfTraceback(
  { type, message, text }: { readonly type: string; readonly message: string; readonly text: string },
  all: string,
): SubmissionFailure {
  return { class: ENVIRONMENT.test(type) ? "cluster" : ownerOf(all), type, message, traceback: text };
}

/** Python's errors of the machine and the network; a missing file is not among them. */
const ENVIRONMENT =
  /^(OSError|MemoryError|TimeoutError|BrokenPipeError|Connection\w*Error|py4j\.protocol\.Py4JNetworkError)$/;

/** Executors, shuffles, drivers or containers were lost. */
const LOST =
  /ExecutorLostFailure|TaskResultLost|FetchFailed|Executor heartbeat timed out|Slave lost|Worker lost|marked as failed|SparkContext was shut down|stopped SparkContext|Could not find CoarseGrainedScheduler|Container (killed|marked)|exited unexpectedly|No live nodes|has failed the maximum allowable number of times|FILE_NOT_EXIST/;

/** An exception of files, networks or stores, or one that it caused. */
const STORAGE =
  /(?:^|: )(?:java\.io\.|java\.net\.|java\.nio\.(?:file|channels)\.|java\.util\.concurrent\.Timeout|org\.apache\.hadoop\.|com\.amazonaws\.|software\.amazon\.|org\.apache\.spark\.(?:SparkFileNotFound|shuffle\.|rpc\.|storage\.))[\w.$]*(?:$|:)/m;

function ownerOf(text: string): "user" | "cluster" {
  return LOST.test(text) || STORAGE.test(text) ? "cluster" : "user";
}
