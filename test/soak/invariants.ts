/** What has to be true at the end of a soak, whatever went wrong in it: each violation in words. */

import { createHash } from "node:crypto";
import type { SubmissionState } from "../../src/evaluate/ports.ts";
import { isOver } from "../livy/batch.ts";
import type { Entry } from "../livy/ledger.ts";
import { hasEnded } from "../livy/yarn.ts";
import { identitiesIn } from "./flow.ts";
import type { Simulation } from "./simulation.ts";

/** The state machine of `submission.ts`. */
const PATHS: Readonly<Record<SubmissionState, readonly SubmissionState[]>> = {
  planned: ["submitting", "cancelling", "cancelled", "failed"],
  submitting: ["planned", "starting", "finishing", "succeeded", "failed", "killed", "lost", "cancelling", "cancelled"],
  starting: ["running", "finishing", "succeeded", "failed", "killed", "lost", "cancelling", "cancelled"],
  running: ["starting", "finishing", "succeeded", "failed", "killed", "lost", "cancelling", "cancelled"],
  lost: ["starting", "running", "finishing", "succeeded", "failed", "killed", "cancelling", "cancelled"],
  cancelling: ["cancelled", "succeeded", "failed"],
  finishing: ["succeeded", "failed", "cancelling", "cancelled"],
  succeeded: [],
  failed: [],
  killed: [],
  cancelled: [],
};

/** What a row can say while its application starts; all else says that there is none. */
const MAY_START: ReadonlySet<SubmissionState> = new Set(["submitting", "starting", "running", "lost", "cancelling"]);

/** What is wrong before the processes stop. */
export function violations(simulation: Simulation): readonly string[] {
  return [
    ...simulation.errors,
    ...executions(simulation),
    ...results(simulation),
    ...submissions(simulation),
    ...applications(simulation),
    ...ownership(simulation),
    ...requests(simulation),
    ...leftovers(simulation),
  ];
}

/** What is wrong when they have stopped. */
export function leaks({ database, processes, lives }: Simulation): readonly string[] {
  const count = (what: string, size: number) => (size === 0 ? [] : [`${size} ${what} left`]);
  return [
    ...count("listeners", database.listeners.size),
    ...count("claims of work", database.claims.size),
    ...count("claims of calls", database.callClaims.size),
    ...count("keepers", database.keepers.size),
    ...processes.flatMap((one, i) => count(`timers of process ${i}`, one?.life.timers ?? 0)),
    ...lives.flatMap((life, i) => (life.state === "paused" ? [`life ${i + 1} is still paused`] : [])),
  ];
}

/** All that happened, as one digest: two runs of a seed have the same. */
export function fingerprint({ doubles, database, clock }: Simulation): string {
  const hash = createHash("sha256");
  const write = (value: unknown) => hash.update(JSON.stringify(value)).update("\n");
  for (const { ledger, requests } of doubles) for (const part of [ledger.entries, requests]) write(part);
  write(database.transitions);
  write([...database.results]);
  write([...database.executions.values()].map(({ record }) => ({ ...record, args: null, result: null })));
  write(clock.now());
  return hash.digest("hex");
}

function executions(simulation: Simulation): readonly string[] {
  const { database, scenario } = simulation;
  const wrong: string[] = [];
  const committed = new Set(
    [...database.results.values()].flatMap(({ outputs }) => Object.values(outputs).map(({ identity }) => identity)),
  );
  const byRequest = new Map([...database.executions.values()].map(({ record }) => [record.requestId, record]));
  const identityOf = new Map<string, string>();
  for (const { id, chains, cancelAfter } of scenario.asks) {
    const record = byRequest.get(id);
    if (record === undefined) wrong.push(`${id} was never started`);
    else if (record.endedAt === null) wrong.push(`${id} (${record.id}) did not end`);
    else if (record.state === "cancelled") {
      if (cancelAfter === null) wrong.push(`${id} was cancelled though nobody asked`);
    } else if (record.state === "succeeded") {
      identitiesIn(record.result!).forEach((identity, i) => {
        const chain = chains[i]!.join(" ");
        if (!committed.has(identity)) wrong.push(`${id} has a result that was not committed: ${identity}`);
        if (identity !== (identityOf.get(chain) ?? identity)) wrong.push(`${id} has another result of chain ${chain}`);
        identityOf.set(chain, identity);
      });
    } else {
      const { error } = record;
      const of = (error?.details ?? {}) as { readonly class?: string; readonly submissionId?: string };
      const submission = database.submissions.get(of.submissionId ?? "");
      const kind = submission === undefined ? undefined : simulation.kindOf(submission.work);
      const attempts = [...database.submissions.values()].filter(({ work }) => work === submission?.work).length;
      const operator = /^submission (\w+) was cancelled/.exec(error?.message ?? "")?.[1] ?? "";
      const right =
        error?.code === "cancelled"
          ? simulation.stopped.has(operator)
          : of.class === "user"
            ? kind === "fails" && error?.message === "ValueError: column price is missing (line 3, column 7)"
            : of.class === "submit"
              ? kind === "refused"
              : of.class === "cluster" && attempts >= 3;
      if (!right)
        wrong.push(`${id} failed, and not for a reason of its own (${kind}): ${error?.code} ${error?.message}`);
    }
  }
  return wrong;
}

