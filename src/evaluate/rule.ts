/**
 * What the rules of the forms share.
 */

import { DatasetValue } from "../define/external.ts";
import { Code, FiresteelError } from "../errors.ts";
import { decodeValue } from "../hash/decode.ts";
import { type EncodedCallee, joinList, type ProgramNode, readCallee, type Template } from "../hash/program.ts";
import { encodeValue } from "../hash/value.ts";
import type { Evaluation, Frame } from "./evaluation.ts";
import type { Cell, Settled } from "./job.ts";
import { all } from "./stored-values.ts";

export type FormNode = Extract<ProgramNode, { readonly kind: "form" }>;

/** Evaluates a form; the cell gets its result. */
export type Rule = (evaluation: Evaluation, frame: Frame, args: readonly Template[], cell: Cell) => void;

/** Evaluates a template and goes on with its value, all of it read; what `then` throws is the cell's failure. */
export function withValue(
  evaluation: Evaluation,
  frame: Frame,
  template: Template,
  cell: Cell,
  then: (bytes: Uint8Array) => void,
): void {
  const go = guarded(evaluation, frame, cell, then);
  const failed = (error: unknown) => evaluation.fail(cell, frame, error);
  evaluation.fill(frame, template, (settled) => {
    if (!settled.ok) return evaluation.settle(cell, settled);
    if (settled.fresh) cell.fresh = true;
    evaluation.read(evaluation.stored.whole(settled.bytes), go, failed);
  });
}

/** Several templates at once. */
export function withValues(
  evaluation: Evaluation,
  frame: Frame,
  templates: readonly Template[],
  cell: Cell,
  then: (values: readonly Uint8Array[]) => void,
): void {
  withRead(evaluation, frame, templates, cell, (values) => evaluation.stored.wholeOf(values), then);
}

/** Several templates at once, of which the first `looked` are looked into as far as their outermost bytes: the others, and what is in these, may be stored values. */
export function withOuter(
  evaluation: Evaluation,
  frame: Frame,
  templates: readonly Template[],
  looked: number,
  cell: Cell,
  then: (values: readonly Uint8Array[]) => void,
): void {
  const open = (values: readonly Uint8Array[]) =>
    all(values.map((bytes, i) => (i < looked ? evaluation.stored.outer(bytes) : bytes)));
  withRead(evaluation, frame, templates, cell, open, then);
}

function withRead(
  evaluation: Evaluation,
  frame: Frame,
  templates: readonly Template[],
  cell: Cell,
  open: (values: readonly Uint8Array[]) => readonly Uint8Array[] | Promise<readonly Uint8Array[]>,
  then: (values: readonly Uint8Array[]) => void,
): void {
  const go = guarded(evaluation, frame, cell, then);
  const failed = (error: unknown) => evaluation.fail(cell, frame, error);
  evaluation.fillAll(
    frame,
    templates,
    (values, fresh) => {
      if (fresh) cell.fresh = true;
      evaluation.read(open(values), go, failed);
    },
    (settled) => evaluation.settle(cell, settled),
  );
}

/** A step whose exceptions are the cell's failure. */
export function guarded<T>(
  evaluation: Evaluation,
  frame: Frame,
  cell: Cell,
  then: (value: T) => void,
): (value: T) => void {
  return (value) => {
    try {
      then(value);
    } catch (error) {
      evaluation.fail(cell, frame, error);
    }
  };
}

/** Gives a cell its value. */
export function settleWith(evaluation: Evaluation, cell: Cell, bytes: Uint8Array): void {
  evaluation.settle(cell, { ok: true, bytes });
}

/** Items of a long list that are evaluated at once: enough for full batches, and memory is bounded. */
const WINDOW = 4096;

/** The list of the results of `begin(0) ... begin(count - 1)`, or the first failure. A long list is not begun all at once, and nothing more of it after a failure. */
export function collect(
  evaluation: Evaluation,
  count: number,
  begin: (place: number) => Cell,
  then: (settled: Settled) => void,
): void {
  const values: Uint8Array[] = new Array(count);
  let begun = 0;
  let ended = 0;
  let failed = false;
  let fresh = false;
  let refilling = false;
  if (count === 0) return then({ ok: true, bytes: joinList([]) });
  const refill = (): void => {
    refilling = false;
    if (failed) return;
    // To its end, also when an item turns out to have failed before: what else is asked for must not depend on who asked first.
    while (begun < count && begun - ended < WINDOW) {
      const place = begun++;
      evaluation.demand(begin(place), (settled) => arrived(place, settled));
    }
  };
  const arrived = (place: number, settled: Settled): void => {
    if (failed) return;
    if (!settled.ok) {
      failed = true;
      return then(settled);
    }
    values[place] = settled.bytes;
    if (settled.fresh) fresh = true;
    if (++ended === count) return then({ ok: true, fresh, bytes: joinList(values) });
    if (refilling || begun === count || begun - ended > WINDOW / 2) return;
    refilling = true;
    evaluation.work.push(refill);
  };
  refill();
}

/** The task or partial task of an encoded value. */
export function wantCallee(bytes: Uint8Array, form: string): EncodedCallee {
  const callee = readCallee(bytes);
  if (callee) return callee;
  throw new FiresteelError(Code.invalidArgument, `${form}(...) wants a task, not ${describe(outline(bytes))}`);
}

/** A form's call of a task that it was given: like JavaScript's own `map`, it takes a function without (further) parameters too. */
export function callBack(
  evaluation: Evaluation,
  frame: Frame,
  { task, bound }: EncodedCallee,
  offered: readonly Uint8Array[],
  fresh: boolean,
): Cell {
  const parameters = evaluation.context.code.tasks.get(task)?.parameters;
  const takesNone =
    parameters !== undefined && offered.length === 1 && parameters.length <= bound.length && !parameters.at(-1)?.rest;
  return evaluation.call(task, takesNone ? bound : [...bound, ...offered], frame, fresh);
}

export function wantText(bytes: Uint8Array, form: string): string {
  const value = decodeValue(bytes);
  if (typeof value === "string" && value !== "") return value;
  throw new FiresteelError(Code.invalidArgument, `${form} wants a text that is not empty, not ${describe(value)}`);
}

/** A value as far as it has to be shown: what is stored is not read. */
export function outline(bytes: Uint8Array): unknown {
  return decodeValue(bytes, undefined, undefined, () => ({ encoding: STORED }));
}

const STORED = encodeValue("(large value)");

/** A value for people, short. */
export function describe(value: unknown): string {
  if (value instanceof DatasetValue) return "a dataset";
  if (typeof value === "function") return "a partial task";
  const text =
    typeof value === "object" && value !== null
      ? JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? `${item}n` : item))
      : typeof value === "bigint"
        ? `${value}n`
        : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
