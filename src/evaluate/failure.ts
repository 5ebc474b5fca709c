/**
 * Failures as the evaluator carries them: error records that travel up the graph.
 */

import { Code, FiresteelError } from "../errors.ts";
import type { ErrorRecord } from "./ports.ts";

/** The record of anything thrown. */
export function errorRecord(reason: unknown, path: readonly string[] = []): ErrorRecord {
  const error = FiresteelError.from(reason);
  const { name, stack, path: known, ...details } = error.details as Record<string, unknown>;
  return {
    code: error.code,
    name: typeof name === "string" ? name : error.name,
    message: error.message,
    ...(typeof stack === "string" ? { stack } : error.stack === undefined ? {} : { stack: error.stack }),
    // A worker knows no path; the evaluator adds it.
    path: Array.isArray(known) && known.length > 0 ? (known as string[]) : path,
    ...(Object.keys(details).length > 0 ? { details: plain(details) } : {}),
  };
}

/** Details as JSON has them: they cross threads and are stored, and a body's own error may hold anything. */
function plain(details: Record<string, unknown>): Record<string, unknown> {
  try {
    return JSON.parse(
      JSON.stringify(details, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value)),
    ) as Record<string, unknown>;
  } catch {
    // Cyclic, or with a getter that throws: the message has to do.
    return {};
  }
}

/** The error of a record: what a client throws again. */
export function errorFromRecord(record: ErrorRecord): FiresteelError {
  return new FiresteelError(record.code as Code, record.message, {
    details: {
      name: record.name,
      ...(record.stack === undefined ? {} : { stack: record.stack }),
      ...(record.path ? { path: record.path } : {}),
      ...record.details,
    },
  });
}

/** Whether a failure asks for the execution to look at its inputs again. */
export function isInputChanged(reason: unknown): boolean {
  return reason instanceof FiresteelError && reason.code === Code.aborted && reason.details["kind"] === "inputChanged";
}
