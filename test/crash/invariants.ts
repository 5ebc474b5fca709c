/** What has to hold after a cell, whatever went away in it: counted in the database, in the double's ledger, and asked at the front door. */

import { ExecutionState } from "../../src/gen/firesteel/v1/execution_pb.ts";
import type { FiresteelClient } from "../../src/serve/client.ts";
import { valueFromMessage } from "../../src/serve/value-message.ts";
import type { Entry } from "../livy/ledger.ts";
import type { Remote } from "../livy/remote.ts";
import type { Cell } from "./cell.ts";
import type { Connection } from "./lane.ts";
import type { Scenario } from "./scenario.ts";

/** What a cell leaves behind for counting. */
export interface Remains {
  readonly database: Connection;
  readonly double: Remote;
  readonly ledger: readonly Entry[];
  readonly scenario: Scenario;
  readonly cell: Cell;
  readonly client: FiresteelClient;
  /** All that serve. */
  readonly clients: readonly FiresteelClient[];
  readonly executions: readonly string[];
}

/** Names of the applications that run for a job each, and not for whoever comes. */
export function jobsRunning(ledger: readonly Entry[]): readonly string[] {
  const live = new Map<string, string>();
  for (const { event, name, appId } of ledger) {
    if (event === "accepted") live.set(appId!, name!);
    if (event === "ended" || event === "killed") live.delete(appId ?? "");
  }
  return [...live.values()].filter((name) => !isSession(name));
}

/** Whether an application is a warm session. */
const isSession = (name: string): boolean => name.startsWith("warm-");

interface SubmissionRow {
  readonly id: string;
  readonly work: string;
  readonly state: string;
  readonly livy_name: string;
  readonly location: string;
  readonly cause: string;
}

/** Whether its end could not be confirmed, which the row has to say: there was nobody left who knows of the application. */
function isGivenUp(submission: SubmissionRow | undefined): boolean {
  return /Livy does not know it, and no ResourceManager is configured/.test(submission?.cause ?? "");
}

interface ResultRow {
  readonly work: string;
  readonly submission_id: string;
  readonly outputs: Readonly<Record<string, { readonly identity: string; readonly location: string }>>;
}

/** All that is wrong, in words; nothing when all is well. */
export async function violations(remains: Remains): Promise<readonly string[]> {
  const { database, ledger } = remains;
  const submissions = await database.rows<SubmissionRow>(
    "select id, encode(work, 'hex') as work, state, livy_name, location, cause from submission order by seq",
  );
  const results = await database.rows<ResultRow>(
    "select encode(work, 'hex') as work, submission_id, outputs from bulk_result",
  );
  return [
    ...(await wrongEnds(remains, results)),
    ...wrongResults(remains, submissions, results),
    ...wrongApplications(remains, submissions),
    ...wrongStatements(ledger, submissions),
    ...(await wrongSessions(remains)),
    ...(await leftInLivy(remains, submissions)),
    ...(await leftInDatabase(database)),
    ...jobsRunning(ledger)
      .filter((name) => !isGivenUp(submissions.find(({ livy_name }) => livy_name === name)))
      .map((name) => `an application runs that nobody waits for: ${name}`),
  ];
}

/** Every execution ended as it had to, and what the front door gives is what is committed. */
async function wrongEnds(
  { client, executions, scenario }: Remains,
  results: readonly ResultRow[],
): Promise<readonly string[]> {
  const wrong: string[] = [];
  const committed = new Set(results.flatMap(({ outputs }) => Object.values(outputs).map(({ identity }) => identity)));
  for (const [i, { task, ends, failure }] of scenario.executions.entries()) {
    const { execution } = await client.executions.getExecution({ id: executions[i]! });
    const { state, error, result } = execution!;
    if (state !== ends)
      wrong.push(`execution of ${task} is ${ExecutionState[state as never] ?? state}: ${error?.message}`);
    if (failure !== undefined && !failure.test(error?.message ?? ""))
      wrong.push(`execution of ${task} failed in other words: ${error?.message}`);
    if (ends !== ExecutionState.SUCCEEDED || result === undefined) continue;
    const identities = valueFromMessage(result) as readonly string[];
    for (const identity of identities)
      if (!committed.has(identity))
        wrong.push(`execution of ${task} gives a dataset that is not committed: ${identity}`);
  }
  return wrong;
}

/** One committed result for each piece of work that ended well, made by one submission. */
function wrongResults(
  { scenario }: Remains,
  submissions: readonly SubmissionRow[],
  results: readonly ResultRow[],
): readonly string[] {
  const wrong: string[] = [];
  const byId = new Map(submissions.map((one) => [one.id, one]));
  if (results.length !== scenario.works) wrong.push(`${results.length} results are committed, not ${scenario.works}`);
  for (const { work, submission_id: id, outputs } of results) {
    const submission = byId.get(id);
    if (submission?.work !== work) wrong.push(`the result of ${work} is of another work's submission`);
    if (submission?.state !== "succeeded")
      wrong.push(`the result of ${work} is of a submission that ${submission?.state}`);
    for (const { location } of Object.values(outputs))
      if (submission === undefined || !`${location}/`.startsWith(`${submission.location}/`))
        wrong.push(`the result of ${work} lies elsewhere: ${location}`);
  }
  const succeeded = new Set(submissions.filter(({ state }) => state === "succeeded").map(({ work }) => work));
  for (const work of succeeded)
    if (!results.some((one) => one.work === work)) wrong.push(`work ${work} succeeded and has no result`);
  return wrong;
}

