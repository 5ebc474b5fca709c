import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FiresteelError } from "../../../src/errors.ts";
import { createLivyClient } from "../../../src/route/livy/http/client.ts";
import type { LivyClientOptions } from "../../../src/route/livy/http/requests.ts";
import { serveDouble } from "../../livy/serve.ts";

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable(),
    (error: unknown) => error as FiresteelError,
  );

describe("answers of the server", () => {
  let server: Server;
  let url: string;
  let answer: { status: number; body: string; type?: string; headers?: Record<string, string> };
  let got: { url: string; headers: IncomingHttpHeaders; body: string };

  beforeEach(async () => {
    server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += String(chunk);
      got = { url: request.url ?? "", headers: request.headers, body };
      response
        .writeHead(answer.status, { ...(answer.type ? { "content-type": answer.type } : {}), ...answer.headers })
        .end(answer.body);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });

  async function post(options: Partial<LivyClientOptions> = {}): Promise<unknown> {
    await using client = createLivyClient({ name: "c", url, ...options });
    return await client.createBatch({ file: "a.py" });
  }

  it.each([
    [
      400,
      '{"msg":"Rejected, Reason: Duplicate session name: Some(x) for session 9"}',
      "already_exists",
      "duplicateName",
      false,
      "Duplicate session name: Some(x)",
    ],
    [
      400,
      '{"msg":"Duplicate session name: Some(x) for session 9"}',
      "already_exists",
      "duplicateName",
      false,
      "Duplicate",
    ],
    [
      400,
      '{"msg":"Rejected, too many sessions are being created!"}',
      "resource_exhausted",
      "tooManySessions",
      true,
      "too many sessions",
    ],
    [429, "", "resource_exhausted", "tooManySessions", true, "HTTP 429"],
    [
      400,
      '{"msg":"requirement failed: Local path /etc/passwd cannot be added to user sessions."}',
      "invalid_argument",
      "rejected",
      false,
      "/etc/passwd",
    ],
    [400, '"Unrecognized field \\"fil\\""', "invalid_argument", "rejected", false, 'Unrecognized field "fil"'],
    [
      401,
      "<html><body><h2>HTTP ERROR 401</h2>Authentication &amp; more</body></html>",
      "permission_denied",
      "unauthorized",
      false,
      "HTTP ERROR 401 Authentication & more",
    ],
    [403, "", "permission_denied", "forbidden", false, "HTTP 403"],
    [302, "", "permission_denied", "unauthorized", false, "sends us to elsewhere instead of answering"],
    [404, '{"msg":"Session \'7\' not found."}', "not_found", "notFound", false, "Session '7' not found."],
    // Of a proxy: an ingress without a backend, Knox without the topology, a wrong path.
    [404, "default backend - 404", "unavailable", "server", true, "something before it"],
    [404, "<h2>HTTP ERROR 404</h2>", "unavailable", "server", true, "something before it"],
    [404, '{"message":"no Route matched"}', "unavailable", "server", true, "no Route matched"],
    [500, '{"msg":"boom"}', "unavailable", "server", true, "boom"],
    [500, "", "unavailable", "server", true, "HTTP 500"],
    [
      503,
      "<html><title>Service Unavailable</title><style>b{}</style></html>",
      "unavailable",
      "server",
      true,
      "HTTP 503: Service Unavailable",
    ],
    [201, "OK", "unavailable", "server", true, "not Livy's"],
    [201, "", "unavailable", "server", true, "not Livy's"],
    [201, '{"id":"x"}', "unavailable", "server", true, "not Livy's"],
    [201, "[1]", "unavailable", "server", true, "not Livy's"],
  ])("%i %s is %s, %s", async (status, body, code, kind, retryable, words) => {
    answer = { status, body };
    const error = await failure(post());
    expect(error).toBeInstanceOf(FiresteelError);
    expect(error).toMatchObject({ code, retryable, details: { kind, cluster: "c" } });
    expect(error.message).toContain(words);
  });

  it("keeps the path of the base URL, and sends headers and credentials", async () => {
    answer = { status: 201, body: '{"id":3,"state":"new","name":null,"appId":null}' };
    expect(
      await post({
        url: `${url}/gateway/default/livy/v1/`,
        auth: { kind: "basic", user: "ä", password: "p:w" },
        headers: { "x-extra": "1" },
      }),
    ).toEqual({
      id: 3,
      name: null,
      state: "new",
      appId: null,
      sparkUiUrl: null,
      driverLogUrl: null,
      log: [],
    });
    expect(got.url).toBe("/gateway/default/livy/v1/batches");
    expect(got.headers).toMatchObject({
      "x-requested-by": "firesteel",
      "x-extra": "1",
      authorization: `Basic ${Buffer.from("ä:p:w").toString("base64")}`,
    });
    await post({ auth: { kind: "bearer", token: "t" } });
    expect(got.headers.authorization).toBe("Bearer t");
    await post({ url: url.replace("http://", "http://u:p%40@") });
    expect(got.headers.authorization).toBe(`Basic ${Buffer.from("u:p@").toString("base64")}`);
  });

  it("shows no credentials in its URL", async () => {
    await using client = createLivyClient({ name: "c", url: "http://u:secret@h:1/p/" });
    expect(client.url).toBe("http://h:1/p");
  });

  it("refuses a URL that is none", () => {
    expect(() => createLivyClient({ name: "c", url: "localhost:8998" })).toThrow(
      "cluster c: url must be http(s)://host:port[/path]: localhost:8998",
    );
  });
});

describe("no answer", () => {
  it("that no connection was made is told apart from a broken one", async () => {
    const livy = await serveDouble();
    await using client = createLivyClient({ name: "c", url: livy.url });
    livy.double.faults.script("GET /version", { when: "after", does: "drop" });
    expect(await failure(client.version())).toMatchObject({
      code: "unavailable",
      retryable: true,
      details: { kind: "noAnswer" },
    });
    await livy[Symbol.asyncDispose]();
    const error = await failure(client.version());
    expect(error).toMatchObject({ code: "unavailable", details: { kind: "unreachable" } });
    expect(error.message).toContain("connect ECONNREFUSED 127.0.0.1:");
  });

  it("a server that says nothing runs into the time-out; an abort is no failure of the server", async () => {
    const server = createServer(() => {}).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      await using client = createLivyClient({ name: "c", url, timeOuts: { headersMs: 100 } });
      expect(await failure(client.version())).toMatchObject({ code: "unavailable", details: { kind: "noAnswer" } });
      const controller = new AbortController();
      const asked = failure(client.listBatches(0, 10, controller.signal));
      controller.abort();
      expect(await asked).toMatchObject({ code: "cancelled", details: { kind: "cancelled" } });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
