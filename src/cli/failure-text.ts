/**
 * Failures of executions as people read them.
 */

import { pathToFileURL } from "node:url";
import type { Failure } from "../gen/firesteel/v1/failure_pb.ts";
import { oneLine, plainText } from "./format.ts";

/** Lines of a driver's log that are shown when the job left no traceback. */
const LOG_LINES = 12;

/** What is known of where the failure is shown. */
export interface FailureContext {
  /** The project's root: paths below it are shown from there, and only frames below it are the user's. */
  readonly root: string;
  /** Shows the whole stack. */
  readonly verbose: boolean;
  /** The task where it came up, where the failure does not say it. */
  readonly task?: string | undefined;
}

/** The lines of a failure: what, where, and how to look further. */
export function failureLines(failure: Failure, { root, verbose, task: origin }: FailureContext): string[] {
  const details = failure.details ?? {};
  const submission = text(details["submissionId"]);
  const traceback = text(details["traceback"]);
  const path = failure.path;
  const name = failure.name === "FiresteelError" || failure.name === "Error" || submission ? "" : `${failure.name}: `;
  const [first = "", ...more] = relativeTo(root, plainText(failure.message)).split("\n");
  const task = path.at(-1) ?? origin;
  const lines = [`${task === undefined ? "" : `${task} failed: `}${name}${first}`, ...more.map((line) => `  ${line}`)];
  if (path.length > 1) lines.push(`  task path: ${path.join(" > ")}`);
  const position = place(details["position"]);
  if (position) lines.push(`  place in the SQL text: ${position}`);
  if (traceback) lines.push("  Python traceback:", ...indented(traceback));
  else if (submission) lines.push(...logTail(details["logTail"]));
  lines.push(...stackLines(failure.stack ?? "", root, verbose));
  if (submission) {
    const where = [text(details["appId"]), text(details["cluster"]) && `on ${text(details["cluster"])}`].filter(
      Boolean,
    );
    lines.push(
      `  submission ${submission}${where.length > 0 ? ` (${where.join(" ")})` : ""}; its log: firesteel log ${submission}`,
    );
  }
  return lines;
}

/** The user's frames of a stack, with paths from the project's root; all of the stack when `verbose`. */
export function stackLines(stack: string, root: string, verbose: boolean): string[] {
  const frames = stack.split("\n").filter((line) => /^\s+at /.test(line));
  const own = (frame: string) =>
    (frame.includes(`${root}/`) || frame.includes(`${pathToFileURL(root).href}/`)) && !frame.includes("/node_modules/");
  return frames.filter((frame) => verbose || own(frame)).map((frame) => `  ${relativeTo(root, frame.trim())}`);
}

/** A text with the paths and URLs below a folder as seen from there. */
export function relativeTo(root: string, text: string): string {
  return text.replaceAll(`${pathToFileURL(root).href}/`, "").replaceAll(`${root}/`, "");
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function place(position: unknown): string {
  if (typeof position !== "object" || position === null || !("line" in position) || !("column" in position)) return "";
  return `line ${position.line}, column ${position.column}`;
}

function indented(block: string): string[] {
  return plainText(block)
    .trimEnd()
    .split("\n")
    .map((line) => `    ${line}`);
}

function logTail(tail: unknown): string[] {
  const lines = Array.isArray(tail) ? tail.filter((line) => typeof line === "string") : [];
  if (lines.length === 0) return [];
  return ["  end of the log:", ...lines.slice(-LOG_LINES).map((line) => `    ${oneLine(line)}`)];
}
