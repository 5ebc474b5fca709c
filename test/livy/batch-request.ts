/** What Livy makes of the body of a POST: which ones it refuses, in which words, and how far it got before. */

import { normalize } from "node:path";
import type { LivyBatchRequest } from "../../src/route/livy/http/client.ts";
import type { Profile } from "./profile.ts";

/** An answer that is no success. */
export class Refusal extends Error {
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, body: unknown) {
    super(typeof body === "string" ? body : JSON.stringify(body));
    this.status = status;
    this.body = body;
  }
}

const AT = "\n at [Source: (org.eclipse.jetty.server.HttpInputOverHTTP); line: 1, column: 1]";
const FIELDS = [
  "executorCores",
  "className",
  "conf",
  "driverMemory",
  "name",
  "driverCores",
  "pyFiles",
  "archives",
  "executorMemory",
  "files",
  "jars",
  "proxyUser",
  "numExecutors",
  "file",
  "args",
  "queue",
];
const NUMBERS = ["driverCores", "executorCores", "numExecutors"] as const;
const LISTS = ["jars", "pyFiles", "files", "archives"] as const;

/** Reads a body as far as Livy does before there is a batch. */
export function readRequest(body: string, profile: Profile): LivyBatchRequest {
  if (body.trim() === "") throw new Refusal(400, `No content to map due to end-of-input${AT}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    throw new Refusal(400, `Unexpected end-of-input: expected close marker for Object${AT}`);
  }
  if (Array.isArray(parsed)) throw new Refusal(400, `${profile.notAnObject("ARRAY")}${AT}`);
  for (const key of Object.keys(parsed as object))
    if (!FIELDS.includes(key))
      throw new Refusal(
        400,
        `Unrecognized field "${key}" (class org.apache.livy.server.batch.CreateBatchRequest), not marked as ignorable (16 known properties: ${FIELDS.map((field) => `"${field}"`).join(", ")})${AT}`,
      );
  return parsed as LivyBatchRequest;
}

/** What is looked at only after the batch was registered: a refusal here leaves a zombie. `onStored` is called where it is kept for a recovery too. */
export function checkRequest(
  request: LivyBatchRequest,
  { refusal, forbiddenConf }: Profile,
  whitelist: readonly string[] | null,
  onStored: () => void,
): void {
  const refuse = (words: string) => new Refusal(400, { msg: refusal + words });
  const checkPlace = (place: string) => {
    const path = /^[a-z][a-z0-9+.-]*:/i.test(place) ? null : place;
    if (path !== null && !path.startsWith("/")) throw refuse(`requirement failed: Path '${path}' is not absolute.`);
    const local = path ?? (place.startsWith("file:") ? place.replace(/^file:\/*/, "/") : null);
    if (local !== null && whitelist !== null && !whitelist.some((folder) => normalize(local).startsWith(folder)))
      throw refuse(`requirement failed: Local path ${local} cannot be added to user sessions.`);
  };
  const forbidden = Object.keys(request.conf ?? {}).filter((key) => forbiddenConf.includes(key));
  if (forbidden.length > 0) throw refuse(`Blacklisted configuration values in session config: ${forbidden.join(", ")}`);
  for (const key of LISTS) for (const place of request[key] ?? []) checkPlace(place);
  // JSON's null is absent from the type, and what a client may send.
  if (request.file == null) throw refuse("requirement failed: File is required.");
  for (const key of NUMBERS)
    if (typeof (request[key] ?? 0) !== "number")
      throw new Refusal(
        500,
        "java.lang.ClassCastException: class java.lang.String cannot be cast to class java.lang.Integer",
      );
  onStored();
  checkPlace(request.file);
}

/** What comes of `"conf": null`. */
export const NULL_CONF = 'java.lang.NullPointerException: Cannot invoke "scala.collection.immutable.Map.nonEmpty()"';
