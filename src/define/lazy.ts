/**
 * Lazy values: proxies that stand for an expression, with typed field access, and that refuse to be used as if they were the value.
 */

import { Code, FiresteelError } from "../errors.ts";
import type { Instances } from "./codec.ts";
import type { Expression } from "./expression.ts";
import type { DatasetValue, DirectoryValue, FileValue } from "./external.ts";
import type { PysparkWork, SparkAppWork, SqlWork } from "./work.ts";

declare const lazyType: unique symbol;

/** Marks a lazy with the type of the value that it stands for. */
export interface LazyOf<T> {
  readonly [lazyType]: T;
}

type Leaf =
  | string
  | number
  | bigint
  | boolean
  | symbol
  | null
  | undefined
  | Date
  | Uint8Array
  | DatasetValue
  | FileValue
  | Instances[keyof Instances]
  | DirectoryValue
  | ((...args: never[]) => unknown);

/**
 * A lazy `T`: `LazyOf<T>` plus the fields of `T`, each lazy in its turn. A dataset's only field is `location`: asking for it puts the location into the identity of whatever receives it.
 * A file has `path` and `version`, a directory `path` and `files`.
 */
export type Lazy<T> = LazyOf<T> &
  (T extends DatasetValue
    ? { readonly location: Lazy<string> }
    : T extends DirectoryValue
      ? { readonly path: Lazy<string>; readonly files: Lazy<FileValue[]> }
      : T extends FileValue
        ? { readonly path: Lazy<string>; readonly version: Lazy<string> }
        : T extends Leaf
          ? unknown
          : T extends readonly (infer U)[]
            ? { readonly [index: number]: Lazy<U>; readonly length: Lazy<number> } & (number extends T["length"]
                ? unknown
                : // A tuple: each place has its own type.
                  { readonly [K in keyof T as K extends `${number}` ? K : never]: Lazy<T[K]> })
            : T extends ReadonlyMap<unknown, unknown> | ReadonlySet<unknown>
              ? unknown
              : T extends object
                ? { readonly [K in keyof T]: Lazy<T[K]> }
                : unknown);

/** What may be given where a `T` is wanted: the value, a lazy of it, or a structure with lazies inside. */
export type Arg<T> =
  // A body gets a private value, so a lazy of a readonly list serves where a list is wanted.
  | LazyOf<T extends readonly unknown[] ? Readonly<T> : T>
  | (T extends Leaf
      ? T
      : T extends ReadonlyMap<infer K, infer V>
        ? ReadonlyMap<K, Arg<V>>
        : T extends ReadonlySet<unknown>
          ? T
          : T extends readonly unknown[]
            ? { readonly [K in keyof T]: Arg<T[K]> }
            : T extends object
              ? { readonly [K in keyof T]: Arg<T[K]> }
              : T);

/** The type of a body's result once every lazy in it is evaluated and Spark work has run. */
export type Resolved<R> =
  R extends Promise<infer P>
    ? Resolved<P>
    : R extends LazyOf<infer T>
      ? T
      : R extends SqlWork
        ? DatasetValue
        : R extends PysparkWork & { readonly outputs: infer O }
          ? O extends null
            ? DatasetValue
            : { readonly outputs: { readonly [K in keyof O]: DatasetValue } }
          : R extends SparkAppWork & { readonly outputs: infer O }
            ? { readonly outputs: { readonly [K in keyof O]: DatasetValue } }
            : R extends Leaf
              ? R
              : R extends ReadonlyMap<infer K, infer V>
                ? ReadonlyMap<K, Resolved<V>>
                : R extends ReadonlySet<unknown>
                  ? R
                  : R extends readonly unknown[]
                    ? { [K in keyof R]: Resolved<R[K]> }
                    : R extends object
                      ? { readonly [K in keyof R]: Resolved<R[K]> }
                      : R;

const expressions = new WeakMap<object, Expression>();

/** The expression behind a lazy; undefined when the value is no lazy. @internal */
export function expressionOf(value: unknown): Expression | undefined {
  return typeof value === "object" && value !== null ? expressions.get(value) : undefined;
}

