/** What every storage that can be written keeps to, beside `storage.suite.ts`: run both on a new one. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Storage } from "../../../src/evaluate/ports.ts";
import { uriBelow } from "../../../src/route/storage/location.ts";
import type { StorageUnderTest } from "./storage.suite.ts";

/** A storage that can be written. */
export interface WritableUnderTest extends StorageUnderTest {
  readonly storage: Storage;
}

const CHARACTERS = [..."abAB019 %=+&;,'\"!~()[]{}*$@#?\\^`|<>üé漢", "😀", "%2F", "_", ".", "-"];
const name = fc
  .string({ unit: fc.constantFrom(...CHARACTERS), minLength: 1, maxLength: 30 })
  .filter((text) => !/^[._]/.test(text) && text === text.trim());
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
const bytes = fc.uint8Array({ maxLength: 300 });

export function writableSuite(title: string, open: () => Promise<WritableUnderTest>): void {
  describe(`writable storage ${title}`, () => {
    let at: WritableUnderTest;
    let storage: Storage;
    beforeAll(async () => {
      at = await open();
      storage = at.storage;
    });
    afterAll(() => at[Symbol.asyncDispose]());

    const all = { include: () => true };
    const urisIn = async (folder: string) => (await storage.list(folder, all)).map(({ uri }) => uri);

    it("keeps files of every name and content, and lists them by URIs at which they are found", async () => {
      let run = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(fc.tuple(path, bytes), { selector: ([at]) => at, minLength: 1, maxLength: 5 }),
          async (files) => {
            const base = `${at.base}/names/${run++}`;
            const isBelowAnother = ([at]: readonly [string, unknown]) =>
              files.some(([other]) => at.startsWith(`${other}/`));
            const wanted = files.filter((file) => !isBelowAnother(file));
            for (const [path, content] of wanted) {
              const uri = uriBelow(base, path);
              expect(await storage.putIfAbsent(uri, content)).toBe(true);
              expect(await storage.putIfAbsent(uri, new Uint8Array([1, 2, 3]))).toBe(false);
              expect(Buffer.compare(await storage.read(uri), content)).toBe(0);
            }
            const listed = await storage.list(base);
            // How much is escaped is the storage's own affair.
            const found = listed.map(({ uri, bytes }) => [decodeURIComponent(uri.slice(base.length + 1)), bytes]);
            expect(new Map(found as [string, number][])).toEqual(
              new Map(wanted.map(([path, { length }]) => [path, length])),
            );
            expect(listed.map(({ uri }) => uri)).toEqual(listed.map(({ uri }) => uri).sort());
            for (const file of listed)
              expect(await storage.stat(file.uri)).toEqual({ ...file, settled: expect.anything() });
          },
        ),
        { numRuns: 12 },
      );
    });

    it("lists what Spark would read, at any depth", async () => {
      const base = `${at.base}/spark`;
      for (const path of ["b/k=1%3A0/x.parquet", "_SUCCESS", ".part.crc", "_tmp/x", "b/.hidden/x", "top"])
        await storage.putIfAbsent(uriBelow(base, path), new Uint8Array(3));
      expect((await storage.list(base)).map(({ uri }) => uri)).toEqual([
        `${base}/b/k=1%253A0/x.parquet`,
        `${base}/top`,
      ]);
      expect(await storage.list(`${base}/top`)).toEqual([
        { ...(await storage.stat(`${base}/top`)), settled: expect.anything() },
      ]);
      expect(await storage.stat(base)).toMatchObject({ uri: base, folder: true });
      const asked: string[] = [];
      const include = (path: string, folder: boolean) => {
        if (!folder) asked.push(path);
        return folder || path === "top";
      };
      expect((await storage.list(base, { include })).map(({ uri }) => uri)).toEqual([`${base}/top`]);
      expect(asked).toContain("b/.hidden/x");
    });

    it("lists more files than servers give at once", async () => {
      const names = Array.from({ length: 1_010 }, (_, i) => `many/f${String(i).padStart(4, "0")}`);
      for (let i = 0; i < names.length; i += 10)
        await Promise.all(names.slice(i, i + 10).map((path) => at.put(path, new Uint8Array())));
      expect(await urisIn(`${at.base}/many`)).toEqual(names.map((path) => `${at.base}/${path}`));
      await storage.remove(`${at.base}/many`);
      expect(await storage.stat(`${at.base}/many`)).toBeNull();
    });

    it("puts a file once, whoever comes first, and leaves nothing else behind", async () => {
      for (let round = 0; round < 3; round++) {
        const folder = `${at.base}/once/${round}`;
        const uri = `${folder}/file`;
        const contents = Array.from({ length: 12 }, (_, i) => new Uint8Array(50_000).fill(i));
        const first = await Promise.all(contents.map((bytes) => storage.putIfAbsent(uri, bytes)));
        expect(first.filter(Boolean)).toHaveLength(1);
        expect(Buffer.compare(await storage.read(uri), contents[first.indexOf(true)]!)).toBe(0);
        expect(await urisIn(folder)).toEqual([uri]);
      }
    });

    it("removes a file, or a folder with all below it and nothing beside it, as often as one likes", async () => {
      for (const path of ["gone/a", "gone/b/c", "gone/b/d/e", "goner/a"])
        await storage.putIfAbsent(`${at.base}/${path}`, new Uint8Array(1));
      await storage.remove(`${at.base}/gone/a`);
      expect(await urisIn(`${at.base}/gone`)).toEqual([`${at.base}/gone/b/c`, `${at.base}/gone/b/d/e`]);
      for (let i = 0; i < 2; i++) {
        await storage.remove(`${at.base}/gone`);
        expect(await storage.stat(`${at.base}/gone/b/c`)).toBeNull();
        await expect(storage.list(`${at.base}/gone`)).rejects.toMatchObject({ code: "not_found" });
      }
      expect(await urisIn(`${at.base}/goner`)).toEqual([`${at.base}/goner/a`]);
    });

    it("gives equal checksums to equal contents only", async () => {
      if (storage.checksum === undefined) return;
      const contents = [[], [0], [1], [0, 0], Array.from({ length: 5_000 }, (_, i) => i % 251)].map(
        (list) => new Uint8Array(list),
      );
      const sums = await Promise.all(
        contents.flatMap((content, i) =>
          ["x", "y"].map(async (name) => {
            const uri = `${at.base}/sums/${i}${name}`;
            await storage.putIfAbsent(uri, content);
            return [i, await storage.checksum!((await storage.stat(uri))!)] as const;
          }),
        ),
      );
      for (const [i, a] of sums) for (const [j, b] of sums) expect(a === b).toBe(i === j);
    });

    it("tells what is missing, and stops when it is told to", async () => {
      await expect(storage.list(`${at.base}/no`)).rejects.toMatchObject({
        code: "not_found",
        message: expect.stringContaining("/no"),
      });
      expect(await storage.stat(`${at.base}/no/such/file`)).toBeNull();
      await at.put("here", new Uint8Array(1));
      expect(await storage.stat(`${at.base}/here/below`)).toBeNull();
      await expect(storage.list(at.base, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    });
  });
}
