/**
 * Values on the wire: the whole value domain to and from the `Value` message.
 */

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { NullValue } from "@bufbuild/protobuf/wkt";
import { InstanceValue } from "../define/codec.ts";
import { DatasetValue, DirectoryValue, FileValue } from "../define/external.ts";
import { makePartial, partialOf } from "../define/partial.ts";
import { TaskReference, taskNameOf } from "../define/task.ts";
import { isWork, makeWork, type SparkWork } from "../define/work.ts";
import { Code, FiresteelError } from "../errors.ts";
import {
  type DatasetReference,
  ElementType,
  type ObjectMember,
  type TaskReference as Task,
  type Value,
  ValueSchema,
} from "../gen/firesteel/v1/value_pb.ts";
import { datasetAt, directoryAt, fileAt, knownDataset, memberPath, refuse } from "./data-reference.ts";

/** How deep values nest in messages; protobuf libraries bound the depth of what they read. */
const MAX_DEPTH = 300;

type Elements =
  | Int8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;
type ElementsConstructor = { readonly BYTES_PER_ELEMENT: number; new (buffer: ArrayBuffer): Elements };

const ELEMENT_TYPES: ReadonlyMap<ElementType, ElementsConstructor> = new Map<ElementType, ElementsConstructor>([
  [ElementType.INT8, Int8Array],
  [ElementType.UINT8_CLAMPED, Uint8ClampedArray],
  [ElementType.INT16, Int16Array],
  [ElementType.UINT16, Uint16Array],
  [ElementType.INT32, Int32Array],
  [ElementType.UINT32, Uint32Array],
  [ElementType.BIGINT64, BigInt64Array],
  [ElementType.BIGUINT64, BigUint64Array],
  [ElementType.FLOAT32, Float32Array],
  [ElementType.FLOAT64, Float64Array],
]);
const ELEMENT_TYPE_OF: ReadonlyMap<unknown, ElementType> = new Map(
  [...ELEMENT_TYPES].map(([type, elements]) => [elements, type]),
);

type Kind = Value["kind"];
type ValueInit = MessageInitShape<typeof ValueSchema>;

/**
 * The message of an evaluated value.
 *
 * @throws FiresteelError `invalid_argument` for what is no value, `resource_exhausted` for one that nests too deep
 */
export function messageFromValue(value: unknown): Value {
  return create(ValueSchema, write(value, 0));
}

function write(value: unknown, depth: number): ValueInit {
  return { kind: kindOf(value, depth) as NonNullable<ValueInit["kind"]> };
}

function kindOf(value: unknown, depth: number): ValueInit["kind"] {
  if (value === null) return { case: "nullValue", value: NullValue.NULL_VALUE };
  switch (typeof value) {
    case "undefined":
      return { case: "undefinedValue", value: {} };
    case "boolean":
      return { case: "boolValue", value };
    case "number":
      return { case: "numberValue", value };
    case "bigint":
      return { case: "bigintValue", value: value.toString() };
    case "string":
      return { case: "stringValue", value };
  }
  const taskName = taskNameOf(value);
  if (taskName !== undefined) return { case: "taskValue", value: { name: taskName } };
  const partial = partialOf(value);
  if (partial)
    return {
      case: "taskValue",
      value: { name: partial.task, arguments: partial.args.map((arg) => write(arg, depth + 1)) },
    };
  if (typeof value === "object") return kindOfObject(value, depth);
  throw new FiresteelError(Code.invalidArgument, `value has no wire form: ${typeof value}`);
}

