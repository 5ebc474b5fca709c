/**
 * Livy's REST interface for batches (https://livy.apache.org/docs/latest/rest-api.html), typed; read in the sources of 0.6 to 0.9 and tried on 0.7.1 and 0.9.0.
 *
 * One client a cluster, with its own pool of connections. Every failure is a FiresteelError made in `errors.ts`.
 */

import type { Dispatcher } from "undici";
import { type Answer, createEndpoint, type Endpoint, type EndpointAccess, type EndpointOptions } from "./endpoint.ts";
import { errorOfAnswer, errorOfFailure, errorOfNonsense, LivyFailure, livyFailureOf } from "./errors.ts";

/** Where a Livy server is and how it is reached. */
export interface LivyClientOptions extends EndpointAccess {
  /** Name of the cluster, for messages. */
  readonly name: string;
  /** Base URL; a path in it (a gateway's prefix) is kept. */
  readonly url: string;
}

/** Body of `POST /batches`. Livy refuses unknown fields. */
export interface LivyBatchRequest {
  readonly file: string;
  readonly name?: string;
  readonly proxyUser?: string;
  readonly className?: string;
  readonly args?: readonly string[];
  readonly jars?: readonly string[];
  readonly pyFiles?: readonly string[];
  readonly files?: readonly string[];
  readonly archives?: readonly string[];
  readonly driverMemory?: string;
  readonly driverCores?: number;
  readonly executorMemory?: string;
  readonly executorCores?: number;
  readonly numExecutors?: number;
  readonly queue?: string;
  readonly conf?: Readonly<Record<string, string>>;
}

/** A batch as Livy shows it. `state` is open: a value that is not known here is not an end. */
export interface LivyBatch {
  readonly id: number;
  /** Null where the request had none. */
  readonly name: string | null;
  readonly state: string;
  readonly appId: string | null;
  readonly sparkUiUrl: string | null;
  readonly driverLogUrl: string | null;
  /** The last lines (10 in lists and single batches). */
  readonly log: readonly string[];
}

export interface LivyBatchList {
  readonly from: number;
  /** All batches of the server, whoever made them. */
  readonly total: number;
  readonly batches: readonly LivyBatch[];
}

export interface LivyLog {
  readonly from: number;
  readonly total: number;
  readonly lines: readonly string[];
}

/** Livy's interface for batches. Everything rejects with a FiresteelError whose `details.kind` is a {@link LivyFailure}. */
export interface LivyClient extends AsyncDisposable {
  readonly name: string;
  /** The base URL, without credentials. */
  readonly url: string;
  /** Livy's version, `0.9.0-incubating`. */
  version(signal?: AbortSignal): Promise<string>;
  createBatch(request: LivyBatchRequest, signal?: AbortSignal): Promise<LivyBatch>;
  listBatches(from: number, size: number, signal?: AbortSignal): Promise<LivyBatchList>;
  /** A batch by id, or by name (a name of digits only is taken for an id); null when Livy does not know it. */
  findBatch(idOrName: number | string, signal?: AbortSignal): Promise<LivyBatch | null>;
  /** The state alone; null when Livy does not know the batch. */
  batchState(idOrName: number | string, signal?: AbortSignal): Promise<string | null>;
  /** The last `size` lines that Livy holds, or those from `from` on; null when Livy does not know the batch. */
  batchLog(idOrName: number | string, size: number, from?: number, signal?: AbortSignal): Promise<LivyLog | null>;
  /** Deletes a batch and asks for its application's end; false when Livy did not know it. Livy says yes even when the application lives on. */
  deleteBatch(idOrName: number | string, signal?: AbortSignal): Promise<boolean>;
}

type Json = Readonly<Record<string, unknown>>;

/** Livy's protection against cross-site requests, where it is on, wants this header to be there; any value will do. */
const HEADERS = { "x-requested-by": "firesteel" };

