/**
 * Values as JSON: a projection that loses what JSON cannot say, for results, and a notation for arguments.
 */

import type { JsonValue } from "@bufbuild/protobuf";
import { InstanceValue } from "../define/codec.ts";
import { DatasetValue, DirectoryValue, FileValue } from "../define/external.ts";
import { makePartial, partialOf } from "../define/partial.ts";
import { TaskReference, taskNameOf } from "../define/task.ts";
import { isWork } from "../define/work.ts";
import { Code, FiresteelError } from "../errors.ts";
import { datasetAt, directoryAt, fileAt, knownDataset, memberPath, refuse } from "./data-reference.ts";

/**
 * A value as JSON.
 *
 * `undefined` is null (and left out in an object), -0 is 0, NaN and the infinities are strings, a bigint is a decimal string, bytes are base64, a Date is an ISO 8601 string, typed arrays and Sets are lists, a Map is
 * an object when all its keys are strings, else a list of pairs; files, directories, datasets, tasks (and partial tasks), Spark work and instances of classes are objects with the one key `$file`, `$directory`,
 * `$dataset`, `$task`, `$work`, `$instance`.
 */
export function jsonFromValue(value: unknown): JsonValue {
  if (value === undefined || value === null) return null;
  if (typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value + 0 : String(value);
  if (typeof value === "bigint") return value.toString();
  const taskName = taskNameOf(value);
  if (taskName !== undefined) return { $task: taskName };
  const partial = partialOf(value);
  if (partial) return { $task: { name: partial.task, arguments: partial.args.map(jsonFromValue) } };
  if (typeof value === "object") return jsonFromObject(value);
  throw new FiresteelError(Code.invalidArgument, `value has no JSON form: ${typeof value}`);
}

function jsonFromObject(value: object): JsonValue {
  if (Array.isArray(value)) return value.map(jsonFromValue);
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Set) return [...value].map(jsonFromValue);
  if (value instanceof Map) {
    const keyed = [...value.keys()].every((key) => typeof key === "string");
    return keyed
      ? jsonRecord([...value] as [string, unknown][])
      : [...value].map(([key, item]) => [jsonFromValue(key), jsonFromValue(item)]);
  }
  if (value instanceof FileValue) {
    const { path, by, version } = value;
    return { $file: by === "content" ? { path, digest: version } : { path, by, version } };
  }
  if (value instanceof DirectoryValue) {
    const { path, by, hidden, entries } = value;
    return { $directory: { path, by, hidden, entries: entries.map(({ name, version }) => ({ name, version })) } };
  }
  if (value instanceof DatasetValue) return { $dataset: { identity: value.identity } };
  if (value instanceof InstanceValue) return { $instance: { codec: value.codec, value: jsonFromValue(value.value) } };
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as Iterable<number | bigint>, jsonFromValue);
  const record = jsonRecord(Object.entries(value));
  return isWork(value) ? { $work: record } : record;
}

function jsonRecord(entries: readonly (readonly [string, unknown])[]): { [key: string]: JsonValue } {
  // `fromEntries` defines `__proto__` as an ordinary member.
  return Object.fromEntries(
    entries.filter(([, item]) => item !== undefined).map(([key, item]) => [key, jsonFromValue(item)]),
  );
}

/**
 * The value of a JSON argument: itself, with `{"$dataset": ...}`, `{"$file": ...}`, `{"$directory": ...}`, `{"$task": ...}` and `{"$instance": ...}` understood at any depth (the forms that {@link jsonFromValue}
 * writes, and a dataset by location or a file or directory by path as lazies). An object that really has one such key as its only one has to be sent as a `Value`.
 *
 * @param subject how errors name the value; the path of the offending member follows it
 * @throws FiresteelError `invalid_argument`
 */
export function valueFromJson(json: JsonValue, subject = "value"): unknown {
  return read(json, subject, "");
}

function read(json: JsonValue, subject: string, path: string): unknown {
  if (json === null || typeof json !== "object") return json;
  if (Array.isArray(json)) return json.map((item, i) => read(item, subject, `${path}[${i}]`));
  const entries = Object.entries(json);
  const [only] = entries;
  if (only && entries.length === 1) {
    const [key, content] = only;
    if (key === "$dataset") return readDataset(content, subject, `${path}.$dataset`);
    if (key === "$file") return readFile(content, subject, `${path}.$file`);
    if (key === "$directory") return readDirectory(content, subject, `${path}.$directory`);
    if (key === "$task") return readTask(content, subject, `${path}.$task`);
    if (key === "$instance") return readInstance(content, subject, `${path}.$instance`);
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, read(item, subject, memberPath(path, key))]));
}

