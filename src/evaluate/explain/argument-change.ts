/**
 * What changed between the arguments of two calls of a task: the paths inside them, with the old and the new value.
 */

import { inspect, isDeepStrictEqual } from "node:util";
import { DatasetValue, DirectoryValue, FileValue } from "../../define/external.ts";
import { TaskReference } from "../../define/task.ts";
import { decodeValue } from "../../hash/decode.ts";
import type { ParameterInfo } from "../code.ts";

/** More changes of one call are only counted. */
const MOST_CHANGES = 5;
/** Characters of a value that are shown. */
const VALUE_WIDTH = 60;
/** Items of a list that are shown. */
const MOST_ITEMS = 20;

/** One place inside the arguments of a call. */
export interface ArgumentChange {
  /** From the parameter's name on: `years[2]`, `options.threshold`. */
  readonly path: string;
  /** Shortened for people; null where there was, or is, nothing at this place. */
  readonly before: string | null;
  readonly after: string | null;
}

/** The places that differ. */
export interface ArgumentChanges {
  readonly changes: readonly ArgumentChange[];
  /** How many more there are. */
  readonly more: number;
}

/** Names a dataset for people by its identity: by a place where it was. */
export type DatasetNames = ReadonlyMap<string, string>;

/** Compares two lists of encoded arguments. */
export function compareArguments(
  parameters: readonly ParameterInfo[],
  before: readonly Uint8Array[],
  after: readonly Uint8Array[],
  datasets: DatasetNames = new Map(),
): ArgumentChanges {
  const found: ArgumentChange[] = [];
  let count = 0;
  const add = (path: string, from: unknown, to: unknown): void => {
    if (++count > MOST_CHANGES) return;
    const [one, other] = shownApart(from, to, datasets);
    found.push({ path, before: one, after: other });
  };
  for (let i = 0; i < Math.max(before.length, after.length); i++) {
    const [from, to] = [before[i], after[i]];
    if (from && to && Buffer.compare(from, to) === 0) continue;
    compare(parameterName(parameters, i), from ? decodeValue(from) : NOTHING, to ? decodeValue(to) : NOTHING, add);
  }
  return { changes: found, more: Math.max(0, count - MOST_CHANGES) };
}

/** Stands for a member that is not there. */
const NOTHING = Symbol("nothing");

type Add = (path: string, from: unknown, to: unknown) => void;

/** How a place inside the arguments begins: the parameter's name. */
export function parameterName(parameters: readonly ParameterInfo[], index: number): string {
  const last = parameters.length - 1;
  const parameter = parameters[Math.min(index, last)];
  const name = parameter?.name || `argument ${index + 1}`;
  return parameter?.rest ? `${name}[${index - last}]` : name;
}

function compare(path: string, from: unknown, to: unknown, add: Add): void {
  if (isDeepStrictEqual(from, to)) return;
  if (Array.isArray(from) && Array.isArray(to)) return compareLists(path, from, to, add);
  if (isPlain(from) && isPlain(to)) {
    for (const key of new Set([...Object.keys(from), ...Object.keys(to)]))
      compare(memberPath(path, key), own(from, key), own(to, key), add);
    return;
  }
  if (from instanceof Map && to instanceof Map) {
    // A key that is an object is another one after decoding; such a Map is shown as a whole.
    const keys = [...new Set([...from.keys(), ...to.keys()])];
    if (keys.every((key) => typeof key !== "object" || key === null)) {
      for (const key of keys)
        compare(
          `${path}.get(${preview(key)})`,
          from.has(key) ? from.get(key) : NOTHING,
          to.has(key) ? to.get(key) : NOTHING,
          add,
        );
      return;
    }
  }
  add(path, from, to);
}

/** Items at both ends that are the same are left out, so that one that was put in or taken out does not show as a change of all behind it. */
function compareLists(path: string, from: readonly unknown[], to: readonly unknown[], add: Add): void {
  let start = 0;
  const shorter = Math.min(from.length, to.length);
  while (start < shorter && isDeepStrictEqual(from[start], to[start])) start++;
  let end = 0;
  while (end < shorter - start && isDeepStrictEqual(from.at(-1 - end), to.at(-1 - end))) end++;
  const [fromEnd, toEnd] = [from.length - end, to.length - end];
  for (let i = start; i < Math.max(fromEnd, toEnd); i++)
    compare(`${path}[${i}]`, i < fromEnd ? from[i] : NOTHING, i < toEnd ? to[i] : NOTHING, add);
}

function memberPath(path: string, key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
}

function own(value: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : NOTHING;
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Both values, cut where they differ rather than before. */
function shownApart(from: unknown, to: unknown, datasets: DatasetNames): [string | null, string | null] {
  const text = (value: unknown) => (value === NOTHING ? null : shown(value, datasets));
  const [one, other] = [text(from), text(to)];
  if (one === null || other === null) return [one && clip(one), other && clip(other)];
  let same = 0;
  while (same < Math.min(one.length, other.length) && one[same] === other[same]) same++;
  // A dozen characters before the difference tell where it is.
  const start = Math.max(one.length, other.length) <= VALUE_WIDTH ? 0 : Math.max(0, same - 12);
  const cut = (value: string) => clip(start === 0 ? value : `\u2026${value.slice(start)}`);
  return [cut(one), cut(other)];
}

function clip(text: string): string {
  return text.length <= VALUE_WIDTH ? text : `${text.slice(0, VALUE_WIDTH - 1)}\u2026`;
}

/** A value on one line, shortened. */
export function preview(value: unknown, datasets: DatasetNames = new Map()): string {
  return clip(shown(value, datasets));
}

function shown(value: unknown, datasets: DatasetNames): string {
  return inspect(named(value, datasets, 4), {
    depth: 4,
    breakLength: Number.POSITIVE_INFINITY,
    compact: true,
    maxArrayLength: MOST_ITEMS + 1,
    maxStringLength: 2000,
  });
}

/** The value with what people need not see of files, datasets and tasks left out. */
function named(value: unknown, datasets: DatasetNames, depth: number): unknown {
  if (value instanceof FileValue) return words(`file ${value.path} ${value.version.slice(0, 8)}`);
  if (value instanceof DirectoryValue) return words(`directory ${value.path} (${value.entries.length} files)`);
  if (value instanceof DatasetValue) {
    const name = datasets.get(value.identity);
    return words(`dataset ${name === undefined ? "" : `${name} `}${value.identity.slice(0, 8)}`);
  }
  if (value instanceof TaskReference) return words(`task ${value.taskName}`);
  if (depth === 0) return value;
  if (Array.isArray(value)) {
    const items = value.slice(0, MOST_ITEMS).map((item) => named(item, datasets, depth - 1));
    return value.length > MOST_ITEMS ? [...items, words(`${value.length - MOST_ITEMS} more`)] : items;
  }
  if (isPlain(value))
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, named(item, datasets, depth - 1)]));
  return value;
}

function words(text: string): object {
  return { [inspect.custom]: () => text };
}
