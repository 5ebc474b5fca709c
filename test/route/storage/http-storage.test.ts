import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createHttpStorage } from "../../../src/route/storage/http-storage.ts";
import { FileServer } from "./file-server.ts";

const storage = createHttpStorage({
  retryPauseMs: 5,
  headersTimeoutMs: 500,
  bodyTimeoutMs: 500,
  connectTimeoutMs: 500,
});
let server: FileServer;
beforeEach(async () => {
  server = await FileServer.start();
});
afterEach(() => server[Symbol.asyncDispose]());

describe("http storage", () => {
  it.each([
    [400, "failed_precondition", 1],
    [401, "permission_denied", 1],
    [403, "permission_denied", 1],
    [404, "not_found", 1],
    [410, "not_found", 1],
    [418, "failed_precondition", 1],
    [408, "unavailable", 4],
    [429, "resource_exhausted", 4],
    [500, "unavailable", 4],
    [501, "failed_precondition", 1],
    [502, "unavailable", 4],
    [503, "unavailable", 4],
    [504, "unavailable", 4],
  ])("status %i is %s, asked for %i times", async (status, code, times) => {
    server.answers.set("/x", (_, response) => void response.writeHead(status).end("an explanation"));
    const error = { code, message: expect.stringContaining(`${server.url}/x`), details: { status } };
    await expect(storage.digest(`${server.url}/x`)).rejects.toMatchObject(error);
    expect(server.log).toHaveLength(times);
    await expect(storage.read(`${server.url}/x`)).rejects.toMatchObject(error);
    if (code === "not_found") expect(await storage.stat(`${server.url}/x`)).toBeNull();
    else await expect(storage.stat(`${server.url}/x`)).rejects.toMatchObject(error);
  });

  it("outlives passing failures", async () => {
    server.answers.set("/x", (request, response, count) => {
      if (count <= 2) return void response.writeHead(503, { "retry-after": "0" }).end();
      if (count === 3) return void request.socket.destroy();
      response.end("there");
    });
    expect(Buffer.from(await storage.read(`${server.url}/x`)).toString()).toBe("there");
  });

  it("reads again when the connection breaks in the middle of a digest, and never digests a part", async () => {
    const body = Buffer.alloc(100_000, "x");
    server.answers.set("/x", (_, response, count) => {
      response.writeHead(200, count % 3 === 1 ? { "content-length": body.length } : {});
      if (count % 3 === 0) return void response.end(body);
      response.write(body.subarray(0, 50_000), () => setTimeout(() => response.destroy(), 20));
    });
    expect(await storage.digest(`${server.url}/x`)).toBe(createHash("sha256").update(body).digest("hex"));
    expect(server.log).toHaveLength(3);
    await expect(storage.read(`${server.url}/x`)).rejects.toMatchObject({ code: "unavailable" });
  });

  it("waits for a silent server only so long", async () => {
    server.answers.set("/never", () => undefined);
    server.answers.set("/half", (_, response) => void response.writeHead(200, { "content-length": 10 }).write("half"));
    for (const path of ["/never", "/half"])
      await expect(
        createHttpStorage({ attempts: 1, headersTimeoutMs: 200, bodyTimeoutMs: 200 }).read(server.url + path),
      ).rejects.toMatchObject({
        code: "unavailable",
        message: `server is silent for too long: ${server.url}${path}`,
      });
  });

  it("says that nobody is there", async () => {
    const { url } = server;
    await server[Symbol.asyncDispose]();
    await expect(storage.stat(`${url}/x`)).rejects.toMatchObject({ code: "unavailable", retryable: true });
    server = await FileServer.start();
  });

  it("follows redirects, and says when there are too many or they lead elsewhere", async () => {
    server.put("/to", "there");
    const redirect = (path: string, location: string) =>
      server.answers.set(path, (_, response) => void response.writeHead(302, { location }).end());
    redirect("/a", "b");
    redirect("/b", `${server.url}/to`);
    redirect("/loop", "/loop");
    redirect("/file", "file:///etc/passwd");
    redirect("/bad", "http://[");
    expect(await storage.stat(`${server.url}/a`)).toMatchObject({ uri: `${server.url}/a`, bytes: 5 });
    expect(Buffer.from(await storage.read(`${server.url}/a`)).toString()).toBe("there");
    await expect(storage.read(`${server.url}/loop`)).rejects.toMatchObject({
      code: "failed_precondition",
      message: `server redirects more than 5 times: ${server.url}/loop`,
    });
    for (const path of ["/file", "/bad"])
      await expect(storage.read(server.url + path)).rejects.toMatchObject({ code: "failed_precondition" });
  });

  it("looks with a GET where HEAD is not answered", async () => {
    const at = "Wed, 01 Jan 2020 00:00:00 GMT";
    server.answers.set("/x", (request, response) => {
      if (request.method === "HEAD") return void response.writeHead(405).end();
      response
        .writeHead(206, { etag: '"1"', "last-modified": at, "content-range": "bytes 0-0/77", "content-length": 1 })
        .end("x");
    });
    expect(await storage.stat(`${server.url}/x`)).toEqual({
      uri: `${server.url}/x`,
      bytes: 77,
      modified: `${Date.parse(at)}000000`,
      etag: '"1"',
      stamp: '"1"',
      settled: true,
    });
  });

  it.each([
    ["a strong ETag alone", { etag: '"a"' }, '"a"', true],
    ["a strong ETag and an old time", { etag: '"a"', "last-modified": "Wed, 01 Jan 2020 00:00:00 GMT" }, '"a"', true],
    [
      "a weak ETag and an old time",
      { etag: 'W/"a"', "last-modified": "Wed, 01 Jan 2020 00:00:00 GMT" },
      "Wed, 01 Jan 2020 00:00:00 GMT, 3 bytes",
      true,
    ],
    ["a weak ETag", { etag: 'W/"a"' }, undefined, false],
    ["nothing", {}, undefined, false],
    ["a time that is none", { "last-modified": "yesterday" }, undefined, false],
  ])("tells contents apart by %s", async (_, headers, etag, settled) => {
    server.put("/x", "abc", headers);
    const found = await storage.stat(`${server.url}/x`);
    expect([found?.etag, found?.stamp, found?.settled]).toEqual([etag, etag, settled]);
  });

  it("does not trust stamps of seconds before the second is over", async () => {
    server.put("/x", "abc", { etag: '"time and size"', "last-modified": new Date().toUTCString() });
    expect(await storage.stat(`${server.url}/x`)).toMatchObject({ etag: '"time and size"', settled: false });
  });

  it("cuts the part out itself where the server knows no ranges, and refuses another part", async () => {
    server.answers.set("/all", (_, response) => void response.end("0123456789"));
    server.answers.set(
      "/other",
      (_, response) => void response.writeHead(206, { "content-range": "bytes 0-2/10" }).end("012"),
    );
    expect(Buffer.from(await storage.read(`${server.url}/all`, { start: 3, end: 6 })).toString()).toBe("345");
    await expect(storage.read(`${server.url}/other`, { start: 3, end: 6 })).rejects.toMatchObject({
      code: "failed_precondition",
    });
  });

  it("refuses what is no longer expected also where the server knows no If-Match, or gives no ETag or length", async () => {
    let headers: Record<string, string> = { etag: '"1"' };
    server.answers.set("/x", (request, response) => {
      response.writeHead(200, { ...headers, ...(request.method === "HEAD" ? { "content-length": 3 } : {}) });
      response.end(request.method === "HEAD" ? undefined : "abc");
    });
    const changed = { code: "aborted", details: { kind: "inputChanged" } };
    const day = (n: number) => new Date(Date.UTC(2020, 0, n)).toUTCString();
    for (const [before, after] of [
      [{ etag: '"1"' }, { etag: '"2"' }],
      [{ etag: '"1"' }, { "last-modified": day(1) }],
      [{ "last-modified": day(1) }, { "last-modified": day(2) }],
      [
        { etag: 'W/"1"', "last-modified": day(1) },
        { "last-modified": day(1), "content-length": "5" },
      ],
    ] as const) {
      headers = before;
      const expected = (await storage.stat(`${server.url}/x`))!;
      expect((await storage.read(`${server.url}/x`, { expected })).length).toBe(3);
      headers = after;
      await expect(storage.read(`${server.url}/x`, { expected })).rejects.toMatchObject(changed);
    }
  });

  it("has no folders and writes nothing", () => {
    expect(Object.keys(storage).sort()).toEqual(["digest", "read", "stat", "stream"]);
  });
});
