/**
 * firesteel: large-scale data transformations as lazy TypeScript expressions.
 *
 * Authors need the first two groups; the rest types what those return.
 */

export type { FiresteelConfig } from "./config.ts";
export { defineConfig } from "./config.ts";
export {
  type FileContent,
  localPath,
  outputFile,
  type ReadFileOptions,
  type ReadTextOptions,
  readBytes,
  readLines,
  readStream,
  readText,
  writeFile,
} from "./data/files.ts";
export { type ReadRowsOptions, type Row, readRows } from "./data/read.ts";
export { type Codec, type Instances, registerCodec } from "./define/codec.ts";
export type {
  DatasetValue as Dataset,
  DirectoryEntry,
  DirectoryValue as Directory,
  FileIdentity,
  FileValue as File,
} from "./define/external.ts";
export { directory, type FileOptions, type FilesOptions, file, glob } from "./define/files.ts";
export {
  all,
  apply,
  type CaughtError,
  type ColumnTypes,
  catchAll,
  catchError,
  cond,
  createDataset,
  type DatasetOptions,
  dataset,
  type ErrorChoice,
  type Result,
  raise,
  seq,
} from "./define/forms.ts";
export { type Arg, field, isLazy, type Lazy, type LazyOf, type Resolved } from "./define/lazy.ts";
export { filter, flatMap, type ListOf, map, reduce } from "./define/lists.ts";
export { add, and, div, eq, ge, gt, le, lt, mod, mul, ne, neg, not, or, sub, text } from "./define/operators.ts";
export { type Arrow, type Callee, partial } from "./define/partial.ts";
export type { ArrayType, DataType, MapType, StructField, StructType } from "./define/schema.ts";
export { contextValue, withContext, withLimits, withTags } from "./define/scope.ts";
export { type Identifier, ident, type PysparkOptions, pyspark, type Sql, type SqlValue, sql } from "./define/spark.ts";
export { type AppPlaces, type SparkAppOptions, sparkApp } from "./define/spark-app.ts";
export { type Namespace, namespace, type Task, task } from "./define/task.ts";
export type { CallOptions, ExecutorName, Resources, RetryOptions, TaskOptions } from "./define/task-options.ts";
export type {
  AppFormat,
  AppOutputOptions,
  OutputOptions,
  PysparkWork,
  SparkAppWork,
  SparkSettings,
  SqlWork,
} from "./define/work.ts";
export { Code, type ErrorInit, FiresteelError } from "./errors.ts";
export type { HeaderProvider, HeaderProviderFactory, HeaderRequest } from "./route/livy/http/credentials.ts";
