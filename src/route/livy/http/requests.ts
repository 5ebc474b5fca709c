/**
 * Requests to a Livy server: JSON out, JSON in, and every failure a FiresteelError made in `errors.ts`.
 */

import type { Dispatcher } from "undici";
import type { FiresteelError } from "../../../errors.ts";
import type { Answer, Endpoint, EndpointAccess, EndpointOptions } from "./endpoint.ts";
import { errorOfAnswer, errorOfFailure, errorOfNonsense, LivyFailure, livyFailureOf } from "./errors.ts";

/** Where a Livy server is and how it is reached. */
export interface LivyClientOptions extends EndpointAccess {
  /** Name of the cluster, for messages. */
  readonly name: string;
  /** Base URL; a path in it (a gateway's prefix) is kept. */
  readonly url: string;
}

export type Json = Readonly<Record<string, unknown>>;

/** A server's requests. */
export interface LivyRequests extends AsyncDisposable {
  /** The base URL, without credentials. */
  readonly url: string;
  /** The object that a request is answered with; rejects with a FiresteelError whose `details.kind` is a {@link LivyFailure}. */
  request(method: Dispatcher.HttpMethod, path: string, signal?: AbortSignal, body?: unknown): Promise<Json>;
  /** The error for an answer that is JSON and not what Livy answers. */
  nonsense(request: string, json: Json): FiresteelError;
}

/** Livy's protection against cross-site requests, where it is on, wants this header to be there; any value will do. */
const HEADERS = { "x-requested-by": "firesteel" };

/** Opens no connection yet. */
export function createRequests(
  { name, ...access }: LivyClientOptions,
  connect: (options: EndpointOptions) => Endpoint,
): LivyRequests {
  const endpoint = connect({ cluster: name, setting: "url", ...access });
  return {
    url: endpoint.url,
    async request(method, path, signal, body) {
      const subject = { cluster: name, request: `${method} ${path}` };
      let answer: Answer;
      try {
        answer = await endpoint.request(method, path, { signal, body, headers: HEADERS });
      } catch (reason) {
        if (livyFailureOf(reason) !== undefined) throw reason;
        throw errorOfFailure(subject, reason, signal?.aborted ?? false);
      }
      const { status, text, contentType } = answer;
      if (status < 200 || status > 299) throw errorOfAnswer(subject, answer);
      try {
        const json = JSON.parse(text) as unknown;
        if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Json;
      } catch {
        // Said below with the rest of what is no answer of Livy's.
      }
      throw errorOfNonsense(subject, status, text, contentType);
    },
    nonsense: (request, json) =>
      errorOfNonsense({ cluster: name, request }, 200, JSON.stringify(json), "application/json"),
    [Symbol.asyncDispose]: () => endpoint[Symbol.asyncDispose](),
  };
}

/** Null for what Livy does not know. */
export async function orNull<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await promise;
  } catch (error) {
    if (livyFailureOf(error) === LivyFailure.notFound) return null;
    throw error;
  }
}

/** What batches and sessions have in common, as Livy shows it. `state` is open: a value that is not known here is not an end. */
export interface LivyApplication {
  readonly id: number;
  /** Null where the request had none. */
  readonly name: string | null;
  readonly state: string;
  readonly appId: string | null;
  readonly sparkUiUrl: string | null;
  readonly driverLogUrl: string | null;
  /** The last lines (10 in lists and single ones). */
  readonly log: readonly string[];
}

/** Reads a batch or a session; null for what is none. */
export function toApplication(json: Json): LivyApplication | null {
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
