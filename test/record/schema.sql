-- The schema after all migrations, one line a thing. Written by test/record/migrate.test.ts: run it with "vitest run -u" after adding a migration.
bulk_result.work bytea not null
bulk_result.submission_id text not null
bulk_result.outputs json not null
bulk_result.committed_at timestamp with time zone not null default now()
bulk_result constraint bulk_result_pkey PRIMARY KEY (work)
CREATE UNIQUE INDEX bulk_result_pkey ON public.bulk_result USING btree (work)
call.eval_hash bytea not null
call.task bigint not null
call.body bytea not null
call constraint call_pkey PRIMARY KEY (eval_hash)
CREATE UNIQUE INDEX call_pkey ON public.call USING btree (eval_hash)
claim.kind text not null
claim.key bytea not null
claim.owner uuid not null
claim.taken_at timestamp with time zone not null default now()
claim constraint claim_pkey PRIMARY KEY (kind, key)
CREATE INDEX claim_owner ON public.claim USING btree (owner)
CREATE UNIQUE INDEX claim_pkey ON public.claim USING btree (kind, key)
cluster.name text not null
cluster.status json not null
cluster.told_at timestamp with time zone not null
cluster constraint cluster_pkey PRIMARY KEY (name)
CREATE UNIQUE INDEX cluster_pkey ON public.cluster USING btree (name)
cluster_drain.seq bigint not null generated always as identity
cluster_drain.cluster text not null
cluster_drain.drained_at timestamp with time zone not null
cluster_drain.drained_by text not null
cluster_drain.reason text not null
cluster_drain.resumed_at timestamp with time zone
cluster_drain.resumed_by text
cluster_drain constraint cluster_drain_pkey PRIMARY KEY (seq)
CREATE UNIQUE INDEX cluster_drain_now ON public.cluster_drain USING btree (cluster) WHERE (resumed_at IS NULL)
CREATE UNIQUE INDEX cluster_drain_pkey ON public.cluster_drain USING btree (seq)
code_text.digest bytea not null
code_text.text text not null
code_text constraint code_text_pkey PRIMARY KEY (digest)
CREATE UNIQUE INDEX code_text_pkey ON public.code_text USING btree (digest)
dataset.identity bytea not null
dataset.rows bigint
dataset constraint dataset_pkey PRIMARY KEY (identity)
CREATE UNIQUE INDEX dataset_pkey ON public.dataset USING btree (identity)
dataset_location.seq bigint not null default nextval('dataset_location_seq'::regclass)
dataset_location.identity bytea not null
dataset_location.location text not null
dataset_location.schema json
dataset_location.partition_by json not null
dataset_location.files json not null
dataset_location.verified_at timestamp with time zone not null
dataset_location.format text not null
dataset_location.options json not null
dataset_location constraint dataset_location_pkey PRIMARY KEY (identity, location)
CREATE UNIQUE INDEX dataset_location_pkey ON public.dataset_location USING btree (identity, location)
execution.seq bigint not null generated always as identity
execution.id text not null
execution.request_id text
execution.task text not null
execution.args bytea not null
execution.root bytea not null
execution.reason text not null
execution.user_name text not null
execution.state text not null
execution.started_at timestamp with time zone not null
execution.ended_at timestamp with time zone
execution.result bytea
execution.error json
execution.code_version text not null
execution.resumes integer not null
execution.cancel_requested boolean not null
execution.owner uuid not null
execution.adoption uuid
execution constraint execution_pkey PRIMARY KEY (id)
execution constraint execution_request_id_key UNIQUE (request_id)
execution constraint execution_seq_key UNIQUE (seq)
CREATE INDEX execution_adoption ON public.execution USING btree (adoption) WHERE (adoption IS NOT NULL)
CREATE INDEX execution_root ON public.execution USING btree (root, seq)
CREATE INDEX execution_running ON public.execution USING btree (owner) WHERE (state = 'running'::text)
CREATE INDEX execution_state ON public.execution USING btree (state, seq)
CREATE INDEX execution_task ON public.execution USING btree (task, seq)
CREATE UNIQUE INDEX execution_pkey ON public.execution USING btree (id)
CREATE UNIQUE INDEX execution_request_id_key ON public.execution USING btree (request_id)
CREATE UNIQUE INDEX execution_seq_key ON public.execution USING btree (seq)
file_stat.path text not null
file_stat.bytes bigint not null
file_stat.modified_ns text not null
file_stat.inode text not null
file_stat.digest bytea not null
file_stat constraint file_stat_pkey PRIMARY KEY (path)
CREATE UNIQUE INDEX file_stat_pkey ON public.file_stat USING btree (path)
job.id text not null
job.execution_id text not null
job.parent_id text
job.task text not null
job.eval_hash bytea not null
job.state text not null
job.executor text not null
job.cached boolean not null
job.started_at timestamp with time zone not null
job.error json
job.submission_id text
job.note text
job constraint job_pkey PRIMARY KEY (id)
CREATE INDEX job_execution ON public.job USING btree (execution_id)
CREATE UNIQUE INDEX job_pkey ON public.job USING btree (id)
job_block.execution_id text not null
job_block.seq bigint not null generated always as identity
job_block.count integer not null
job_block.first_started_ms bigint not null
job_block.data bytea not null
job_block constraint job_block_pkey PRIMARY KEY (execution_id, seq)
CREATE UNIQUE INDEX job_block_pkey ON public.job_block USING btree (execution_id, seq)
owner.id uuid not null
owner.epoch bigint not null
owner.batch bigint not null default 0
owner.heartbeat timestamp with time zone not null
owner.started_at timestamp with time zone not null default now()
owner.ended_at timestamp with time zone
owner.place text
owner.pid integer not null
owner constraint owner_pkey PRIMARY KEY (id)
CREATE INDEX owner_alive ON public.owner USING btree (id) WHERE (ended_at IS NULL)
CREATE UNIQUE INDEX owner_pkey ON public.owner USING btree (id)
shallow_result.eval_hash bytea not null
shallow_result.digest bytea not null
shallow_result.bytes bytea not null
shallow_result.tasks json not null
shallow_result constraint shallow_result_pkey PRIMARY KEY (eval_hash)
CREATE UNIQUE INDEX shallow_result_pkey ON public.shallow_result USING btree (eval_hash)
store.single boolean not null default true
store.id text not null
store.created_at timestamp with time zone not null default now()
store constraint store_pkey PRIMARY KEY (single)
store constraint store_single_check CHECK (single)
CREATE UNIQUE INDEX store_pkey ON public.store USING btree (single)
submission.seq bigint not null generated always as identity
submission.id text not null
submission.work bytea not null
submission.attempt integer not null
submission.task text not null
submission.execution_id text not null
submission.job_id text not null
submission.user_name text not null
submission.cluster text not null
submission.livy_name text not null
submission.state text not null
submission.cause text not null
submission.batch_id integer
submission.app_id text
submission.location text not null
submission.request json not null
submission.spark_ui_url text
submission.driver_log_url text
submission.failure json
submission.created_at timestamp with time zone not null
submission.submitted_at timestamp with time zone
submission.started_at timestamp with time zone
submission.ended_at timestamp with time zone
submission.confirmed_at timestamp with time zone
submission.owner uuid
submission.adoption uuid
submission.followed boolean not null default false
submission.note text not null default ''::text
submission.cancel_requested text
submission.gone_at timestamp with time zone
submission.mode text not null default 'batch'::text
submission.session text
submission.statement_id integer
submission.history_url text
submission constraint submission_livy_name_key UNIQUE (livy_name)
submission constraint submission_pkey PRIMARY KEY (id)
submission constraint submission_seq_key UNIQUE (seq)
CREATE INDEX submission_adoption ON public.submission USING btree (adoption) WHERE (adoption IS NOT NULL)
CREATE INDEX submission_cluster ON public.submission USING btree (cluster, seq)
CREATE INDEX submission_execution ON public.submission USING btree (execution_id, seq)
CREATE INDEX submission_leaving ON public.submission USING btree (seq) WHERE ((gone_at IS NULL) AND (state = ANY (ARRAY['succeeded'::text, 'failed'::text, 'killed'::text])))
CREATE INDEX submission_live ON public.submission USING btree (seq) WHERE (state <> ALL (ARRAY['succeeded'::text, 'failed'::text, 'killed'::text, 'cancelled'::text]))
CREATE INDEX submission_state ON public.submission USING btree (state, seq)
CREATE INDEX submission_work ON public.submission USING btree (work, seq)
CREATE UNIQUE INDEX submission_livy_name_key ON public.submission USING btree (livy_name)
CREATE UNIQUE INDEX submission_pkey ON public.submission USING btree (id)
CREATE UNIQUE INDEX submission_seq_key ON public.submission USING btree (seq)
submission_log.submission_id text not null
submission_log.line_number bigint not null
submission_log.line text not null
submission_log.source text not null default 'submit'::text
submission_log constraint submission_log_pkey PRIMARY KEY (submission_id, line_number)
CREATE UNIQUE INDEX submission_log_pkey ON public.submission_log USING btree (submission_id, line_number)
submission_transition.submission_id text not null
submission_transition.seq bigint not null generated always as identity
submission_transition.at timestamp with time zone not null
submission_transition.from_state text
submission_transition.to_state text not null
submission_transition.cause text not null
submission_transition constraint submission_transition_pkey PRIMARY KEY (submission_id, seq)
CREATE UNIQUE INDEX submission_transition_pkey ON public.submission_transition USING btree (submission_id, seq)
task.id bigint not null
task.name text not null
task.code bytea not null
task.executor text not null
task.first_seen timestamp with time zone not null default now()
task constraint task_pkey PRIMARY KEY (id)
CREATE UNIQUE INDEX task_pkey ON public.task USING btree (id)
task_version.task text not null
task_version.code bytea not null
task_version.parts json not null
task_version.seen_at timestamp with time zone not null default now()
task_version constraint task_version_pkey PRIMARY KEY (task, code)
CREATE UNIQUE INDEX task_version_pkey ON public.task_version USING btree (task, code)
value.digest bytea not null
value.bytes bytea not null
value constraint value_pkey PRIMARY KEY (digest)
CREATE UNIQUE INDEX value_pkey ON public.value USING btree (digest)
