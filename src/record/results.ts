/** Results of bulk work: one row commits an attempt, and any other attempt's output is garbage. */

import { sql } from "kysely";
import type { BulkResult, Digest } from "../evaluate/ports.ts";
import { digestArray, digestBytes, hexOf } from "./arrays.ts";
import type { Db } from "./database.ts";
import type { WriteKind } from "./write-kind.ts";

export interface CommitRequest {
  readonly result: BulkResult;
  /** Id of the submission whose committed result is replaced. */
  readonly replaces: string | undefined;
}

/** Compare and set, one statement: succeeds where nothing is committed, this attempt is already, or the named one is. */
export const COMMIT_RESULT: WriteKind<CommitRequest, boolean> = {
  name: "result of bulk work",
  lane: "result",
  repeatable: true,
  prepare: (requests) => async (db) => {
    const answers: boolean[] = [];
    for (const { result, replaces } of requests) {
      const { rows } = await sql`
        insert into bulk_result (work, submission_id, outputs)
        values (${digestBytes(result.work)}, ${result.submissionId}, ${JSON.stringify(result.outputs)}::text::json)
        on conflict (work) do update set submission_id = excluded.submission_id, outputs = excluded.outputs, committed_at = excluded.committed_at
          where bulk_result.submission_id in (excluded.submission_id, ${replaces ?? result.submissionId}::text)
        returning 1 as one`.execute(db);
      answers.push(rows.length > 0);
    }
    return answers;
  },
};

/** The committed results of pieces of work, by work. */
export async function findResults(db: Db, works: readonly Digest[]): Promise<ReadonlyMap<Digest, BulkResult>> {
  const rows = await db
    .selectFrom("bulk_result")
    .select(["work", "submission_id", "outputs"])
    .where(sql<boolean>`work = any(${digestArray(works)}::bytea[])`)
    .execute();
  return new Map(
    rows.map((row) => {
      const work = hexOf(row.work);
      return [work, { work, submissionId: row.submission_id, outputs: row.outputs }];
    }),
  );
}
