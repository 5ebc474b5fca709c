/**
 * `sparkApp`: an application that knows nothing of firesteel, as the work of a bulk task.
 *
 * Places. What such an application reads and writes, it is told in its arguments. `${inputs.NAME}` in them stands for the location of a dataset, `${outputs.NAME}` for a new location that belongs to one attempt. In the
 * description they stay as they are, so that it is the same work wherever things lie.
 */

import { inspect } from "node:util";
import { Code, FiresteelError } from "../errors.ts";
import type { DatasetValue } from "./external.ts";
import { isLazy } from "./lazy.ts";
import { datasetsByName, isTable, lazyInside, sparkSettings } from "./spark-settings.ts";
import { APP_FORMATS, type AppOutputOptions, makeWork, type SparkAppWork, type SparkSettings } from "./work.ts";

/** The places of an application by name, as texts for its arguments. */
export interface AppPlaces<I, O> {
  readonly inputs: { readonly [K in keyof I]: string };
  readonly outputs: { readonly [K in keyof O]: string };
}

/** What {@link sparkApp} takes. */
export interface SparkAppOptions<
  I extends Readonly<Record<string, DatasetValue>>,
  O extends Readonly<Record<string, AppOutputOptions>>,
> extends SparkSettings {
  /** A Python file (`.py`) or a jar; a relative path is meant from the project's root. */
  readonly file: string;
  /** The class with `main`, for a jar. */
  readonly className?: string;
  /** The arguments, in which `${inputs.NAME}` and `${outputs.NAME}` stand for places; or a function that is given these texts. */
  readonly args: readonly AppArgument[] | ((places: AppPlaces<I, O>) => readonly AppArgument[]);
  /** Datasets that the application reads. Those whose place it knows by itself need not be in `args`. */
  readonly inputs?: I;
  /** Datasets that it writes, each into a folder of its own. */
  readonly outputs: O;
}

export type AppArgument = string | number;

const FORM = "sparkApp";
const NAME = /^[A-Za-z][A-Za-z0-9_-]*$/;
const PLACE = /\$\{(inputs|outputs)\.([^}]*)\}/g;

/**
 * An unmodified Spark application: a Python file, or a jar with a class. The task's result is its outputs as datasets by name.
 *
 * @example
 * ```ts
 * export const features = task("shop.features", { tags: ["bulk-data"] }, (orders: Dataset, days: number) =>
 *   sparkApp({
 *     file: "jars/features.jar",
 *     className: "shop.Features",
 *     args: ({ inputs, outputs }) => ["--orders", inputs.orders, "--days", days, `--out=${outputs.daily}`],
 *     inputs: { orders },
 *     outputs: { daily: {} },
 *   }));
 * ```
 */
export function sparkApp<
  const O extends Readonly<Record<string, AppOutputOptions>>,
  const I extends Readonly<Record<string, DatasetValue>> = Record<never, never>,
>(options: SparkAppOptions<I, O>): SparkAppWork & { readonly outputs: O } {
  const { file, className, args, inputs, outputs, ...settings } = options;
  if (settings.mode === "statement") throw refuse("an application is a batch; it cannot have the mode statement");
  const given = { file, className, args, inputs, outputs };
  for (const [key, value] of Object.entries(given)) if (isLazy(value)) throw lazyInside(FORM, `\`${key}\``);
  checkFile(file, className);
  const datasets = datasetsByName(FORM, inputs ?? {});
  for (const name of Object.keys(datasets)) checkName("input", name);
  const described = outputsOf(outputs);
  return makeWork({
    kind: "sparkApp",
    file,
    className: className ?? null,
    args: argumentsOf(args, datasets, described),
    inputs: datasets,
    outputs: described,
    settings: sparkSettings(FORM, settings, Object.keys(given)),
  }) as SparkAppWork & { readonly outputs: O };
}

/** Puts places into an argument. */
export function fillPlaces(argument: string, place: (kind: "inputs" | "outputs", name: string) => string): string {
  return argument.replace(PLACE, (_, kind: "inputs" | "outputs", name: string) => place(kind, name));
}

function refuse(message: string): FiresteelError {
  return new FiresteelError(Code.invalidArgument, `${FORM}: ${message}`);
}

function checkFile(file: unknown, className: unknown): void {
  if (typeof file !== "string" || file === "")
    throw refuse(`\`file\` must name a Python file or a jar, not ${inspect(file)}`);
  const isPython = file.endsWith(".py");
  if (className !== undefined && (typeof className !== "string" || className === ""))
    throw refuse(`\`className\` must name a class, not ${inspect(className)}`);
  if (isPython && className !== undefined) throw refuse(`a Python file has no \`className\`: ${className}`);
  if (!isPython && className === undefined) throw refuse(`a jar needs \`className\`, the class with \`main\`: ${file}`);
}

