import { once } from "node:events";
import { readFileSync } from "node:fs";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ClusterAuth, HeaderProvider } from "../../../src/route/livy/http/credentials.ts";
import { createEndpoint, type EndpointAccess } from "../../../src/route/livy/http/endpoint.ts";

const TLS = fileURLToPath(new URL("../../fixtures/tls", import.meta.url));
const pem = (name: string) => readFileSync(join(TLS, name), "utf8");

let folder: string;
let server: Server | undefined;
/** The `Authorization` of each request. */
let shown: (string | undefined)[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "firesteel-endpoint-"));
  shown = [];
});
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((done) => (server ? server.close(done) : done(undefined)));
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

async function listen(next: Server): Promise<number> {
  server = next.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** A server that lets in whoever shows one of these, now. */
async function guarded(good: () => string): Promise<string> {
  const listener: RequestListener = (request, response) => {
    shown.push(request.headers.authorization);
    response.writeHead(request.headers.authorization === good() ? 200 : 401).end("{}");
  };
  return `http://127.0.0.1:${await listen(createServer(listener))}`;
}

async function ask(url: string, access: EndpointAccess, times = 1): Promise<readonly number[]> {
  await using endpoint = createEndpoint({ cluster: "c", setting: "url", url, ...access });
  const statuses: number[] = [];
  for (let i = 0; i < times; i++) statuses.push((await endpoint.request("GET", "/")).status);
  return statuses;
}

const bearer = (auth: Omit<Extract<ClusterAuth, { kind: "bearer" }>, "kind">): EndpointAccess => ({
  auth: { kind: "bearer", ...auth } as ClusterAuth,
});

describe("credentials", () => {
  it("in files are read at each request", async () => {
    const tokenFile = join(folder, "token");
    let good = "one";
    const url = await guarded(() => `Bearer ${good}`);
    await writeFile(tokenFile, "one\n");
    await using endpoint = createEndpoint({ cluster: "c", setting: "url", url, ...bearer({ tokenFile }) });
    expect((await endpoint.request("GET", "/")).status).toBe(200);
    good = "two";
    await writeFile(tokenFile, "two\n");
    expect((await endpoint.request("GET", "/")).status).toBe(200);
    expect(shown).toEqual(["Bearer one", "Bearer two"]);
    const passwordFile = join(folder, "password");
    await writeFile(passwordFile, "p:w\n");
    await ask(url, { auth: { kind: "basic", user: "u", passwordFile } });
    expect(shown.at(-1)).toBe(`Basic ${Buffer.from("u:p:w").toString("base64")}`);
  });

  it("of a command are kept for a while and asked for again after a 401", async () => {
    const counter = join(folder, "counter");
    await writeFile(counter, "");
    // Prints 1, 2, ... and counts itself.
    const tokenCommand = ["sh", "-c", `echo x >> '${counter}'; wc -l < '${counter}'`];
    const url = await guarded(() => "Bearer 2");
    expect(await ask(url, bearer({ tokenCommand }), 3)).toEqual([200, 200, 200]);
    expect(shown).toEqual(["Bearer 1", "Bearer 2", "Bearer 2", "Bearer 2"]);
    await writeFile(counter, "");
    shown = [];
    await ask(url, bearer({ tokenCommand, refreshMs: 1 }), 1);
    expect(shown).toEqual(["Bearer 1", "Bearer 2"]);
  });

  it("of a provider are asked for at each request, and once more after a 401", async () => {
    const asked: boolean[] = [];
    const url = await guarded(() => "Negotiate 3");
    const headers = ({ again }: { readonly again: boolean }) => {
      asked.push(again);
      return { authorization: `Negotiate ${asked.length}` };
    };
    expect(await ask(url, { auth: { kind: "provider", headers } }, 2)).toEqual([401, 200]);
    expect(asked).toEqual([false, true, false]);
  });

  it("that do not change are shown once", async () => {
    const url = await guarded(() => "Bearer good");
    expect(await ask(url, bearer({ token: "bad" }))).toEqual([401]);
    expect(shown).toEqual(["Bearer bad"]);
  });

  it.each<[string, ClusterAuth, string]>([
    [
      "a file that is missing",
      { kind: "bearer", tokenFile: "/nowhere/token" },
      "token file gave no credentials: ENOENT",
    ],
    ["a command that fails", { kind: "bearer", tokenCommand: ["sh", "-c", "echo no ticket >&2; exit 3"] }, "no ticket"],
    ["a command that is none", { kind: "bearer", tokenCommand: ["firesteel-none"] }, "ENOENT"],
    ["a command without a word", { kind: "bearer", tokenCommand: ["true"] }, "output of true is empty"],
    [
      "a provider that throws",
      {
        kind: "provider",
        headers: () => {
          throw new Error("kinit first");
        },
      },
      "header provider gave no credentials: kinit first",
    ],
  ])("that cannot be had send nothing: %s", async (_, auth, words) => {
    const url = await guarded(() => "");
    await expect(ask(url, { auth })).rejects.toMatchObject({
      code: "permission_denied",
      message: expect.stringContaining(words),
      details: { kind: "unauthorized", cluster: "c" },
    });
    expect(shown).toEqual([]);
  });
});

/** Hadoop's filter as it was seen before Livy 0.7.1 and 0.9.0: a token is good once, and a cookie stands for it from then on. */
describe("the cookie of Hadoop's filter", () => {
  let secret: string;
  let cookies: (string | undefined)[];

  async function filtered(): Promise<string> {
    secret = "s1";
    cookies = [];
    const used = new Set<string>();
    const listener: RequestListener = ({ headers }, response) => {
      shown.push(headers.authorization);
      cookies.push(headers.cookie);
      if (headers.cookie === `hadoop.auth="u=etl&s=${secret}"`) return response.end("{}");
      const token = headers.authorization;
      if (token === undefined)
        return response.writeHead(401, { "set-cookie": "hadoop.auth=; Path=/; HttpOnly" }).end("stale");
      if (used.has(token)) return response.writeHead(403).end("Request is a replay (34)");
      used.add(token);
      response.setHeader("set-cookie", ["other=1", `hadoop.auth="u=etl&s=${secret}"; Expires=x; HttpOnly`]);
      return response.end("{}");
    };
    return `http://127.0.0.1:${await listen(createServer(listener))}`;
  }

  it("is shown instead of what it was given for, until it is refused", async () => {
    const url = await filtered();
    const again: boolean[] = [];
    const headers: HeaderProvider = (request) => {
      again.push(request.again);
      return { authorization: `Negotiate ${again.length}` };
    };
    await using endpoint = createEndpoint({ cluster: "c", setting: "url", url, auth: { kind: "provider", headers } });
    const status = async () => (await endpoint.request("GET", "/")).status;
    expect([await status(), await status(), await status()]).toEqual([200, 200, 200]);
    expect(shown).toEqual(["Negotiate 1", undefined, undefined]);
    secret = "s2"; // The server was started again.
    expect([await status(), await status()]).toEqual([200, 200]);
    expect(shown.slice(3)).toEqual([undefined, "Negotiate 2", undefined]);
    // What was refused was the cookie, not the headers of the provider.
    expect(again).toEqual([false, false]);
  });

  it("is shown beside credentials that cost nothing, and spares the server a look at them", async () => {
    const url = await filtered();
    expect(await ask(url, { auth: { kind: "basic", user: "u", password: "p" } }, 2)).toEqual([200, 200]);
    expect(cookies).toEqual([undefined, 'hadoop.auth="u=etl&s=s1"']);
    expect(shown[1]).toBe(shown[0]);
  });

  it("is not kept where there are no credentials", async () => {
    const url = await filtered();
    expect(await ask(url, { headers: { authorization: "Negotiate x" } }, 2)).toEqual([200, 403]);
    expect(cookies).toEqual([undefined, undefined]);
  });
});

describe("TLS", () => {
  const peers: string[] = [];
  async function secured(name = "127.0.0.1"): Promise<string> {
    peers.length = 0;
    const options = {
      key: pem("server.key"),
      cert: pem("server.pem"),
      ca: pem("ca.pem"),
      requestCert: true,
      rejectUnauthorized: true,
    };
    const port = await listen(
      createTlsServer(options, (request, response) => {
        peers.push((request.socket as TLSSocket).getPeerCertificate().subject.CN as string);
        response.end("{}");
      }),
    );
    return `https://${name}:${port}`;
  }

  it("takes authorities and a certificate of one's own, renewed ones too", async () => {
    const url = await secured();
    for (const name of ["ca.pem", "client.pem", "client.key"]) await copyFile(join(TLS, name), join(folder, name));
    const [ca, cert, key] = ["ca.pem", "client.pem", "client.key"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    expect(await ask(url, { tls: { ca, cert, key } })).toEqual([200]);
    expect(peers).toEqual(["client"]);
    await using endpoint = createEndpoint({ cluster: "c", setting: "url", url, tls: { ca, cert, key } });
    const whole = await readFile(cert, "utf8");
    await writeFile(cert, "");
    await expect(endpoint.request("GET", "/")).rejects.toThrow();
    await writeFile(cert, whole);
    expect((await endpoint.request("GET", "/")).status).toBe(200);
  });

  it("trusts nobody else", async () => {
    const url = await secured();
    await expect(ask(url, {})).rejects.toThrow("certificate");
    await expect(ask(url, { tls: { ca: join(TLS, "ca.pem") } })).rejects.toThrow();
    expect(peers).toEqual([]);
    const files = { ca: join(TLS, "ca.pem"), cert: join(TLS, "client.pem"), key: join(TLS, "client.key") };
    await expect(ask(url, { tls: { ...files, serverName: "elsewhere.test" } })).rejects.toThrow("elsewhere.test");
    expect(await ask(url, { tls: { ...files, serverName: "livy.test" } })).toEqual([200]);
  });

  it("says which file is missing", async () => {
    await expect(ask(await secured(), { tls: { ca: "/nowhere/ca.pem" } })).rejects.toThrow("/nowhere/ca.pem");
  });
});
