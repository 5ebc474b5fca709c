/**
 * Schemas of a task's arguments, by any library that follows Standard Schema (https://standardschema.dev): zod, valibot, arktype, ...
 */

import type { StandardSchemaV1 } from "@standard-schema/spec";

/** One schema for the whole list of arguments, or one for each argument. */
export type ArgumentSchemas =
  | StandardSchemaV1<readonly unknown[], readonly unknown[]>
  | readonly StandardSchemaV1<unknown, unknown>[]
  // Schemas that transform take less than unknown; the types of both sides are inferred from the schema itself.
  // biome-ignore lint/suspicious/noExplicitAny: a schema's input is in a contravariant place for no library and in a covariant one for others
  | readonly StandardSchemaV1<any, any>[];

/** The last elements that may be undefined may be left out. */
type OptionalTail<T extends readonly unknown[]> = T extends readonly [...infer Head, infer Last]
  ? undefined extends Last
    ? [...OptionalTail<Head>, Last?]
    : T
  : T;

type InputOf<T> = T extends StandardSchemaV1 ? StandardSchemaV1.InferInput<T> : never;
type OutputOf<T> = T extends StandardSchemaV1 ? StandardSchemaV1.InferOutput<T> : never;

/** What a call of the task takes. */
export type SchemaInputs<S> = S extends StandardSchemaV1
  ? Extract<InputOf<S>, readonly unknown[]>
  : S extends readonly unknown[]
    ? OptionalTail<{ -readonly [K in keyof S]: InputOf<S[K]> }>
    : never;

/** What the body gets. */
export type SchemaOutputs<S> = S extends StandardSchemaV1
  ? Extract<OutputOf<S>, readonly unknown[]>
  : S extends readonly unknown[]
    ? { -readonly [K in keyof S]: OutputOf<S[K]> }
    : never;

function isSchema(value: unknown): value is StandardSchemaV1 {
  return (
    ((typeof value === "object" && value !== null) || typeof value === "function") &&
    typeof (value as Partial<StandardSchemaV1>)["~standard"]?.validate === "function"
  );
}

/** Whether a value is one schema for all arguments. */
export function isListSchema(
  value: ArgumentSchemas,
): value is StandardSchemaV1<readonly unknown[], readonly unknown[]> {
  return isSchema(value);
}

/** Whether a value can stand for the schemas of arguments. */
export function isArgumentSchemas(value: unknown): value is ArgumentSchemas {
  return isSchema(value) || (Array.isArray(value) && value.every(isSchema));
}

/** The libraries that made the schemas, for people. */
export function schemaVendors(schemas: ArgumentSchemas): string {
  const list = isListSchema(schemas) ? [schemas] : schemas;
  return [...new Set(list.map((schema) => schema["~standard"].vendor))].join(", ");
}
