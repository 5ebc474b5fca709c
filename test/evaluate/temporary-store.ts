/** A store in a folder of its own, for one test or for all tests of a file. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { openStore, type RecordStore, type StoreSettings } from "../../src/record/store.ts";

/** A store that lasts until it is disposed of. */
export async function openTemporaryStore(
  settings: Pick<StoreSettings, "fileBytes"> = {},
): Promise<{ readonly store: RecordStore; readonly directory: string } & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), "firesteel-store-"));
  const store = await openStore({ kind: "embedded", directory, ...settings });
  return {
    store,
    directory,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A store for the tests of the file (or of the `describe`) that calls this; there from their `beforeAll` on. */
export function useTemporaryStore(): { readonly store: RecordStore } {
  let opened: Awaited<ReturnType<typeof openTemporaryStore>> | undefined;
  beforeAll(async () => {
    opened = await openTemporaryStore();
  });
  afterAll(() => opened?.[Symbol.asyncDispose]());
  return {
    get store() {
      if (!opened) throw new Error("the store is there from beforeAll on");
      return opened.store;
    },
  };
}
