/** Submissions and their transitions. */

import { sql, type Updateable } from "kysely";
import { Code, FiresteelError } from "../errors.ts";
import type {
  Page,
  PageRequest,
  SubmissionRecord,
  SubmissionState,
  SubmissionStore,
  SubmissionTransition,
} from "../evaluate/ports.ts";
import { digestBytes, storable } from "./arrays.ts";
import type { Db, SubmissionTable } from "./database.ts";
import { cutPage, planPage, toMs, toTime } from "./page.ts";
import { fromSubmissionRow, toSubmissionChange, toSubmissionRow } from "./submission-row.ts";
import { noAnswers, type WriteKind } from "./write-kind.ts";

export type SubmissionChange = Parameters<SubmissionStore["updateSubmission"]>[1];
export type SubmissionFilter = Parameters<SubmissionStore["listSubmissions"]>[0];

/** A live submission is one in none of these states; written as the partial index `submission_live` has it, so that the planner can use it. */
const LIVE = sql<boolean>`state not in ('succeeded', 'failed', 'killed', 'cancelled')`;

/** Inserts submissions with their first transition. */
export const CREATE_SUBMISSION: WriteKind<{ readonly submission: SubmissionRecord; readonly at: number }, undefined> = {
  name: "submission",
  lane: "submission",
  repeatable: false,
  prepare:
    (requests) =>
    async (db, { owner }) => {
      for (const { submission, at } of requests) {
        await db
          .insertInto("submission")
          .values({ ...toSubmissionRow(submission), owner })
          .execute();
        await insertTransition(db, {
          submissionId: submission.id,
          at,
          from: null,
          to: submission.state,
          cause: submission.cause,
        });
      }
      return noAnswers(requests);
    },
};

/** Changes fields of submissions, in order, with a transition where the state changes. */
export const UPDATE_SUBMISSION: WriteKind<
  { readonly id: string; readonly change: SubmissionChange; readonly at: number },
  undefined
> = {
  name: "change of a submission",
  lane: "submission",
  repeatable: false,
  prepare: (requests) => async (db) => {
    for (const { id, change, at } of requests) {
      const old = await db
        .selectFrom("submission")
        .select(["state", "cause"])
        .where("id", "=", id)
        .forUpdate()
        .executeTakeFirst();
      if (old === undefined) throw new FiresteelError(Code.notFound, `submission is not known: ${id}`);
      const set: Updateable<SubmissionTable> = toSubmissionChange(change);
      if (Object.keys(set).length > 0) await db.updateTable("submission").set(set).where("id", "=", id).execute();
      if (change.state !== undefined && change.state !== old.state) {
        await insertTransition(db, {
          submissionId: id,
          at,
          from: old.state as SubmissionState,
          to: change.state,
          cause: change.cause ?? old.cause,
        });
      }
    }
    return noAnswers(requests);
  },
};

/** Takes over live submissions of ended owners; see `ADOPT_EXECUTIONS` for the token. */
export const ADOPT_SUBMISSIONS: WriteKind<string, readonly SubmissionRecord[]> = {
  name: "take-over of submissions",
  lane: "submission",
  repeatable: true,
  prepare:
    (tokens) =>
    async (db, { owner }) => {
      const answers: SubmissionRecord[][] = [];
      for (const token of tokens) {
        await sql`
        update submission set owner = ${owner}, adoption = ${token} where id in (
          select s.id from submission s join owner o on o.id = s.owner
          where ${LIVE} and o.ended_at is not null
          for update of s skip locked
        )`.execute(db);
        const rows = await db
          .selectFrom("submission")
          .selectAll()
          .where("adoption", "=", token)
          .orderBy("seq")
          .execute();
        answers.push(rows.map(fromSubmissionRow));
      }
      return answers;
    },
};

export async function findSubmission(db: Db, id: string): Promise<SubmissionRecord | null> {
  const row = await db.selectFrom("submission").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? null : fromSubmissionRow(row);
}

export async function listSubmissions(
  db: Db,
  filter: SubmissionFilter,
  request: PageRequest,
): Promise<Page<SubmissionRecord>> {
  const plan = planPage(request);
  let query = db
    .selectFrom("submission")
    .selectAll()
    .orderBy("seq", "desc")
    .limit(plan.limit + 1);
  if (plan.before !== null) query = query.where("seq", "<", plan.before);
  if (filter.cluster !== undefined) query = query.where("cluster", "=", filter.cluster);
  if (filter.state !== undefined) query = query.where("state", "=", filter.state);
  if (filter.executionId !== undefined) query = query.where("execution_id", "=", filter.executionId);
  if (filter.work !== undefined) query = query.where("work", "=", digestBytes(filter.work));
  if (filter.live === true) query = query.where(LIVE);
  if (filter.live === false) query = query.where(sql<boolean>`not (${LIVE})`);
  return cutPage(await query.execute(), plan, fromSubmissionRow);
}

/** The transitions of a submission, oldest first. */
export async function listTransitions(db: Db, submissionId: string): Promise<readonly SubmissionTransition[]> {
  const rows = await db
    .selectFrom("submission_transition")
    .selectAll()
    .where("submission_id", "=", submissionId)
    .orderBy("seq")
    .execute();
  return rows.map((row) => ({
    submissionId: row.submission_id,
    at: toMs(row.at),
    from: row.from_state as SubmissionState | null,
    to: row.to_state as SubmissionState,
    cause: row.cause,
  }));
}

async function insertTransition(db: Db, transition: SubmissionTransition): Promise<void> {
  await db
    .insertInto("submission_transition")
    .values({
      submission_id: transition.submissionId,
      at: toTime(transition.at),
      from_state: transition.from,
      to_state: transition.to,
      cause: storable(transition.cause),
    })
    .execute();
}
