import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/global-setup.ts",
    // Vitest's own module runner reprints sources; code identity needs the text and positions that Node itself loads.
    experimental: { viteModuleRunner: false },
    pool: "forks",
    testTimeout: 60_000,
    hookTimeout: 180_000,
  },
});
