/** Records to store, made from small numbers. */

import { createHash } from "node:crypto";
import type {
  CallRecord,
  DatasetRecord,
  ExecutionRecord,
  JobRecord,
  SubmissionRecord,
} from "../../src/evaluate/ports.ts";
import { digestValue } from "../../src/hash/digest.ts";

/** SHA-256 of a text, in hex. */
export function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

export function sampleCall(name: string, result = `result of ${name}`): CallRecord {
  const value = (text: string) => ({ digest: digestValue(Buffer.from(text)), bytes: Buffer.from(text) });
  return {
    evalHash: digest(`call ${name}`),
    task: "test.task",
    code: digest("code"),
    args: [value(`argument of ${name}`), value("shared")],
    outcome: { kind: "value", ...value(result) },
    executor: "inline",
    startedAt: 1_700_000_000_123,
    endedAt: 1_700_000_000_456,
  };
}

/** A call with values of these sizes. */
export function sized(name: string, result: number, ...args: readonly number[]): CallRecord {
  const value = (bytes: number, at: number) => {
    const content = Buffer.alloc(bytes, `${name} ${at} `);
    return { bytes: content, digest: digestValue(content) };
  };
  return { ...sampleCall(name), args: args.map(value), outcome: { kind: "value", ...value(result, -1) } };
}

/** A job that ended well. */
export function endedJob(id: string, executionId: string, change: Partial<JobRecord> = {}): JobRecord {
  return sampleJob(id, { executionId, state: "succeeded", endedAt: 1_700_000_005_000, ...change });
}

/** All parts of what is read piece by piece. */
export async function all<T>(parts: AsyncIterable<readonly T[]>): Promise<T[]> {
  const found: T[] = [];
  for await (const part of parts) found.push(...part);
  return found;
}

export function sampleJob(id: string, change: Partial<JobRecord> = {}): JobRecord {
  return {
    id,
    executionId: "execution-1",
    parentId: null,
    task: "test.task",
    evalHash: digest(`call ${id}`),
    state: "running",
    executor: "inline",
    cached: false,
    startedAt: 1_700_000_000_000,
    endedAt: null,
    error: null,
    submissionId: null,
    note: null,
    ...change,
  };
}

export function sampleExecution(id: string, change: Partial<ExecutionRecord> = {}): ExecutionRecord {
  return {
    id,
    requestId: null,
    task: "test.main",
    args: Uint8Array.of(0x80),
    reason: "a test",
    user: "tester",
    state: "running",
    startedAt: 1_700_000_000_000,
    endedAt: null,
    result: null,
    error: null,
    codeVersion: digest("version"),
    resumes: 0,
    cancelRequested: false,
    ...change,
  };
}

export function sampleSubmission(id: string, change: Partial<SubmissionRecord> = {}): SubmissionRecord {
  return {
    id,
    work: digest(`work of ${id}`),
    attempt: 1,
    task: "test.bulk",
    executionId: "execution-1",
    jobId: "job-1",
    user: "tester",
    cluster: "local",
    livyName: `store-${id}`,
    state: "planned",
    cause: "planned",
    batchId: null,
    mode: "batch",
    session: null,
    statementId: null,
    appId: null,
    location: "file:/data/attempt",
    request: { file: "x.py", args: ["a", 1, null], conf: { "spark.x": "y" } },
    sparkUiUrl: null,
    driverLogUrl: null,
    historyUrl: null,
    failure: null,
    createdAt: 1_700_000_000_000,
    submittedAt: null,
    startedAt: null,
    endedAt: null,
    confirmedAt: null,
    note: "",
    cancelRequested: null,
    goneAt: null,
    ...change,
  };
}

export function sampleDataset(name: string, change: Partial<DatasetRecord> = {}): DatasetRecord {
  return {
    identity: digest(`dataset ${name}`),
    location: `file:/data/${name}`,
    format: "parquet",
    options: { b: "2", a: "1" },
    schema: { type: "struct", fields: [{ name: "x", type: "long", nullable: true, metadata: {} }] },
    partitionBy: ["day"],
    rows: 3_000_000_000,
    files: [{ path: "part-0.parquet", bytes: 12, modified: "1700000000000000001", rows: 3 }],
    ...change,
  };
}

/** The records of bytes as plain arrays, so that a Buffer equals a Uint8Array. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return new Map([...value].map(([key, member]) => [key, plain(member)]));
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
  return value;
}
