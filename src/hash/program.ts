/**
 * Programs: the encoding of a result in which lazies occur, that is, of an expression graph.
 *
 * ```
 * program  = tag 40110 [ template, [ node* ] ]
 * node     = [ 0, task name, template* ]        a call and its arguments
 *          | [ 1, form name, template* ]        a form and its arguments
 *          | [ 2, template, key ]               a field of a value
 *          | [ 3, task name, options, template* ]   a call with options of its own
 * template = a value's canonical encoding in which tag 40111 <n> stands for the value of node n
 * ```
 *
 * Nodes are numbered in the order in which a breadth-first walk from the result meets them, so equal graphs have equal bytes, shared nodes are stored once, and neither building nor reading
 * recurses over the graph. A *template* is filled by splicing the encodings of node values into the gaps.
 */

import type { Expression, Form } from "../define/expression.ts";
import { DirectoryValue, FileValue } from "../define/external.ts";
import type { CallOptions } from "../define/task-options.ts";
import { Code, FiresteelError } from "../errors.ts";
import { type CborWriter, concat, Major, readHead, readText, skipItem, withWriter } from "./cbor.ts";
import { decodeValue } from "./decode.ts";
import { visitTags } from "./scan.ts";
import { Tag } from "./tags.ts";
import { encodeValue, sortKeys, writeValue } from "./value.ts";

/** An encoding with gaps. */
export interface Template {
  readonly bytes: Uint8Array;
  readonly holes: readonly Hole[];
}
/** A gap: the bytes `[start, end)` of the template stand for the value of a node. */
export interface Hole {
  readonly start: number;
  readonly end: number;
  readonly node: number;
}

export type ProgramNode =
  | {
      readonly kind: "call";
      readonly task: string;
      readonly args: readonly Template[];
      readonly options?: CallOptions;
    }
  | { readonly kind: "form"; readonly form: Form; readonly args: readonly Template[] }
  | { readonly kind: "field"; readonly of: Template; readonly key: string | number };

export interface Program {
  readonly root: Template;
  readonly nodes: readonly ProgramNode[];
}

const NODE_KINDS = { call: 0, form: 1, field: 2, callWithOptions: 3 } as const;

/**
 * Encodes a result: as a plain value when no lazy is in it, else as a program.
 *
 * @param subject how errors name the value
 * @throws FiresteelError `invalid_argument` with the path of the member that is no value
 */
export function encodeProgram(
  value: unknown,
  subject = "value",
): { readonly kind: "value" | "expression"; readonly bytes: Uint8Array } {
  return encodeResult(value, subject, Number.POSITIVE_INFINITY) as EncodedWhole;
}

interface EncodedWhole {
  readonly kind: "value" | "expression";
  readonly bytes: Uint8Array;
}

/** A long value that is nothing but data, as pieces of its encoding; byte strings in it are the value's own memory. */
interface EncodedInPieces {
  readonly kind: "pieces";
  readonly pieces: readonly Uint8Array[];
  readonly length: number;
}

/** Like {@link encodeProgram}; plain data whose encoding is longer than `wholeBytes` is given in pieces. */
export function encodeResult(value: unknown, subject: string, wholeBytes: number): EncodedWhole | EncodedInPieces {
  const numbers = new Map<Expression, number>();
  const queue: Expression[] = [];
  const refer = (expression: Expression): number => {
    let number = numbers.get(expression);
    if (number === undefined) {
      number = queue.push(expression) - 1;
      numbers.set(expression, number);
    }
    return number;
  };
  return withWriter((writer) => {
    writeValue(writer, value, refer, subject);
    if (queue.length === 0) {
      const { length } = writer;
      if (length > wholeBytes && writer.plain) return { kind: "pieces", pieces: writer.pieces(), length };
      return { kind: "value", bytes: writer.slice() };
    }

    const root = writer.slice();
    writer.clear();
    for (let i = 0; i < queue.length; i++) writeNode(writer, queue[i]!, refer);
    const nodes = writer.slice();
    writer.clear();
    writer.head(Major.tag, Tag.program);
    writer.head(Major.array, 2);
    writer.raw(root);
    writer.head(Major.array, queue.length);
    writer.raw(nodes);
    return { kind: "expression", bytes: writer.slice() };
  });
}