/** Makes a client; opens no connection yet. `connect` makes what is asked over HTTP. */
export function createLivyClient(
  { name, ...access }: LivyClientOptions,
  connect: (options: EndpointOptions) => Endpoint = createEndpoint,
): LivyClient {
  const endpoint = connect({ cluster: name, setting: "url", ...access });

  async function request(
    method: Dispatcher.HttpMethod,
    path: string,
    signal?: AbortSignal,
    body?: unknown,
  ): Promise<Json> {
    const subject = { cluster: name, request: `${method} ${path}` };
    let answer: Answer;
    try {
      answer = await endpoint.request(method, path, { signal, body, headers: HEADERS });
    } catch (reason) {
      if (livyFailureOf(reason) !== undefined) throw reason;
      throw errorOfFailure(subject, reason, signal?.aborted ?? false);
    }
    const { status, text, contentType } = answer;
    if (status < 200 || status > 299) throw errorOfAnswer(subject, status, text, contentType);
    try {
      const json = JSON.parse(text) as unknown;
      if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Json;
    } catch {
      // Said below with the rest of what is no answer of Livy's.
    }
    throw errorOfNonsense(subject, status, text, contentType);
  }

  async function batchOf(json: Json, subject: string): Promise<LivyBatch> {
    const batch = toBatch(json);
    if (batch === null)
      throw errorOfNonsense({ cluster: name, request: subject }, 200, JSON.stringify(json), "application/json");
    return batch;
  }

  async function orNull<T>(promise: Promise<T>): Promise<T | null> {
    try {
      return await promise;
    } catch (error) {
      if (livyFailureOf(error) === LivyFailure.notFound) return null;
      throw error;
    }
  }

  return {
    name,
    url: endpoint.url,
    version: async (signal) => String((await request("GET", "/version", signal))["version"] ?? "unknown"),
    createBatch: async (body, signal) => batchOf(await request("POST", "/batches", signal, body), "POST /batches"),
    listBatches: async (from, size, signal) => {
      const path = `/batches?from=${from}&size=${size}`;
      const json = await request("GET", path, signal);
      const { total, sessions } = json;
      if (typeof total !== "number" || !Array.isArray(sessions))
        throw errorOfNonsense({ cluster: name, request: `GET ${path}` }, 200, JSON.stringify(json), "application/json");
      // One entry that cannot be read must not hide the others.
      return { from, total, batches: sessions.map((one) => toBatch(one as Json)).filter((one) => one !== null) };
    },
    findBatch: (which, signal) =>
      orNull(request("GET", pathOf(which), signal).then((json) => batchOf(json, `GET ${pathOf(which)}`))),
    batchState: (which, signal) =>
      orNull(request("GET", `${pathOf(which)}/state`, signal).then((json) => String(json["state"]))),
    batchLog: (which, size, from, signal) =>
      orNull(
        request("GET", `${pathOf(which)}/log?size=${size}${from === undefined ? "" : `&from=${from}`}`, signal).then(
          (json) => ({
            from: Number(json["from"] ?? 0),
            total: Number(json["total"] ?? 0),
            lines: Array.isArray(json["log"]) ? json["log"].map(String) : [],
          }),
        ),
      ),
    deleteBatch: async (which, signal) => (await orNull(request("DELETE", pathOf(which), signal))) !== null,
    [Symbol.asyncDispose]: () => endpoint[Symbol.asyncDispose](),
  };
}

function pathOf(which: number | string): string {
  return `/batches/${encodeURIComponent(which)}`;
}

function toBatch(json: Json): LivyBatch | null {
  const { id, name, state, appId, appInfo, log } = json;
  if (typeof id !== "number" || typeof state !== "string") return null;
  const info = (typeof appInfo === "object" && appInfo !== null ? appInfo : {}) as Json;
  return {
    id,
    name: typeof name === "string" ? name : null,
    state,
    appId: typeof appId === "string" && appId !== "" ? appId : null,
    sparkUiUrl: typeof info["sparkUiUrl"] === "string" ? info["sparkUiUrl"] : null,
    driverLogUrl: typeof info["driverLogUrl"] === "string" ? info["driverLogUrl"] : null,
    log: Array.isArray(log) ? log.map(String) : [],
  };
}
