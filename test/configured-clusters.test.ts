import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { configuredClusters } from "../src/configured-clusters.ts";
import { parseConfig } from "../src/parse-config.ts";

const FILE = "firesteel.config.ts";
const flows = ["flows/*.ts"];
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "firesteel-clusters-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const configured = (
  clusters: readonly unknown[],
  local: Parameters<typeof configuredClusters>[2] = async () => null,
): ReturnType<typeof configuredClusters> => configuredClusters(root, parseConfig({ flows, clusters }, FILE, {}), local);

describe("the local cluster", () => {
  const clusters = [
    { name: "a", url: "local" },
    { name: "b", url: "http://livy:1" },
    { name: "c", url: "local", resourceManager: "http://rm:1" },
  ];

  it("has the addresses of the one that runs", async () => {
    const found = await configured(clusters, async () => ({
      livyUrl: "http://l:2",
      resourceManagerUrl: "http://r:3",
    }));
    expect(found.map(({ url, resourceManager }) => [url, resourceManager?.url])).toEqual([
      ["http://l:2", "http://r:3"],
      ["http://livy:1", undefined],
      ["http://l:2", "http://rm:1"],
    ]);
  });

  it("is looked for at Livy's own port while none runs", async () => {
    const found = await configured(clusters);
    const start = "start it with `firesteel cluster up`";
    expect(found.map(({ whenDown }) => whenDown)).toEqual([start, undefined, start]);
    expect(found.map(({ url }) => url)).toEqual(["http://127.0.0.1:8998", "http://livy:1", "http://127.0.0.1:8998"]);
  });
});

describe("credentials", () => {
  it("are Livy's own host's, unless another server has its own", async () => {
    const auth = { kind: "basic", user: "u", password: "p" };
    const own = { kind: "bearer", tokenFile: "token" };
    const [knox, far, said] = await configured([
      {
        name: "a",
        url: "https://knox/gateway/livy",
        resourceManager: "https://knox/gateway/yarn",
        auth,
        headers: { a: "b" },
      },
      { name: "b", url: "http://livy:1", resourceManager: "http://rm:1", auth },
      { name: "c", url: "http://livy:1", resourceManager: { url: "http://rm:1", auth: own }, auth },
    ]);
    expect(knox?.resourceManager).toEqual({ url: "https://knox/gateway/yarn", auth, headers: { a: "b" } });
    expect(far?.resourceManager).toEqual({ url: "http://rm:1" });
    expect(said?.resourceManager).toEqual({
      url: "http://rm:1",
      auth: { kind: "bearer", tokenFile: join(root, "token") },
    });
  });

  it("are shown to several ResourceManagers where all are on Livy's own host", async () => {
    const auth = { kind: "basic", user: "u", password: "p" };
    const [here, elsewhere, said] = await configured([
      { name: "a", url: "https://knox/livy", auth, resourceManager: ["https://knox/a/v1", "https://knox/b/v1"] },
      { name: "b", url: "https://knox/livy", auth, resourceManager: ["https://knox/a/v1", "https://rm"] },
      { name: "c", url: "https://knox/livy", resourceManager: { url: ["https://rm1", "https://rm2"], auth } },
    ]);
    expect(here?.resourceManager).toEqual({ url: ["https://knox/a/v1", "https://knox/b/v1"], auth });
    expect(elsewhere?.resourceManager).toEqual({ url: ["https://knox/a/v1", "https://rm"] });
    expect(said?.resourceManager).toEqual({ url: ["https://rm1", "https://rm2"], auth });
  });

  it("can come from a module", async () => {
    await writeFile(
      join(root, "spnego.mjs"),
      "export default ({ cluster, options }) => ({ url }) => ({ a: [cluster, options.realm, url].join(' ') });",
    );
    const [cluster] = await configured([
      { name: "a", url: "http://livy:1", auth: { kind: "provider", module: "./spnego.mjs", options: { realm: "R" } } },
    ]);
    const { auth } = cluster ?? {};
    if (auth?.kind !== "provider") return expect.unreachable();
    expect(await auth.headers({ method: "GET", url: "http://x", again: false, signal: null })).toEqual({
      a: "a R http://x",
    });
  });

  it("from a module without a function are refused", async () => {
    await writeFile(join(root, "none.mjs"), "export const a = 1;");
    const auth = { kind: "provider", module: "./none.mjs" };
    await expect(configured([{ name: "a", url: "http://livy:1", auth }])).rejects.toThrow(
      "header provider of cluster a: ./none.mjs has no function as its default export; write `export default ({ cluster, options }) =>",
    );
  });
});