/** Whether a value is a lazy. */
export function isLazy(value: unknown): value is LazyOf<unknown> {
  return expressionOf(value) !== undefined;
}

/** Makes the lazy of an expression. @internal */
export function lazy<T>(expression: Expression): Lazy<T> {
  const proxy = new Proxy(Object.create(TARGET) as object, new LazyHandler(expression));
  expressions.set(proxy, Object.freeze(expression));
  return proxy as Lazy<T>;
}

/**
 * The field, index or Map entry of a lazy. `report.total` says the same where TypeScript allows it; this one also reaches fields named `then`, `constructor`, `toString`, ...
 *
 * @example
 * ```ts
 * const next = field(step, "then");
 * ```
 */
export function field<T, K extends keyof T & (string | number)>(of: LazyOf<T>, key: K): Lazy<T[K]> {
  if (!isLazy(of))
    throw new FiresteelError(
      Code.invalidArgument,
      "field(lazy, name): the first argument is not lazy; read the field directly",
    );
  return lazy<T[K]>({ kind: "field", of, key });
}

/** Names that JavaScript itself asks an object for; answering them with a lazy would make one be taken for a promise, a class or a string. */
const METHOD_NAMES: ReadonlySet<string> = new Set([
  "constructor",
  "hasOwnProperty",
  "isPrototypeOf",
  "propertyIsEnumerable",
  "toLocaleString",
  "toString",
  "valueOf",
  "toJSON",
]);

/** What targets inherit from: Node's `inspect`, and so `console.log(lazy)`, looks through a proxy at its target. */
const TARGET: object = Object.assign(Object.create(null) as object, {
  [Symbol.for("nodejs.util.inspect.custom")](this: object): string {
    const expression = expressionOf(this);
    return expression ? `[lazy: ${subject(expression)}]` : "[lazy]";
  },
});

class LazyHandler implements ProxyHandler<object> {
  readonly #expression: Expression;

  constructor(expression: Expression) {
    this.#expression = expression;
  }

  get(_target: object, key: string | symbol, receiver: unknown): unknown {
    if (typeof key === "string") {
      if (key === "then") return undefined;
      if (METHOD_NAMES.has(key)) return () => this.#refuse(key === "toJSON" ? "JSON.stringify" : `${key}()`, key);
      return lazy({ kind: "field", of: receiver, key: /^(?:0|[1-9]\d{0,9})$/.test(key) ? Number(key) : key });
    }
    if (key === Symbol.toPrimitive)
      return () =>
        this.#refuse(
          "a string or number (+, template text, comparison)",
          undefined,
          "write text`...`, add(a, b), lt(a, b), ..., or pass it to a task and use it in that task's body",
        );
    if (key === Symbol.iterator || key === Symbol.asyncIterator)
      return () =>
        this.#refuse(
          "iteration (for...of, spread, destructuring)",
          undefined,
          "write map(task, list), list[0], ..., or pass it to a task and use it in that task's body",
        );
    if (key === Symbol.toStringTag) return "Lazy";
    return undefined;
  }

  set(): never {
    return this.#refuse("assignment");
  }
  deleteProperty(): never {
    return this.#refuse("delete");
  }
  has(): never {
    return this.#refuse("the `in` operator");
  }
  ownKeys(): never {
    return this.#refuse("Object.keys or object spread");
  }

  #refuse(use: string, name?: string, instead = "pass it to a task and use it in that task's body"): never {
    const hint =
      name === undefined || name === "toJSON" ? "" : `; to read a field of that name write field(lazy, "${name}")`;
    throw new FiresteelError(
      Code.invalidArgument,
      `${subject(this.#expression)} is lazy and has no value yet, so it cannot be used for ${use}; ${instead}${hint}`,
    );
  }
}

function subject(expression: Expression): string {
  if (expression.kind === "call") return `the result of task ${expression.task}`;
  if (expression.kind === "form") return `the result of ${expression.form}(...)`;
  const of = expressionOf(expression.of);
  return `field "${expression.key}" of ${of ? subject(of) : "a lazy"}`;
}
