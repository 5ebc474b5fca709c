import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createHdfsStorage } from "../../../src/route/storage/hdfs-storage.ts";
import { WebHdfs } from "../../../src/route/storage/webhdfs.ts";
import { testHdfs } from "../../cluster.ts";
import { FaultyProxy } from "./faulty-proxy.ts";
import { storageSuite } from "./storage.suite.ts";
import { writableSuite } from "./writable.suite.ts";

const { hdfsUrl, webHdfsUrl } = await testHdfs();
const access = { urls: [webHdfsUrl], user: "tester" };
let bases = 0;

async function open() {
  const storage = createHdfsStorage(async () => access);
  const folder = `${process.pid}-${bases++} ü%`;
  const base = `${hdfsUrl}/${encodeURIComponent(folder)}`;
  const hdfs = new WebHdfs("test", access);
  return {
    storage,
    base,
    put: async (path: string, bytes: Uint8Array) => {
      const uri = `${base}/${path}`;
      const subject = { uri, path: `${folder}/${decodeURIComponent(path)}` };
      await hdfs.call("DELETE", "DELETE", subject);
      await hdfs.create(subject, bytes);
    },
    [Symbol.asyncDispose]: () => storage.remove(base),
  };
}

storageSuite("hdfs:", open);
writableSuite("hdfs:", open);

