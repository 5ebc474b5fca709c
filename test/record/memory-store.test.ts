/** The store in memory keeps to what the real ones keep to. */
import { MemoryDatabase } from "../route/memory-database.ts";
import { MemoryRecordStore } from "./memory-record-store.ts";
import { sharedSuite } from "./shared.suite.ts";
import { storeSuite } from "./store.suite.ts";

const stop = async () => {};

storeSuite("in memory", async () => ({
  fresh: async () => {
    const database = new MemoryDatabase();
    return { open: async (settings = {}) => new MemoryRecordStore(database, settings) };
  },
  stop,
}));

sharedSuite("in memory", async () => ({
  fresh: async () => {
    const database = new MemoryDatabase();
    const owners = () => [...database.processes];
    return {
      open: async () => new MemoryRecordStore(database, { shared: true }),
      silence: async (alive) => {
        for (const owner of owners().slice(0, owners().length - alive)) owner.heartbeat -= 3_600_000;
      },
      listening: async () => {},
      age: async (ms) => {
        for (const owner of owners()) if (owner.endedAt !== null) owner.endedAt -= ms;
      },
    };
  },
  stop,
}));