function writeNode(writer: CborWriter, expression: Expression, refer: (expression: Expression) => number): void {
  if (expression.kind === "field") {
    writer.head(Major.array, 3);
    writer.number(NODE_KINDS.field);
    writeValue(writer, expression.of, refer);
    writeValue(writer, expression.key);
    return;
  }
  const name = expression.kind === "call" ? expression.task : expression.form;
  const options = expression.kind === "call" ? expression.options : undefined;
  writer.head(Major.array, (options ? 3 : 2) + expression.args.length);
  writer.number(options ? NODE_KINDS.callWithOptions : NODE_KINDS[expression.kind]);
  writer.text(name);
  if (options) writeValue(writer, options);
  expression.args.forEach((arg, i) => {
    writeValue(writer, arg, refer, `argument ${i + 1} of ${name}`);
  });
}

/** Whether an encoding is a program. */
export function isProgram(bytes: Uint8Array): boolean {
  if (bytes.length === 0) return false;
  const head = readHead(bytes, 0);
  return head.major === Major.tag && head.argument === Tag.program;
}

/** Reads a program's structure; the templates are views of `bytes`. A plain value gives a program without nodes. */
export function parseProgram(bytes: Uint8Array): Program {
  if (!isProgram(bytes)) return { root: { bytes, holes: [] }, nodes: [] };
  try {
    const start = readHead(bytes, readHead(bytes, 0).next).next;
    const rootEnd = skipItem(bytes, start);
    const list = readHead(bytes, rootEnd);
    const nodes: ProgramNode[] = [];
    let at = list.next;
    for (let i = 0; i < list.argument; i++) {
      const { node, end } = parseNode(bytes, at);
      nodes.push(node);
      at = end;
    }
    return { root: template(bytes, start, rootEnd), nodes };
  } catch (error) {
    throw new FiresteelError(Code.dataLoss, `stored expression is damaged: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function parseNode(bytes: Uint8Array, offset: number): { readonly node: ProgramNode; readonly end: number } {
  const head = readHead(bytes, offset);
  const kind = readHead(bytes, head.next);
  let at = kind.next;
  const next = (): Template => {
    const end = skipItem(bytes, at);
    const part = template(bytes, at, end);
    at = end;
    return part;
  };
  if (kind.argument === NODE_KINDS.field) {
    const of = next();
    return { node: { kind: "field", of, key: decodeValue(next().bytes) as string | number }, end: at };
  }
  const name = readText(bytes, at);
  at = name.next;
  const options = kind.argument === NODE_KINDS.callWithOptions ? (decodeValue(next().bytes) as CallOptions) : undefined;
  const args: Template[] = [];
  for (let i = options ? 3 : 2; i < head.argument; i++) args.push(next());
  const node: ProgramNode =
    kind.argument !== NODE_KINDS.form
      ? { kind: "call", task: name.value, args, ...(options ? { options } : {}) }
      : { kind: "form", form: name.value as Form, args };
  return { node, end: at };
}

function template(bytes: Uint8Array, start: number, end: number): Template {
  const holes: Hole[] = [];
  visitTags(bytes, start, end, (tag, offset, content) => {
    if (tag !== Tag.reference) return;
    const reference = readHead(bytes, content);
    holes.push({ start: offset - start, end: reference.next - start, node: reference.argument });
  });
  return { bytes: bytes.subarray(start, end), holes };
}

/** The template's encoding with each hole replaced by what `encodingOf` gives for its node. A template that is one hole gives that very value, uncopied. */
export function fillTemplate({ bytes, holes }: Template, encodingOf: (node: number) => Uint8Array): Uint8Array {
  if (holes.length === 0) return bytes;
  const first = holes[0]!;
  if (holes.length === 1 && first.start === 0 && first.end === bytes.length) return encodingOf(first.node);
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const hole of holes) {
    parts.push(bytes.subarray(at, hole.start), encodingOf(hole.node));
    at = hole.end;
  }
  parts.push(bytes.subarray(at));
  return concat(parts);
}

/** The items of an encoded list, as views. */
export function listItems(bytes: Uint8Array): readonly Uint8Array[] | null {
  const head = readHead(bytes, 0);
  if (head.major !== Major.array) return null;
  const items: Uint8Array[] = [];
  let at = head.next;
  for (let i = 0; i < head.argument; i++) {
    const end = skipItem(bytes, at);
    items.push(bytes.subarray(at, end));
    at = end;
  }
  return items;
}

/** The items of an encoded list by place, each made when it is asked for: a million views would take more memory than the list. */
export interface ListView {
  readonly length: number;
  /** The item at a place, as a view. */
  at(place: number): Uint8Array;
}

/** A view of an encoded list; null for anything else. */
export function viewList(bytes: Uint8Array): ListView | null {
  const head = readHead(bytes, 0);
  if (head.major !== Major.array) return null;
  const length = head.argument;
  const starts = new Float64Array(length + 1);
  let at = head.next;
  for (let i = 0; i < length; i++) {
    starts[i] = at;
    at = skipItem(bytes, at);
  }
  starts[length] = at;
  return { length, at: (place) => bytes.subarray(starts[place], starts[place + 1]) };
}

/** The list with these encoded items. */
export function joinList(items: readonly Uint8Array[]): Uint8Array {
  return withWriter((writer) => {
    writer.head(Major.array, items.length);
    return concat([writer.view(), ...items]);
  });
}

/** The members of an encoded plain object by name, as views; null for anything else. */
export function recordMembers(bytes: Uint8Array): ReadonlyMap<string, Uint8Array> | null {
  const head = readHead(bytes, 0);
  if (head.major !== Major.map) return null;
  const members = new Map<string, Uint8Array>();
  let at = head.next;
  for (let i = 0; i < head.argument; i++) {
    const name = readText(bytes, at);
    const end = skipItem(bytes, name.next);
    members.set(name.value, bytes.subarray(name.next, end));
    at = end;
  }
  return members;
}

/** The plain object with these encoded members. */
export function joinRecord(members: ReadonlyMap<string, Uint8Array>): Uint8Array {
  return withWriter((writer) => {
    writer.head(Major.map, members.size);
    for (const name of sortKeys([...members.keys()])) {
      writer.text(name);
      writer.raw(members.get(name)!);
    }
    return writer.slice();
  });
}

/** An encoded task or partial task: its name and its first arguments. */
export interface EncodedCallee {
  readonly task: string;
  readonly bound: readonly Uint8Array[];
}

/** Reads an encoded task or partial task; null for anything else. */
export function readCallee(bytes: Uint8Array): EncodedCallee | null {
  const head = readHead(bytes, 0);
  if (head.major !== Major.tag) return null;
  if (head.argument === Tag.task) return { task: readText(bytes, head.next).value, bound: [] };
  if (head.argument !== Tag.partial) return null;
  const [name, ...bound] = listItems(bytes.subarray(head.next))!;
  return { task: readText(name!, 0).value, bound };
}

/** The encoded partial task of a task and its first arguments. */
export function joinPartial({ task, bound }: EncodedCallee): Uint8Array {
  return withWriter((writer) => {
    writer.head(Major.tag, Tag.partial);
    writer.head(Major.array, 1 + bound.length);
    writer.text(task);
    for (const argument of bound) writer.raw(argument);
    return writer.slice();
  });
}

/** The field, index, `length` or Map entry of an encoded value; null when it has none. */
export function selectField(bytes: Uint8Array, key: string | number): Uint8Array | null {
  const outer = readHead(bytes, 0);
  if (outer.major === Major.tag && (outer.argument === Tag.file || outer.argument === Tag.directory))
    return selectOfExternal(decodeValue(bytes), key);
  const tagged = outer.major === Major.tag && outer.argument === Tag.map;
  const head = tagged ? readHead(bytes, outer.next) : outer;
  let at = head.next;
  if (head.major === Major.array) {
    if (key === "length") return encodeCount(head.argument);
    if (typeof key !== "number" || !Number.isInteger(key) || key < 0 || key >= head.argument) return null;
    for (let i = 0; i < key; i++) at = skipItem(bytes, at);
    return bytes.subarray(at, skipItem(bytes, at));
  }
  if (head.major !== Major.map) return null;
  for (let i = 0; i < head.argument; i++) {
    const valueAt = skipItem(bytes, at);
    const end = skipItem(bytes, valueAt);
    const name = decodeValue(bytes.subarray(at, valueAt));
    if (name === key || (!tagged && name === String(key))) return bytes.subarray(valueAt, end);
    at = end;
  }
  return null;
}

/** What {@link Lazy} offers of a file or directory. */
function selectOfExternal(value: unknown, key: string | number): Uint8Array | null {
  if (key === "path") return encodeValue((value as FileValue | DirectoryValue).path);
  if (value instanceof FileValue && key === "version") return encodeValue(value.version);
  if (value instanceof DirectoryValue && key === "files") return encodeValue(value.files);
  return null;
}

function encodeCount(count: number): Uint8Array {
  return withWriter((writer) => {
    writer.number(count);
    return writer.slice();
  });
}
