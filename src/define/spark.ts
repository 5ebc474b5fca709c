/**
 * What bulk tasks return: `sql` and `pyspark` (and `sparkApp`, in `spark-app.ts`). All only describe work.
 */

import { inspect } from "node:util";
import { Code, FiresteelError } from "../errors.ts";
import { DatasetValue } from "./external.ts";
import { isLazy } from "./lazy.ts";
import { datasetsByName, lazyInside, sparkSettings } from "./spark-settings.ts";
import {
  makeWork,
  type OutputOptions,
  type PysparkWork,
  type SparkSettings,
  type SqlParameter,
  type SqlWork,
} from "./work.ts";

const identifier: unique symbol = Symbol("identifier");

/** A name (column, view, function) to be put into a SQL text, quoted. */
export interface Identifier {
  readonly [identifier]: string;
}

/**
 * Quotes a name for a SQL text; dots separate its parts.
 *
 * @example
 * ```ts
 * sql`SELECT ${ident("t.Order Date")} FROM ${orders} t`; // SELECT `t`.`Order Date` FROM input_0 t
 * ```
 */
export function ident(name: string): Identifier {
  if (typeof name !== "string" || name.split(".").includes(""))
    throw new FiresteelError(Code.invalidArgument, `ident(name): not a name: ${JSON.stringify(name)}`);
  const quoted = name
    .split(".")
    .map((part) => `\`${part.replaceAll("`", "``")}\``)
    .join(".");
  return Object.freeze({ [identifier]: quoted });
}

/** What may stand in a SQL template. */
export type SqlValue = DatasetValue | Identifier | Scalar | readonly Scalar[];
type Scalar = string | number | bigint | boolean | Date | Uint8Array | null;

/** A SQL template's result: the work, and the same work with other settings. */
export type Sql = SqlWork & {
  /** The same query with Spark settings and output options. */
  with(settings: SparkSettings & OutputOptions): Sql;
};

/**
 * A Spark SQL query. Datasets become views; other values become bound parameters, never text:
 *
 * | JavaScript | Spark |
 * | --- | --- |
 * | integer `number` in the safe range | `bigint` |
 * | other `number` | `double` |
 * | `bigint` | `bigint`, beyond 64 bits `decimal(38,0)` |
 * | `string` | `string` |
 * | `boolean` | `boolean` |
 * | `Date` | `timestamp` |
 * | `Uint8Array` | `binary` |
 * | `null` | `void` (NULL) |
 * | list of these | `array(...)` |
 *
 * @example
 * ```ts
 * export const large = task("sales.large", { tags: ["bulk-data"] }, (orders: Dataset, min: number) => sql`SELECT * FROM ${orders} WHERE price >= ${min}`);
 * ```
 */
export function sql(strings: TemplateStringsArray, ...values: readonly SqlValue[]): Sql {
  const inputs: DatasetValue[] = [];
  const parameters: SqlParameter[] = [];
  const bind = (value: unknown, place: number): string => {
    const name = `p${parameters.length}`;
    const bound = parameter(name, value, place);
    parameters.push(bound);
    // Spark 4.1 gives a decimal literal the type of its digits, earlier ones the type asked for.
    return bound.type.startsWith("decimal") ? `CAST(:${name} AS ${bound.type.toUpperCase()})` : `:${name}`;
  };
  let text = strings[0] ?? "";
  values.forEach((value, i) => {
    if (isLazy(value)) throw lazyInside("sql", `the value at place ${i + 1}`);
    if (value instanceof DatasetValue) {
      let at = inputs.findIndex((known) => known.identity === value.identity);
      if (at < 0) at = inputs.push(value) - 1;
      text += `input_${at}`;
    } else if (Array.isArray(value)) text += `array(${value.map((item) => bind(item, i + 1)).join(", ")})`;
    else if (typeof value === "object" && value !== null && identifier in value)
      text += (value as Identifier)[identifier];
    else text += bind(value, i + 1);
    text += strings[i + 1] ?? "";
  });
  return withSettings({
    kind: "sql",
    text: text.trim(),
    inputs: Object.freeze(inputs),
    parameters: Object.freeze(parameters),
    output: {},
    settings: {},
  });
}

function withSettings(work: SqlWork): Sql {
  return makeWork(
    Object.defineProperty({ ...work }, "with", {
      value: (settings: SparkSettings & OutputOptions) => {
        const { output, rest } = splitOutput("sql", settings);
        return withSettings({
          ...work,
          output: { ...work.output, ...output },
          settings: { ...work.settings, ...rest },
        });
      },
      enumerable: false,
    }) as Sql,
  );
}

function parameter(name: string, value: unknown, place: number): SqlParameter {
  if (isLazy(value)) throw lazyInside("sql", `the value at place ${place}`);
  switch (typeof value) {
    case "string":
      return { name, type: "string", value };
    case "boolean":
      return { name, type: "boolean", value: String(value) };
    case "number":
      if (Number.isSafeInteger(value) && !Object.is(value, -0)) return { name, type: "bigint", value: String(value) };
      return { name, type: "double", value: Object.is(value, -0) ? "-0.0" : String(value) };
    case "bigint":
      if (BigInt.asIntN(64, value) === value) return { name, type: "bigint", value: String(value) };
      if (String(value).replace("-", "").length <= 38) return { name, type: "decimal(38,0)", value: String(value) };
      throw new FiresteelError(Code.invalidArgument, `sql: the bigint at place ${place} has more than 38 digits`);
  }
  if (value === null) return { name, type: "void", value: null };
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime()))
      throw new FiresteelError(Code.invalidArgument, `sql: the Date at place ${place} is invalid`);
    return { name, type: "timestamp", value: value.toISOString() };
  }
  if (value instanceof Uint8Array) return { name, type: "binary", value: Buffer.from(value).toString("base64") };
  throw new FiresteelError(
    Code.invalidArgument,
    `sql: the value at place ${place} cannot be a parameter: ${value === undefined ? "undefined" : Object.prototype.toString.call(value)}; use datasets, scalars, lists of scalars, or ident(name)`,
  );
}