/** Nothing runs without a row, nothing runs twice, and of one piece of work no two applications live at once. */
function wrongApplications({ ledger, cell }: Remains, submissions: readonly SubmissionRow[]): readonly string[] {
  const wrong: string[] = [];
  const byName = new Map(submissions.map((one) => [one.livy_name, one]));
  const live = new Map<string, Entry>();
  const taken = new Map<string, number>();
  // Without a witness, and with a Livy that forgot everything, nobody can tell: then it is waited for a stated time only.
  const blind = !cell.witness && cell.incidents.some(({ outage }) => outage === "livy, forgets");
  for (const entry of ledger) {
    const { event, name, appId } = entry;
    if (name === null || isSession(name)) continue;
    const row = byName.get(name);
    if (event === "taken" || event === "accepted") {
      if (row === undefined) wrong.push(`${name} was ${event} and has no row`);
    }
    if (event === "accepted") {
      taken.set(name, (taken.get(name) ?? 0) + 1);
      for (const other of live.values())
        if (!blind && byName.get(other.name!)?.work === row?.work)
          wrong.push(
            `${name} (${appId}) was accepted while ${other.name} (${other.appId}) lived, which is the same work`,
          );
      live.set(appId!, entry);
    }
    if (event === "ended" || event === "killed") live.delete(appId ?? "");
  }
  for (const [name, count] of taken) if (count > 1 && !blind) wrong.push(`${name} has ${count} applications`);
  return wrong;
}

/** An attempt begins in one session, once, and of one piece of work no two run at once. */
function wrongStatements(ledger: readonly Entry[], submissions: readonly SubmissionRow[]): readonly string[] {
  const wrong: string[] = [];
  const byId = new Map(submissions.map((one) => [one.id, one]));
  const begun = new Set<string>();
  /** What runs, by session. */
  const live = new Map<string, string>();
  for (const { event, name, detail } of ledger) {
    if (name === null || !isSession(name)) continue;
    if (event === "began") {
      const work = byId.get(detail!)?.work;
      if (work === undefined) wrong.push(`statement ${detail} began and has no row`);
      if (begun.has(detail!)) wrong.push(`statement ${detail} began twice`);
      for (const other of live.values())
        if (byId.get(other)?.work === work) wrong.push(`${detail} began while ${other} ran, which is the same work`);
      begun.add(detail!);
      live.set(name, detail!);
    }
    if (event === "manifest" || event === "ended" || event === "killed") live.delete(name);
  }
  for (const [session, attempt] of live) wrong.push(`${attempt} still runs in ${session}`);
  return wrong;
}

/** Whoever keeps the cluster knows each session of this store. */
async function wrongSessions({ database, double, clients, scenario }: Remains): Promise<readonly string[]> {
  if (scenario.sessions === undefined) return [];
  const [store] = await database.rows<{ id: string }>("select id from store");
  const response = await fetch(`${double.url}/sessions?from=0&size=1000`);
  const { sessions } = (await response.json()) as { readonly sessions: readonly { readonly name: string | null }[] };
  const own = sessions.filter(({ name }) => name?.startsWith(`warm-${store?.id}-`));
  const pools = await Promise.all(clients.map((client) => client.submissions.listClusters({})));
  const known = pools
    .flatMap(({ clusters }) => clusters)
    .map(({ sessions: pool }) => (pool?.starting ?? 0) + (pool?.idle ?? 0) + (pool?.busy ?? 0));
  const most = Math.max(0, ...known);
  return own.length > most ? [`Livy has ${own.length} sessions of ours, of which ${most} are known`] : [];
}

/** No batch of ours is left in Livy that has not ended. */
async function leftInLivy({ double }: Remains, submissions: readonly SubmissionRow[]): Promise<readonly string[]> {
  const names = new Set(submissions.map(({ livy_name }) => livy_name));
  const response = await fetch(`${double.url}/batches?from=0&size=1000`);
  const { sessions } = (await response.json()) as {
    readonly sessions: readonly { readonly name: string | null; readonly state: string }[];
  };
  return sessions
    .filter(({ name, state }) => name !== null && names.has(name) && !["success", "dead", "killed"].includes(state))
    .map(({ name, state }) => `Livy still has ${name}: ${state}`);
}

/** Nothing is left open in the database. */
async function leftInDatabase(database: Connection): Promise<readonly string[]> {
  const rows = await database.rows<{ what: string }>(
    `select 'job ' || id || ' of ' || task || ' is ' || state || coalesce(' (' || note || ')', '') as what from job
    union all select 'execution ' || id || ' has not ended' from execution where state = 'running' or ended_at is null
    union all select 'submission ' || id || ' has not ended: ' || state from submission where ended_at is null
    union all select 'submission ' || id || ' is not known to be gone' from submission where followed and gone_at is null and state in ('succeeded', 'failed', 'killed') and batch_id is not null
    union all select 'a claim of ' || kind || ' is left' from claim where kind <> 'cluster'`,
  );
  return rows.map(({ what }) => what);
}
