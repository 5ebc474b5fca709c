/** The one place that pairs the fields of a submission with columns. */

import type { Insertable, Selectable, Updateable } from "kysely";
import type { SubmissionMode, SubmissionRecord, SubmissionState } from "../evaluate/ports.ts";
import { digestBytes, hexOf, storable } from "./arrays.ts";
import type { SubmissionTable } from "./database.ts";
import { toMs, toTime } from "./page.ts";

/** The fields that can change. */
type Changeable = Omit<SubmissionRecord, "id" | "work" | "attempt" | "livyName">;
type Fixed = "seq" | "id" | "work" | "attempt" | "livy_name" | "owner" | "adoption" | "followed";
type Columns = Omit<Updateable<SubmissionTable>, Fixed>;

const text = (value: string): string => storable(value);
const optionalText = (value: string | null): string | null => (value === null ? null : storable(value));
const json = (value: unknown): string | null => (value === null ? null : JSON.stringify(value));

/** Column and conversion of each field; a new field of the record fails to compile until it has a column. */
const COLUMNS: { readonly [F in keyof Changeable]: readonly [keyof Columns, (value: Changeable[F]) => unknown] } = {
  task: ["task", text],
  executionId: ["execution_id", text],
  jobId: ["job_id", text],
  user: ["user_name", text],
  cluster: ["cluster", text],
  state: ["state", text],
  cause: ["cause", text],
  batchId: ["batch_id", (value) => value],
  appId: ["app_id", optionalText],
  location: ["location", text],
  request: ["request", json],
  sparkUiUrl: ["spark_ui_url", optionalText],
  driverLogUrl: ["driver_log_url", optionalText],
  historyUrl: ["history_url", optionalText],
  failure: ["failure", json],
  createdAt: ["created_at", toTime],
  submittedAt: ["submitted_at", toTime],
  startedAt: ["started_at", toTime],
  endedAt: ["ended_at", toTime],
  confirmedAt: ["confirmed_at", toTime],
  note: ["note", text],
  cancelRequested: ["cancel_requested", optionalText],
  goneAt: ["gone_at", toTime],
  mode: ["mode", text],
  session: ["session", optionalText],
  statementId: ["statement_id", (value) => value],
};

/** The columns of the fields that are given. */
export function toSubmissionChange(change: Partial<Changeable>): Columns {
  return columnsOf(change) as Columns;
}

/** Columns as a JSON object, for `json_populate_record`. */
export function changeText(columns: Columns): string {
  // What is JSON already is not a string in it.
  const members = Object.entries(columns).map(
    ([column, value]) =>
      `${JSON.stringify(column)}:${JSON_COLUMNS.has(column) && typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return `{${members.join(",")}}`;
}

const JSON_COLUMNS: ReadonlySet<string> = new Set<keyof Columns>(["request", "failure"]);

/** All columns of a new submission but those that the store fills. */
export function toSubmissionRow(
  submission: SubmissionRecord,
): Omit<Insertable<SubmissionTable>, "seq" | "owner" | "adoption" | "followed"> {
  const { id, work, attempt, livyName, ...rest } = submission;
  const columns = columnsOf(rest) as Omit<Insertable<SubmissionTable>, Fixed>;
  return { id, work: digestBytes(work), attempt, livy_name: livyName, ...columns };
}

function columnsOf(change: Partial<Changeable>): Record<string, unknown> {
  const columns: Record<string, unknown> = {};
  for (const [field, [column, convert]] of Object.entries(COLUMNS) as [
    keyof Changeable,
    [string, (value: unknown) => unknown],
  ][]) {
    const value = change[field];
    if (value !== undefined) columns[column] = convert(value);
  }
  return columns;
}

export function fromSubmissionRow(row: Selectable<SubmissionTable>): SubmissionRecord {
  return {
    id: row.id,
    work: hexOf(row.work),
    attempt: row.attempt,
    task: row.task,
    executionId: row.execution_id,
    jobId: row.job_id,
    user: row.user_name,
    cluster: row.cluster,
    livyName: row.livy_name,
    state: row.state as SubmissionState,
    cause: row.cause,
    batchId: row.batch_id,
    appId: row.app_id,
    location: row.location,
    request: row.request,
    sparkUiUrl: row.spark_ui_url,
    driverLogUrl: row.driver_log_url,
    historyUrl: row.history_url,
    failure: row.failure,
    createdAt: toMs(row.created_at),
    submittedAt: toMs(row.submitted_at),
    startedAt: toMs(row.started_at),
    endedAt: toMs(row.ended_at),
    confirmedAt: toMs(row.confirmed_at),
    note: row.note,
    cancelRequested: row.cancel_requested,
    goneAt: toMs(row.gone_at),
    mode: row.mode as SubmissionMode,
    session: row.session,
    statementId: row.statement_id,
  };
}