function kindOfObject(value: object, depth: number): ValueInit["kind"] {
  if (depth >= MAX_DEPTH)
    throw new FiresteelError(
      Code.resourceExhausted,
      `value nests too deep for a message; levels allowed: ${MAX_DEPTH}`,
    );
  if (value instanceof Uint8Array) return { case: "bytesValue", value: new Uint8Array(value) };
  if (value instanceof Date) return { case: "dateValue", value: value.getTime() };
  if (Array.isArray(value))
    return { case: "listValue", value: { values: value.map((item) => write(item, depth + 1)) } };
  if (value instanceof Map)
    return {
      case: "mapValue",
      value: {
        entries: [...value].map(([key, item]) => ({ key: write(key, depth + 1), value: write(item, depth + 1) })),
      },
    };
  if (value instanceof Set)
    return { case: "setValue", value: { values: [...value].map((item) => write(item, depth + 1)) } };
  if (value instanceof FileValue) {
    const { path, by, version } = value;
    return { case: "fileValue", value: by === "content" ? { path, digest: version } : { path, by, version } };
  }
  if (value instanceof DirectoryValue) {
    const { path, by, hidden, entries } = value;
    return { case: "directoryValue", value: { path, by, hidden, entries: { entries: [...entries] } } };
  }
  if (value instanceof DatasetValue) {
    const { identity, rows } = value;
    return {
      case: "datasetValue",
      value: { reference: { case: "identity", value: identity }, ...(rows === null ? {} : { rows: BigInt(rows) }) },
    };
  }
  if (value instanceof InstanceValue)
    return { case: "instanceValue", value: { codec: value.codec, value: write(value.value, depth + 1) } };
  const elementType = ELEMENT_TYPE_OF.get(value.constructor);
  if (elementType !== undefined && ArrayBuffer.isView(value)) {
    return {
      case: "typedArrayValue",
      value: { elementType, data: new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice() },
    };
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    throw new FiresteelError(
      Code.invalidArgument,
      `value has no wire form: an instance of ${value.constructor?.name ?? "an unnamed class"}`,
    );
  const members = Object.entries(value).map(([key, item]) => ({ key, value: write(item, depth + 1) }));
  return { case: isWork(value) ? "workValue" : "objectValue", value: { members } };
}

/**
 * The value of a message. A file without a digest and a dataset by location become the lazies `file(path)` and `dataset(location, options)`.
 *
 * @param subject how errors name the value; the path of the offending member follows it
 * @throws FiresteelError `invalid_argument`
 */
export function valueFromMessage(message: Value, subject = "value"): unknown {
  return read(message, subject, "", 0);
}

function read(message: Value | undefined, subject: string, path: string, depth: number): unknown {
  const kind: Kind = message?.kind ?? { case: undefined };
  if (depth > MAX_DEPTH)
    refuse(subject, path.slice(0, 100), `nests too deep for a message; levels allowed: ${MAX_DEPTH}`);
  switch (kind.case) {
    case undefined:
      return refuse(subject, path, "has no kind set; write null_value for null and undefined_value for undefined");
    case "nullValue":
      return null;
    case "undefinedValue":
      return undefined;
    case "boolValue":
    case "numberValue":
    case "stringValue":
      return kind.value;
    case "bigintValue":
      if (!/^-?\d+$/.test(kind.value))
        refuse(subject, path, `is a bigint that is no decimal integer: ${JSON.stringify(kind.value.slice(0, 40))}`);
      return BigInt(kind.value);
    case "bytesValue":
      return new Uint8Array(kind.value);
    case "dateValue":
      // The range of JavaScript's Date (ECMA-262, 21.4.1.1).
      if (!Number.isInteger(kind.value) || Math.abs(kind.value) > 8.64e15)
        refuse(subject, path, `is a date that is no whole number of milliseconds, or out of range: ${kind.value}`);
      return new Date(kind.value);
    case "typedArrayValue":
      return readElements(kind.value.elementType, kind.value.data, subject, path);
    case "listValue":
      return kind.value.values.map((item, i) => read(item, subject, `${path}[${i}]`, depth + 1));
    case "objectValue":
      return readObject(kind.value.members, subject, path, depth);
    case "mapValue":
      return readMap(kind.value.entries, subject, path, depth);
    case "setValue": {
      const set = new Set(kind.value.values.map((item, i) => read(item, subject, `${path}<item ${i}>`, depth + 1)));
      if (set.size !== kind.value.values.length) refuse(subject, path, "is a Set with an item that is there twice");
      return set;
    }
    case "fileValue":
      return fileAt(kind.value, subject, path);
    case "directoryValue":
      return directoryAt({ ...kind.value, entries: kind.value.entries?.entries }, subject, path);
    case "datasetValue":
      return readDataset(kind.value, subject, path);
    case "taskValue":
      return readTask(kind.value, subject, path, depth);
    case "instanceValue":
      if (kind.value.codec === "") refuse(subject, path, "is an instance without the name of its codec");
      return new InstanceValue(
        kind.value.codec,
        read(kind.value.value, subject, `${path}<${kind.value.codec}>`, depth + 1),
      );
    case "workValue":
      return makeWork(readObject(kind.value.members, subject, path, depth) as unknown as SparkWork);
  }
}

function readTask({ name, arguments: first }: Task, subject: string, path: string, depth: number): unknown {
  if (name === "") refuse(subject, path, "is a task without a name");
  if (first.length === 0) return new TaskReference(name);
  const args = first.map((arg, i) => read(arg, subject, `${path}<argument ${i + 1} of ${name}>`, depth + 1));
  return makePartial({ task: name, args });
}

function readElements(type: ElementType, data: Uint8Array, subject: string, path: string): Elements {
  const elements = ELEMENT_TYPES.get(type);
  if (!elements) return refuse(subject, path, `is a typed array of an unknown element type: ${type}`);
  if (data.length % elements.BYTES_PER_ELEMENT !== 0)
    refuse(
      subject,
      path,
      `is a typed array of ${elements.BYTES_PER_ELEMENT}-byte elements whose data has another number of bytes: ${data.length}`,
    );
  return new elements(new Uint8Array(data).buffer);
}

function readObject(
  members: readonly ObjectMember[],
  subject: string,
  path: string,
  depth: number,
): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const { key, value } of members) {
    const at = memberPath(path, key);
    if (Object.hasOwn(object, key)) refuse(subject, at, "is there twice");
    // Plain assignment of `__proto__` would set the prototype.
    Object.defineProperty(object, key, {
      value: read(value, subject, at, depth + 1),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return object;
}

function readMap(
  entries: readonly { readonly key?: Value | undefined; readonly value?: Value | undefined }[],
  subject: string,
  path: string,
  depth: number,
): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>();
  entries.forEach((entry, i) => {
    const key = read(entry.key, subject, `${path}<key ${i}>`, depth + 1);
    if (map.has(key)) refuse(subject, `${path}<key ${i}>`, "is there twice");
    map.set(key, read(entry.value, subject, `${path}<value ${i}>`, depth + 1));
  });
  return map;
}

function readDataset({ reference }: Pick<DatasetReference, "reference">, subject: string, path: string): unknown {
  if (reference.case === undefined) return refuse(subject, path, "is a dataset with neither identity nor location");
  if (reference.case === "identity") return knownDataset(reference.value, subject, path);
  const { location, format, options, fingerprint } = reference.value;
  return datasetAt(
    { location, ...(format === "" ? {} : { format }), ...(fingerprint === "" ? {} : { fingerprint }), options },
    subject,
    path,
  );
}
