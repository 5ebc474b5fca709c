/**
 * How a piece of work is carried: as a batch, or as a statement of a warm session.
 *
 * In no identity: the rows are the same. So work that needs what a running session cannot be given (jars, another user, settings of the application) is never a statement.
 */

import type { Resources } from "../../../define/task-options.ts";
import type { SparkWork } from "../../../define/work.ts";
import { Code, FiresteelError } from "../../../errors.ts";
import type { DatasetRecord, SubmissionMode } from "../../../evaluate/ports.ts";
import { SESSION_DEFAULTS, type SessionsConfig, type WorkMode } from "./session-request.ts";

/** What decides about it. */
export interface Carriage {
  /** What the work's author asks for. */
  readonly asked: WorkMode | undefined;
  /** What the work needs and no running session can be given, in words. */
  readonly obstacle: string | null;
  /** The author asks for resources, which a running session has or has not. */
  readonly resources: boolean;
  /** Size of all inputs together. */
  readonly bytes: number;
}

/** The clusters' part of it. */
export interface ModeCluster {
  readonly name: string;
  readonly config: { readonly sessions?: SessionsConfig };
}

const FILES = ["pyFiles", "jars", "files", "archives"] as const;
const RESOURCES = ["driverMemory", "driverCores", "executorMemory", "executorCores", "numExecutors", "queue"] as const;

export function carriageOf(work: SparkWork, resources: Resources, datasets: Iterable<DatasetRecord>): Carriage {
  const { settings } = work;
  const program = work.kind === "sparkApp" ? "a program of its own" : null;
  const files = FILES.find((key) => (settings[key]?.length ?? 0) > 0);
  // What is set below `spark.sql.` can be set in the statement's own Spark session.
  const conf = Object.keys(settings.conf ?? {}).find((key) => !key.startsWith("spark.sql."));
  const { memory, cores, executors } = resources;
  let bytes = 0;
  for (const dataset of datasets) for (const file of dataset.files) bytes += file.bytes;
  return {
    asked: settings.mode,
    obstacle:
      program ??
      files ??
      (settings.proxyUser === undefined ? null : "proxyUser") ??
      (conf === undefined ? null : `conf ${conf}`),
    resources:
      RESOURCES.some((key) => settings[key] !== undefined) ||
      [memory, cores, executors].some((one) => one !== undefined),
    bytes,
  };
}

/**
 * How the next attempt is carried on a cluster.
 *
 * @param failed a statement of this work failed on the cluster: where `auto` decides it is a batch now, which has its application to itself
 * @throws FiresteelError where a statement is asked for that cannot be one: `invalid_argument` for the work, `failed_precondition` for the cluster
 */
export function modeOn(
  { name, config }: ModeCluster,
  task: string,
  carriage: Carriage,
  failed: boolean,
): SubmissionMode {
  const { sessions } = config;
  const { asked, obstacle } = carriage;
  if (asked === "statement") {
    if (obstacle !== null)
      throw new FiresteelError(
        Code.invalidArgument,
        `task ${task} asks for mode statement, and its work has what a running session cannot be given (use mode auto or batch): ${obstacle}`,
      );
    if (sessions === undefined)
      throw new FiresteelError(
        Code.failedPrecondition,
        `task ${task} asks for mode statement; set \`sessions\` in the entry of a cluster in firesteel.config.ts: cluster ${name} has none`,
      );
    return "statement";
  }
  if (sessions === undefined || asked === "batch" || obstacle !== null || failed) return "batch";
  const mode = asked ?? sessions.mode ?? SESSION_DEFAULTS.mode;
  if (mode !== "auto") return mode;
  return !carriage.resources && carriage.bytes <= (sessions.autoBytes ?? SESSION_DEFAULTS.autoBytes)
    ? "statement"
    : "batch";
}
