/** Starts the servers of a cluster and waits until they answer. */
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, renameSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, FiresteelError } from "../src/errors.ts";
import { identify, isAlive, MARKER } from "./processes.ts";
import type { ClusterState, ProcessRecord } from "./state.ts";
import { logTail } from "./tool.ts";

/** Flags for short-lived or lightly used JVMs: the quick compiler, a collector without threads, no files in /tmp. */
export const FRUGAL: readonly string[] = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData"];

/**
 * What Hadoop 3.3 reaches by reflection and Java 16 closed: Guice's cglib and jaxb-impl in both web applications need
 * java.lang, the others are those of Hadoop's own start scripts.
 */
const HADOOP_OPENS = ["lang", "lang.reflect", "io", "net", "util", "math", "security", "util.concurrent", "nio"].map(
  (name) => `--add-opens=java.base/java.${name}=ALL-UNNAMED`,
);

const HADOOP_MAINS = {
  ResourceManager: { main: "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager", heap: "384m" },
  NodeManager: { main: "org.apache.hadoop.yarn.server.nodemanager.NodeManager", heap: "384m" },
  NameNode: { main: "org.apache.hadoop.hdfs.server.namenode.NameNode", heap: "256m" },
  DataNode: { main: "org.apache.hadoop.hdfs.server.datanode.DataNode", heap: "256m" },
} as const;

/** A server of YARN or HDFS. */
export type HadoopDaemon = keyof typeof HADOOP_MAINS;

/** The folder that is HADOOP_CONF_DIR. */
export const hadoopConf = (directory: string): string => join(directory, "conf");
/** The folder that is SPARK_CONF_DIR. */
export const sparkConf = (directory: string): string => join(directory, "spark-conf");

/** The environment of an installed Spark: the caller's, without what would send Spark, Hadoop or Python to another installation. */
export function sparkEnvironment({
  java,
  python,
  sparkHome,
}: Pick<ClusterState["paths"], "java" | "python" | "sparkHome">): NodeJS.ProcessEnv {
  const foreign =
    /^(SPARK|PYSPARK|HADOOP|HDFS|YARN|MAPRED|LIVY)_|^(CLASSPATH|PYTHONPATH|PYTHONHOME|JAVA_OPTS|NODE_OPTIONS)$/;
  const own = Object.entries(process.env).filter(([name]) => !foreign.test(name));
  return {
    ...Object.fromEntries(own),
    JAVA_HOME: java,
    // Scripts of Spark call plain `java` and `python3` in places.
    PATH: [join(java, "bin"), dirname(python), process.env["PATH"] ?? ""].join(delimiter),
    SPARK_HOME: sparkHome,
    SPARK_LOCAL_IP: "127.0.0.1",
    PYSPARK_PYTHON: python,
    PYSPARK_DRIVER_PYTHON: python,
  };
}

/** The environment of a cluster's process: that of its Spark, with the cluster's mark. Also what a spark-submit of one's own needs to reach this cluster. */
export function clusterEnvironment(state: ClusterState): NodeJS.ProcessEnv {
  const tmp = join(state.directory, "tmp");
  return {
    ...sparkEnvironment(state.paths),
    [MARKER]: state.id,
    SPARK_CONF_DIR: sparkConf(state.directory),
    SPARK_SUBMIT_OPTS: [...FRUGAL, `-Djava.io.tmpdir=${tmp}`].join(" "),
    HADOOP_CONF_DIR: hadoopConf(state.directory),
    YARN_CONF_DIR: hadoopConf(state.directory),
    TMPDIR: tmp,
  };
}

/** Flags of every JVM that the cluster starts itself. */
export function jvmFlags(state: ClusterState, heap: string): string[] {
  const tmp = join(state.directory, "tmp");
  return [`-Xmx${heap}`, ...FRUGAL, "-Djava.net.preferIPv4Stack=true", `-Djava.io.tmpdir=${tmp}`];
}

/** One server to start. */
export interface Launch {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Gets its output; the file of the run before is kept as `<log>.1`. */
  readonly log: string;
}

/**
 * Starts a server in a session of its own, so that no Ctrl-C of a terminal reaches it and it may outlive us.
 *
 * @throws FiresteelError `failedPrecondition` when it ends at once.
 */
