import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createResourceManager } from "../../../src/route/livy/witness/resource-manager.ts";

interface Fake {
  readonly url: string;
  readonly asked: string[];
  answer: RequestListener;
}

let servers: Server[];
beforeEach(() => {
  servers = [];
});
afterEach(() => {
  for (const server of servers) server.close().closeAllConnections();
});

async function fake(answer: RequestListener): Promise<Fake> {
  const asked: string[] = [];
  const state = { asked, answer };
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    state.answer(request, response);
  }).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return Object.assign(state, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

const APP = { id: "application_1_1", state: "RUNNING", finalStatus: "UNDEFINED", amContainerLogs: "" };
const active: RequestListener = (_, response) => response.end(JSON.stringify({ app: APP }));
// Both as Hadoop 3.3.4 says it.
const standby: RequestListener = ({ url }, response) =>
  response
    .writeHead(307, { location: `http://elsewhere:8088${url}` })
    .end(`This is standby RM. The redirect url is: ${url}`);
const orphan: RequestListener = (_, response) =>
  response
    .writeHead(307, { refresh: "5;url=http://x/" })
    .end("Can not find any active RM. Will retry in next 5 seconds.\n");

const among = (...fakes: readonly Fake[]) =>
  createResourceManager({ cluster: "c", url: fakes.map(({ url }) => url), timeOuts: { connectMs: 500 } });

describe("several ResourceManagers", () => {
  it("are asked for the one that is active, which is asked from then on", async () => {
    const [one, two] = [await fake(standby), await fake(active)];
    await using yarn = among(one, two);
    for (let i = 0; i < 3; i++) expect(await yarn.find(APP.id)).toMatchObject({ id: APP.id, logsUrl: null });
    expect([one.asked.length, two.asked.length]).toEqual([1, 3]);
    [one.answer, two.answer] = [active, orphan];
    await yarn.kill(APP.id);
    expect(one.asked.at(-1)).toBe(`PUT /ws/v1/cluster/apps/${APP.id}/state`);
  });

  it("may be away, all but one", async () => {
    const [one, two] = [await fake(active), await fake(active)];
    await using yarn = among(one, two);
    servers[0]!.close().closeAllConnections();
    expect(await yarn.find(APP.id)).toMatchObject({ state: "RUNNING" });
    servers[1]!.close().closeAllConnections();
    await expect(yarn.find(APP.id)).rejects.toMatchObject({ code: "unavailable" });
  });

  it("give no answer while none is active, and no credentials go where they send us", async () => {
    await using yarn = among(await fake(standby), await fake(orphan));
    await expect(yarn.find(APP.id)).rejects.toThrow("Can not find any active RM");
    await using single = among(await fake(standby));
    await expect(single.find(APP.id)).rejects.toThrow(
      "it sends us to http://elsewhere:8088/ws/v1/cluster/apps/application_1_1 instead of answering: This is standby RM",
    );
  });

  it("are not asked twice for what the active one refuses", async () => {
    const refuse: RequestListener = (_, response) => response.writeHead(403).end("may not");
    const [one, two] = [await fake(refuse), await fake(refuse)];
    await using yarn = among(one, two);
    await expect(yarn.kill(APP.id)).rejects.toThrow("HTTP 403 may not");
    expect([one.asked.length, two.asked.length]).toEqual([1, 0]);
  });
});

describe("an application that is not found", () => {
  it.each([
    [404, '{"RemoteException":{"exception":"NotFoundException","message":"app with id: x not found"}}', null],
    // Of a proxy: no word about an application.
    [404, "<h2>HTTP ERROR 404</h2>", "HTTP 404"],
    [404, "default backend - 404", "HTTP 404"],
    [200, "<html>log in</html>", "no JSON"],
  ] as const)("is one that YARN says so of: %s %s", async (status, body, error) => {
    const { url } = await fake((_, response) => response.writeHead(status).end(body));
    await using yarn = createResourceManager({ cluster: "c", url });
    if (error === null) expect(await yarn.find("x")).toBeNull();
    else await expect(yarn.find("x")).rejects.toThrow(error);
  });
});

describe("the URL", () => {
  it.each([
    ["", "/ws/v1/cluster"],
    ["/", "/ws/v1/cluster"],
    ["/yarn", "/yarn/ws/v1/cluster"],
    ["/ws/v1", "/ws/v1/cluster"],
    ["/ws/v1/cluster/", "/ws/v1/cluster"],
    ["/gateway/prod/resourcemanager/v1", "/gateway/prod/resourcemanager/v1/cluster"],
  ])("%j means the API at %s", async (path, root) => {
    const { url, asked } = await fake(active);
    await using yarn = createResourceManager({ cluster: "c", url: url + path });
    await yarn.find(APP.id);
    expect(asked).toEqual([`GET ${root}/apps/${APP.id}`]);
  });
});
