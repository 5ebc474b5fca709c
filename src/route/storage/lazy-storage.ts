/** Storages whose code is loaded when they are used first: most projects have local files only. */

import type { ReadableStorage, ReadOptions, Storage } from "../../evaluate/ports.ts";

/** A storage that is made at its first use; a failure is not kept. */
export function lazyStorage(make: () => Promise<Storage>): Storage & Required<Pick<ReadableStorage, "checksum">> {
  let made: Promise<Storage> | undefined;
  const get = () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
  return {
    list: async (...args) => (await get()).list(...args),
    stat: async (...args) => (await get()).stat(...args),
    read: async (...args) => (await get()).read(...args),
    async *stream(uri: string, options?: ReadOptions) {
      yield* (await get()).stream(uri, options);
    },
    digest: async (...args) => (await get()).digest(...args),
    checksum: async (file, signal) => {
      const storage = await get();
      return storage.checksum ? storage.checksum(file, signal) : storage.digest(file.uri, signal);
    },
    putIfAbsent: async (...args) => (await get()).putIfAbsent(...args),
    remove: async (...args) => (await get()).remove(...args),
  };
}
