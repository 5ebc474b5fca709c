/**
 * Livy's REST interface (https://livy.apache.org/docs/latest/rest-api.html), batches here, sessions in `session-client.ts`, typed; read in the sources of 0.6 to 0.9 and tried on 0.7.1 and 0.9.0.
 *
 * One client a cluster, with its own pool of connections. Every failure is a FiresteelError made in `errors.ts`.
 */

import { createEndpoint, type Endpoint, type EndpointOptions } from "./endpoint.ts";
import {
  createRequests,
  type Json,
  type LivyApplication,
  type LivyClientOptions,
  orNull,
  toApplication,
} from "./requests.ts";
import { createSessionClient, type LivySessions } from "./session-client.ts";

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

/** A batch as Livy shows it. */
export type LivyBatch = LivyApplication;

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

/** Livy's interface. Everything rejects with a FiresteelError whose `details.kind` is a {@link LivyFailure}. */
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
  readonly sessions: LivySessions;
}

/** Makes a client; opens no connection yet. `connect` makes what is asked over HTTP. */
export function createLivyClient(
  options: LivyClientOptions,
  connect: (options: EndpointOptions) => Endpoint = createEndpoint,
): LivyClient {
  const requests = createRequests(options, connect);
  const { request, nonsense } = requests;

  function batchOf(json: Json, subject: string): LivyBatch {
    const batch = toApplication(json);
    if (batch === null) throw nonsense(subject, json);
    return batch;
  }

  return {
    name: options.name,
    url: requests.url,
    version: async (signal) => String((await request("GET", "/version", signal))["version"] ?? "unknown"),
    createBatch: async (body, signal) => batchOf(await request("POST", "/batches", signal, body), "POST /batches"),
    listBatches: async (from, size, signal) => {
      const path = `/batches?from=${from}&size=${size}`;
      const json = await request("GET", path, signal);
      const { total, sessions } = json;
      if (typeof total !== "number" || !Array.isArray(sessions)) throw nonsense(`GET ${path}`, json);
      // One entry that cannot be read must not hide the others.
      return { from, total, batches: sessions.map((one) => toApplication(one as Json)).filter((one) => one !== null) };
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
    sessions: createSessionClient(requests),
    [Symbol.asyncDispose]: () => requests[Symbol.asyncDispose](),
  };
}

function pathOf(which: number | string): string {
  return `/batches/${encodeURIComponent(which)}`;
}