/** What {@link pyspark} takes. */
export type PysparkOptions<O extends Readonly<Record<string, OutputOptions>> | undefined> = SparkSettings &
  OutputOptions & {
    /** Python file with `def run(ctx)`; a relative path is meant from the project's root. */
    readonly file: string;
    /** Datasets, seen as `ctx.inputs[name]` and as views. */
    readonly inputs?: Readonly<Record<string, DatasetValue>>;
    /** JSON values, seen as `ctx.params`. */
    readonly params?: unknown;
    /** Named outputs: `run` returns a dict of DataFrames with these names. Without it `run` returns one DataFrame. */
    readonly outputs?: O;
  };

/**
 * A PySpark job: `def run(ctx)` of a Python file, where `ctx` has `spark`, `inputs` and `params`.
 *
 * @example
 * ```ts
 * export const sessions = task("web.sessions", { tags: ["bulk-data"] }, (clicks: Dataset) => pyspark({ file: "jobs/sessions.py", inputs: { clicks }, params: { gapMinutes: 30 } }));
 * ```
 */
export function pyspark<const O extends Readonly<Record<string, OutputOptions>> | undefined = undefined>(
  options: PysparkOptions<O>,
): PysparkWork & { readonly outputs: O extends undefined ? null : O } {
  const { file, inputs = {}, params = {}, outputs, ...settings } = options;
  if (isLazy(file)) throw lazyInside("pyspark", "`file`");
  if (typeof file !== "string" || file === "")
    throw new FiresteelError(Code.invalidArgument, "pyspark: `file` must name a Python file");
  const { output, rest } = splitOutput("pyspark", settings as SparkSettings & OutputOptions);
  return makeWork({
    kind: "pyspark",
    file,
    inputs: datasetsByName("pyspark", inputs),
    params: jsonCopy(params, "params", 0),
    outputs: outputs ?? null,
    output,
    settings: rest,
  }) as PysparkWork & { readonly outputs: O extends undefined ? null : O };
}

/** A copy of a JSON value. Written out, because `JSON.stringify` makes a Map `{}` and a Date a text without a word. */
function jsonCopy(value: unknown, path: string, depth: number): unknown {
  const refuse = (what: string) =>
    new FiresteelError(Code.invalidArgument, `pyspark: params must be JSON values; ${path} ${what}`);
  if (isLazy(value)) throw lazyInside("pyspark", path);
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") {
    if (Number.isFinite(value)) return value;
    throw refuse(`is ${value}`);
  }
  if (depth > 100) throw refuse("nests deeper than 100 levels, or contains itself");
  if (Array.isArray(value)) return Array.from(value, (item: unknown, i) => jsonCopy(item, `${path}[${i}]`, depth + 1));
  if (typeof value === "object" && [Object.prototype, null].includes(Object.getPrototypeOf(value)))
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([key, item]) => [key, jsonCopy(item, `${path}.${key}`, depth + 1)]),
    );
  throw refuse(`is ${inspect(value, { depth: 0 })}`);
}

function splitOutput(
  form: string,
  settings: SparkSettings & OutputOptions,
): { readonly output: OutputOptions; readonly rest: SparkSettings } {
  const { partitionBy, options, ...given } = settings;
  const rest = sparkSettings(form, given, ["partitionBy", "options"]);
  return { output: { ...(partitionBy ? { partitionBy } : {}), ...(options ? { options } : {}) }, rest };
}
