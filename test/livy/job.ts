/**
 * What a batch of the double does in the place of Spark: it "runs" for a while and then writes what the harness would write.
 *
 * A job file that has a line `# job: {"runs": "fails", "ms": 300}` is played as that, so that one script does the same on the double and on real Spark.
 */

import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { writeParquet } from "../../src/data/write-parquet.ts";
import type { Storage } from "../../src/evaluate/ports.ts";
import type { LivyBatchRequest } from "../../src/route/livy/http/client.ts";
import type { SparkSpec } from "../../src/route/livy/submissions/spec.ts";

/** How a job goes. */
export interface JobPlan {
  /**
   * `ok`: outputs and a manifest. `fails`: a manifest that tells of an exception. `throws`: an exception and no manifest. `dies`: the driver's machine is lost. `silent`: a good end without a manifest.
   * `forever`: until it is killed. `refused`: spark-submit fails and there never is an application. `app`: an application that knows nothing of a harness writes to the places that its arguments name.
   */
  readonly runs: "ok" | "fails" | "throws" | "dies" | "silent" | "forever" | "refused" | "app";
  /** What an `app` writes to each place: so many data files, or nothing at all. @default 1 */
  readonly parts?: number | "nothing";
  /** What YARN says of a job that throws, instead of what it says of Python. */
  readonly diagnostics?: string;
  /** How often YARN started the driver. @default 1 */
  readonly starts?: number;
  /** Time from the start of the driver to its end. */
  readonly ms?: number;
  /** It does not end before this; for doubles in the process of the test. */
  readonly held?: Promise<unknown>;
  /** Lines that spark-submit prints, beside its own. */
  readonly lines?: number;
  /** Of a statement: what Livy says of its exception. @default "disk is full" */
  readonly says?: string;
  /** Of a statement: why its session has to end. */
  readonly ends?: string;
  /** Time between the manifest and the end of the application. */
  readonly closeMs?: number;
}

/** Where jobs read and write. */
export type JobFiles = Pick<Storage, "read" | "putIfAbsent">;

/** The plan that a job file itself asks for; null for other files. Rejects where it cannot be read, at which spark-submit fails. */
export async function plannedIn(files: JobFiles, uri: string): Promise<JobPlan | null> {
  const text = new TextDecoder().decode(await files.read(uri));
  const asked = /^# job: (\{.*\})$/m.exec(text);
  return asked === null ? null : (JSON.parse(asked[1]!) as JobPlan);
}

/** What the driver prints when its job throws. */
export const TRACEBACK =
  'Traceback (most recent call last):\n  File "job.py", line 3, in <module>\nValueError: column price is missing';

const FINGERPRINT_LENGTHS = { xor: 2, sums: 4 } as const;

const ROWS = 3;

