/**
 * Committing an attempt: from a manifest that proves success to the one row in the store that makes its outputs the result of the work.
 */

import { Code, FiresteelError } from "../../errors.ts";
import type {
  BulkResult,
  DatasetRecord,
  DatasetStore,
  Storage,
  SubmissionRecord,
  SubmissionStore,
} from "../../evaluate/ports.ts";
import { type RowFingerprint, writtenDatasetIdentity } from "../../hash/dataset.ts";
import { datasetsOf, type Manifest } from "./manifest.ts";
import { checksOf, findChange, inputChanged, type SparkSpec } from "./spec.ts";

/** Name under which the result of fingerprint work is kept. */
export const FINGERPRINT_OUTPUT = "fingerprint";
/** Format of the record that keeps it: there are no files behind it. */
const FINGERPRINT_FORMAT = "fingerprint";

/**
 * Commits the outputs of a manifest, unless an input is not what it was or another attempt has committed already (then that one's result is returned).
 *
 * Rejects with `aborted` and `details.kind` `inputChanged`, with `data_loss` where outputs are not as the manifest says, with `failed_precondition` where the cluster runs another Spark than configured.
 */
export async function commitManifest(
  store: SubmissionStore & DatasetStore,
  storage: Storage,
  submission: SubmissionRecord,
  spec: SparkSpec,
  manifest: Manifest,
): Promise<BulkResult> {
  if (Number.parseInt(manifest.spark, 10) !== spec.check.sparkMajor) {
    throw new FiresteelError(
      Code.failedPrecondition,
      `cluster ${submission.cluster} is configured as Spark ${spec.check.sparkMajor}; set its \`spark\` to the major version it runs: ${manifest.spark}`,
    );
  }
  const written = new Set(manifest.outputs.map(({ name }) => name));
  const expected = spec.kind === "fingerprint" ? [FINGERPRINT_OUTPUT] : spec.outputs.map(({ name }) => name);
  const absent = expected.find((name) => !written.has(name));
  if (absent !== undefined)
    throw new FiresteelError(Code.dataLoss, `manifest of attempt ${submission.id} lacks an output: ${absent}`);
  const outputs =
    spec.kind === "fingerprint"
      ? fingerprintOutput(manifest, submission.location)
      : await datasetsOf(manifest, submission.location, storage);
  // Last: a change up to here may have been read.
  const change = await findChange(storage, spec.check.files);
  if (change !== null) {
    const changed = spec.check.files.find(({ uri }) => change.startsWith(`${uri} `));
    throw inputChanged(changed?.location ?? "", change);
  }
  // Writes become durable in the order asked for, so awaiting the last is enough.
  const recorded =
    spec.kind === "fingerprint" ? [] : Object.values(outputs).map((dataset) => store.recordDataset(dataset));
  const result: BulkResult = { work: submission.work, submissionId: submission.id, outputs };
  const [committed] = await Promise.all([store.commitResult(result, spec.check.replaces ?? undefined), ...recorded]);
  if (committed) return result;
  const other = await store.findResult(submission.work);
  if (other === null)
    throw new FiresteelError(Code.internal, `result of work ${submission.work} was refused though none is committed`);
  return other;
}

/** What {@link FingerprintResult} work gives: schema and fingerprint of the rows of its input. */
export interface FingerprintResult {
  readonly rows: number;
  readonly schema: NonNullable<DatasetRecord["schema"]>;
  readonly fingerprint: RowFingerprint;
}

function fingerprintOutput(manifest: Manifest, location: string): Readonly<Record<string, DatasetRecord>> {
  const { schema, rows, fingerprint } = manifest.outputs[0]!;
  const identity = writtenDatasetIdentity(schema, rows, fingerprint);
  const options = {
    mode: fingerprint.mode,
    version: String(fingerprint.version),
    xor: fingerprint.xor.join(" "),
    sums: fingerprint.sums.join(" "),
  };
  return {
    [FINGERPRINT_OUTPUT]: {
      identity,
      location,
      format: FINGERPRINT_FORMAT,
      options,
      schema,
      rows,
      partitionBy: [],
      files: [],
    },
  };
}

/** Reads a committed fingerprint back. */
export function fingerprintOf(result: BulkResult): FingerprintResult {
  const kept = result.outputs[FINGERPRINT_OUTPUT];
  if (kept?.format !== FINGERPRINT_FORMAT || kept.schema === null || kept.rows === null) {
    throw new FiresteelError(Code.dataLoss, `result of work ${result.work} holds no fingerprint`);
  }
  const { version, xor, sums } = kept.options;
  return {
    rows: kept.rows,
    schema: kept.schema,
    fingerprint: { mode: "rows", version: Number(version), xor: (xor ?? "").split(" "), sums: (sums ?? "").split(" ") },
  };
}

/** Whether the files of a committed result are all there as they were. */
export async function isValid(storage: Storage, result: BulkResult): Promise<boolean> {
  return (await findChange(storage, Object.values(result.outputs).flatMap(checksOf))) === null;
}
