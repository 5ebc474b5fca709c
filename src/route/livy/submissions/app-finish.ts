/**
 * Finishing an unmodified application that has ended well: what it wrote becomes datasets.
 *
 * 1. The data files of each output are listed: all below its folder but those with a name on the way that starts with `_` or `.`.
 * 2. One Spark job of ours, a submission with a row of its own, reads the outputs and fingerprints their rows. Its key holds the attempt and the listing, so that whoever finishes the attempt after a crash finds the same one.
 * 3. The manifest is written, as the harness writes one for its own jobs, and is committed as any other.
 *
 * Each step finds what was done before, and the files are compared with the listing after the second step and in the commit.
 */

import { Code, FiresteelError } from "../../../errors.ts";
import type {
  DatasetFile,
  DatasetStore,
  Storage,
  StoredFile,
  SubmissionFailure,
  SubmissionRecord,
  SubmissionStore,
} from "../../../evaluate/ports.ts";
import { digestOf } from "../../../hash/digest.ts";
import type { Cluster } from "../clusters/cluster.ts";
import type { Gateway } from "../gateway.ts";
import type { LivyBatchRequest } from "../http/client.ts";
import type { Carriage } from "../sessions/mode.ts";
import { toHadoopPath, toSparkUri } from "../witness/hadoop-path.ts";
import { type AttemptsOptions, obtainResult } from "./attempts.ts";
import { originOf } from "./attribution.ts";
import { fingerprintOf } from "./commit.ts";
import { findManifest, type Manifest, type ManifestOutput } from "./manifest.ts";
import { APP_FOLDER, appOutputOf, type FileCheck, type SparkSpec, type SpecInput, type SpecOutput } from "./spec.ts";
import type { Staging } from "./staging.ts";

/** What finishing needs of the world. */
export interface FinishWorld {
  readonly gateway: AttemptsOptions["gateway"] & Pick<Gateway, "candidates">;
  readonly store: SubmissionStore & DatasetStore;
  readonly storage: Storage;
  readonly staging: Staging;
  /** See {@link AttemptsOptions.told}. */
  readonly told: Set<string>;
}

/** An application to be finished. */
export interface EndedApp {
  readonly record: SubmissionRecord;
  readonly spec: SparkSpec;
  readonly cluster: Cluster;
  /** Told what is waited for. */
  readonly tell: (line: string) => void;
  /** Its abort cancels the Spark job; the promise settles when that is certain. */
  readonly signal: AbortSignal;
}

/** How finishing ended. */
export type Finished =
  | { readonly kind: "manifest"; readonly manifest: Manifest }
  | { readonly kind: "failed"; readonly failure: SubmissionFailure };

interface ListedOutput {
  readonly output: SpecOutput;
  readonly location: string;
  readonly files: readonly DatasetFile[];
}

/** Finishes an application. Rejects with `unavailable` while the storage gives no answer: nothing is lost by trying again. */
export async function finishApp(world: FinishWorld, app: EndedApp): Promise<Finished> {
  const { storage } = world;
  const { record, spec, signal } = app;
  const before = await findManifest(storage, record.location, record.id, signal);
  if (before !== null) return { kind: "manifest", manifest: before };
  const listed: ListedOutput[] = [];
  for (const output of spec.outputs) {
    const one = await listOutput(storage, record.location, output, signal);
    if ("class" in one) return { kind: "failed", failure: one };
    listed.push(one);
  }
  let outputs: ManifestOutput[];
  try {
    outputs = await fingerprintOutputs(world, app, listed);
  } catch (error) {
    const failure = failureOf(FiresteelError.from(error));
    if (failure === null) throw error;
    return { kind: "failed", failure };
  }
  const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
  const manifest: Manifest = {
    version: 1,
    attempt: record.id,
    driver: APP_FOLDER,
    appId: record.appId,
    spark: String(spec.check.sparkMajor),
    status: "succeeded",
    startedAt: iso(record.startedAt),
    endedAt: iso(app.cluster.clock.now()),
    outputs,
  };
  const uri = `${record.location}/${APP_FOLDER}/manifest.json`;
  await storage.putIfAbsent(uri, new TextEncoder().encode(JSON.stringify(manifest)));
  return { kind: "manifest", manifest };
}

async function listOutput(
  storage: Storage,
  base: string,
  output: SpecOutput,
  signal: AbortSignal,
): Promise<ListedOutput | SubmissionFailure> {
  const location = appOutputOf(base, output.name);
  const refuse = (type: string, what: string): SubmissionFailure => ({
    class: "user",
    type,
    message: `application ended well, but output ${output.name} ${what}: ${location}`,
  });
  const files = await listIfThere(storage, location, signal);
  if (files.length === 0) {
    const hidden = await listIfThere(storage, location, signal, () => true);
    if (hidden.length === 0)
      return refuse("OutputMissing", "is not there; it has to be written to the place that `args` tell");
    if (output.schema === undefined)
      return refuse("OutputEmpty", "has no data files; give it a `schema` if it may be empty");
  }
  if (files.some(({ uri }) => uri === location))
    return refuse("OutputRefused", "is a file; Spark's writers make folders of files");
  return {
    output,
    location,
    files: files.map(({ uri, bytes, modified, etag }) => ({
      path: uri.slice(location.length + 1),
      bytes,
      modified,
      ...(etag === undefined ? {} : { etag }),
    })),
  };
}

