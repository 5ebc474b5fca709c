/** Plain HTTP for tests that look at answers themselves. */

import { request } from "node:http";
import { text } from "node:stream/consumers";

/** An answer, its body parsed where it is JSON. */
export interface Said {
  readonly status: number;
  readonly type: string;
  readonly location: string | undefined;
  readonly body: unknown;
}

/** Where a server is: a URL, or a Unix socket. */
export type Place = string | { readonly socketPath: string };

/** One request, on a connection of its own. A body that is a string is sent as it is. */
export async function ask(place: Place, method: string, path: string, body?: unknown): Promise<Said> {
  const options = typeof place === "string" ? {} : place;
  const url = new URL(path, typeof place === "string" ? place : "http://localhost");
  const sent = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
  const headers = {
    "x-requested-by": "firesteel",
    ...(sent === undefined ? {} : { "content-type": "application/json" }),
  };
  return new Promise((resolve, reject) => {
    const asked = request(url, { ...options, method, headers, agent: false }, (reply) => {
      text(reply).then((said) => {
        const { statusCode: status = 0, headers: got } = reply;
        resolve({ status, type: got["content-type"] ?? "", location: got.location, body: parse(said) });
      }, reject);
    });
    asked.on("error", reject);
    asked.end(sent);
  });
}

function parse(said: string): unknown {
  try {
    return JSON.parse(said) as unknown;
  } catch {
    return said;
  }
}