function checkName(what: string, name: string): void {
  if (!NAME.test(name))
    throw refuse(`the name of an ${what} must be letters, digits, _ and -, a letter first: ${JSON.stringify(name)}`);
}

const OUTPUT_KEYS = ["format", "schema", "options"];

/** The outputs with their defaults filled in, so that saying a default is no other work. */
function outputsOf(outputs: unknown): Readonly<Record<string, AppOutputOptions>> {
  if (typeof outputs !== "object" || outputs === null || Array.isArray(outputs) || Object.keys(outputs).length === 0)
    throw refuse(`\`outputs\` must name at least one output, as in { daily: {} }, not ${inspect(outputs)}`);
  const all: Record<string, AppOutputOptions> = {};
  for (const [name, output] of Object.entries(outputs) as [string, unknown][]) {
    checkName("output", name);
    all[name] = outputOf(name, output);
  }
  return Object.freeze(all);
}

function outputOf(name: string, output: unknown): AppOutputOptions {
  const wrong = (what: string) => refuse(`output ${name} ${what}`);
  if (isLazy(output)) throw lazyInside(FORM, `output ${name}`);
  if (typeof output !== "object" || output === null)
    throw wrong(`must be an object of options, not ${inspect(output)}`);
  const unknown = Object.keys(output).find((key) => !OUTPUT_KEYS.includes(key));
  if (unknown !== undefined) throw wrong(`has an unknown option (known: ${OUTPUT_KEYS.join(", ")}): ${unknown}`);
  const { format = "parquet", schema, options = {} } = output as AppOutputOptions;
  if (!APP_FORMATS.includes(format))
    throw wrong(`has an unknown format (known: ${APP_FORMATS.join(", ")}): ${inspect(format)}`);
  if (schema !== undefined && (typeof schema !== "string" || schema.trim() === ""))
    throw wrong(`has a schema that is no text like "id BIGINT, name STRING": ${inspect(schema)}`);
  const isText = format === "csv" || format === "json";
  if (isText && schema === undefined)
    throw wrong(`needs a schema, like "id BIGINT, name STRING": the files of ${format} do not tell types`);
  if (!isTable(options)) throw wrong(`has options that are no object of texts: ${inspect(options)}`);
  const mode = isText && !Object.keys(options).some((key) => key.toLowerCase() === "mode") ? { mode: "FAILFAST" } : {};
  return Object.freeze({ format, ...(schema === undefined ? {} : { schema }), options: { ...options, ...mode } });
}

function argumentsOf<I extends object, O extends object>(
  args: SparkAppOptions<never, never>["args"] | ((places: AppPlaces<I, O>) => readonly AppArgument[]),
  inputs: I,
  outputs: O,
): readonly string[] {
  const list =
    typeof args === "function"
      ? args({ inputs: textsOf("inputs", inputs), outputs: textsOf("outputs", outputs) } as never)
      : args;
  if (!Array.isArray(list))
    throw refuse(`\`args\` must be a list, or a function that returns one, not ${inspect(list)}`);
  const texts = list.map((argument: unknown, i) => {
    if (isLazy(argument)) throw lazyInside(FORM, `args[${i}]`);
    const isFit = typeof argument === "string" || (typeof argument === "number" && Number.isFinite(argument));
    if (!isFit) throw refuse(`args[${i}] must be a text or a finite number, not ${inspect(argument)}`);
    const text = String(argument);
    if (text.includes("\0")) throw refuse(`args[${i}] holds a NUL character, which ends an argument: ${inspect(text)}`);
    return text;
  });
  const named = new Set<string>();
  for (const [i, text] of texts.entries()) {
    for (const [place, kind, name = ""] of text.matchAll(PLACE)) {
      const known = kind === "inputs" ? inputs : outputs;
      if (!Object.hasOwn(known, name))
        throw refuse(
          `args[${i}] names a place that is not among the ${kind} (${Object.keys(known).join(", ") || "there are none"}): ${place}`,
        );
      if (kind === "outputs") named.add(name);
    }
  }
  const unused = Object.keys(outputs).find((name) => !named.has(name));
  if (unused !== undefined)
    throw refuse(
      `no argument tells the application where output ${unused} is to be written; put \${outputs.${unused}} into \`args\``,
    );
  return Object.freeze(texts);
}

/** A misspelt name is an error and no `undefined`, also where nobody checks types. */
function textsOf(kind: "inputs" | "outputs", named: object): Readonly<Record<string, string>> {
  const texts = Object.fromEntries(Object.keys(named).map((name) => [name, `\${${kind}.${name}}`]));
  return new Proxy(texts, {
    get(target, name) {
      if (typeof name === "string" && Object.hasOwn(target, name)) return target[name];
      throw refuse(
        `\`args\` asks for a place that is not among the ${kind} (${Object.keys(named).join(", ") || "there are none"}): ${String(name)}`,
      );
    },
  });
}
