/**
 * The rules of the operators on lazy values (`define/operators.ts`): computed here, on the evaluator's side, without a job.
 */

import { inspect } from "node:util";
import { Operator } from "../define/expression.ts";
import { Code, FiresteelError } from "../errors.ts";
import { decodeValue } from "../hash/decode.ts";
import type { Template } from "../hash/program.ts";
import { encodeValue } from "../hash/value.ts";
import type { Evaluation, Frame } from "./evaluation.ts";
import type { Cell } from "./job.ts";
import { type Rule, settleWith, withValue, withValues } from "./rule.ts";

type Binary = Exclude<Operator, "text" | "neg" | "not" | "and" | "or">;

export const OPERATOR_RULES: Readonly<Record<Operator, Rule>> = {
  [Operator.text]: (evaluation, frame, [texts, ...values], cell) => {
    withValues(evaluation, frame, values, cell, (encoded) => {
      const [first, ...others] = decodeValue(texts!.bytes) as readonly string[];
      const text = others.reduce((so, next, i) => `${so}${textOf(decodeValue(encoded[i]!), i)}${next}`, first!);
      settleWith(evaluation, cell, encodeValue(text));
    });
  },
  [Operator.neg]: (evaluation, frame, [a], cell) => {
    withValue(evaluation, frame, a!, cell, (bytes) => {
      const value = decodeValue(bytes);
      if (typeof value !== "number" && typeof value !== "bigint")
        throw wrong(`neg(a) wants a number or bigint, not ${show(value)}`);
      settleWith(evaluation, cell, encodeValue(-value));
    });
  },
  [Operator.not]: (evaluation, frame, [condition], cell) => {
    withValue(evaluation, frame, condition!, cell, (bytes) => {
      settleWith(evaluation, cell, encodeValue(!wantBoolean(bytes, "not(condition)")));
    });
  },
  [Operator.and]: (evaluation, frame, conditions, cell) =>
    untilValue(evaluation, frame, conditions, cell, "and", false),
  [Operator.or]: (evaluation, frame, conditions, cell) => untilValue(evaluation, frame, conditions, cell, "or", true),
  ...binary({
    add: arithmetic("add", {
      number: (a, b) => a + b,
      bigint: (a, b) => a + b,
    }),
    sub: arithmetic("sub", {
      number: (a, b) => a - b,
      bigint: (a, b) => a - b,
    }),
    mul: arithmetic("mul", {
      number: (a, b) => a * b,
      bigint: (a, b) => a * b,
    }),
    div: arithmetic("div", {
      number: (a, b) => a / b,
      bigint: (a, b) => a / nonZero("div", b),
    }),
    mod: arithmetic("mod", {
      number: (a, b) => a % b,
      bigint: (a, b) => a % nonZero("mod", b),
    }),
    eq: (a, b) => equal("eq", a, b),
    ne: (a, b) => !equal("ne", a, b),
    lt: order("lt", (a, b) => a < b),
    le: order("le", (a, b) => a <= b),
    gt: order("gt", (a, b) => a > b),
    ge: order("ge", (a, b) => a >= b),
  }),
};

type Compute = (a: unknown, b: unknown) => unknown;

function binary(operators: Readonly<Record<Binary, Compute>>): Record<Binary, Rule> {
  const rule =
    (compute: Compute): Rule =>
    (evaluation, frame, operands, cell) => {
      withValues(evaluation, frame, operands, cell, ([a, b]) => {
        settleWith(evaluation, cell, encodeValue(compute(decodeValue(a!), decodeValue(b!))));
      });
    };
  return Object.fromEntries(Object.entries(operators).map(([name, compute]) => [name, rule(compute)])) as Record<
    Binary,
    Rule
  >;
}

/** Evaluates conditions from left to right until one has this value; without such a one the result is the opposite. */
function untilValue(
  evaluation: Evaluation,
  frame: Frame,
  conditions: readonly Template[],
  cell: Cell,
  name: string,
  end: boolean,
): void {
  const from = (i: number): void => {
    const condition = conditions[i];
    if (!condition) return settleWith(evaluation, cell, encodeValue(!end));
    withValue(evaluation, frame, condition, cell, (bytes) => {
      if (wantBoolean(bytes, `condition ${i + 1} of ${name}(...)`) === end)
        settleWith(evaluation, cell, encodeValue(end));
      else evaluation.work.push(() => from(i + 1));
    });
  };
  from(0);
}

function arithmetic(
  name: string,
  {
    number,
    bigint,
  }: {
    readonly number: (a: number, b: number) => number;
    readonly bigint: (a: bigint, b: bigint) => bigint;
  },
): Compute {
  return (a, b) => {
    if (typeof a === "number" && typeof b === "number") return number(a, b);
    if (typeof a === "bigint" && typeof b === "bigint") return bigint(a, b);
    const types = new Set([typeof a, typeof b]);
    const hint =
      types.size === 2 && types.has("number") && types.has("bigint")
        ? "; convert one of them in a task, with BigInt(n) or Number(n)"
        : types.has("string") && name === "add"
          ? "; join texts with text`...`"
          : "";
    throw wrong(`${name}(a, b) wants two numbers or two bigints, not ${show(a)} and ${show(b)}${hint}`);
  };
}

function nonZero(name: string, value: bigint): bigint {
  if (value === 0n) throw wrong(`${name}(a, b) of bigints: b is 0n; choose with cond(eq(b, 0n), ...) before`);
  return value;
}

function order(name: string, compare: (a: never, b: never) => boolean): Compute {
  return (a, b) => {
    const kind = orderKind(a);
    if (kind !== undefined && kind === orderKind(b)) return compare(a as never, b as never);
    const hint =
      kind !== undefined && orderKind(b) !== undefined
        ? "; convert one of them to the type of the other in a task"
        : "";
    throw wrong(
      `${name}(a, b) wants two numbers, two bigints, two texts or two dates, not ${show(a)} and ${show(b)}${hint}`,
    );
  };
}

function orderKind(value: unknown): string | undefined {
  if (value instanceof Date) return "date";
  return typeof value === "number" || typeof value === "bigint" || typeof value === "string" ? typeof value : undefined;
}

function equal(name: string, a: unknown, b: unknown): boolean {
  if (typeof a === "number" && typeof b === "number") return a === b || (Number.isNaN(a) && Number.isNaN(b));
  if (a !== null && b !== null && a !== undefined && b !== undefined && typeof a !== typeof b)
    throw wrong(
      `${name}(a, b) compares two values of one type, not ${show(a)} and ${show(b)}, which are never equal; convert one of them in a task`,
    );
  return Buffer.compare(encodeValue(a), encodeValue(b)) === 0;
}

function wantBoolean(bytes: Uint8Array, subject: string): boolean {
  const value = decodeValue(bytes);
  if (typeof value === "boolean") return value;
  throw wrong(`${subject} must be true or false, not ${show(value)}; make it one with eq, ne, lt, gt, ...`);
}

function textOf(value: unknown, index: number): string {
  if (value instanceof Date) return value.toISOString();
  if (["string", "number", "bigint", "boolean"].includes(typeof value)) return String(value);
  throw wrong(
    `value ${index + 1} of text\`...\` must be a text, number, bigint, boolean or date, not ${show(value)}; read the field you mean, or make the text in a task`,
  );
}

/** A value for people, with what tells its type: `1n`, `'1'`. */
function show(value: unknown): string {
  const text = inspect(value, { depth: 1, breakLength: Number.POSITIVE_INFINITY });
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

function wrong(message: string): FiresteelError {
  return new FiresteelError(Code.invalidArgument, message);
}
