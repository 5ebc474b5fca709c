/**
 * YARN's ResourceManager over REST (https://hadoop.apache.org/docs/stable/hadoop-yarn/hadoop-yarn-site/ResourceManagerRest.html): the second witness of a submission's fate.
 *
 * Tags are stored in lower case and stay searchable as long as the ResourceManager remembers the application.
 */

import { Code, FiresteelError } from "../../errors.ts";
import { type Answer, createEndpoint, type Endpoint, type EndpointAccess, type EndpointOptions } from "./endpoint.ts";
import { createNodeLogs, type NodeLogs, nodeConnector } from "./node-logs.ts";

/** An application as the ResourceManager knows it. */
export interface YarnApplication {
  readonly id: string;
  /** `NEW NEW_SAVING SUBMITTED ACCEPTED RUNNING FINISHED FAILED KILLED`; KILLING and others are not ends. */
  readonly state: string;
  /** `UNDEFINED SUCCEEDED FAILED KILLED`. */
  readonly finalStatus: string;
  readonly diagnostics: string;
  readonly trackingUrl: string | null;
  /** Where the driver's container writes its logs. */
  readonly logsUrl: string | null;
}

/** The questions that are asked of a ResourceManager; each rejects with `unavailable` when it gives no answer. */
export interface ResourceManager extends AsyncDisposable {
  readonly url: string;
  /** Applications that carry a tag, newest first. */
  findByTag(tag: string, signal?: AbortSignal): Promise<readonly YarnApplication[]>;
  /** An application by its id; null when it is unknown or forgotten. */
  find(appId: string, signal?: AbortSignal): Promise<YarnApplication | null>;
  /** Asks for an application's end; its state tells later whether it came. */
  kill(appId: string, signal?: AbortSignal): Promise<void>;
  /** What the NodeManagers have of containers' logs. They are reached as the ResourceManager is, and shown its credentials. */
  readonly logs: NodeLogs;
}

/** Whether an application has ended, however. */
export function hasEnded(application: YarnApplication): boolean {
  return application.state === "FINISHED" || application.state === "FAILED" || application.state === "KILLED";
}

/** Where a ResourceManager is and how it is reached. */
export interface ResourceManagerOptions extends EndpointAccess {
  readonly cluster: string;
  readonly url: string;
  /** User named in requests where YARN trusts its callers (`user.name`); without it a cluster without security may refuse to kill. */
  readonly user?: string;
}

const ROOT = "/ws/v1/cluster";
const TIME_OUTS = { headersMs: 10_000, bodyMs: 10_000 };

/** Makes the witness; opens no connection yet. `connect` makes what is asked over HTTP. */
export function createResourceManager(
  { cluster, url, user, ...access }: ResourceManagerOptions,
  connect: (options: EndpointOptions) => Endpoint = createEndpoint,
): ResourceManager {
  const how = { ...access, timeOuts: { ...TIME_OUTS, ...access.timeOuts }, connections: 4 };
  const endpoint = connect({ cluster, setting: "resourceManager", url, ...how });
  const logs = createNodeLogs(nodeConnector({ cluster, ...how }, connect));

  async function ask(
    method: "GET" | "PUT",
    path: string,
    signal: AbortSignal | undefined,
    body?: unknown,
  ): Promise<unknown> {
    const fail = (words: string, cause?: unknown) =>
      new FiresteelError(
        Code.unavailable,
        `ResourceManager of cluster ${cluster} gave no answer to ${method} ${path}: ${words}`,
        { cause, details: { cluster, words } },
      );
    let answer: Answer;
    try {
      answer = await endpoint.request(method, ROOT + path, { signal, body });
    } catch (reason) {
      throw fail(
        reason instanceof Error ? reason.message || String((reason as { code?: unknown }).code) : String(reason),
        reason,
      );
    }
    const { status, text } = answer;
    if (status === 404) return null;
    if (status < 200 || status > 299) throw fail(`HTTP ${status} ${text.slice(0, 300)}`);
    try {
      return JSON.parse(text) as unknown;
    } catch (reason) {
      throw fail(`no JSON: ${text.slice(0, 100)}`, reason);
    }
  }

  return {
    url: endpoint.url,
    findByTag: async (tag, signal) => {
      const json = (await ask("GET", `/apps?applicationTags=${encodeURIComponent(tag.toLowerCase())}`, signal)) as {
        apps?: { app?: unknown } | null;
      } | null;
      const list = json?.apps?.app;
      return (Array.isArray(list) ? list : []).map(toApplication).sort((a, b) => (a.id < b.id ? 1 : -1));
    },
    find: async (appId, signal) => {
      const json = (await ask("GET", `/apps/${encodeURIComponent(appId)}`, signal)) as { app?: unknown } | null;
      return json?.app ? toApplication(json.app) : null;
    },
    kill: async (appId, signal) => {
      const as = user === undefined ? "" : `?user.name=${encodeURIComponent(user)}`;
      await ask("PUT", `/apps/${encodeURIComponent(appId)}/state${as}`, signal, { state: "KILLED" });
    },
    logs,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([endpoint[Symbol.asyncDispose](), logs[Symbol.asyncDispose]()]);
    },
  };
}

function toApplication(json: unknown): YarnApplication {
  const app = json as Readonly<Record<string, unknown>>;
  const text = (key: string) => (typeof app[key] === "string" && app[key] !== "" ? app[key] : null);
  return {
    id: String(app["id"]),
    state: String(app["state"]),
    finalStatus: String(app["finalStatus"]),
    diagnostics: text("diagnostics") ?? "",
    trackingUrl: text("trackingUrl"),
    logsUrl: text("amContainerLogs"),
  };
}
