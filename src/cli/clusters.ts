/**
 * `firesteel clusters`: the clusters of the project, how they are, and whether they are in use.
 */

import { toJson } from "@bufbuild/protobuf";
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { type Cluster, type ClusterDrain, ClusterSchema, ClusterState } from "../gen/firesteel/v1/submission_pb.ts";
import { ExitCode } from "./exit-code.ts";
import { formatAge, formatTime, oneLine } from "./format.ts";
import { openServerSession, openSession } from "./session.ts";
import { clusterStateWord } from "./state-word.ts";
import { type Column, formatTable } from "./table.ts";
import { paint, print, say } from "./terminal.ts";
import { userName } from "./user-name.ts";

/** Lists the clusters, with why work waits there. */
export async function clusters({ json }: { readonly json: boolean }): Promise<ExitCode> {
  await using session = await openSession();
  const answer = await session.client.submissions.listClusters({});
  if (json) print(JSON.stringify(answer.clusters.map((one) => toJson(ClusterSchema, one))));
  else if (answer.clusters.length === 0) say("no cluster is configured: set `clusters` in firesteel.config.ts");
  else {
    print(formatTable(columns(Date.now()), answer.clusters));
    for (const cluster of answer.clusters) tellMore(cluster, Date.now());
  }
  if (session.server === null) say("no server is up for this project, so nobody asks the clusters how they are");
  return ExitCode.ok;
}

/** Takes a cluster out of use. */
export async function drainCluster(cluster: string, reason: string): Promise<ExitCode> {
  await using session = await openServerSession("draining a cluster");
  const user = userName();
  const { drained } = await session.client.submissions.drainCluster({ cluster, reason, user });
  const mine = drained?.by === user && drained.reason === reason;
  say(`cluster ${cluster} ${mine ? "takes" : "took already"} no new submissions; ${describe(drained!, Date.now())}`);
  say("what is there goes on; give it back with `firesteel clusters resume`");
  return ExitCode.ok;
}

/** Gives a cluster back. */
export async function resumeCluster(cluster: string): Promise<ExitCode> {
  await using session = await openServerSession("resuming a cluster");
  const { drained } = await session.client.submissions.resumeCluster({ cluster, user: userName() });
  if (drained === undefined) say(`cluster ${cluster} was not drained`);
  else say(`cluster ${cluster} takes submissions again; it was ${describe(drained, Date.now())}`);
  return ExitCode.ok;
}

function columns(now: number): Column<Cluster>[] {
  const age = (at: Timestamp | undefined) => (at ? formatAge(timestampMs(at), now) : "");
  return [
    { title: "NAME", text: ({ name }) => name },
    {
      title: "STATE",
      text: stateOf,
      paint: (text, { state }) =>
        state === ClusterState.UP ? paint("green", text) : state === ClusterState.DOWN ? paint("red", text) : text,
    },
    { title: "SINCE", text: ({ since }) => age(since) },
    { title: "CONFIRMED", text: ({ confirmedAt }) => age(confirmedAt) },
    {
      title: "LIVE",
      align: "right",
      text: ({ live, limits }) => (limits ? `${live}/${limits.maxLive}` : String(live)),
    },
    { title: "WAITING", align: "right", text: ({ waiting }) => String(waiting) },
    { title: "LIVY", text: ({ livyVersion }) => livyVersion ?? "" },
    {
      title: "LABELS",
      shrinks: true,
      text: ({ labels }) =>
        Object.entries(labels)
          .map(([name, value]) => (value === "" ? name : `${name}=${value}`))
          .join(", "),
    },
    { title: "URL", text: ({ url }) => url, shrinks: true },
  ];
}

function stateOf({ state, drained, removed }: Cluster): string {
  return [clusterStateWord(state), ...(drained ? ["drained"] : []), ...(removed ? ["removed"] : [])].join(", ");
}

function tellMore({ name, state, drained, waits, sessions, lastError }: Cluster, now: number): void {
  if (drained) print(`${name}: ${describe(drained, now)}`);
  if (state === ClusterState.DOWN && lastError !== undefined) print(`${name}: ${oneLine(lastError)}`);
  if (sessions) {
    const { busy, idle, starting, waiting, max, lastError: wrong } = sessions;
    print(
      `${name}: sessions: ${busy} busy, ${idle} idle, ${starting} starting, at most ${max}; statements waiting: ${waiting}`,
    );
    if (wrong !== undefined) print(`${name}: last trouble with a session: ${oneLine(wrong)}`);
  }
  for (const { reason, count } of waits) print(`${name}: ${count} waiting: ${oneLine(reason)}`);
}

function describe({ at, by, reason }: ClusterDrain, now: number): string {
  return `drained by ${by}${at ? ` ${formatTime(timestampMs(at), now)}` : ""}: ${oneLine(reason)}`;
}