async function listIfThere(
  storage: Storage,
  location: string,
  signal: AbortSignal,
  include?: () => boolean,
): Promise<readonly StoredFile[]> {
  try {
    return await storage.list(location, { signal, ...(include ? { include } : {}) });
  } catch (error) {
    if (error instanceof FiresteelError && error.code === Code.notFound) return [];
    throw error;
  }
}

async function fingerprintOutputs(
  world: FinishWorld,
  { record, spec, cluster, tell, signal }: EndedApp,
  listed: readonly ListedOutput[],
): Promise<ManifestOutput[]> {
  const harness = await world.staging.harness();
  // What the application needs to read and write its data (jars, settings, memory) serves to read it again.
  const { className: _, pyFiles: __, ...surroundings } = spec.check.request!;
  const key = digestOf(
    "app outputs",
    1,
    record.id,
    listed.map(({ output, files }) => [
      output.name,
      files.map(({ path, bytes, modified, etag }) => [path, bytes, modified ?? null, etag ?? null]),
    ]),
  );
  // There, where the application could write; elsewhere only where that takes nothing new any more.
  const stays = cluster.isConfigured && cluster.drained === null;
  const where = stays ? { cluster: cluster.name } : {};
  const question = { task: record.task, tags: [], labels: {}, inputs: [], ...where };
  const result = await obtainResult({
    ...world,
    prepared: {
      key,
      question,
      rows: world.gateway.candidates(question)[0].rowsOf({}),
      request: () => ({
        ...surroundings,
        file: toSparkUri(harness.file),
        pyFiles: harness.pyFiles.map(toSparkUri),
      }),
      carriage: carriageOn(cluster, surroundings, listed),
      spec: (mode, attempt, base, replaces) => ({
        version: 1,
        attempt,
        base: toHadoopPath(base),
        kind: "fingerprint",
        inputs: listed.map(inputOf),
        outputs: [],
        // A batch has the others from its application.
        conf: { ...(mode === "statement" ? sqlSettings(surroundings) : {}), ...spec.conf },
        check: { files: listed.flatMap(checksOf), replaces, sparkMajor: spec.check.sparkMajor },
      }),
    },
    origin: originOf(record),
    tell: (line) => tell(`fingerprinting its outputs: ${line}`),
    signal,
  });
  return listed.map(({ output, location, files }) => ({
    name: output.name,
    location: toHadoopPath(location),
    format: output.format,
    options: output.options,
    partitionBy: partitionsOf(files),
    ...fingerprintOf(result, output.name),
    files: files.map((file) => ({ ...file, path: toHadoopPath(file.path) })),
  }));
}

/** Whether a warm session will do: not where the application had what a running session cannot be given. */
function carriageOn({ config }: Cluster, request: LivyBatchRequest, listed: readonly ListedOutput[]): Carriage {
  const { file: _, name: __, args: ___, conf = {}, jars = [], files = [], archives = [], proxyUser, ...rest } = request;
  const own = Object.keys(conf).find((key) => !key.startsWith("spark.sql.") && conf[key] !== config.conf?.[key]);
  const needsFiles = [...jars, ...files, ...archives].length > 0;
  const obstacle = needsFiles ? "files" : proxyUser === undefined ? (own ?? null) : "proxyUser";
  const bytes = listed.flatMap((one) => one.files).reduce((sum, one) => sum + one.bytes, 0);
  return { asked: undefined, obstacle, resources: Object.keys(rest).length > 0, bytes };
}

function sqlSettings({ conf = {} }: LivyBatchRequest): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(conf).filter(([key]) => key.startsWith("spark.sql.")));
}

function inputOf({ output, location, files }: ListedOutput): SpecInput {
  const { name, format, options, schema = null } = output;
  // Files of several writes may differ in their columns; by itself Spark takes those of any one file.
  const merge = schema === null && (format === "parquet" || format === "orc") ? { mergeSchema: "true" } : {};
  return {
    name,
    format,
    location: toHadoopPath(location),
    files: files.map(({ path }) => toHadoopPath(`${location}/${path}`)),
    options: { ...merge, ...options },
    schema,
    partitionBy: partitionsOf(files),
  };
}

function checksOf({ location, files }: ListedOutput): readonly FileCheck[] {
  return files.map(({ path, ...stat }) => ({ ...stat, uri: `${location}/${path}`, location }));
}

/** The names of the `key=value` folders. */
function partitionsOf([first]: readonly DatasetFile[]): string[] {
  const folders = first?.path.split("/").slice(0, -1) ?? [];
  return folders.filter((part) => part.includes("=")).map((part) => toHadoopPath(part.slice(0, part.indexOf("="))));
}

/** What a failed Spark job means for the application; null for what is none of its failures. */
function failureOf(error: FiresteelError): SubmissionFailure | null {
  if (error.details["kind"] === "inputChanged")
    return {
      class: "cluster",
      type: "OutputChanged",
      message: `outputs changed after their application had ended, so that somebody else writes there: ${error.message}`,
    };
  const { class: kind, type, traceback } = error.details;
  const about = {
    type: typeof type === "string" ? type : "OutputsUnread",
    message: `application ended well, but its outputs could not be fingerprinted: ${error.message}`,
    ...(typeof traceback === "string" ? { traceback } : {}),
  };
  if (kind === "user" || kind === "submit") return { class: kind, ...about };
  // Another attempt would do all the work again because of its last and smallest step.
  return kind === "cluster" ? { class: "cluster", final: true, ...about } : null;
}
