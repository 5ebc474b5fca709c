/**
 * The exports of firesteel as parts of a task's code. Any other package counts by its exact version; then every release of firesteel would make the results of all tasks stale that mention it. So each export
 * has a version of its own, which is raised when the export gives something else than before for the same arguments, be it here, in the evaluator or in a library beneath.
 *
 * `test/evaluate/own-exports.test.ts` keeps a digest of what a sample of each gives, and fails where that changes without a new version.
 */

import { codeDigest } from "./tokens.ts";

const VERSIONS: Readonly<Record<string, number>> = {
  Code: 1,
  FiresteelError: 1,
  add: 1,
  all: 1,
  and: 1,
  apply: 1,
  catchAll: 1,
  catchError: 1,
  cond: 1,
  contextValue: 1,
  createDataset: 1,
  dataset: 1,
  defineConfig: 1,
  directory: 1,
  div: 1,
  eq: 1,
  field: 1,
  file: 1,
  filter: 1,
  flatMap: 1,
  ge: 1,
  glob: 1,
  gt: 1,
  ident: 1,
  isLazy: 1,
  le: 1,
  localPath: 1,
  lt: 1,
  map: 1,
  mod: 1,
  mul: 1,
  namespace: 1,
  ne: 1,
  neg: 1,
  not: 1,
  or: 1,
  outputFile: 1,
  partial: 1,
  pyspark: 1,
  raise: 1,
  readBytes: 1,
  readLines: 1,
  readRows: 1,
  readStream: 1,
  readText: 1,
  reduce: 1,
  registerCodec: 1,
  seq: 1,
  sparkApp: 1,
  sql: 1,
  sub: 1,
  task: 1,
  text: 1,
  withContext: 1,
  withLimits: 1,
  withTags: 1,
  writeFile: 1,
};

/** The version of an export of firesteel; for `*`, the whole namespace, a digest of all. Undefined when there is no such export. */
export function exportVersion(name: string): string | undefined {
  if (name === "*") return codeDigest("own exports", Object.entries(VERSIONS).flat().map(String)).slice(0, 16);
  return Object.hasOwn(VERSIONS, name) ? String(VERSIONS[name]) : undefined;
}