/** One small file for all, made while this is loaded: its writer needs real files and real time. */
async function makeParquet(): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "firesteel-livy-double-"));
  try {
    const path = join(folder, "rows.parquet");
    const rows = Array.from({ length: ROWS }, (_, id) => ({ id }));
    await writeParquet(rows, { id: "bigint" }, pathToFileURL(path).href);
    return await readFile(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const PARQUET = await makeParquet();

/** Writes outputs and manifest as the harness does. Each start of a driver has a token of its own. Gives the URI of the manifest. */
export async function writeAsHarness(
  files: JobFiles,
  { args }: LivyBatchRequest,
  driver: string,
  run: { readonly appId: string; readonly succeeded: boolean; readonly began: number; readonly ended: number },
  onOutputs: () => void,
): Promise<string> {
  const spec = JSON.parse(new TextDecoder().decode(await files.read(toUri(args?.[0] ?? "")))) as SparkSpec;
  const outputs = run.succeeded
    ? spec.kind === "fingerprint"
      ? await fingerprintsOf(files, spec)
      : outputsOf(spec, driver)
    : [];
  for (const { location, files: written } of outputs)
    for (const { path } of written) await files.putIfAbsent(toUri(`${location}/${path}`), PARQUET);
  if (run.succeeded) onOutputs();
  const manifest = {
    version: 1,
    attempt: spec.attempt,
    driver,
    appId: run.appId,
    spark: "3.5.6",
    status: run.succeeded ? "succeeded" : "failed",
    startedAt: new Date(run.began).toISOString(),
    endedAt: new Date(run.ended).toISOString(),
    outputs: outputs.map((output) => ({
      ...output,
      files: output.files.map((file) => ({ ...file, bytes: PARQUET.length })),
    })),
    ...(run.succeeded ? {} : { error: FAILURE }),
  };
  const uri = toUri(`${spec.base}/${driver}/manifest.json`);
  await files.putIfAbsent(uri, new TextEncoder().encode(JSON.stringify(manifest)));
  return uri;
}

/** Writes what Spark's writers write to the places of attempts that an application's arguments name. */
export async function writeAsApp(
  files: JobFiles,
  { args = [] }: LivyBatchRequest,
  parts: number | "nothing" = 1,
): Promise<void> {
  if (parts === "nothing") return;
  for (const argument of args) {
    const place = /(?:^|=)([^=]*\/attempts\/.*)$/.exec(argument)?.[1];
    if (place === undefined) continue;
    for (let i = 0; i < parts; i++)
      await files.putIfAbsent(toUri(`${place}/part-${String(i).padStart(5, "0")}.snappy.parquet`), PARQUET);
    await files.putIfAbsent(toUri(`${place}/_SUCCESS`), new Uint8Array());
  }
}

const FAILURE = {
  class: "user",
  type: "ValueError",
  message: "column price is missing",
  position: { line: 3, column: 7 },
  traceback: TRACEBACK,
};

/** The same work has the same rows, and so the same fingerprint; other work other ones. */
function outputsOf(spec: SparkSpec, driver: string) {
  const { kind, sql, parameters, params, file, inputs } = spec;
  const seed = JSON.stringify({ kind, sql, parameters, params, file, inputs });
  return spec.outputs.map(({ name, partitionBy }) => ({
    name,
    location: `${spec.base}/${driver}/${name}`,
    format: "parquet",
    partitionBy,
    ...rowsOf(`${seed}${name}`, ROWS),
    files: [{ path: "part-00000.snappy.parquet", rows: ROWS }],
  }));
}

/** Rows are known by the contents of the files, wherever these lie. */
async function fingerprintsOf(files: JobFiles, spec: SparkSpec) {
  const outputs = [];
  for (const { name, format, files: named } of spec.inputs) {
    const digests: string[] = [];
    for (const file of named)
      digests.push(
        createHash("sha256")
          .update(await files.read(toUri(file)))
          .digest("hex"),
      );
    const rows = rowsOf(digests.sort().join(), ROWS * named.length);
    outputs.push({ name, location: "", format, partitionBy: [], ...rows, files: [] });
  }
  return outputs;
}

function rowsOf(seed: string, rows: number) {
  const hash = createHash("sha256").update(seed).digest("hex");
  return {
    schema: { type: "struct", fields: [{ name: "id", type: "long", nullable: true, metadata: {} }] },
    rows,
    fingerprint: {
      mode: "rows",
      version: 1,
      xor: Array.from({ length: FINGERPRINT_LENGTHS.xor }, (_, k) => hash.slice(16 * k, 16 * k + 16)),
      sums: Array.from({ length: FINGERPRINT_LENGTHS.sums }, (_, k) =>
        String(Number.parseInt(hash.slice(12 * k, 12 * k + 12), 16)),
      ),
    },
  };
}

/** Hadoop's spelling of a place as a URI. */
export function toUri(path: string): string {
  return path.startsWith("/")
    ? pathToFileURL(path).href
    : path.startsWith("file:")
      ? pathToFileURL(path.replace(/^file:\/*/, "/")).href
      : encodeURI(path);
}
