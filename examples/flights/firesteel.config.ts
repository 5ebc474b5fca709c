import { defineConfig } from "firesteel";

export default defineConfig({
  flows: ["flows/*.ts"],
  // More at once than a laptop has cores for would only slow each other down.
  clusters: [{ name: "local", url: "local", maxLive: 4 }],
});
