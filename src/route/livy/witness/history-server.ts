/**
 * Spark's History Server over REST (https://spark.apache.org/docs/latest/monitoring.html#rest-api): the third witness, for applications that the ResourceManager has forgotten.
 *
 * It reads the event logs that drivers write (`spark.eventLog.enabled`), some seconds after they did. `completed` means that the driver stopped its SparkContext, and when: so the application is over. It does not say that the
 * job did what it should: a driver stops its context after an exception too. An application that is not completed may run, or its driver may have died; and one that is not known may never have written a log.
 */

import { Code, FiresteelError } from "../../../errors.ts";
import {
  type Answer,
  createEndpoint,
  type Endpoint,
  type EndpointAccess,
  type EndpointOptions,
} from "../http/endpoint.ts";

/** What the event log of an application says. */
export interface HistoryApplication {
  readonly id: string;
  /** The driver stopped its context. */
  readonly completed: boolean;
  /** When it did, ms since the epoch by the driver's clock; null while it has not. */
  readonly endedAt: number | null;
  /** Its page. */
  readonly url: string;
}

/** The questions that are asked of it; each rejects with `unavailable` when it gives no answer. */
export interface HistoryServer extends AsyncDisposable {
  readonly url: string;
  /** The newest attempt of an application; null when there is no event log of it. */
  find(appId: string, signal?: AbortSignal): Promise<HistoryApplication | null>;
  /** Why the newest of its failed stages failed, in Spark's words; null when none did. */
  failure(appId: string, signal?: AbortSignal): Promise<string | null>;
  /** Where its page is or will be: on YARN the driver is the application's first attempt. */
  pageOf(appId: string): string;
}

const TIME_OUTS = { headersMs: 10_000, bodyMs: 10_000 };

/** Makes the witness; opens no connection yet. `connect` makes what is asked over HTTP. */
export function createHistoryServer(
  { cluster, url, ...access }: EndpointAccess & { readonly cluster: string; readonly url: string },
  connect: (options: EndpointOptions) => Endpoint = createEndpoint,
): HistoryServer {
  const how = { ...access, timeOuts: { ...TIME_OUTS, ...access.timeOuts }, connections: 2 };
  const endpoint = connect({ cluster, setting: "historyServer", url, ...how });
  const page = (appId: string, attempt: string | undefined) =>
    `${endpoint.url}/history/${encodeURIComponent(appId)}/${attempt === undefined ? "" : `${encodeURIComponent(attempt)}/`}`;

  async function ask(path: string, signal: AbortSignal | undefined): Promise<unknown> {
    const fail = (words: string, cause?: unknown) =>
      new FiresteelError(
        Code.unavailable,
        `Spark History Server of cluster ${cluster} gave no answer to GET ${path}: ${words}`,
        { cause, details: { cluster, words } },
      );
    let answer: Answer;
    try {
      answer = await endpoint.request("GET", `/api/v1${path}`, { signal });
    } catch (reason) {
      throw fail(reason instanceof Error ? reason.message : String(reason), reason);
    }
    if (answer.status === 404) return null;
    if (answer.status !== 200) throw fail(`HTTP ${answer.status} ${answer.text.slice(0, 300)}`);
    try {
      return JSON.parse(answer.text) as unknown;
    } catch (reason) {
      throw fail(`no JSON: ${answer.text.slice(0, 100)}`, reason);
    }
  }

  /** The newest comes first. */
  async function newest(appId: string, signal: AbortSignal | undefined): Promise<Attempt | null> {
    const json = (await ask(`/applications/${encodeURIComponent(appId)}`, signal)) as {
      readonly attempts?: readonly Attempt[];
    } | null;
    return json?.attempts?.[0] ?? null;
  }

  return {
    url: endpoint.url,
    find: async (appId, signal) => {
      const attempt = await newest(appId, signal);
      if (attempt === null) return null;
      const completed = attempt.completed === true;
      const endedAt = completed && typeof attempt.endTimeEpoch === "number" ? attempt.endTimeEpoch : null;
      return { id: appId, completed, endedAt, url: page(appId, attempt.attemptId) };
    },
    failure: async (appId, signal) => {
      const attempt = await newest(appId, signal);
      if (attempt === null) return null;
      const path = [encodeURIComponent(appId), ...(attempt.attemptId === undefined ? [] : [attempt.attemptId])].join(
        "/",
      );
      const stages = (await ask(`/applications/${path}/stages?status=failed`, signal)) as readonly {
        readonly failureReason?: unknown;
      }[];
      const reason = stages?.[0]?.failureReason;
      return typeof reason === "string" ? reason : null;
    },
    pageOf: (appId) => page(appId, "1"),
    [Symbol.asyncDispose]: () => endpoint[Symbol.asyncDispose](),
  };
}

/** As far as it is read. `attemptId` is absent where the driver ran in no container of a cluster. */
interface Attempt {
  readonly attemptId?: string;
  readonly completed?: unknown;
  readonly endTimeEpoch?: unknown;
}