export async function launch(plan: Launch): Promise<ProcessRecord> {
  mkdirSync(dirname(plan.log), { recursive: true });
  if (existsSync(plan.log)) renameSync(plan.log, `${plan.log}.1`);
  const log = openSync(plan.log, "a");
  const child = spawn(plan.command, plan.args, {
    cwd: plan.cwd,
    env: plan.env,
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  let cause: unknown;
  child.once("error", (error) => {
    cause = error;
  });
  child.unref();
  const self = child.pid === undefined ? undefined : identify(child.pid);
  if (self === undefined) {
    await sleep(0);
    throw new FiresteelError(Code.failedPrecondition, `${plan.name} could not be started: ${plan.command}`, { cause });
  }
  return { name: plan.name, ...self, log: plan.log };
}

function hadoopCommand(state: ClusterState, daemon: HadoopDaemon, args: readonly string[]): Launch {
  const { main, heap } = HADOOP_MAINS[daemon];
  const { directory } = state;
  const logs = join(directory, "logs");
  const classPath = `${hadoopConf(directory)}:${state.paths.hadoopJars}/*`;
  return {
    name: daemon,
    command: join(state.paths.java, "bin", "java"),
    args: [...jvmFlags(state, heap), `-Dhadoop.log.dir=${logs}`, ...HADOOP_OPENS, "-cp", classPath, main, ...args],
    cwd: directory,
    env: clusterEnvironment(state),
    log: join(logs, `${daemon}.log`),
  };
}

/** Starts a server of YARN or HDFS. */
export function launchHadoop(state: ClusterState, daemon: HadoopDaemon): Promise<ProcessRecord> {
  return launch(hadoopCommand(state, daemon, []));
}

/** The command that makes an empty HDFS. */
export function formatCommand(state: ClusterState): Launch {
  const plan = hadoopCommand(state, "NameNode", ["-format", "-force", "-nonInteractive"]);
  return { ...plan, log: join(state.directory, "logs", "NameNode-format.log") };
}

/** Something to wait for. */
export interface Readiness {
  /** What it is, as the subject of a message. */
  readonly title: string;
  readonly url: string;
  /** Reads the answer; undefined means not yet. */
  readonly ready: (text: string) => string | undefined;
  /** Without any of these it will never be ready. */
  readonly processes: readonly ProcessRecord[];
}

const POLL_MS = 100;

async function ask(url: string): Promise<string | undefined> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    const text = await answer.text();
    return answer.ok ? text : undefined;
  } catch {
    // Not listening yet, or too busy: the caller asks again until its time is up.
    return undefined;
  }
}

async function failure(title: string, happened: string, record: ProcessRecord | undefined): Promise<FiresteelError> {
  const tail = record ? await logTail(record.log) : "";
  const log = record ? `:\n${tail}\n  (all of it: ${record.log})` : "";
  const bound =
    /(?:Port in use|Problem binding to|Failed to bind to)[^\d]*(?:127\.0\.0\.1|localhost)?[^\d]*:(\d+)|BindException/.exec(
      tail,
    );
  const port = bound?.[1] === undefined ? undefined : Number(bound[1]);
  const reason = bound ? `${happened} because ${port === undefined ? "a port" : `port ${port}`} is in use` : happened;
  return new FiresteelError(bound ? Code.aborted : Code.unavailable, `${title} ${reason}${log}`, {
    details: { ...(record && { log: record.log }), ...(port !== undefined && { port }) },
  });
}

/**
 * Asks until it is ready, and returns what `ready` made of the answer.
 *
 * @throws FiresteelError with the log's tail and path: `aborted` when a port was taken, else `unavailable`.
 */
export async function waitUntilReady(check: Readiness, timeoutMs: number, signal?: AbortSignal): Promise<string> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const answer = await ask(check.url);
    const result = answer === undefined ? undefined : check.ready(answer);
    // Looked at after the answer: a stranger on the port may have given it.
    const dead = check.processes.find((record) => !isAlive(record));
    if (dead) throw await failure(dead.name, "ended while it started", dead);
    if (result !== undefined) return result;
    if (Date.now() >= deadline) {
      throw await failure(
        check.title,
        `did not answer on ${check.url} within ${Math.round(timeoutMs / 1000)} s`,
        check.processes[0],
      );
    }
    await sleep(POLL_MS);
  }
}

/** One question without waiting; undefined when it is not ready. */
export async function askOnce(check: Omit<Readiness, "processes">): Promise<string | undefined> {
  const answer = await ask(check.url);
  return answer === undefined ? undefined : check.ready(answer);
}