/** The members of a notation, only known ones. */
function members(
  content: JsonValue,
  known: readonly string[],
  subject: string,
  path: string,
): Readonly<Record<string, JsonValue>> {
  if (content === null || typeof content !== "object" || Array.isArray(content))
    return refuse(subject, path, `is no string and no object: ${JSON.stringify(content)}`);
  for (const key of Object.keys(content))
    if (!known.includes(key)) refuse(subject, memberPath(path, key), `is not known here (known: ${known.join(", ")})`);
  return content;
}

function text(
  content: Readonly<Record<string, JsonValue>>,
  key: string,
  subject: string,
  path: string,
): string | undefined {
  const value = content[key];
  if (value !== undefined && typeof value !== "string")
    refuse(subject, memberPath(path, key), `is no string: ${JSON.stringify(value)}`);
  return value as string | undefined;
}

function readDataset(content: JsonValue, subject: string, path: string): unknown {
  if (typeof content === "string") return datasetAt({ location: content, options: {} }, subject, path);
  const given = members(content, ["location", "format", "options", "fingerprint", "identity"], subject, path);
  const identity = text(given, "identity", subject, path);
  const location = text(given, "location", subject, path);
  if ((identity === undefined) === (location === undefined))
    refuse(subject, path, "needs either a location or an identity");
  if (identity !== undefined) return knownDataset(identity, subject, path);
  const format = text(given, "format", subject, path);
  const fingerprint = text(given, "fingerprint", subject, path);
  const options = readOptions(given["options"], subject, memberPath(path, "options"));
  return datasetAt(
    {
      location: location!,
      ...(format === undefined ? {} : { format }),
      options,
      ...(fingerprint === undefined ? {} : { fingerprint }),
    },
    subject,
    path,
  );
}

function readOptions(options: JsonValue | undefined, subject: string, path: string): Record<string, string> {
  if (options === undefined) return {};
  if (options === null || typeof options !== "object" || Array.isArray(options))
    return refuse(subject, path, `is no object: ${JSON.stringify(options)}`);
  for (const key of Object.keys(options)) text(options, key, subject, path);
  return options as Record<string, string>;
}

function readFile(content: JsonValue, subject: string, path: string): unknown {
  if (typeof content === "string") return fileAt({ path: content }, subject, path);
  const given = members(content, ["path", "digest", "by", "version"], subject, path);
  return fileAt(
    {
      path: text(given, "path", subject, path) ?? "",
      by: text(given, "by", subject, path) ?? "",
      digest: text(given, "digest", subject, path),
      version: text(given, "version", subject, path),
    },
    subject,
    path,
  );
}

function readDirectory(content: JsonValue, subject: string, path: string): unknown {
  if (typeof content === "string") return directoryAt({ path: content }, subject, path);
  const given = members(content, ["path", "by", "hidden", "entries"], subject, path);
  const { hidden = false, entries } = given;
  if (typeof hidden !== "boolean")
    refuse(subject, memberPath(path, "hidden"), `is no boolean: ${JSON.stringify(hidden)}`);
  if (entries !== undefined && !Array.isArray(entries))
    refuse(subject, memberPath(path, "entries"), `is no list: ${JSON.stringify(entries)}`);
  return directoryAt(
    {
      path: text(given, "path", subject, path) ?? "",
      by: text(given, "by", subject, path) ?? "",
      hidden: hidden as boolean,
      entries: (entries as JsonValue[] | undefined)?.map((entry, i) => {
        const at = `${path}.entries[${i}]`;
        const { name, version } = members(entry, ["name", "version"], subject, at);
        if (typeof name !== "string" || typeof version !== "string")
          return refuse(subject, at, "needs a name and a version, both strings");
        return { name, version };
      }),
    },
    subject,
    path,
  );
}

function readInstance(content: JsonValue, subject: string, path: string): unknown {
  const given = members(content, ["codec", "value"], subject, path);
  const codec = text(given, "codec", subject, path);
  if (codec === undefined || codec === "") return refuse(subject, path, "needs the name of a codec");
  return new InstanceValue(codec, read(given["value"] ?? null, subject, memberPath(path, "value")));
}

function readTask(content: JsonValue, subject: string, path: string): unknown {
  if (typeof content === "object") return readPartial(content, subject, path);
  if (typeof content !== "string" || content === "")
    return refuse(subject, path, `is no name of a task: ${JSON.stringify(content)}`);
  return new TaskReference(content);
}

function readPartial(content: JsonValue, subject: string, path: string): unknown {
  const given = members(content, ["name", "arguments"], subject, path);
  const name = text(given, "name", subject, path) ?? "";
  if (name === "") return refuse(subject, path, "has no name of a task");
  const { arguments: args } = given;
  if (!Array.isArray(args) || args.length === 0)
    return refuse(subject, path, "has no list of arguments; for a task without any write its name");
  return makePartial({ task: name, args: args.map((arg, i) => read(arg, subject, `${path}.arguments[${i}]`)) });
}
