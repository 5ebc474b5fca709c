/**
 * Who counts what the gateway does; told as it happens, so that nothing has to be read back for a figure.
 *
 * Everything that an observer is told has a bounded number of values (clusters are configured, routes are templates), but for the records, of which it takes what is bounded.
 */

import type { Clock } from "../../../clock.ts";
import type { FailureClass, SubmissionRecord } from "../../../evaluate/ports.ts";
import type { Endpoint, EndpointOptions } from "../http/endpoint.ts";

/** What is held of a submission's row while it lives: of thousands, what Livy was asked for would be the most. */
export type HeldRecord = Omit<SubmissionRecord, "request">;

/** One of the servers of a cluster. */
export type ClusterServer = "livy" | "resource_manager" | "node_manager" | "history_server";

/** One request to a server of a cluster, after its end. */
export interface ClusterRequest {
  readonly cluster: string;
  readonly server: ClusterServer;
  readonly method: string;
  /** The path with its variable parts as `{id}`; see {@link routeOf}. */
  readonly route: string;
  /** Null when there was no whole answer. */
  readonly status: number | null;
  readonly seconds: number;
}

/** How long a submission took to get where it is, in seconds; a part is missing where this process did not see its beginning. */
export interface SubmissionTimes {
  /** From its creation to the POST that was taken. */
  readonly queue?: number;
  /** From that POST to when it was known to be taken. */
  readonly submit?: number;
}

/** Told by the gateway. No method may throw. */
export interface GatewayObserver {
  requested(request: ClusterRequest): void;
  /** Livy took it. */
  taken(submission: HeldRecord, times: SubmissionTimes): void;
  /** It runs; told once for each submission, where this process sees that. */
  started(submission: HeldRecord): void;
  /** It has its end. */
  ended(submission: HeldRecord, failure: FailureClass | null): void;
  /** Livy does not know it any more, and nothing else does. */
  lost(submission: HeldRecord): void;
  /** It was lost, and something has told what became of it. */
  found(submission: HeldRecord): void;
  /** This process took it up while it lives, or may live, on the cluster. */
  adopted(submission: HeldRecord): void;
  /** An attempt failed, and there will be another one. */
  retried(submission: HeldRecord): void;
  /** Livy creates as many sessions as it may: a POST was put off. */
  throttled(cluster: string): void;
  /** A cluster counts as down, with the reason in words. */
  down(cluster: string, why: string): void;
  /** It was down, and takes submissions again. */
  back(cluster: string): void;
}

/** Counts nothing. */
export const NO_OBSERVER: GatewayObserver = {
  requested: () => {},
  taken: () => {},
  started: () => {},
  ended: () => {},
  lost: () => {},
  found: () => {},
  adopted: () => {},
  retried: () => {},
  throttled: () => {},
  down: () => {},
  back: () => {},
};

/** Tells what a durable change of a submission means. `postedAt`: when the POST that is over began, ms since the epoch. */
export function observeChange(
  observer: GatewayObserver,
  before: HeldRecord,
  after: HeldRecord,
  postedAt: number | null,
): void {
  if (before.state === "submitting" && after.submittedAt !== before.submittedAt && after.submittedAt !== null) {
    const { createdAt, submittedAt } = after;
    const queue = postedAt === null ? null : (postedAt - createdAt) / 1000;
    observer.taken(after, queue === null ? {} : { queue, submit: (submittedAt - postedAt!) / 1000 });
  }
  if (before.startedAt === null && after.startedAt !== null) observer.started(after);
  if (after.state === "lost" && before.state !== "lost") observer.lost(after);
  if (before.state === "lost" && after.state !== "lost") observer.found(after);
  if (before.endedAt === null && after.endedAt !== null) observer.ended(after, after.failure?.class ?? null);
}

/** Makes endpoints whose requests are told. */
export function observed(
  connect: (options: EndpointOptions) => Endpoint,
  observer: GatewayObserver,
  clock: Clock,
): (options: EndpointOptions) => Endpoint {
  return (options) => {
    const endpoint = connect(options);
    const { cluster, setting } = options;
    const server = SERVERS[setting] ?? "livy";
    return {
      url: endpoint.url,
      request: async (method, path, request) => {
        const began = clock.elapsed();
        let status: number | null = null;
        try {
          const answer = await endpoint.request(method, path, request);
          status = answer.status;
          return answer;
        } finally {
          const seconds = (clock.elapsed() - began) / 1000;
          observer.requested({ cluster, server, method, route: routeOf(path), status, seconds });
        }
      },
      [Symbol.asyncDispose]: () => endpoint[Symbol.asyncDispose](),
    };
  };
}

/** Servers by the setting of a cluster that says where they are. */
const SERVERS: Readonly<Record<string, ClusterServer>> = {
  resourceManager: "resource_manager",
  NodeManager: "node_manager",
  historyServer: "history_server",
};

/** Parts of paths that are the same for everybody; all others stand for something. */
const WORDS: ReadonlySet<string> = new Set(
  (
    "version batches sessions statements state log cancel completion connect " +
    "ws v1 cluster apps appattempts info node containers logs stdout stderr history containerlogs " +
    "api applications jobs stages"
  ).split(" "),
);

/** A path without its query and with `{id}` in the place of whatever names one thing, so that there are few. */
export function routeOf(path: string): string {
  return path
    .split("?", 1)[0]!
    .split("/")
    .map((part) => (part === "" || WORDS.has(part) ? part : "{id}"))
    .join("/");
}
