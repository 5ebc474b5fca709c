import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const run = promisify(execFile);
const repository = fileURLToPath(new URL("..", import.meta.url));

/** The README's first example needs a cluster; this is what a newcomer writes without one. */
const FLOW = `
import { createDataset, type Dataset, map, readRows, task } from "firesteel";

const FACTOR: number = 3;
export const scale = task("shop.scale", (n: number) => n * FACTOR);
export const codes = task("shop.codes", async (shops: Dataset) => (await readRows<{ code: string }>(shops)).map((row) => row.code).sort());
export const main = task("shop.main", (ns: number[]) => ({
  scaled: map(scale, ns),
  codes: codes(createDataset([{ code: "b" }, { code: "a" }], { code: "string" })),
}));
`;

describe("the packed package", () => {
  let project: string;

  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), "firesteel-package-"));
    const { stdout } = await run("npm", ["pack", "--json", "--loglevel=error", "--pack-destination", project], {
      cwd: repository,
    });
    const [packed] = JSON.parse(stdout.slice(stdout.indexOf("["))) as readonly { readonly filename: string }[];
    await writeFile(join(project, "package.json"), JSON.stringify({ name: "shop", private: true, type: "module" }));
    await run(
      "npm",
      ["install", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error", join(project, packed!.filename)],
      { cwd: project },
    );
    await mkdir(join(project, "flows"));
    await writeFile(join(project, "flows", "shop.ts"), FLOW);
    await writeFile(
      join(project, "firesteel.config.ts"),
      'import { defineConfig } from "firesteel";\nexport default defineConfig({ flows: ["flows/*.ts"], grpcPort: 0, httpPort: 0 });\n',
    );
  });

  afterAll(async () => {
    await rm(project, { recursive: true, force: true });
  });

  const firesteel = (...args: readonly string[]) =>
    run(process.execPath, [join(project, "node_modules", "firesteel", "bin", "firesteel.js"), ...args], {
      cwd: project,
    });

  it("runs a flow of an empty project, and finds its results again", async () => {
    const first = await firesteel("run", "shop.main", "[1,2]", "--json");
    expect(JSON.parse(first.stdout)).toEqual({ scaled: [3, 6], codes: ["a", "b"] });
    const second = await firesteel("run", "shop.main", "[1,2]");
    expect(second.stderr + second.stdout).toMatch(/0 ran/);
  });

  it("ships JavaScript, declarations, the Python side and the cluster's files, and no TypeScript sources", async () => {
    const { stdout } = await run("npm", ["pack", "--dry-run", "--ignore-scripts", "--json", "--loglevel=error"], {
      cwd: repository,
    });
    const [{ files }] = JSON.parse(stdout.slice(stdout.indexOf("["))) as [
      { readonly files: readonly { readonly path: string }[] },
    ];
    const paths = files.map(({ path }) => path);
    for (const path of [
      "bin/firesteel.js",
      "dist/src/index.js",
      "dist/src/index.d.ts",
      "dist/cluster/cluster.js",
      "jobs/firesteel_harness.py",
      "proto/firesteel/v1/execution.proto",
      "README.md",
    ]) {
      expect(paths).toContain(path);
    }
    expect(paths.filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"))).toEqual([]);
    expect(paths.filter((path) => path.includes("__pycache__") || path.startsWith("test/"))).toEqual([]);
  });

  it("has types that an author's compiler accepts", async () => {
    await writeFile(
      join(project, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: {
          module: "nodenext",
          target: "es2024",
          strict: true,
          noEmit: true,
          skipLibCheck: true,
          types: [],
        },
        include: ["flows", "firesteel.config.ts"],
      }),
    );
    const tsc = join(repository, "node_modules", ".bin", "tsc");
    await run(tsc, ["-p", project], { cwd: project });
    await writeFile(
      join(project, "flows", "wrong.ts"),
      'import { scale } from "./shop.js";\nexport const bad = scale("three");\n',
    );
    await expect(run(tsc, ["-p", project], { cwd: project })).rejects.toMatchObject({
      stdout: expect.stringContaining("wrong.ts(2"),
    });
    await rm(join(project, "flows", "wrong.ts"));
  });
});
