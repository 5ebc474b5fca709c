import { defineConfig } from "firesteel";

export default defineConfig({
  flows: ["flows/*.ts"],
  clusters: [{ name: "local", url: "local" }],
});
