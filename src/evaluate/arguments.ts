/**
 * Arguments of a call: how many there must be, the defaults of those left out, and the types that can be checked at a front door.
 */

import { inspect } from "node:util";
import { DatasetValue, DirectoryValue, FileValue } from "../define/external.ts";
import { isLazy } from "../define/lazy.ts";
import { Code, FiresteelError } from "../errors.ts";
import { encodeValue } from "../hash/value.ts";
import type { ParameterInfo, TaskInfo } from "./code.ts";

const UNDEFINED = encodeValue(undefined);

function isUndefined(encoding: Uint8Array | undefined): boolean {
  return encoding === undefined || (encoding.length === 1 && encoding[0] === UNDEFINED[0]);
}

/**
 * The arguments as the call's identity counts them: constant defaults filled in, undefined ones at the end left out, so that `f(1)`, `f(1, undefined)` and `f(1, 2)` with a default of 2 are one call.
 *
 * @throws FiresteelError `invalid_argument` when there are too many or too few
 */
export function bindArguments(task: TaskInfo, given: readonly Uint8Array[]): readonly Uint8Array[] {
  const { parameters } = task;
  const rest = parameters.at(-1)?.rest === true;
  // A default before a required parameter does not make the later one optional.
  const required =
    parameters.findLastIndex((parameter) => !parameter.optional && !parameter.hasDefault && !parameter.rest) + 1;
  if ((!rest && given.length > parameters.length) || given.length < required) {
    const wanted = rest
      ? `at least ${required}`
      : required === parameters.length
        ? String(required)
        : `${required} to ${parameters.length}`;
    throw new FiresteelError(
      Code.invalidArgument,
      `task ${task.name}(${signature(parameters)}) takes ${wanted} argument${wanted === "1" ? "" : "s"}, not ${given.length}`,
    );
  }
  const bound = [...given];
  parameters.forEach((parameter, i) => {
    if (!parameter.rest && parameter.constantDefault !== undefined && isUndefined(bound[i])) {
      for (let j = bound.length; j < i; j++) bound.push(UNDEFINED);
      bound[i] = encodeValue(parameter.constantDefault);
    }
  });
  while (bound.length > 0 && isUndefined(bound.at(-1))) bound.pop();
  return bound;
}

/** A task's parameters for people: `orders: Dataset, year: number = 2024`. */
export function signature(parameters: readonly ParameterInfo[]): string {
  return parameters
    .map((parameter, i) => {
      const name = `${parameter.rest ? "..." : ""}${parameter.name || `argument${i + 1}`}${parameter.optional ? "?" : ""}`;
      const type = parameter.type === undefined ? "" : `: ${parameter.type}`;
      const value = parameter.hasDefault
        ? ` = ${parameter.constantDefault === undefined ? "..." : inspect(parameter.constantDefault, { breakLength: Number.POSITIVE_INFINITY })}`
        : "";
      return `${name}${type}${value}`;
    })
    .join(", ");
}

const CHECKS: Readonly<Record<string, (value: unknown) => boolean>> = {
  number: (value) => typeof value === "number",
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  bigint: (value) => typeof value === "bigint",
  Date: (value) => value instanceof Date,
  Uint8Array: (value) => value instanceof Uint8Array,
  Dataset: (value) => value instanceof DatasetValue,
  File: (value) => value instanceof FileValue,
  Directory: (value) => value instanceof DirectoryValue,
};

/**
 * Checks live arguments against the annotations that can be checked; lazies pass, their values are checked by nobody but the body.
 *
 * @throws FiresteelError `invalid_argument` that names the parameter, the type wanted and what was given
 */
export function checkArguments(task: TaskInfo, args: readonly unknown[]): void {
  task.parameters.forEach((parameter, i) => {
    if (parameter.type === undefined) return;
    const values = parameter.rest ? args.slice(i) : args.slice(i, i + 1);
    for (const value of values) {
      if (value === undefined && (parameter.optional || parameter.hasDefault)) continue;
      const wrong = mismatch(parameter.rest ? parameter.type.replace(/\[\]$/, "") : parameter.type, value);
      if (wrong === undefined) continue;
      throw new FiresteelError(
        Code.invalidArgument,
        `argument ${i + 1} (${parameter.name}) of ${task.name} must be ${parameter.type}, not ${wrong}${asJson(parameter.type, value)}`,
        {
          details: { parameter: parameter.name, index: i },
        },
      );
    }
  });
}

/** How data is written in JSON, where a text or an object stands in its place; a list of it tells by itself. */
function asJson(type: string, value: unknown): string {
  const member = { Dataset: "$dataset", File: "$file", Directory: "$directory" }[type];
  if (member === undefined || (typeof value !== "string" && !isPlain(value))) return "";
  const path = typeof value === "string" ? value : "path";
  return `; in JSON it is written ${JSON.stringify({ [member]: path })}`;
}

function isPlain(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function mismatch(type: string, value: unknown): string | undefined {
  if (isLazy(value)) return undefined;
  if (type.endsWith("[]")) {
    if (!Array.isArray(value)) return describe(value);
    const at = value.findIndex((item) => mismatch(type.slice(0, -2), item) !== undefined);
    return at < 0 ? undefined : `a list with ${describe(value[at])} at [${at}]`;
  }
  const check = CHECKS[type];
  return check === undefined || check(value) ? undefined : describe(value);
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "string")
    return `string ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value)}`;
  if (typeof value === "object")
    return Array.isArray(value) ? "a list" : isPlain(value) ? "an object" : `a ${value.constructor?.name ?? "object"}`;
  return `${typeof value} ${String(value)}`;
}
