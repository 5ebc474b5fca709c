/**
 * Results as people read them: rows as a table, anything else as JavaScript writes it.
 */

import { type InspectOptions, inspect } from "node:util";
import { InstanceValue } from "../define/codec.ts";
import { DatasetValue, DirectoryValue, type FileIdentity, FileValue } from "../define/external.ts";
import { partialOf } from "../define/partial.ts";
import { formatCount } from "./format.ts";
import { type Column, formatTable } from "./table.ts";

/** Rows of a result that are shown; all of them with --json. */
const MOST_ROWS = 50;

/** Lines and characters of a text that a terminal is shown; all of it with --json, or when the output is a file. */
const MOST_LINES = 100;
const MOST_TEXT = 8000;

type Row = Readonly<Record<string, unknown>>;

/** A result as text. `width` is the terminal's, undefined where the output is none: then a text is given whole. `colors` colours values. */
export function formatResult(value: unknown, width: number | undefined, colors: boolean): string {
  if (typeof value === "string") return width === undefined ? value : formatText(value);
  if (isRows(value)) return formatRows(value, width ?? 120);
  return inspect(shown(value), {
    depth: 6,
    colors,
    breakLength: width ?? 100,
    maxArrayLength: 100,
    maxStringLength: 2000,
  });
}

/** The beginning of a text that is too long for a terminal. */
function formatText(text: string): string {
  if (text.length <= MOST_TEXT && text.split("\n", MOST_LINES + 1).length <= MOST_LINES) return text;
  const start = text.slice(0, MOST_TEXT).toWellFormed().split("\n").slice(0, MOST_LINES).join("\n");
  return `${start}\n(${formatCount(text.length - start.length, "more character")}; --json or \`> FILE\` gives all)`;
}

/** Whether it is a list of objects of simple members. */
function isRows(value: unknown): value is readonly Row[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((row) => isPlain(row) && Object.keys(row).length > 0 && Object.values(row).every(isSimple))
  );
}

function isPlain(value: unknown): value is Row {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function isSimple(value: unknown): boolean {
  return value === null || !["object", "function"].includes(typeof value) || value instanceof Date;
}

function formatRows(rows: readonly Row[], width: number): string {
  const keys = [...new Set(rows.slice(0, 1000).flatMap((row) => Object.keys(row)))];
  const columns = keys.map((key): Column<Row> => {
    const numeric = rows.every(
      (row) => ["number", "bigint", "undefined"].includes(typeof row[key]) || row[key] === null,
    );
    return { title: key, text: (row) => cell(row[key]), shrinks: true, ...(numeric ? { align: "right" } : {}) };
  });
  const table = formatTable(columns, rows.slice(0, MOST_ROWS), width);
  const left = rows.length - MOST_ROWS;
  return left > 0 ? `${table}\n(${formatCount(left, "more row")}; --json prints all)` : table;
}

function cell(value: unknown): string {
  if (value === undefined || value === null) return "";
  return value instanceof Date ? value.toISOString() : String(value);
}

/** The value with what people need not see of datasets and files left out. */
function shown(value: unknown): unknown {
  if (value instanceof DatasetValue) {
    const rows = value.rows === null ? "" : `, ${formatCount(value.rows, "row")}`;
    return named(`dataset ${value.identity.slice(0, 12)}${rows}`);
  }
  if (value instanceof FileValue) return named(`file ${value.path}${knownBy(value.by)}`);
  if (value instanceof DirectoryValue)
    return named(`directory ${value.path}, ${formatCount(value.entries.length, "file")}${knownBy(value.by)}`);
  const partial = partialOf(value);
  if (partial) return named(`partial task ${partial.task}, arguments given: ${partial.args.length}`);
  if (value instanceof InstanceValue) {
    const { codec, value: encoded } = value;
    return {
      [inspect.custom]: (_: number, options: InspectOptions) => `${codec}(${inspect(shown(encoded), options)})`,
    };
  }
  if (Array.isArray(value)) return value.map(shown);
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [shown(key), shown(item)]));
  if (value instanceof Set) return new Set([...value].map(shown));
  if (isPlain(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shown(item)]));
  return value;
}

/** An identity that can miss a change is shown as such. */
function knownBy(by: FileIdentity): string {
  if (by === "content") return "";
  return by === "stat" ? ", by size and time only" : ", by ETag";
}

function named(words: string): object {
  return { [inspect.custom]: () => `<${words}>` };
}
