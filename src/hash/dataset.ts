/**
 * Identity of a dataset whose rows were fingerprinted: schema and rows, nothing of where or how they are stored.
 */

import type { DataType, StructType } from "../define/schema.ts";
import { type Digest, digestOf } from "./digest.ts";

/** Order-independent folds of one 64-bit hash a row under two seeds, as the harness writes them. */
export interface RowFingerprint {
  readonly mode: "rows";
  /** Version of the row hash. */
  readonly version: number;
  /** Exclusive or of the hashes, one a seed, in hex. */
  readonly xor: readonly string[];
  /** Sums of the upper and lower halves of the hashes, two a seed, in decimal. */
  readonly sums: readonly string[];
}

/** Identity of a dataset of known rows: equal for equal bags of rows under equal names and types, whatever their order, files and nullability. */
export function writtenDatasetIdentity(schema: StructType, rows: number, fingerprint: RowFingerprint): Digest {
  return digestOf(
    "dataset",
    fingerprint.mode,
    fingerprint.version,
    canonicalType(schema),
    rows,
    fingerprint.xor,
    fingerprint.sums,
  );
}

/** A type without nullability and metadata: a name, or a list that starts with the kind. */
export type CanonicalType = string | readonly (string | CanonicalType)[];

/** Strips a Spark type to what tells its values apart: kinds, names and order of fields. */
export function canonicalType(type: DataType): CanonicalType {
  if (typeof type === "string") return type;
  switch (type.type) {
    case "struct":
      return ["struct", ...type.fields.map((field) => [field.name, canonicalType(field.type)])];
    case "array":
      return ["array", canonicalType(type.elementType)];
    case "map":
      return ["map", canonicalType(type.keyType), canonicalType(type.valueType)];
    default:
      // A user-defined type: stored as its SQL type, told apart by its class.
      return userDefined(type);
  }
}

function userDefined(type: Readonly<Record<string, unknown>>): CanonicalType {
  return [
    "udt",
    String(type["class"] ?? type["pyClass"] ?? ""),
    type["sqlType"] === undefined ? "" : canonicalType(type["sqlType"] as DataType),
  ];
}
