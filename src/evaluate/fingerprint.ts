/**
 * Datasets that are identified by their rows although somebody else wrote them: `dataset(location, { fingerprint: "rows" })`.
 *
 * The fingerprint is the result of a call like any other, of a built-in bulk task with the dataset as identified by its files; so it is computed by one Spark job, shown as a job, and found again as long as
 * the files are the same. Two locations with the same rows, or one that was rewritten with the same rows, then are the same dataset to whatever reads them.
 */

import { DatasetValue } from "../define/external.ts";
import type { StructType } from "../define/schema.ts";
import { makeWork } from "../define/work.ts";
import { Code, FiresteelError } from "../errors.ts";
import { type RowFingerprint, writtenDatasetIdentity } from "../hash/dataset.ts";
import { decodeValue } from "../hash/decode.ts";
import { digestOf, digestValue } from "../hash/digest.ts";
import { encodeValue } from "../hash/value.ts";
import type { TaskInfo } from "./code.ts";
import type { DatasetRecord, Executor } from "./ports.ts";

/** The built-in task: takes a dataset, gives the schema, number and fingerprint of its rows. */
export const FINGERPRINT_TASK: TaskInfo = {
  name: "firesteel.fingerprint",
  description: "Fingerprints the rows of a dataset",
  module: "firesteel",
  line: 0,
  code: digestOf("builtin", "fingerprint", 1),
  options: { tags: ["bulk-data"] },
  parameters: [{ name: "dataset", optional: false, rest: false, hasDefault: false, type: "Dataset" }],
  undecided: [],
};

/** Stands in for the flow host: the body of {@link FINGERPRINT_TASK}. */
export const fingerprintBody: Executor = {
  name: "inline",
  async run({ args }) {
    const input = args[0] === undefined ? undefined : decodeValue(args[0]);
    if (!(input instanceof DatasetValue))
      throw new FiresteelError(Code.invalidArgument, "firesteel.fingerprint wants a dataset");
    const bytes = encodeValue(makeWork({ kind: "fingerprint", input, settings: {} }));
    return { kind: "value", bytes, digest: digestValue(bytes) };
  },
  async [Symbol.asyncDispose]() {},
};

/** The dataset at the same place, identified by its rows. */
export function identifiedByRows(record: DatasetRecord, result: Uint8Array): DatasetRecord {
  const { schema, rows, fingerprint } = decodeValue(result) as {
    readonly schema: StructType;
    readonly rows: number;
    readonly fingerprint: RowFingerprint;
  };
  return { ...record, identity: writtenDatasetIdentity(schema, rows, fingerprint), schema, rows };
}
