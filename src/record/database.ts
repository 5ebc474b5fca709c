/**
 * The tables of the store, as Kysely sees them. The SQL that makes them is in `migrations/`.
 *
 * Digests are `bytea`, times `timestamptz`, structured fields `json` (not `jsonb`: it refuses U+0000 and reorders members). There are no foreign keys: every row is written by one
 * FIFO writer in the order of its causes, and the hot tables (value, call, job_block) would pay for each check.
 */

import type { ColumnType, Generated, Kysely } from "kysely";
import type { StructType } from "../define/schema.ts";
import type { CodePart } from "../evaluate/explain/ports.ts";
import type { DatasetFile, DatasetRecord, Digest, ErrorRecord, SubmissionFailure } from "../evaluate/ports.ts";

/** A JSON column: written as text, read parsed. */
type Json<T> = ColumnType<T, string, string>;
type NullableJson<T> = ColumnType<T | null, string | null, string | null>;
type Time = ColumnType<Date, Date | string, Date | string>;
type NullableTime = ColumnType<Date | null, Date | string | null, Date | string | null>;
/** A bigint column that always fits a double; both drivers read it as a number or a decimal string. */
type Big = ColumnType<number | string, number, number>;
type GeneratedBig = ColumnType<number | string, number | undefined, number>;

/** The one row that names this store. */
export interface StoreTable {
  single: Generated<boolean>;
  id: string;
  created_at: Generated<Date>;
}

/** One row per process that opened the store; alive while `ended_at` is null. */
export interface OwnerTable {
  id: string;
  epoch: Big;
  /** Number of the last batch that this owner committed: tells after a lost connection whether the batch in flight was. */
  batch: Big;
  heartbeat: Time;
  started_at: Generated<Date>;
  ended_at: NullableTime;
  /** Names machine boot and process namespace where the system has them: only there a process id means something. */
  place: string | null;
  pid: number;
}

/** Who works on a call or a piece of bulk work right now, or keeps a cluster (the key is its name); rows of a dead owner are removed with it. */
export interface ClaimTable {
  kind: "call" | "work" | "cluster";
  key: Uint8Array;
  owner: string;
  taken_at: Generated<Date>;
}

/** Values of calls that are neither so small that they are in the call's row nor so large that they are files. */
export interface ValueTable {
  digest: Uint8Array;
  bytes: Uint8Array;
}

/** Each version of a task's code that ever ran, and where it ran. The id is made from the other columns. */
export interface TaskTable {
  id: Big;
  name: string;
  code: Uint8Array;
  executor: string;
  first_seen: Generated<Date>;
}

/** What a version of a task's code is made of; written when it is loaded first. */
export interface TaskVersionTable {
  task: string;
  code: Uint8Array;
  parts: Json<readonly StoredPart[]>;
  seen_at: Generated<Date>;
}

/** A part of a task's code with its text by digest. */
export type StoredPart = Omit<CodePart, "text"> & { readonly text: Digest | null };

/** Source texts by digest; most versions of a task share most of theirs. */
export interface CodeTextTable {
  digest: Uint8Array;
  text: string;
}

/** Finished calls; `body` is packed (`call-body.ts`). */
export interface CallTable {
  eval_hash: Uint8Array;
  task: Big;
  body: Uint8Array;
}

/** The final value of a call of a task that is checked shallowly. */
export interface ShallowResultTable {
  eval_hash: Uint8Array;
  digest: Uint8Array;
  bytes: Uint8Array;
  /** Name and code of every task below. */
  tasks: Json<readonly (readonly [string, string])[]>;
}

export interface ExecutionTable {
  /** Order of creation; pages are cut by it. */
  seq: GeneratedBig;
  id: string;
  request_id: string | null;
  task: string;
  args: Uint8Array;
  /** Digest of task and arguments: executions of the same root have the same. */
  root: Uint8Array;
  reason: string;
  user_name: string;
  state: string;
  started_at: Time;
  ended_at: NullableTime;
  result: Uint8Array | null;
  error: NullableJson<ErrorRecord>;
  code_version: string;
  resumes: number;
  cancel_requested: boolean;
  owner: string;
  /** Token of the request that adopted it last, so that a repeated request finds what it took. */
  adoption: string | null;
}

