import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/longest-first.ts";

// Test files and the processes that they start load the same thousand modules hundreds of times: what Node compiled once is kept, and not in the machine's folder for temporary files.
process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "node_modules/.cache/firesteel-compiled");

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/global-setup.ts",
    // Vitest's own module runner reprints sources; code identity needs the text and positions that Node itself loads.
    experimental: { viteModuleRunner: false },
    pool: "forks",
    // Most tests wait for processes, databases and clusters most of the time.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    testTimeout: 300_000,
    hookTimeout: 600_000,
  },
});
