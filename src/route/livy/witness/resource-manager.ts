/**
 * YARN's ResourceManager over REST (https://hadoop.apache.org/docs/stable/hadoop-yarn/hadoop-yarn-site/ResourceManagerRest.html): the second witness of a submission's fate.
 *
 * Tags are stored in lower case and stay searchable as long as the ResourceManager remembers the application.
 */

import { Code, FiresteelError } from "../../../errors.ts";
import {
  type Answer,
  createEndpoint,
  type Endpoint,
  type EndpointAccess,
  type EndpointOptions,
} from "../http/endpoint.ts";
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
  /** How often the driver of an application was started. */
  countStarts(appId: string, signal?: AbortSignal): Promise<number>;
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
  /** Base URL, or that of its API (ending in `/v1`: `.../ws/v1`, `.../resourcemanager/v1` of Knox); several where one of several is active. */
  readonly url: string | readonly string[];
  /** User named in requests where YARN trusts its callers (`user.name`); without it a cluster without security may refuse to kill. */
  readonly user?: string;
}

const TIME_OUTS = { headersMs: 10_000, bodyMs: 10_000 };

/** Makes the witness; opens no connection yet. `connect` makes what is asked over HTTP. */
export function createResourceManager(
  { cluster, url, user, ...access }: ResourceManagerOptions,
  connect: (options: EndpointOptions) => Endpoint = createEndpoint,
): ResourceManager {
  const how = { ...access, timeOuts: { ...TIME_OUTS, ...access.timeOuts }, connections: 4 };
  const servers = [url]
    .flat()
    .map((one) => serverAt(one, (base) => connect({ cluster, setting: "resourceManager", url: base, ...how })));
  const logs = createNodeLogs(nodeConnector({ cluster, ...how }, connect));
  /** Counts up with each server that was no good. */
  let turn = 0;

  async function ask(
    method: "GET" | "PUT",
    path: string,
    signal: AbortSignal | undefined,
    body?: unknown,
  ): Promise<unknown> {
    const fail = ({ words, cause }: NoAnswer) =>
      new FiresteelError(
        Code.unavailable,
        `ResourceManager of cluster ${cluster} gave no answer to ${method} ${path}: ${words}`,
        { cause, details: { cluster, words } },
      );
    let last: NoAnswer = { kind: "none", words: "none is configured" };
    for (let tries = 0; tries < servers.length; tries++) {
      const mine = turn;
      const { endpoint, root } = servers[mine % servers.length]!;
      const answer = await endpoint.request(method, root + path, { signal, body }).then(readAnswer, noConnection);
      signal?.throwIfAborted();
      if (answer.kind === "json") return answer.json;
      last = answer;
      if (answer.kind === "refusal") break;
      // Unless another request has done so.
      if (turn === mine) turn++;
    }
    throw fail(last);
  }

  return {
    url: servers[0]!.endpoint.url,
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
    countStarts: async (appId, signal) => {
      const json = (await ask("GET", `/apps/${encodeURIComponent(appId)}/appattempts`, signal)) as {
        appAttempts?: { appAttempt?: unknown } | null;
      } | null;
      const list = json?.appAttempts?.appAttempt;
      return Array.isArray(list) ? list.length : 0;
    },
    logs,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([logs, ...servers.map(({ endpoint }) => endpoint)].map((one) => one[Symbol.asyncDispose]()));
    },
  };
}

/** One of the servers, and where its API begins. A URL that ends in `/v1` names the API; any other is the server's, as of its pages. */
function serverAt(
  url: string,
  connect: (url: string) => Endpoint,
): { readonly endpoint: Endpoint; readonly root: string } {
  const base = url.replace(/\/+$/, "").replace(/\/cluster$/, "");
  return { endpoint: connect(base), root: base.endsWith("/v1") ? "/cluster" : "/ws/v1/cluster" };
}

/** What a server said that is no answer; after a `refusal` another would say the same. */
interface NoAnswer {
  readonly kind: "none" | "refusal";
  readonly words: string;
  readonly cause?: unknown;
}

function noConnection(reason: unknown): NoAnswer {
  const words =
    reason instanceof Error ? reason.message || String((reason as { code?: unknown }).code) : String(reason);
  return { kind: "none", words, cause: reason };
}

/** Reads an answer; null for what the ResourceManager itself does not know. A standby answers with a redirect to the active one, or to itself when it knows of none. */
function readAnswer({ status, text, location }: Answer): NoAnswer | { readonly kind: "json"; readonly json: unknown } {
  const said = text.trim().slice(0, 300);
  if (status >= 300 && status < 400)
    return { kind: "none", words: `it sends us to ${location || "elsewhere"} instead of answering: ${said}` };
  // A proxy says 404 too, where it does not know the path.
  if (status === 404 && /"NotFoundException"/.test(text)) return { kind: "json", json: null };
  if (status < 200 || status > 299)
    return { kind: status === 404 || status >= 500 ? "none" : "refusal", words: `HTTP ${status} ${said}` };
  try {
    return { kind: "json", json: JSON.parse(text) as unknown };
  } catch (cause) {
    return { kind: "none", words: `no JSON: ${said.slice(0, 100)}`, cause };
  }
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