function results({ database, doubles }: Simulation): readonly string[] {
  const wrong: string[] = [];
  const manifests = doubles.flatMap(({ ledger }) => ledger.entries.filter(({ event }) => event === "manifest"));
  for (const { work, submissionId } of database.commits) {
    const { submissionId: last } = database.results.get(work)!;
    if (last !== submissionId) wrong.push(`work ${work} was committed by ${submissionId} and by ${last}`);
    const { livyName, location, state } = database.submissions.get(submissionId)!;
    if (state !== "succeeded") wrong.push(`${submissionId} is committed and ${state}`);
    const written = manifests.some(({ name, detail }) => name === livyName && detail?.startsWith(location));
    if (!written) wrong.push(`${submissionId} is committed and never wrote its manifest`);
  }
  return wrong;
}

function submissions({ database, kindOf }: Simulation): readonly string[] {
  const wrong: string[] = [];
  const last = new Map<string, SubmissionState>();
  for (const { submissionId, from, to, cause } of database.transitions) {
    const before = last.get(submissionId) ?? null;
    if (from !== before) wrong.push(`${submissionId} went from ${from} to ${to}, and was ${before}`);
    if (from === null ? to !== "planned" : !PATHS[from].includes(to))
      wrong.push(`${submissionId} went from ${from} to ${to} (${cause})`);
    last.set(submissionId, to);
  }
  for (const { id, state, work, failure, livyName } of database.submissions.values()) {
    if (PATHS[state].length > 0) wrong.push(`${id} (${livyName}) is ${state} at the end`);
    // Files and inputs are whole here, so that nothing may be found wrong with them.
    if (["OutputRefused", "ManifestDamaged", "InputChanged"].includes(failure?.type ?? ""))
      wrong.push(`${id} failed with ${failure?.type}: ${failure?.message}`);
    if (failure?.class === "user" && kindOf(work) !== "fails")
      wrong.push(`${id} failed by its user's fault (${kindOf(work)}): ${failure.type}: ${failure.message}`);
  }
  // What the job itself said is the end of it for the call that asked.
  const told = new Map<string, string>();
  for (const { id, jobId, failure } of database.submissions.values()) {
    const before = told.get(jobId);
    if (before !== undefined) wrong.push(`${id} tries again what ${before} had failed at by its user's fault`);
    if (failure?.class === "user") told.set(jobId, id);
  }
  return wrong;
}

/** Whether a batch is somebody else's (`troubles.ts`). */
const isStrangers = (name: string | null): boolean => name?.startsWith("somebody-") === true;

