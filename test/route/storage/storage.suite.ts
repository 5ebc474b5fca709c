/** What every storage keeps to: run it on a new one. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ReadableStorage } from "../../../src/evaluate/ports.ts";

/** A storage and a place in it. */
export interface StorageUnderTest extends AsyncDisposable {
  readonly storage: ReadableStorage;
  /** URI of a folder, no trailing slash. */
  readonly base: string;
  /** Puts or replaces a file by its escaped path below the folder, so that another look can tell. */
  put(path: string, bytes: Uint8Array): Promise<void>;
}

export function storageSuite(name: string, open: () => Promise<StorageUnderTest>): void {
  describe(`storage ${name}`, () => {
    let at: StorageUnderTest;
    let storage: ReadableStorage;
    beforeAll(async () => {
      at = await open();
      storage = at.storage;
    });
    afterAll(() => at[Symbol.asyncDispose]());

    const content = new Uint8Array(700_000).map((_, i) => (i * 31) >> 3);
    const bytesOf = async (pieces: AsyncIterable<Uint8Array>) => Buffer.concat(await Array.fromAsync(pieces));

    it("looks at files of every name and size", async () => {
      for (const path of ["a%20b", "%C3%BC", "%23%3F%25", "deep/er/x", "empty"]) {
        const bytes = path === "empty" ? new Uint8Array() : content;
        await at.put(path, bytes);
        const uri = `${at.base}/${path}`;
        const found = await storage.stat(uri);
        expect(found).toMatchObject({ uri, bytes: bytes.length, modified: expect.stringMatching(/^\d+$/) });
        expect(found?.stamp).toBeDefined();
        expect(found?.folder).toBeUndefined();
        expect(Buffer.compare(await storage.read(uri), bytes)).toBe(0);
        expect(await storage.digest(uri)).toBe(createHash("sha256").update(bytes).digest("hex"));
      }
    });

    it("says what is missing", async () => {
      const uri = `${at.base}/missing`;
      expect(await storage.stat(uri)).toBeNull();
      for (const read of [() => storage.read(uri), () => storage.digest(uri), () => bytesOf(storage.stream(uri))])
        await expect(read()).rejects.toMatchObject({ code: "not_found", message: expect.stringContaining(uri) });
    });

    it("gives any part, and what there is of one that goes beyond the end", async () => {
      await at.put("part", content);
      const edge = fc.oneof(fc.nat({ max: content.length + 10 }), fc.constantFrom(0, 1, content.length, 1 << 18));
      await fc.assert(
        fc.asyncProperty(fc.option(edge), fc.option(edge), async (start, end) => {
          const range = { ...(start === null ? {} : { start }), ...(end === null ? {} : { end }) };
          const wanted = content.subarray(start ?? 0, Math.max(start ?? 0, end ?? content.length));
          expect(Buffer.compare(await storage.read(`${at.base}/part`, range), wanted)).toBe(0);
          expect(Buffer.compare(await bytesOf(storage.stream(`${at.base}/part`, range)), wanted)).toBe(0);
        }),
        { numRuns: 60 },
      );
    });

    it("reads into memory no more than is allowed", async () => {
      await at.put("large", content);
      const uri = `${at.base}/large`;
      expect((await storage.read(uri, { maxBytes: content.length })).length).toBe(content.length);
      await expect(storage.read(uri, { maxBytes: content.length - 1 })).rejects.toMatchObject({
        code: "resource_exhausted",
        message: expect.stringContaining(`${content.length - 1} bytes`),
      });
    });

    it("tells another content by its look, and refuses to read what is no longer expected", async () => {
      const uri = `${at.base}/edited`;
      await at.put("edited", content);
      const expected = (await storage.stat(uri))!;
      expect((await storage.read(uri, { expected })).length).toBe(content.length);
      expect((await storage.read(uri, { expected, start: 5, end: 10 })).length).toBe(5);
      const other = content.slice().fill(1);
      await at.put("edited", other);
      const now = (await storage.stat(uri))!;
      expect(now.stamp).not.toBe(expected.stamp);
      for (const range of [{}, { start: 5, end: 10 }])
        await expect(storage.read(uri, { expected, ...range })).rejects.toMatchObject({
          code: "aborted",
          details: { kind: "inputChanged" },
        });
      expect(Buffer.compare(await storage.read(uri, { expected: now }), other)).toBe(0);
    });

    it("can be left early and stopped", async () => {
      await at.put("stopped", content);
      const uri = `${at.base}/stopped`;
      for await (const piece of storage.stream(uri)) {
        expect(piece.length).toBeGreaterThan(0);
        break;
      }
      const signal = AbortSignal.abort(new Error("enough"));
      await expect(storage.digest(uri, signal)).rejects.toThrow("enough");
      await expect(storage.read(uri, { signal })).rejects.toThrow("enough");
      // It goes on serving.
      expect((await storage.read(uri)).length).toBe(content.length);
    });
  });
}
