/**
 * Livy's REST interface for interactive sessions and their statements, typed; read in the sources of 0.6 to 0.9 and tried on 0.9.0 (0.7.1 has no sessions for Spark 3).
 */

import type { LivyBatchRequest } from "./client.ts";
import { type Json, type LivyApplication, type LivyRequests, orNull, toApplication } from "./requests.ts";

/** Body of `POST /sessions`. Livy refuses unknown fields. */
export interface LivySessionRequest extends Omit<LivyBatchRequest, "file" | "className" | "args"> {
  readonly kind: "pyspark";
  /** After so long without a statement Livy ends it, `600s`; from 0.9. */
  readonly idleTimeout?: string;
}

/** A session as Livy shows it: `starting`, `idle`, `busy`; ends are `shutting_down`, `error`, `dead`, `killed`, `success`. */
export type LivySession = LivyApplication;

/** What a statement gave. */
export type LivyOutput =
  | { readonly status: "ok"; readonly text: string }
  | { readonly status: "error"; readonly type: string; readonly message: string; readonly traceback: string };

/** A statement as Livy shows it. */
export interface LivyStatement {
  /** Its place in the session, from 0. */
  readonly id: number;
  readonly code: string;
  /** `waiting running available cancelling cancelled`. A failed one is `available`. `cancelled` is no end by itself: see {@link hasRun}. */
  readonly state: string;
  readonly output: LivyOutput | null;
  /** When its code began, ms since the epoch; 0 before. */
  readonly started: number;
}

/** Everything rejects with a FiresteelError whose `details.kind` is a `LivyFailure`. Sessions are asked for by name. */
export interface LivySessions {
  create(request: LivySessionRequest, signal?: AbortSignal): Promise<LivySession>;
  /** All sessions of the server, whoever made them. */
  list(signal?: AbortSignal): Promise<readonly LivySession[]>;
  /** Null when Livy does not know it. */
  find(name: string, signal?: AbortSignal): Promise<LivySession | null>;
  /** Deletes it and asks for its application's end; false when Livy did not know it. */
  delete(name: string, signal?: AbortSignal): Promise<boolean>;
  /** Tells Livy that it is in use, so that it does not count as idle; false when Livy did not know it. */
  touch(name: string, signal?: AbortSignal): Promise<boolean>;
  /** A session that is not `idle` or `busy` answers with 500. */
  post(session: string, code: string, signal?: AbortSignal): Promise<LivyStatement>;
  /** Null when Livy does not know the session, or not the statement any more (it remembers 100). */
  findStatement(session: string, id: number, signal?: AbortSignal): Promise<LivyStatement | null>;
  /** Those that Livy remembers, oldest first; null when it does not know the session. Waits while a session starts. */
  listStatements(session: string, signal?: AbortSignal): Promise<readonly LivyStatement[] | null>;
  /** Asks for the end of its Spark jobs: its own code is not interrupted. Livy says yes to any id; false when it did not know the session. */
  cancel(session: string, id: number, signal?: AbortSignal): Promise<boolean>;
}

const PAGE = 100;

/** The part of a client that is about sessions. */
export function createSessionClient({ request, nonsense }: LivyRequests): LivySessions {
  function read<T>(path: string, json: Json, to: (json: Json) => T | null): T {
    const value = to(json);
    if (value === null) throw nonsense(path, json);
    return value;
  }

  return {
    create: async (body, signal) =>
      read("POST /sessions", await request("POST", "/sessions", signal, body), toApplication),
    list: async (signal) => {
      const found: LivySession[] = [];
      for (let from = 0, total = 1; from < total; from += PAGE) {
        const path = `/sessions?from=${from}&size=${PAGE}`;
        const json = await request("GET", path, signal);
        if (typeof json["total"] !== "number" || !Array.isArray(json["sessions"])) throw nonsense(`GET ${path}`, json);
        total = json["total"];
        found.push(...json["sessions"].map((one) => toApplication(one as Json)).filter((one) => one !== null));
      }
      return found;
    },
    find: (name, signal) =>
      orNull(request("GET", pathOf(name), signal).then((json) => read(`GET ${pathOf(name)}`, json, toApplication))),
    delete: async (name, signal) => (await orNull(request("DELETE", pathOf(name), signal))) !== null,
    touch: async (name, signal) => (await orNull(request("POST", `${pathOf(name)}/connect`, signal))) !== null,
    post: async (name, code, signal) => {
      const path = `${pathOf(name)}/statements`;
      return read(`POST ${path}`, await request("POST", path, signal, { code }), toStatement);
    },
    findStatement: (name, id, signal) => {
      const path = `${pathOf(name)}/statements/${id}`;
      return orNull(request("GET", path, signal).then((json) => read(`GET ${path}`, json, toStatement)));
    },
    listStatements: (name, signal) => {
      const path = `${pathOf(name)}/statements`;
      return orNull(
        request("GET", path, signal).then((json) => {
          if (!Array.isArray(json["statements"])) throw nonsense(`GET ${path}`, json);
          return json["statements"].map((one) => toStatement(one as Json)).filter((one) => one !== null);
        }),
      );
    },
    cancel: async (name, id, signal) =>
      (await orNull(request("POST", `${pathOf(name)}/statements/${id}/cancel`, signal))) !== null,
  };
}

const ENDS: ReadonlySet<string> = new Set(["shutting_down", "error", "dead", "killed", "success"]);

/** Whether a session takes no statement any more. Any state that is not known is no end. */
export function hasSessionEnded({ state }: LivySession): boolean {
  return ENDS.has(state);
}

/** Whether a statement's code is over, or will never run. After 30 s of asking Livy calls one `cancelled` that runs on; its output comes when it ends. */
export function hasRun({ state, output, started }: LivyStatement): boolean {
  return state === "available" || (state === "cancelled" && (output !== null || started === 0));
}

function pathOf(name: string): string {
  return `/sessions/${encodeURIComponent(name)}`;
}

function toStatement(json: Json): LivyStatement | null {
  const { id, code, state, output, started } = json;
  if (typeof id !== "number" || typeof state !== "string") return null;
  return {
    id,
    code: typeof code === "string" ? code : "",
    state,
    output: typeof output === "object" && output !== null ? toOutput(output as Json) : null,
    started: typeof started === "number" ? started : 0,
  };
}

function toOutput({ status, data, ename, evalue, traceback }: Json): LivyOutput {
  if (status !== "error") return { status: "ok", text: String((data as Json | undefined)?.["text/plain"] ?? "") };
  const lines = Array.isArray(traceback) ? traceback.map(String) : [];
  return { status, type: String(ename), message: String(evalue), traceback: lines.join("") };
}
