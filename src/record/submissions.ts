/** Submissions and their transitions. */

import { type RawBuilder, type Selectable, sql } from "kysely";
import { Code, FiresteelError } from "../errors.ts";
import type {
  Digest,
  Page,
  PageRequest,
  SubmissionRecord,
  SubmissionState,
  SubmissionStore,
  SubmissionTransition,
  TakenSubmission,
} from "../evaluate/ports.ts";
import { digestArray, digestBytes, storable, textArray } from "./arrays.ts";
import type { Db, SubmissionTable } from "./database.ts";
import { notify } from "./notices.ts";
import { cutPage, planPage, toMs, toTime } from "./page.ts";
import { changeText, fromSubmissionRow, toSubmissionChange, toSubmissionRow } from "./submission-row.ts";
import { noAnswers, type WriteKind, type Writing } from "./write-kind.ts";

export type SubmissionChange = Parameters<SubmissionStore["updateSubmission"]>[1];
export type SubmissionFilter = Parameters<SubmissionStore["listSubmissions"]>[0];

/** A live submission is one in none of these states; written as the partial index `submission_live` has it, so that the planner can use it. */
const LIVE = sql<boolean>`state not in ('succeeded', 'failed', 'killed', 'cancelled')`;

/** One that has ended and whose application may not have; as the partial index `submission_leaving` has it. */
const LEAVING = sql<boolean>`gone_at is null and state in ('succeeded', 'failed', 'killed')`;

/** Inserts submissions with their first transition. */
export const CREATE_SUBMISSION: WriteKind<
  { readonly submission: SubmissionRecord; readonly at: number; readonly kept: boolean },
  undefined
> = {
  name: "submission",
  lane: "submission",
  repeatable: false,
  first: true,
  prepare: (requests) => async (db, writing) => {
    await db
      .insertInto("submission")
      .values(
        requests.map(({ submission, kept }) => ({
          ...toSubmissionRow(submission),
          owner: kept ? writing.owner : null,
          followed: !kept,
        })),
      )
      .execute();
    await insertTransitions(
      db,
      requests.map(({ submission: { id, state, cause }, at }) => ({
        submissionId: id,
        at,
        from: null,
        to: state,
        cause,
      })),
    );
    const wishes = requests.filter(({ kept }) => !kept).map(({ submission }) => submission.id);
    await notify(db, writing, "wish", wishes);
    return noAnswers(requests);
  },
};

interface ChangeRequest {
  readonly id: string;
  readonly change: SubmissionChange;
  readonly at: number;
}

/** Changes fields of submissions, in order, with a transition where the state changes. Thousands change at once when a cluster fills or empties, so all changes of a transaction are a few statements. */
export const UPDATE_SUBMISSION: WriteKind<ChangeRequest, undefined> = {
  name: "change of a submission",
  lane: "submission",
  repeatable: false,
  prepare: (requests) => {
    const changes = new Map<string, SubmissionChange>();
    for (const { id, change } of requests) changes.set(id, { ...changes.get(id), ...change });
    const ids = textArray([...changes.keys()]);
    const columns = [...changes.values()].map(toSubmissionChange);
    const changed = [...new Set(columns.flatMap((set) => Object.keys(set)))].map((column) => sql.ref(column));
    const texts = textArray(columns.map(changeText));
    return async (db, writing) => {
      const { rows } = await sql<Former>`
        select id, state, cause, followed from submission where id = any(${ids}::text[]) order by id for update`.execute(
        db,
      );
      const former = new Map(rows.map((row) => [row.id, row]));
      const unknown = requests.find(({ id }) => !former.has(id));
      if (unknown !== undefined) throw new FiresteelError(Code.notFound, `submission is not known: ${unknown.id}`);
      if (changed.length > 0)
        await sql`
          update submission s set (${sql.join(changed)}) = (select ${sql.join(changed)} from json_populate_record(s, c.change::json))
          from unnest(${ids}::text[], ${texts}::text[]) as c(id, change) where s.id = c.id`.execute(db);
      await insertTransitions(db, transitionsOf(requests, former));
      await notifyChanges(db, writing, requests, former);
      return noAnswers(requests);
    };
  },
};

/** A submission before its changes. */
interface Former {
  readonly id: string;
  readonly state: string;
  readonly cause: string;
  readonly followed: boolean;
}

function transitionsOf(
  requests: readonly ChangeRequest[],
  former: ReadonlyMap<string, Former>,
): readonly SubmissionTransition[] {
  const now = new Map<string, Pick<Former, "state" | "cause">>(former);
  const transitions: SubmissionTransition[] = [];
  for (const { id, change, at } of requests) {
    const { state: from, cause: before } = now.get(id)!;
    const { state: to = from, cause = before } = change;
    now.set(id, { state: to, cause });
    if (to !== from)
      transitions.push({ submissionId: id, at, from: from as SubmissionState, to: to as SubmissionState, cause });
  }
  return transitions;
}

async function notifyChanges(
  db: Db,
  writing: Writing,
  requests: readonly ChangeRequest[],
  former: ReadonlyMap<string, Former>,
): Promise<void> {
  const followed = requests.filter(({ id }) => former.get(id)?.followed);
  const news = followed.filter(({ change }) => Object.keys(change).some((field) => field !== "confirmedAt"));
  const wishes = followed.filter(({ change }) => change.cancelRequested != null && change.state === undefined);
  for (const [kind, told] of [
    ["submission", news],
    ["wish", wishes],
  ] as const)
    await notify(
      db,
      writing,
      kind,
      told.map(({ id }) => id),
    );
}

