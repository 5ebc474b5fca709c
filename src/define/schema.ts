/**
 * Schemas as Spark writes them: the JSON form of `StructType`
 * (https://spark.apache.org/docs/latest/api/java/org/apache/spark/sql/types/StructType.html).
 */

/** A Spark data type in JSON form: a name (`"bigint"` is spelled `"long"` here) or an object for arrays, maps and structs. */
export type DataType = string | StructType | ArrayType | MapType;

export interface StructType {
  readonly type: "struct";
  readonly fields: readonly StructField[];
}
export interface StructField {
  readonly name: string;
  readonly type: DataType;
  readonly nullable: boolean;
  readonly metadata: Readonly<Record<string, unknown>>;
}
export interface ArrayType {
  readonly type: "array";
  readonly elementType: DataType;
  readonly containsNull: boolean;
}
export interface MapType {
  readonly type: "map";
  readonly keyType: DataType;
  readonly valueType: DataType;
  readonly valueContainsNull: boolean;
}