/** Two applications of one piece of work at once, and what is alive at the end. */
function applications({ database, doubles, scenario }: Simulation): readonly string[] {
  const wrong: string[] = [];
  const byName = new Map([...database.submissions.values()].map((one) => [one.livyName, one]));
  const entries = doubles
    .flatMap(({ ledger }, i) => ledger.entries.map((entry) => ({ ...entry, i })))
    .filter(({ appId, event }) => appId != null && ["accepted", "ended", "killed"].includes(event))
    .sort((a, b) => a.at - b.at);
  const alive = new Map<string, Map<string, Entry & { readonly i: number }>>();
  for (const entry of entries) {
    const work = byName.get(entry.name ?? "")?.work;
    if (work === undefined) {
      wrong.push(`an application has a name that no row has: ${entry.name}`);
      continue;
    }
    const now = alive.get(work) ?? new Map();
    alive.set(work, now);
    const key = `${entry.i} ${entry.appId}`;
    if (entry.event !== "accepted") {
      now.delete(key);
      continue;
    }
    for (const other of now.values()) {
      // Where nobody can be asked, a stated time is waited instead.
      if (!scenario.clusters[other.i]!.resourceManager) continue;
      wrong.push(
        `two applications of work ${work.slice(0, 8)} at once: ${other.appId} of ${other.name} and, ${entry.at - other.at} ms later, ${entry.appId} of ${entry.name}`,
      );
    }
    now.set(key, entry);
  }
  return wrong;
}

/** Applications that are not where their rows say: nobody owns those. */
function ownership({ database, doubles, scenario, clusters }: Simulation): readonly string[] {
  const wrong: string[] = [];
  const history = new Map<string, { readonly at: number; readonly state: SubmissionState }[]>();
  for (const { submissionId, at, to } of database.transitions)
    history.set(submissionId, [...(history.get(submissionId) ?? []), { at, state: to }]);
  for (const row of database.submissions.values()) {
    const i = clusters.findIndex(({ name }) => name === row.cluster);
    const { yarn } = doubles[i]!;
    const its = row.appId === null ? undefined : yarn.applications.get(row.appId);
    if (row.appId !== null && its?.name !== row.livyName)
      wrong.push(`${row.id} (${row.livyName}) took over ${row.appId} of ${its?.name}`);
    // Where nobody can be asked, a stated time is waited instead.
    if (!scenario.clusters[i]!.resourceManager) continue;
    const states = history.get(row.id)!;
    const cancelledAt = states.find(({ state }) => state === "cancelled")?.at ?? Number.POSITIVE_INFINITY;
    for (const app of yarn.findByTag(row.livyName)) {
      const before = states.findLast(({ at }) => at < app.startedAt);
      const then = [...(before ? [before] : []), ...states.filter(({ at }) => at === app.startedAt)];
      if (!then.some(({ state }) => MAY_START.has(state)))
        wrong.push(`${app.id} of ${row.livyName} started while it was ${then.map(({ state }) => state).join(", ")}`);
      if (app.startedAt <= cancelledAt && cancelledAt < (app.finishedAt || Number.POSITIVE_INFINITY))
        wrong.push(`${row.livyName} was called cancelled while ${app.id} was alive`);
    }
  }
  for (const { ledger } of doubles)
    for (const { event, name } of ledger.entries)
      if (event === "deleted" && isStrangers(name)) wrong.push(`batch ${name} of others was deleted`);
  return wrong;
}

function requests({ doubles, clock, lives }: Simulation): readonly string[] {
  return doubles.flatMap(({ requests }, i) => {
    const lists = requests.filter((kind) => kind === "GET /batches").length;
    const most = clock.elapsed() / 1_000 + 20 * lives.length;
    return lists > most ? [`cluster ${i} was asked for lists ${lists} times in ${clock.elapsed() / 1_000} s`] : [];
  });
}

function leftovers({ doubles, processes, scenario }: Simulation): readonly string[] {
  const wrong: string[] = [];
  doubles.forEach(({ yarn, batches }, i) => {
    const { resourceManager } = scenario.clusters[i]!;
    for (const app of yarn.applications.values())
      if (resourceManager && !hasEnded(app)) wrong.push(`${app.id} of ${app.name} is ${app.state} at the end`);
    for (const batch of batches.values())
      if (!isOver(batch) && !isStrangers(batch.name))
        wrong.push(`batch ${batch.id} ${batch.name} on cluster ${i} is ${batch.state} at the end`);
  });
  for (const [i, one] of processes.entries()) {
    if (one === null) {
      wrong.push(`process ${i} is not there`);
      continue;
    }
    for (const { record } of one.gateway.live())
      wrong.push(`process ${i} keeps ${record.id}, which is ${record.state}`);
    for (const { name, live, waiting } of one.gateway.clusters())
      if (one.gateway.kept().has(name) && (live > 0 || waiting > 0))
        wrong.push(`process ${i} counts ${live} live and ${waiting} waiting on ${name}`);
  }
  return wrong;
}
