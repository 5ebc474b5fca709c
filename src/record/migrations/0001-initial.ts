import { type Kysely, sql } from "kysely";

/** The first tables. Kept as SQL so that the text that made a database is the text that is read. */
const STATEMENTS: readonly string[] = [
  `create table store (
    single boolean primary key default true check (single),
    id text not null,
    created_at timestamptz not null default now()
  )`,
  `create table owner (
    id uuid primary key,
    epoch bigint not null,
    batch bigint not null default 0,
    heartbeat timestamptz not null,
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    place text,
    pid integer not null
  ) with (fillfactor = 50)`,
  "create index owner_alive on owner (id) where ended_at is null",
  `create table claim (
    kind text not null,
    key bytea not null,
    owner uuid not null,
    taken_at timestamptz not null default now(),
    primary key (kind, key)
  )`,
  "create index claim_owner on claim (owner)",
  `create table value (
    digest bytea primary key,
    bytes bytea not null
  )`,
  `create table task (
    id bigint primary key,
    name text not null,
    code bytea not null,
    executor text not null,
    first_seen timestamptz not null default now()
  )`,
  `create table call (
    eval_hash bytea primary key,
    task bigint not null,
    body bytea not null
  )`,
  `create table shallow_result (
    eval_hash bytea primary key,
    digest bytea not null,
    bytes bytea not null,
    tasks json not null
  )`,
  `create table execution (
    seq bigint generated always as identity unique,
    id text primary key,
    request_id text unique,
    task text not null,
    args bytea not null,
    root bytea not null,
    reason text not null,
    user_name text not null,
    state text not null,
    started_at timestamptz not null,
    ended_at timestamptz,
    result bytea,
    error json,
    code_version text not null,
    resumes integer not null,
    cancel_requested boolean not null,
    owner uuid not null,
    adoption uuid
  )`,
  "create index execution_state on execution (state, seq)",
  "create index execution_task on execution (task, seq)",
  "create index execution_root on execution (root, seq)",
  "create index execution_running on execution (owner) where state = 'running'",
  "create index execution_adoption on execution (adoption) where adoption is not null",
  `create table job (
    id text primary key,
    execution_id text not null,
    parent_id text,
    task text not null,
    eval_hash bytea not null,
    state text not null,
    executor text not null,
    cached boolean not null,
    started_at timestamptz not null,
    error json,
    submission_id text,
    note text
  )`,
  "create index job_execution on job (execution_id)",
  `create table job_block (
    execution_id text not null,
    seq bigint generated always as identity,
    count integer not null,
    first_started_ms bigint not null,
    data bytea not null,
    primary key (execution_id, seq)
  )`,
  // Digests do not get smaller; trying costs more than storing.
  "alter table job_block alter column data set storage external",
  `create table dataset (
    identity bytea primary key,
    format text not null,
    options json not null,
    rows bigint
  )`,
  "create sequence dataset_location_seq",
  `create table dataset_location (
    seq bigint not null default nextval('dataset_location_seq'),
    identity bytea not null,
    location text not null,
    schema json,
    partition_by json not null,
    files json not null,
    verified_at timestamptz not null,
    primary key (identity, location)
  )`,
  `create table file_stat (
    path text primary key,
    bytes bigint not null,
    modified_ns text not null,
    inode text not null,
    digest bytea not null
  )`,
  `create table submission (
    seq bigint generated always as identity unique,
    id text primary key,
    work bytea not null,
    attempt integer not null,
    task text not null,
    execution_id text not null,
    job_id text not null,
    user_name text not null,
    cluster text not null,
    livy_name text not null unique,
    state text not null,
    cause text not null,
    batch_id integer,
    app_id text,
    location text not null,
    request json not null,
    spark_ui_url text,
    driver_log_url text,
    failure json,
    created_at timestamptz not null,
    submitted_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    confirmed_at timestamptz,
    owner uuid not null,
    adoption uuid
  )`,
  "create index submission_work on submission (work, seq)",
  "create index submission_cluster on submission (cluster, seq)",
  "create index submission_state on submission (state, seq)",
  "create index submission_execution on submission (execution_id, seq)",
  "create index submission_live on submission (seq) where state not in ('succeeded', 'failed', 'killed', 'cancelled')",
  "create index submission_adoption on submission (adoption) where adoption is not null",
  `create table submission_transition (
    submission_id text not null,
    seq bigint generated always as identity,
    at timestamptz not null,
    from_state text,
    to_state text not null,
    cause text not null,
    primary key (submission_id, seq)
  )`,
  `create table submission_log (
    submission_id text not null,
    line_number bigint not null,
    line text not null,
    primary key (submission_id, line_number)
  )`,
  `create table bulk_result (
    work bytea primary key,
    submission_id text not null,
    outputs json not null,
    committed_at timestamptz not null default now()
  )`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