describe("an HDFS behind a bad connection", () => {
  const content = new Uint8Array(300_000).map((_, i) => i * 7);
  let proxy: FaultyProxy;
  let base: string;
  const quick = { user: "tester", retryPauseMs: 5, timeOuts: { headersMs: 5_000 } };
  const through = () => createHdfsStorage(async () => ({ ...quick, urls: [proxy.url] }));
  const direct = createHdfsStorage(async () => access);
  const allIn = async (folder: string) => (await direct.list(folder, { include: () => true })).map(({ uri }) => uri);
  /** The first `times` requests of one kind have a bad fate. */
  const first = (times: number, kind: RegExp, fate: Exclude<ReturnType<FaultyProxy["fate"]>, "pass">) => {
    let left = times;
    proxy.fate = (method, path) => (kind.test(`${method} ${path}`) && left-- > 0 ? fate : "pass");
  };
  beforeEach(async () => {
    proxy = await FaultyProxy.start(webHdfsUrl);
    base = `${hdfsUrl}/${process.pid}-faults-${bases++}`;
  });
  afterEach(async () => {
    await proxy[Symbol.asyncDispose]();
    await direct.remove(base);
  });

  it.each([
    ["lostBefore", /op=RENAME/],
    ["lostAfter", /op=RENAME/],
    ["lostBefore", /op=CREATE/],
    ["lostAfter", /other\d+.*op=CREATE/],
    ["cut", /other\d+.*op=CREATE/],
  ] as const)("puts a file whole and knows that it was the one (%s, %s)", async (fate, kind) => {
    first(1, kind, fate);
    expect(await through().putIfAbsent(`${base}/f`, content)).toBe(true);
    expect(Buffer.compare(await direct.read(`${base}/f`), content)).toBe(0);
    expect(await direct.list(base)).toHaveLength(1);
    expect(await through().putIfAbsent(`${base}/f`, content)).toBe(false);
  });

  it("knows that another one has won though its own answer was lost", async () => {
    await direct.putIfAbsent(`${base}/f`, content);
    let looks = 0;
    // The look before the write comes too early to see the other one.
    const absent = {
      status: 404,
      body: JSON.stringify({ RemoteException: { exception: "FileNotFoundException", message: "not yet" } }),
    };
    let renames = 0;
    proxy.fate = (_, path) =>
      path.includes("op=GETFILESTATUS") && looks++ === 0
        ? absent
        : path.includes("op=RENAME") && renames++ === 0
          ? "lostAfter"
          : "pass";
    expect(await through().putIfAbsent(`${base}/f`, new Uint8Array(5))).toBe(false);
    expect(renames).toBe(2);
    expect(Buffer.compare(await direct.read(`${base}/f`), content)).toBe(0);
    expect(await allIn(base)).toEqual([`${base}/f`]);
  });

  it("leaves nothing visible of a put that was interrupted for good", async () => {
    // As when this process ends there: nothing is cleaned up.
    proxy.fate = (_, path) =>
      /other\d+.*op=CREATE/.test(path) ? "cut" : path.includes("op=DELETE") ? "lostBefore" : "pass";
    await expect(through().putIfAbsent(`${base}/f`, content)).rejects.toMatchObject({ code: "unavailable" });
    expect(await direct.stat(`${base}/f`)).toBeNull();
    expect(await direct.list(base)).toEqual([]);
    expect((await allIn(base)).length).toBeGreaterThan(0);
  });

  it("digests again what broke on the way, and never a part", async () => {
    await direct.putIfAbsent(`${base}/f`, content);
    first(1, /other\d+.*op=OPEN/, "lostAfter");
    expect(await through().digest(`${base}/f`)).toBe(await direct.digest(`${base}/f`));
  });

  it("turns to the NameNode that is active", async () => {
    await direct.putIfAbsent(`${base}/f`, content);
    const standby = await FaultyProxy.start(webHdfsUrl);
    await using _ = standby;
    standby.fate = () => ({
      status: 403,
      body: JSON.stringify({
        RemoteException: {
          exception: "StandbyException",
          message: "Operation category READ is not supported in state standby",
        },
      }),
    });
    const pair = createHdfsStorage(async () => ({ ...quick, urls: [standby.url, proxy.url] }));
    expect((await pair.stat(`${base}/f`))?.bytes).toBe(content.length);
    await pair.stat(`${base}/f`);
    expect(standby.log).toHaveLength(1);
  });

  it.each([
    ["AccessControlException", 403, "permission_denied"],
    ["SafeModeException", 403, "unavailable"],
    ["DSQuotaExceededException", 403, "resource_exhausted"],
    ["IllegalArgumentException", 400, "invalid_argument"],
    ["", 401, "permission_denied"],
    ["", 502, "unavailable"],
  ])("%s (%i) is %s", async (exception, status, code) => {
    const body =
      exception === "" ? "<html>" : JSON.stringify({ RemoteException: { exception, message: "words\n\tat x" } });
    proxy.fate = () => ({ status, body });
    await expect(through().stat(`${base}/f`)).rejects.toMatchObject({
      code,
      message: expect.not.stringContaining("at x"),
    });
    expect(proxy.log).toHaveLength(code === "unavailable" ? 4 : 1);
  });

  it("shows its credentials to the configured host alone, and renews them", async () => {
    await direct.putIfAbsent(`${base}/f`, content);
    const shown: string[] = [];
    const headers = async ({ url, again }: { readonly url: string; readonly again: boolean }) => {
      shown.push(url);
      return { authorization: again ? "Bearer new" : "Bearer old" };
    };
    let count = 0;
    proxy.fate = () => (count++ === 0 ? { status: 401, body: "" } : "pass");
    const storage = createHdfsStorage(async () => ({
      ...quick,
      urls: [proxy.url],
      auth: { kind: "provider", headers },
    }));
    expect((await storage.stat(`${base}/f`))?.bytes).toBe(content.length);
    expect(shown).toHaveLength(2);
    const away = createHdfsStorage(async () => ({ ...access, auth: { kind: "provider", headers } }));
    await away.read(`${base}/f`);
    expect(shown.every((url) => url.startsWith(proxy.url) || url.startsWith(webHdfsUrl))).toBe(true);
    expect(shown.some((url) => url.includes("op=OPEN"))).toBe(true);
  });

  it("says what is wrong with a URI", async () => {
    for (const uri of ["hdfs:///x", "hdfs://h/x?y", "hdfs://h/%zz"])
      await expect(direct.stat(uri)).rejects.toMatchObject({ code: "invalid_argument" });
  });
});
