/** Settings of Spark applications as authors write them: what is misspelt or of another type is told, with its place, rather than lost or sent. */

import { inspect } from "node:util";
import { Code, FiresteelError } from "../errors.ts";
import { DatasetValue } from "./external.ts";
import { isLazy } from "./lazy.ts";
import type { SparkSettings } from "./work.ts";

interface Kind {
  readonly wanted: string;
  readonly fits: (value: unknown) => boolean;
}

const isText = (value: unknown): boolean => typeof value === "string" && value !== "";
const text: Kind = { wanted: "a text", fits: isText };
const count: Kind = {
  wanted: "a whole number above 0",
  fits: (value) => Number.isSafeInteger(value) && Number(value) > 0,
};
const texts: Kind = { wanted: "a list of texts", fits: (value) => Array.isArray(value) && value.every(isText) };
const table: Kind = { wanted: "an object of texts", fits: isTable };

const MODES: readonly unknown[] = ["batch", "statement", "auto"];
const mode: Kind = { wanted: `one of ${MODES.join(", ")}`, fits: (value) => MODES.includes(value) };

const SETTINGS: Readonly<Record<keyof SparkSettings, Kind>> = {
  conf: table,
  mode,
  driverMemory: text,
  driverCores: count,
  executorMemory: text,
  executorCores: count,
  numExecutors: count,
  queue: text,
  proxyUser: text,
  pyFiles: texts,
  jars: texts,
  files: texts,
  archives: texts,
};

/** Whether a value is a plain object of texts. */
export function isTable(value: unknown): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    [Object.prototype, null].includes(Object.getPrototypeOf(value)) &&
    Object.values(value).every((item) => typeof item === "string")
  );
}

/**
 * The settings without those that are undefined.
 *
 * @param form how errors name the form
 * @param others further keys that the form takes, for the message
 * @throws FiresteelError `invalid_argument`
 */
export function sparkSettings(
  form: string,
  given: Readonly<Record<string, unknown>>,
  others: readonly string[] = [],
): SparkSettings {
  const known = [...Object.keys(SETTINGS), ...others];
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(SETTINGS, key))
      throw new FiresteelError(Code.invalidArgument, `${form}: unknown setting (known: ${known.join(", ")}): ${key}`);
    if (isLazy(value)) throw lazyInside(form, `\`${key}\``);
    const { wanted, fits } = SETTINGS[key as keyof SparkSettings];
    if (value !== undefined && !fits(value))
      throw new FiresteelError(Code.invalidArgument, `${form}: \`${key}\` must be ${wanted}, not ${inspect(value)}`);
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Named datasets as a frozen copy; anything else is `invalid_argument`. */
export function datasetsByName(
  form: string,
  inputs: Readonly<Record<string, DatasetValue>>,
): Readonly<Record<string, DatasetValue>> {
  for (const [name, input] of Object.entries(inputs)) {
    if (isLazy(input)) throw lazyInside(form, `input ${name}`);
    if (!(input instanceof DatasetValue))
      throw new FiresteelError(Code.invalidArgument, `${form}: input ${name} must be a dataset, not ${inspect(input)}`);
  }
  return Object.freeze({ ...inputs });
}

/** The error for a lazy where a value is wanted. */
export function lazyInside(form: string, what: string): FiresteelError {
  return new FiresteelError(
    Code.invalidArgument,
    `${form}: ${what} is lazy; make it an argument of the task, so that it is evaluated before the body runs`,
  );
}
