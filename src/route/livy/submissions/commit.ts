/**
 * Committing an attempt: from a manifest that proves success to the one row in the store that makes its outputs the result of the work.
 */

import { Code, FiresteelError } from "../../../errors.ts";
import type {
  BulkResult,
  DatasetRecord,
  DatasetStore,
  Digest,
  Storage,
  SubmissionRecord,
  SubmissionStore,
} from "../../../evaluate/ports.ts";
import { type RowFingerprint, writtenDatasetIdentity } from "../../../hash/dataset.ts";
import { datasetsOf, type Manifest } from "./manifest.ts";
import { checksOf, findChange, findStranger, inputChanged, type SparkSpec } from "./spec.ts";

/** Format of a record that keeps a fingerprint: there are no files behind it. */
const FINGERPRINT_FORMAT = "fingerprint";

/** What an attempt's manifest is compared with. */
export interface Expected {
  readonly kind: SparkSpec["kind"];
  /** Names of its outputs; for a fingerprint of its inputs. */
  readonly names: readonly string[];
  readonly check: Omit<SparkSpec["check"], "request">;
}

/** What has to be held of a spec until its attempt ends. */
export function expectedOf({ kind, inputs, outputs, check }: SparkSpec): Expected {
  const { request: _, ...held } = check;
  return { kind, names: (kind === "fingerprint" ? inputs : outputs).map(({ name }) => name), check: held };
}

/**
 * Commits the outputs of a manifest, unless an input is not what it was or another attempt has committed already (then that one's result is returned).
 *
 * Rejects with `aborted` and `details.kind` `inputChanged`, with `data_loss` where outputs are not as the manifest says, with `failed_precondition` where the cluster runs another Spark than configured.
 */
export async function commitManifest(
  store: SubmissionStore & DatasetStore,
  storage: Storage,
  submission: Pick<SubmissionRecord, "id" | "work" | "cluster" | "location">,
  spec: Expected,
  manifest: Manifest,
): Promise<BulkResult> {
  if (Number.parseInt(manifest.spark, 10) !== spec.check.sparkMajor) {
    throw new FiresteelError(
      Code.failedPrecondition,
      `cluster ${submission.cluster} is configured as Spark ${spec.check.sparkMajor}; set its \`spark\` to the major version it runs: ${manifest.spark}`,
    );
  }
  const written = new Set(manifest.outputs.map(({ name }) => name));
  const absent = spec.names.find((name) => !written.has(name));
  if (absent !== undefined)
    throw new FiresteelError(Code.dataLoss, `manifest of attempt ${submission.id} lacks an output: ${absent}`);
  const outputs =
    spec.kind === "fingerprint"
      ? fingerprints(manifest, submission.location)
      : await datasetsOf(manifest, submission.location, storage);
  // Last: a change up to here may have been read.
  const change = await findChange(storage, spec.check.files);
  if (change !== null) {
    const changed = spec.check.files.find(({ uri }) => change.startsWith(`${uri} `));
    throw inputChanged(changed?.location ?? "", change);
  }
  for (const location of spec.check.whole ?? []) {
    const stranger = await findStranger(storage, location, spec.check.files);
    if (stranger !== null) throw inputChanged(location, stranger);
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

function fingerprints(manifest: Manifest, location: string): Readonly<Record<string, DatasetRecord>> {
  const records: Record<string, DatasetRecord> = {};
  for (const { name, schema, rows, fingerprint } of manifest.outputs) {
    const options = {
      mode: fingerprint.mode,
      version: String(fingerprint.version),
      xor: fingerprint.xor.join(" "),
      sums: fingerprint.sums.join(" "),
    };
    const identity = writtenDatasetIdentity(schema, rows, fingerprint);
    records[name] = {
      identity,
      location,
      format: FINGERPRINT_FORMAT,
      options,
      schema,
      rows,
      partitionBy: [],
      files: [],
    };
  }
  return records;
}

/** Reads a committed fingerprint back: that of an input of this name, or of the only one. */
export function fingerprintOf(result: BulkResult, name?: string): FingerprintResult {
  const kept = name === undefined ? Object.values(result.outputs)[0] : result.outputs[name];
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

/** What a look for a committed result came to: it is there, there is none, or its files are not as they were. */
export type Lookup = "hit" | "miss" | "invalid";

/** The committed result of a piece of work, if its files are all there as they were. */
export async function findValidResult(
  store: SubmissionStore,
  storage: Storage,
  work: Digest,
  tell?: (lookup: Lookup) => void,
): Promise<BulkResult | null> {
  const found = await store.findResult(work);
  const valid = found !== null && (await isValid(storage, found));
  tell?.(valid ? "hit" : found === null ? "miss" : "invalid");
  return valid ? found : null;
}

/** Whether the files of a committed result are all there as they were. */
export async function isValid(storage: Storage, result: BulkResult): Promise<boolean> {
  return (await findChange(storage, Object.values(result.outputs).flatMap(checksOf))) === null;
}
