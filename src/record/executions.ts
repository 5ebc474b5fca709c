/** Executions: creating, changing, listing and taking them over. */

import { type Selectable, sql, type Updateable } from "kysely";
import { Code, FiresteelError } from "../errors.ts";
import type { ExecutionRecord, ExecutionState, ExecutionStore, Page, PageRequest } from "../evaluate/ports.ts";
import { storable, textArray } from "./arrays.ts";
import type { Db, ExecutionTable } from "./database.ts";
import { endLeftJobs } from "./jobs.ts";
import { notify } from "./notices.ts";
import { cutPage, planPage, toMs, toTime } from "./page.ts";
import { rootDigest } from "./previous-calls.ts";
import { cancelAbandoned } from "./submissions.ts";
import { noAnswers, type WriteKind } from "./write-kind.ts";

export type ExecutionChange = Parameters<ExecutionStore["updateExecution"]>[1];

/** Inserts executions; one whose request id exists gives the existing one. */
export const CREATE_EXECUTION: WriteKind<
  ExecutionRecord,
  { readonly execution: ExecutionRecord; readonly created: boolean }
> = {
  name: "execution",
  lane: "execution",
  repeatable: true,
  prepare:
    (executions) =>
    async (db, { owner }) => {
      const answers: { execution: ExecutionRecord; created: boolean }[] = [];
      for (const execution of executions) {
        const made = await db
          .insertInto("execution")
          .values({ id: execution.id, request_id: execution.requestId, owner, ...toRow(execution) })
          .onConflict((conflict) => conflict.doNothing())
          .returningAll()
          .executeTakeFirst();
        const row =
          made ??
          (await db
            .selectFrom("execution")
            .selectAll()
            .where((where) =>
              where.or([
                where("id", "=", execution.id),
                ...(execution.requestId === null ? [] : [where("request_id", "=", execution.requestId)]),
              ]),
            )
            .executeTakeFirstOrThrow());
        answers.push({ execution: executionFromRow(row), created: row.id === execution.id });
      }
      return answers;
    },
};

/** Changes fields of executions, in order. */
export const UPDATE_EXECUTION: WriteKind<{ readonly id: string; readonly change: ExecutionChange }, undefined> = {
  name: "change of an execution",
  lane: "execution",
  repeatable: false,
  prepare: (changes) => async (db, writing) => {
    for (const { id, change } of changes) {
      const set = toChange(change);
      if (Object.keys(set).length === 0) continue;
      const result = await db.updateTable("execution").set(set).where("id", "=", id).executeTakeFirst();
      if (result.numUpdatedRows === 0n) throw new FiresteelError(Code.notFound, `execution is not known: ${id}`);
    }
    const told = changes.filter(({ change }) => change.state !== undefined || change.cancelRequested !== undefined);
    await notify(
      db,
      writing,
      "execution",
      told.map(({ id }) => id),
    );
    return noAnswers(changes);
  },
};

/** What is adopted, and by what request. */
export interface AdoptRequest {
  readonly token: string;
  /** Tasks that this process knows. Executions of others are left for a while to a process that knows them. */
  readonly tasks: readonly string[] | null;
}

/** How long an execution of a dead owner waits for a process that knows its task. */
const STRANGE_MS = 60_000;

/**
 * Takes over running executions of ended owners, ends the jobs that these left, and asks for the end of what runs for those that were cancelled. The payload has a token: a repeated request finds by it what it took the first time.
 *
 * The join must be an inner one. A row that another process adopted since this statement began is looked at once more before it is locked, with its new owner but the old partner of the join: an inner join then
 * drops it, an outer one would keep it with no partner, and two processes would have it.
 */
export const ADOPT_EXECUTIONS: WriteKind<AdoptRequest, readonly ExecutionRecord[]> = {
  name: "take-over of executions",
  lane: "execution",
  repeatable: true,
  prepare: (requests) => async (db, writing) => {
    const { owner, shared } = writing;
    const answers: ExecutionRecord[][] = [];
    for (const { token, tasks } of requests) {
      const known =
        tasks === null || !shared
          ? sql`true`
          : sql`(e.task = any(${textArray(tasks)}::text[]) or o.ended_at < clock_timestamp() - make_interval(secs => ${STRANGE_MS / 1000}::float8))`;
      await sql`
        update execution set owner = ${owner}, adoption = ${token} where id in (
          select e.id from execution e join owner o on o.id = e.owner
          where e.state = 'running' and o.ended_at is not null and ${known}
          for update of e skip locked
        )`.execute(db);
      const rows = await db.selectFrom("execution").selectAll().where("adoption", "=", token).orderBy("seq").execute();
      await endLeftJobs(
        db,
        rows.map(({ id }) => id),
      );
      const abandoned = await cancelAbandoned(db, sql`e.adoption = ${token} and s.execution_id = e.id`);
      await notify(db, writing, "wish", abandoned);
      answers.push(rows.map(executionFromRow));
    }
    return answers;
  },
};

export async function findExecution(db: Db, id: string): Promise<ExecutionRecord | null> {
  const row = await db.selectFrom("execution").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? null : executionFromRow(row);
}

export async function listExecutions(
  db: Db,
  filter: { readonly state?: ExecutionState; readonly task?: string },
  request: PageRequest,
): Promise<Page<ExecutionRecord>> {
  const plan = planPage(request);
  let query = db
    .selectFrom("execution")
    .selectAll()
    .orderBy("seq", "desc")
    .limit(plan.limit + 1);
  if (plan.before !== null) query = query.where("seq", "<", plan.before);
  if (filter.state !== undefined) query = query.where("state", "=", filter.state);
  if (filter.task !== undefined) query = query.where("task", "=", filter.task);
  return cutPage(await query.execute(), plan, executionFromRow);
}

function toRow(execution: ExecutionRecord) {
  return {
    task: storable(execution.task),
    args: execution.args,
    root: rootDigest(execution.task, execution.args),
    reason: storable(execution.reason),
    user_name: storable(execution.user),
    state: execution.state,
    started_at: toTime(execution.startedAt),
    ended_at: toTime(execution.endedAt),
    result: execution.result,
    error: execution.error === null ? null : JSON.stringify(execution.error),
    code_version: execution.codeVersion,
    resumes: execution.resumes,
    cancel_requested: execution.cancelRequested,
  };
}

function toChange(change: ExecutionChange): Updateable<ExecutionTable> {
  return {
    ...(change.state === undefined ? {} : { state: change.state }),
    ...(change.endedAt === undefined ? {} : { ended_at: toTime(change.endedAt) }),
    ...(change.result === undefined ? {} : { result: change.result }),
    ...(change.error === undefined ? {} : { error: change.error === null ? null : JSON.stringify(change.error) }),
    ...(change.codeVersion === undefined ? {} : { code_version: change.codeVersion }),
    ...(change.resumes === undefined ? {} : { resumes: change.resumes }),
    ...(change.cancelRequested === undefined ? {} : { cancel_requested: change.cancelRequested }),
  };
}

/** An execution as its row says. */
export function executionFromRow(row: Selectable<ExecutionTable>): ExecutionRecord {
  return {
    id: row.id,
    requestId: row.request_id,
    task: row.task,
    args: row.args,
    reason: row.reason,
    user: row.user_name,
    state: row.state as ExecutionState,
    startedAt: toMs(row.started_at),
    endedAt: toMs(row.ended_at),
    result: row.result,
    error: row.error,
    codeVersion: row.code_version,
    resumes: row.resumes,
    cancelRequested: row.cancel_requested,
  };
}
