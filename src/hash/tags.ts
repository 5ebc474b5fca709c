/**
 * The CBOR tags of the value domain, and what else the encoder (`value.ts`) and the decoder (`decode.ts`) must agree about.
 */

/** CBOR tags of the value domain and of programs (`hash/program.ts`). */
export const Tag = {
  bigPositive: 2,
  bigNegative: 3,
  set: 258,
  map: 259,
  date: 40100,
  file: 40101,
  dataset: 40102,
  task: 40103,
  work: 40104,
  partial: 40105,
  instance: 40106,
  directory: 40108,
  program: 40110,
  reference: 40111,
  stored: 40112,
} as const;

/** Lists, objects, Maps and Sets nest at most this deep. */
export const MAX_DEPTH: number = 1000;

type TypedArray =
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;
type TypedArrayConstructor = new (buffer: ArrayBuffer) => TypedArray;

/** RFC 8746, section 2.1. */
export const TYPED_ARRAYS: ReadonlyMap<number, TypedArrayConstructor> = new Map<number, TypedArrayConstructor>([
  [68, Uint8ClampedArray],
  [69, Uint16Array],
  [70, Uint32Array],
  [71, BigUint64Array],
  [72, Int8Array],
  [77, Int16Array],
  [78, Int32Array],
  [79, BigInt64Array],
  [85, Float32Array],
  [86, Float64Array],
]);
export const TYPED_ARRAY_TAGS: ReadonlyMap<unknown, number> = new Map(
  [...TYPED_ARRAYS].map(([tag, type]) => [type, tag]),
);
