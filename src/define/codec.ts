/**
 * Codecs: how instances of a class travel as values.
 */

import { Code, FiresteelError } from "../errors.ts";
import { type CallSite, callSite } from "./call-site.ts";

/** How instances of a class become values, and values instances. */
export interface Codec<T extends object, E> {
  /** Names it in stored values; part of their identity. */
  readonly name: string;
  /** Instances of exactly this class; those of a class derived from it need a codec of their own. */
  readonly class: abstract new (
    ...args: never[]
  ) => T;
  /** A value that holds all of the instance. Equal instances must give equal values. */
  readonly encode: (instance: T) => E;
  readonly decode: (encoded: E) => T;
  /** Stands for the code of class, `encode` and `decode` in identities, as the option `version` of a task does. */
  readonly version?: string;
}

/** The classes that have codecs, so that types treat their instances as one value: `declare module "firesteel" { interface Instances { money: Money } }`. Only classes with private members need it. */
// biome-ignore lint/suspicious/noEmptyInterface: authors add to it
export interface Instances {}

/** An instance seen where its codec is not known (the serving thread, a client): the codec's name and the encoded value. */
export class InstanceValue {
  readonly kind = "instance";
  readonly codec: string;
  readonly value: unknown;

  constructor(codec: string, value: unknown) {
    this.codec = codec;
    this.value = value;
    Object.freeze(this);
  }
}

/** A registered codec and where that was done. */
export interface RegisteredCodec extends Codec<object, unknown> {
  readonly site: CallSite;
}

const byName = new Map<string, RegisteredCodec>();
const byPrototype = new Map<unknown, RegisteredCodec>();

const VALUES: ReadonlySet<unknown> = new Set([Object, Array, Date, Map, Set, Uint8Array, Buffer, InstanceValue]);

/**
 * Lets instances of a class be arguments and results of tasks. To be called where a module is loaded, with the class by its name. An instance is known by the codec's name and what `encode` makes of it; the
 * code of the class and of its codec counts in the calls that are given an instance, and in the tasks that mention the class.
 *
 * @example
 * ```ts
 * import { registerCodec, task } from "firesteel";
 *
 * class Money {
 *   readonly cents: number;
 *   constructor(cents: number) {
 *     this.cents = cents;
 *   }
 * }
 * registerCodec({ name: "Money", class: Money, encode: ({ cents }) => cents, decode: (cents) => new Money(cents) });
 *
 * export const double = task("double", (price: Money) => new Money(price.cents * 2));
 * ```
 *
 * @throws FiresteelError `invalid_argument` for what is no codec, `already_exists` when another one has the name or the class
 */
export function registerCodec<T extends object, E>(codec: Codec<T, E>): void {
  const site = callSite() ?? { url: "unknown:", line: 0, column: 0 };
  const where = `${site.url}:${site.line}:${site.column}`;
  const wrong = (words: string) => new FiresteelError(Code.invalidArgument, `codec at ${where} ${words}`);
  if (typeof codec !== "object" || codec === null || typeof codec.name !== "string" || codec.name === "")
    throw wrong('needs a name: registerCodec({ name: "Money", class: Money, encode: ..., decode: ... })');
  const { name, class: type, encode, decode, version } = codec;
  if (typeof type !== "function" || typeof type.prototype !== "object")
    throw wrong(`(${name}) needs a class: { class: Money }`);
  if (typeof encode !== "function" || typeof decode !== "function")
    throw wrong(`(${name}) needs the functions encode and decode`);
  if (version !== undefined && (typeof version !== "string" || version === ""))
    throw wrong(`(${name}) has a version that is no text`);
  if (VALUES.has(type) || isList(type.prototype))
    throw wrong(`(${name}) is for ${type.name}, whose instances are values already`);
  const other = byName.get(name) ?? byPrototype.get(type.prototype);
  if (other)
    throw new FiresteelError(
      Code.alreadyExists,
      `two codecs have one name or class: ${other.name}, at ${other.site.url}:${other.site.line}:${other.site.column}, and ${name}, at ${where}`,
    );
  const registered = Object.freeze({ ...codec, site }) as unknown as RegisteredCodec;
  byName.set(name, registered);
  byPrototype.set(type.prototype, registered);
}

function isList(prototype: object): boolean {
  for (let at: unknown = prototype; at !== null; at = Object.getPrototypeOf(at))
    if (at === Array.prototype) return true;
  return false;
}

/** The codec of instances with this prototype. @internal */
export function codecOf(prototype: unknown): RegisteredCodec | undefined {
  return byPrototype.get(prototype);
}

/** All codecs registered on this thread so far. @internal */
export function registeredCodecs(): ReadonlyMap<string, RegisteredCodec> {
  return byName;
}

/**
 * The instance of an encoded value.
 *
 * @throws FiresteelError `failed_precondition` when no codec of the name is registered on this thread
 * @internal
 */
export function instanceOf(name: string, encoded: unknown): object {
  const codec = byName.get(name);
  if (!codec)
    throw new FiresteelError(
      Code.failedPrecondition,
      `value is an instance of codec ${name}, which no flow module registers; call registerCodec({ name: "${name}", ... }) in a flow module or in one that it imports`,
      { details: { codec: name } },
    );
  const instance = codec.decode(encoded);
  if (typeof instance === "object" && Object.getPrototypeOf(instance) === codec.class.prototype) return instance;
  throw new FiresteelError(Code.failedPrecondition, `decode of codec ${name} gave no instance of ${codec.class.name}`, {
    details: { codec: name },
  });
}
