import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Served, serveDouble } from "../livy/serve.ts";
import { projectFolder } from "./project-folder.ts";

/** A project with one cluster and one bulk task. */
function filesOf({ url, resourceManagerUrl }: Served) {
  const cluster = `{ name: "yarn", url: "${url}", resourceManager: { url: "${resourceManagerUrl}" }, tickMs: 200 }`;
  return {
    "firesteel.config.ts": `import { defineConfig } from "firesteel";
export default defineConfig({ flows: ["flows/*.ts"], grpcPort: 0, httpPort: 0, clusters: [${cluster}] });
`,
    "flows/demo.ts": `import { sql, task } from "firesteel";
export const rows = task("demo.rows", { tags: ["bulk-data"] }, () => sql\`SELECT 1 AS id\`);
`,
  };
}

describe("firesteel log", () => {
  let served: Served;
  beforeEach(async () => {
    served = await serveDouble({ master: "yarn" });
  });
  afterEach(() => served[Symbol.asyncDispose]());

  test("--follow goes on until the driver's last lines are there, of a submission and of an execution", async () => {
    served.double.plan = () => ({ runs: "fails", closeMs: 20_000 });
    await using project = await projectFolder(filesOf(served));
    const server = project.start("serve");
    await server.says("ready after");
    const run = project.start("run", "demo.rows");
    await run.says("demo.rows failed on yarn");
    const [submission] = JSON.parse((await project.run("submissions", "--json")).stdout) as { readonly id: string }[];
    const [execution] = JSON.parse((await project.run("ls", "--json")).stdout) as { readonly id: string }[];
    const logs = await Promise.all([submission!, execution!].map(({ id }) => project.run("log", id, "--follow")));
    for (const { code, stdout } of logs) {
      expect(code).toBe(0);
      expect(stdout).toContain("Submitted application application_");
      expect(stdout.match(/ValueError: column price is missing/g)).toHaveLength(1);
      // Long after the end of the work is known.
      expect(stdout.match(/firesteel: closed/g)).toHaveLength(1);
    }
    expect((await run.ended).code).toBe(1);
    server.child.kill();
    await server.ended;
  });
});