/** Jobs that run or wait. */
export interface JobTable {
  id: string;
  execution_id: string;
  parent_id: string | null;
  task: string;
  eval_hash: Uint8Array;
  state: string;
  executor: string;
  cached: boolean;
  started_at: Time;
  error: NullableJson<ErrorRecord>;
  submission_id: string | null;
  note: string | null;
}

/** Ended jobs, many to a row; `data` is packed (`job-block.ts`). */
export interface JobBlockTable {
  execution_id: string;
  seq: GeneratedBig;
  count: number;
  first_started_ms: Big;
  data: Uint8Array;
}

/** What holds of a dataset wherever it lies. */
export interface DatasetTable {
  identity: Uint8Array;
  rows: Big | null;
}

/** A place where a dataset was verified. */
export interface DatasetLocationTable {
  seq: GeneratedBig;
  identity: Uint8Array;
  location: string;
  format: string;
  options: Json<Readonly<Record<string, string>>>;
  schema: NullableJson<StructType>;
  partition_by: Json<readonly string[]>;
  files: Json<readonly DatasetFile[]>;
  verified_at: Time;
}

export interface FileStatTable {
  path: string;
  bytes: Big;
  modified_ns: string;
  inode: string;
  digest: Uint8Array;
}

export interface SubmissionTable {
  seq: GeneratedBig;
  id: string;
  work: Uint8Array;
  attempt: number;
  task: string;
  execution_id: string;
  job_id: string;
  user_name: string;
  cluster: string;
  livy_name: string;
  state: string;
  cause: string;
  batch_id: number | null;
  app_id: string | null;
  location: string;
  request: Json<Readonly<Record<string, unknown>>>;
  spark_ui_url: string | null;
  driver_log_url: string | null;
  history_url: string | null;
  failure: NullableJson<SubmissionFailure>;
  created_at: Time;
  submitted_at: NullableTime;
  started_at: NullableTime;
  ended_at: NullableTime;
  confirmed_at: NullableTime;
  /** Who keeps it; null until the keeper of its cluster takes it. */
  owner: string | null;
  adoption: string | null;
  /** Other processes may follow it: its changes are told. */
  followed: Generated<boolean>;
  note: string;
  cancel_requested: string | null;
  gone_at: NullableTime;
  mode: string;
  session: string | null;
  statement_id: number | null;
}

/** How a cluster is, as its keeper told it last. */
export interface ClusterTable {
  name: string;
  status: Json<Readonly<Record<string, unknown>>>;
  told_at: Time;
}

/** A time for which a cluster takes no new submissions; it goes on while `resumed_at` is null. */
export interface ClusterDrainTable {
  seq: GeneratedBig;
  cluster: string;
  drained_at: Time;
  drained_by: string;
  reason: string;
  resumed_at: NullableTime;
  resumed_by: string | null;
}

export interface SubmissionTransitionTable {
  seq: GeneratedBig;
  submission_id: string;
  at: Time;
  from_state: string | null;
  to_state: string;
  cause: string;
}

export interface SubmissionLogTable {
  submission_id: string;
  line_number: Big;
  source: string;
  line: string;
}

/** The committed attempt at a piece of bulk work. */
export interface BulkResultTable {
  work: Uint8Array;
  submission_id: string;
  outputs: Json<Readonly<Record<string, DatasetRecord>>>;
  committed_at: Generated<Date>;
}

export interface Database {
  store: StoreTable;
  owner: OwnerTable;
  claim: ClaimTable;
  value: ValueTable;
  task: TaskTable;
  task_version: TaskVersionTable;
  code_text: CodeTextTable;
  call: CallTable;
  shallow_result: ShallowResultTable;
  execution: ExecutionTable;
  job: JobTable;
  job_block: JobBlockTable;
  dataset: DatasetTable;
  dataset_location: DatasetLocationTable;
  file_stat: FileStatTable;
  submission: SubmissionTable;
  submission_transition: SubmissionTransitionTable;
  submission_log: SubmissionLogTable;
  bulk_result: BulkResultTable;
  cluster: ClusterTable;
  cluster_drain: ClusterDrainTable;
}

/** A connection or a transaction; every repository function takes one first. */
export type Db = Kysely<Database>;

/** Asks a query with fixed text, past the query builder: for what is asked once for each call of a chain. The server may keep its parsed form. */
export type Ask = <R>(text: string, parameters: readonly unknown[]) => Promise<readonly R[]>;
