/**
 * A reverse proxy that maps as Apache Knox does, by the rules of its own definitions of services (`gateway-service-definitions`: livy 0.4.3, yarn-rm 2.5.0, webhdfs 2.4.0 of Knox 2.1): paths, links that are taken out or
 * sent through the gateway, the `proxyUser` that its dispatch writes into new batches, and Basic credentials.
 */

import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export interface KnoxBackends {
  readonly livy: string;
  readonly resourceManager: string;
  readonly webHdfs?: string;
}

export interface Knox extends AsyncDisposable {
  /** Of the topology: `http://127.0.0.1:PORT/gateway/sandbox`. */
  readonly url: string;
  /** Bodies of `POST .../batches` as Livy got them. */
  readonly posted: Readonly<Record<string, unknown>>[];
  /** What was asked, gateway paths. */
  readonly asked: string[];
}

export const KNOX_USER = { user: "guest", password: "guest-password" };
const TOPOLOGY = "/gateway/sandbox";
/** What the gateway passes on of a request's and an answer's headers. */
const PASSED = ["content-type", "x-requested-by", "set-cookie"] as const;

/** Starts one on a free port. */
export async function startKnox(backends: KnoxBackends): Promise<Knox> {
  const posted: Record<string, unknown>[] = [];
  const asked: string[] = [];
  const basic = `Basic ${Buffer.from(`${KNOX_USER.user}:${KNOX_USER.password}`).toString("base64")}`;
  const server = createServer((asking, answering) => void serve(asking, answering).catch(() => answering.destroy()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  /** Where a path of the gateway lies behind it. */
  function backendOf(path: string): string | null {
    const [, service, rest = ""] = /^\/(livy|resourcemanager|webhdfs)(?:\/v1|\/(?=data\/))?(.*)$/.exec(path) ?? [];
    switch (service) {
      case "livy":
        return backends.livy + rest;
      case "resourcemanager": {
        // Its rule puts a slash before the query.
        const [name, query] = rest.split("?");
        return path.startsWith("/resourcemanager/v1/")
          ? `${backends.resourceManager}/ws/v1${name}/?${query ?? ""}`
          : null;
      }
      case "webhdfs": {
        const data = /^\/webhdfs\/data\/v1\/.*[?&]_=([^&]*)/.exec(path)?.[1];
        if (data !== undefined) return Buffer.from(data, "base64url").toString();
        return backends.webHdfs === undefined ? null : `${backends.webHdfs}/webhdfs/v1${rest}`;
      }
      default:
        return null;
    }
  }

  /** A DataNode's address sent through the gateway; Knox encrypts what it says about the place. */
  const throughGateway = (url: string) =>
    `${origin}${TOPOLOGY}/webhdfs/data/v1${new URL(url).pathname}?_=${Buffer.from(url).toString("base64url")}`;

  async function serve(asking: IncomingMessage, answering: ServerResponse): Promise<void> {
    const { method = "GET", url = "/", headers } = asking;
    const path = url.startsWith(TOPOLOGY) ? url.slice(TOPOLOGY.length) : "";
    const backend = backendOf(path);
    asked.push(`${method} ${url}`);
    let body = Buffer.from(await text(asking), "utf8");
    if (headers.authorization !== basic) return void answering.writeHead(401, { "www-authenticate": "BASIC" }).end();
    if (backend === null)
      return void answering.writeHead(404, { "content-type": "text/html" }).end("<h2>HTTP ERROR 404</h2>");
    if (method === "POST" && /\/(batches|sessions)\/?$/.test(url)) {
      const json = { ...(JSON.parse(body.toString()) as object), proxyUser: KNOX_USER.user };
      posted.push(json);
      body = Buffer.from(JSON.stringify(json));
    }
    const through = Object.fromEntries(PASSED.flatMap((name) => (headers[name] ? [[name, headers[name]]] : [])));
    const sending = request(backend, { method, headers: { ...through, "content-length": body.length } });
    sending.end(body);
    const [reply] = (await once(sending, "response")) as [IncomingMessage];
    const out = Object.fromEntries(
      PASSED.flatMap((name) => (reply.headers[name] ? [[name, reply.headers[name]]] : [])),
    ) as Record<string, string>;
    if (reply.headers.location) out["location"] = throughGateway(reply.headers.location);
    let content = await text(reply);
    if (path.startsWith("/resourcemanager/v1/cluster/apps")) content = withoutLinks(content);
    if (path.startsWith("/webhdfs/v1") && content.startsWith('{"Location":'))
      content = JSON.stringify({ Location: throughGateway((JSON.parse(content) as { Location: string }).Location) });
    answering.writeHead(reply.statusCode ?? 502, out).end(content);
  }

  return {
    url: origin + TOPOLOGY,
    posted,
    asked,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** `amContainerLogs`, `amHostHttpAddress` and links to a history are emptied in what the ResourceManager says of applications. */
function withoutLinks(content: string): string {
  return content.replace(/"(amContainerLogs|amHostHttpAddress|trackingUrl)":"[^"]*"/g, '"$1":""');
}
