/** A cluster as others see it: its addresses, and how to know that it answers. */
import { join } from "node:path";
import { type HadoopDaemon, hadoopConf, type Readiness } from "./daemons.ts";
import { type LivyInfo, livyInfo, livyReadiness, MAIN_LIVY } from "./livy.ts";
import type { PortName } from "./ports.ts";
import type { ClusterState, LivyRecord, ProcessRecord } from "./state.ts";

/** A cluster that is up. */
export interface ClusterInfo {
  readonly directory: string;
  /** False when it was up already. */
  readonly started: boolean;
  readonly detached: boolean;
  readonly startedAt: string;
  readonly livyUrl: string;
  readonly resourceManagerUrl: string;
  readonly nodeManagerUrl: string;
  /** `hdfs://host:port`, when it has one. */
  readonly hdfsUrl?: string;
  /** The NameNode's HTTP address, which serves WebHDFS. */
  readonly webHdfsUrl?: string;
  readonly sparkVersion: string;
  readonly hadoopVersion: string;
  readonly livyVersion: string;
  readonly sparkHome: string;
  /** The Python of jobs. */
  readonly python: string;
  /** HADOOP_CONF_DIR and YARN_CONF_DIR. */
  readonly hadoopConf: string;
  /** All Livy servers, the main one first. */
  readonly livys: readonly LivyInfo[];
  /** By name of the server. */
  readonly pids: Readonly<Record<string, number>>;
  readonly logs: string;
}

/** The Livy that came with the cluster; undefined only while it starts. */
export function mainLivy(state: ClusterState): LivyRecord | undefined {
  return state.livys.find(({ name }) => name === MAIN_LIVY);
}

/** All servers on record. */
export function servers(state: ClusterState): ProcessRecord[] {
  return [...state.processes, ...state.livys.flatMap((livy) => livy.process ?? [])];
}

/** The address of one of the cluster's ports. */
export function url(state: ClusterState, port: PortName, protocol = "http"): string {
  // YARN and HDFS know themselves as localhost, Livy binds to the number.
  return `${protocol}://localhost:${state.ports[port]}`;
}

/** The cluster as callers see it. */
export function describe(state: ClusterState, started: boolean): ClusterInfo {
  const main = mainLivy(state);
  return {
    directory: state.directory,
    started,
    detached: state.detached,
    startedAt: state.startedAt,
    livyUrl: main?.url ?? `http://127.0.0.1:${state.ports["livy"]}`,
    resourceManagerUrl: url(state, "resourceManagerWeb"),
    nodeManagerUrl: url(state, "nodeManagerWeb"),
    ...(state.settings.hdfs && { hdfsUrl: url(state, "nameNode", "hdfs"), webHdfsUrl: url(state, "nameNodeWeb") }),
    sparkVersion: state.versions.spark,
    hadoopVersion: state.versions.hadoop,
    livyVersion: main?.version ?? "",
    sparkHome: state.paths.sparkHome,
    python: state.paths.python,
    hadoopConf: hadoopConf(state.directory),
    livys: state.livys.map(livyInfo).sort((a, b) => Number(b.name === MAIN_LIVY) - Number(a.name === MAIN_LIVY)),
    pids: Object.fromEntries(servers(state).map(({ name, pid }) => [name, pid])),
    logs: join(state.directory, "logs"),
  };
}

function record(state: ClusterState, ...names: HadoopDaemon[]): ProcessRecord[] {
  return state.processes.filter(({ name }) => (names as string[]).includes(name));
}

/** How to know that HDFS takes files. */
export function hdfsReadiness(state: ClusterState): Readiness {
  return {
    title: "HDFS",
    url: `${url(state, "nameNodeWeb")}/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState`,
    processes: record(state, "NameNode", "DataNode"),
    ready: (text) => (/"NumLiveDataNodes"\s*:\s*1\b/.test(text) ? state.versions.hadoop : undefined),
  };
}

/** What has to answer before the cluster is up; the last one is its main Livy. */
export function readiness(state: ClusterState): Readiness[] {
  const yarn: Readiness = {
    title: "YARN",
    url: `${url(state, "resourceManagerWeb")}/ws/v1/cluster/nodes`,
    processes: record(state, "ResourceManager", "NodeManager"),
    ready: (text) => (/"state"\s*:\s*"RUNNING"/.test(text) ? state.versions.hadoop : undefined),
  };
  const livys = state.livys.filter(({ name }) => name === MAIN_LIVY);
  return [
    yarn,
    ...(state.settings.hdfs ? [hdfsReadiness(state)] : []),
    ...livys.map((livy) => livyReadiness(livy.url, livy.process ? [livy.process] : [])),
  ];
}
