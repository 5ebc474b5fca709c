import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { datasetsOf, findManifest } from "../../../src/route/livy/submissions/manifest.ts";
import { createFileStorage } from "../../../src/route/storage/file-storage.ts";

const storage = createFileStorage();
let base: string;
beforeEach(async () => {
  base = pathToFileURL(await mkdtemp(join(tmpdir(), "firesteel manifest "))).href;
});
afterEach(() => rm(fileURLToPath(base), { recursive: true, force: true }));

async function put(path: string, content: string): Promise<void> {
  const target = join(fileURLToPath(base), path);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, content);
}

/** A manifest in Hadoop's spelling of paths, as the harness writes it. */
function manifest(driver: string, change: object = {}): string {
  const output = {
    name: "out",
    location: `file:${decodeURIComponent(new URL(base).pathname)}/${driver}/out`,
    format: "parquet",
    partitionBy: ["k"],
    schema: {
      type: "struct",
      fields: [
        { name: "id", type: "long", nullable: true, metadata: {} },
        { name: "k", type: "string", nullable: true, metadata: {} },
      ],
    },
    rows: 2,
    fingerprint: { mode: "rows", version: 1, xor: ["0".repeat(16), "f".repeat(16)], sums: ["1", "2", "3", "4"] },
    files: [{ path: "k=a%3Ab c/part-0.parquet", bytes: 4, rows: 2 }],
  };
  return JSON.stringify({
    version: 1,
    attempt: "a1",
    driver,
    appId: "application_1_1",
    spark: "3.5.6",
    status: "succeeded",
    startedAt: "2026-01-01T00:00:00Z",
    endedAt: "2026-01-01T00:00:01Z",
    outputs: [output],
    ...change,
  });
}

describe("the manifest of an attempt", () => {
  it("is found below any driver's folder and gives datasets whose files can be read by URI", async () => {
    expect(await findManifest(storage, base, "a1")).toBeNull();
    await put("d1/out/k=a%3Ab c/part-0.parquet", "data");
    await put("d1/out/deep/manifest.json", "not this one");
    expect(await findManifest(storage, base, "a1")).toBeNull();
    await put("d1/manifest.json", manifest("d1"));
    const found = await findManifest(storage, base, "a1");
    const { out } = await datasetsOf(found!, base, storage);
    expect(out).toMatchObject({
      location: `${base}/d1/out`,
      partitionBy: ["k"],
      rows: 2,
      identity: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const [file] = out!.files;
    expect(await storage.stat(`${out!.location}/${file!.path}`)).toMatchObject({ bytes: 4, modified: file!.modified });
  });

  it("of success counts before one of failure", async () => {
    const error = { class: "cluster", type: "X", message: "lost" };
    await put("a/manifest.json", manifest("a", { status: "failed", outputs: [], error }));
    expect((await findManifest(storage, base, "a1"))?.status).toBe("failed");
    await put("b/manifest.json", manifest("b"));
    expect((await findManifest(storage, base, "a1"))?.driver).toBe("b");
  });

  it("that lost a file of its output, or has another size for it, proves nothing", async () => {
    await put("d1/manifest.json", manifest("d1"));
    const found = await findManifest(storage, base, "a1");
    await expect(datasetsOf(found!, base, storage)).rejects.toMatchObject({
      code: "data_loss",
      message: expect.stringContaining("is missing"),
    });
    await put("d1/out/k=a%3Ab c/part-0.parquet", "data!");
    await expect(datasetsOf(found!, base, storage)).rejects.toMatchObject({
      code: "data_loss",
      message: expect.stringContaining("has 5 bytes"),
    });
  });

  it.each([
    ["half a manifest", '{"version":1,', "is no JSON"],
    ["another form", '{"version":2}', "expected form at version"],
  ])("is refused when it is %s", async (_, content, words) => {
    await put("d1/manifest.json", content);
    await expect(findManifest(storage, base, "a1")).rejects.toMatchObject({
      code: "data_loss",
      message: expect.stringContaining(words),
    });
  });

  it.each([
    ["another attempt", { attempt: "a2" }, "another attempt: a2"],
    ["a failure and not which", { status: "failed", outputs: [] }, "does not say which"],
  ])("is refused when it is about %s", async (_, change, words) => {
    await put("d1/manifest.json", manifest("d1", change));
    await expect(findManifest(storage, base, "a1")).rejects.toMatchObject({
      code: "data_loss",
      message: expect.stringContaining(words),
    });
  });

  it.each(["/etc/passwd", "../x", "a/../../x"])("is refused when it names a file elsewhere: %s", async (path) => {
    await put("d1/manifest.json", manifest("d1").replace("k=a%3Ab c/part-0.parquet", path));
    await expect(findManifest(storage, base, "a1")).rejects.toMatchObject({ code: "data_loss" });
  });

  it("is refused when it names an output elsewhere", async () => {
    await put("d1/manifest.json", manifest("d1").replace("/d1/out", "/d2/out"));
    await expect(findManifest(storage, base, "a1")).rejects.toMatchObject({
      message: expect.stringContaining("names an output outside"),
    });
  });
});
