/**
 * Finds what a word on the command line means: an execution or a submission by the start of its id, or a task by its name.
 */

import { Code, FiresteelError } from "../errors.ts";
import type { GetExecutionResponse } from "../gen/firesteel/v1/execution_pb.ts";
import type { GetSubmissionResponse } from "../gen/firesteel/v1/submission_pb.ts";
import type { FiresteelClient } from "../serve/client.ts";
import { clipText } from "./format.ts";

/** How many of the newest executions, and submissions, a prefix is looked up in. */
const MOST = 10_000;

/** What was found. */
export type Found =
  | { readonly kind: "execution"; readonly answer: GetExecutionResponse }
  | { readonly kind: "submission"; readonly answer: GetSubmissionResponse };

/**
 * The execution or submission whose id is or starts with a word.
 *
 * @throws FiresteelError `not_found`, or `invalid_argument` when several start with it
 */
export async function findRecord(client: FiresteelClient, word: string): Promise<Found> {
  const exact = (await execution(client, word)) ?? (await submission(client, word));
  if (exact) return exact;
  const executions = await idsWith(word, async (pageToken) => {
    const { executions: rows, nextPageToken } = await client.executions.listExecutions({ pageSize: 1000, pageToken });
    return { rows, nextPageToken };
  });
  const submissions = await idsWith(word, async (pageToken) => {
    const answer = await client.submissions.listSubmissions({ pageSize: 1000, pageToken });
    return { rows: answer.submissions, nextPageToken: answer.nextPageToken };
  });
  const all = [...executions, ...submissions];
  const [only] = all;
  if (all.length > 1)
    throw new FiresteelError(
      Code.invalidArgument,
      `${all.length} ids start with ${word}; write more of it: ${clipText(all.join(", "), 300)}`,
    );
  const found = only === undefined ? null : ((await execution(client, only)) ?? (await submission(client, only)));
  if (found) return found;
  throw new FiresteelError(Code.notFound, `no execution and no submission has an id that starts with: ${word}`);
}

/** The id of the execution whose id is or starts with a word; `hint` tells what there is for a submission. */
export async function findExecutionId(client: FiresteelClient, word: string, hint?: string): Promise<string> {
  const found = await findRecord(client, word);
  if (found.kind === "execution") return found.answer.execution!.id;
  throw new FiresteelError(
    Code.invalidArgument,
    `this is the id of a submission, of execution ${found.answer.submission!.executionId}${hint === undefined ? "" : `; ${hint}`}: ${word}`,
  );
}

async function execution(client: FiresteelClient, id: string): Promise<Found | null> {
  return orNull(async () => ({
    kind: "execution",
    answer: await client.executions.getExecution({ id, jobPageSize: 10_000 }),
  }));
}

async function submission(client: FiresteelClient, id: string): Promise<Found | null> {
  return orNull(async () => ({ kind: "submission", answer: await client.submissions.getSubmission({ id }) }));
}

async function orNull<T>(call: () => Promise<T>): Promise<T | null> {
  try {
    return await call();
  } catch (error) {
    if (FiresteelError.from(error).code === Code.notFound) return null;
    throw error;
  }
}

async function idsWith(
  prefix: string,
  list: (
    token: string,
  ) => Promise<{ readonly rows: readonly { readonly id: string }[]; readonly nextPageToken: string }>,
): Promise<string[]> {
  const ids: string[] = [];
  let token = "";
  for (let seen = 0; seen < MOST; ) {
    const { rows, nextPageToken } = await list(token);
    for (const { id } of rows) if (id.startsWith(prefix)) ids.push(id);
    seen += rows.length;
    token = nextPageToken;
    if (token === "") break;
  }
  return ids;
}