/** Says of many live submissions at once that they are as their rows have them. */
export const CONFIRM_SUBMISSIONS: WriteKind<
  { readonly ids: readonly string[]; readonly confirmedAt: number },
  undefined
> = {
  name: "confirmation of submissions",
  lane: "submission",
  repeatable: false,
  patient: true,
  prepare: (requests) => async (db) => {
    for (const { ids, confirmedAt } of requests) {
      const at = toTime(confirmedAt);
      await sql`
        update submission set confirmed_at = ${at}
        where id = any(${textArray(ids)}::text[]) and ${LIVE} and coalesce(confirmed_at < ${at}, true)`.execute(db);
    }
    return noAnswers(requests);
  },
};

/** What is taken, and by what request. */
export interface TakeRequest {
  readonly token: string;
  /** Clusters of this process; it takes what is on those that it keeps. */
  readonly clusters: readonly string[];
}

/** How long a submission of a dead owner waits for a process that has its cluster. */
const STRAY_MS = 60_000;

/**
 * Takes the submissions on the clusters that this process keeps: those that nobody keeps yet, and those of ended owners; see `ADOPT_EXECUTIONS` for the token. Also those of ended owners on clusters that nobody keeps any
 * more, after a while. The end of those whose executions were cancelled is asked for, unless somebody works on the same.
 */
export const TAKE_SUBMISSIONS: WriteKind<TakeRequest, readonly TakenSubmission[]> = {
  name: "taking of submissions",
  lane: "submission",
  repeatable: true,
  prepare:
    (requests) =>
    async (db, { owner, shared }) => {
      const answers: TakenSubmission[][] = [];
      for (const { token, clusters } of requests) {
        // A keeper's claim cannot be dropped while this transaction holds its owner row.
        const kept = sql`s.cluster in (
          select t.name from unnest(${textArray(clusters)}::text[]) as t(name)
          join claim c on c.kind = 'cluster' and c.key = convert_to(t.name, 'UTF8') and c.owner = ${owner}
        )`;
        const stray = sql`s.cluster <> all(${textArray(clusters)}::text[])
          and not exists (select from claim c where c.kind = 'cluster' and c.key = convert_to(s.cluster, 'UTF8'))
          and (select o.ended_at from owner o where o.id = s.owner) <= clock_timestamp() - make_interval(secs => ${shared ? STRAY_MS / 1000 : 0}::float8)`;
        // In one statement for each, and not by an outer join: see `ADOPT_EXECUTIONS`.
        const free = sql`(s.owner is null or exists (select from owner o where o.id = s.owner and o.ended_at is not null))`;
        await sql`
        update submission set owner = ${owner}, adoption = ${token}, followed = ${shared} where id in (
          select s.id from submission s where (${LIVE} or ${LEAVING}) and ${free} and (${kept} or ${stray})
          for update of s skip locked
        )`.execute(db);
        await cancelAbandoned(db, sql`s.adoption = ${token} and e.id = s.execution_id`);
        const rows = await db
          .selectFrom("submission")
          .selectAll()
          .select(
            sql<boolean>`exists (select from claim c where c.kind = 'work' and c.key = submission.work)`.as("asked"),
          )
          .where("adoption", "=", token)
          .orderBy("seq")
          .execute();
        answers.push(rows.map((row) => ({ submission: fromSubmissionRow(row), asked: row.asked })));
      }
      return answers;
    },
};

/** Asks for the end of live submissions `s` of cancelled executions `e` that nobody works on: whoever was to do so died. Gives their ids. */
export async function cancelAbandoned(db: Db, which: RawBuilder<unknown>): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    update submission s set cancel_requested = 'its execution was cancelled' from execution e
    where ${which} and e.cancel_requested and s.cancel_requested is null
      and s.state not in ('succeeded', 'failed', 'killed', 'cancelled')
      and not exists (select from claim c where c.kind = 'work' and c.key = s.work)
    returning s.id`.execute(db);
  return rows.map(({ id }) => id);
}

/** Those of some ids that there are. */
export async function findSubmissions(db: Db, ids: readonly string[]): Promise<readonly SubmissionRecord[]> {
  const rows = await db
    .selectFrom("submission")
    .selectAll()
    .where(sql<boolean>`id = any(${textArray(ids)}::text[])`)
    .execute();
  return rows.map(fromSubmissionRow);
}

/** Attempts at one piece of work that are looked at. */
const ATTEMPTS = 100;

/** The submissions for pieces of work, the newest of each first. */
export async function findAttempts(
  db: Db,
  works: readonly Digest[],
): Promise<ReadonlyMap<Digest, readonly SubmissionRecord[]>> {
  const { rows } = await sql<Selectable<SubmissionTable>>`
    select s.* from unnest(${digestArray(works)}::bytea[]) as k(work)
    cross join lateral (select * from submission where work = k.work order by seq desc limit ${ATTEMPTS}::int) as s`.execute(
    db,
  );
  const records = rows.toSorted((a, b) => Number(b.seq) - Number(a.seq)).map(fromSubmissionRow);
  return Map.groupBy(records, ({ work }) => work);
}

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

async function insertTransitions(db: Db, transitions: readonly SubmissionTransition[]): Promise<void> {
  if (transitions.length === 0) return;
  await db
    .insertInto("submission_transition")
    .values(
      transitions.map(({ submissionId, at, from, to, cause }) => ({
        submission_id: submissionId,
        at: toTime(at),
        from_state: from,
        to_state: to,
        cause: storable(cause),
      })),
    )
    .execute();
}
