import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { fromJson } from "@bufbuild/protobuf";
import { ListValueSchema } from "@bufbuild/protobuf/wkt";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeParquet } from "../../src/data/write-parquet.ts";
import { type RunningOrchestrator, startOrchestrator } from "../../src/main.ts";
import { parseConfig } from "../../src/parse-config.ts";
import { createClient } from "../../src/serve/client.ts";
import { jsonFromValue } from "../../src/serve/json-value.ts";
import { valueFromMessage } from "../../src/serve/value-message.ts";
import { testCluster } from "../cluster.ts";

const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");

/** Code blocks of a language, in order. */
function blocks(language: string): readonly string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map((match) => match[1]!);
}

/** The one of them that holds a text. */
function block(language: string, text: string): string {
  const [found, ...more] = blocks(language).filter((one) => one.includes(text));
  if (found === undefined || more.length > 0) throw new Error(`not one block of the README holds: ${text}`);
  return found;
}

describe("the README", () => {
  let root: string;
  let orchestrator: RunningOrchestrator | undefined;

  beforeAll(async () => {
    const cluster = await testCluster();
    root = await mkdtemp(join(cluster.warehouse, "readme-"));
    await mkdir(join(root, "flows"));
    await mkdir(join(root, "node_modules"));
    await symlink(fileURLToPath(new URL("../..", import.meta.url)), join(root, "node_modules", "firesteel"));
    await writeFile(join(root, "package.json"), '{"type":"module"}');
    await writeFile(join(root, "flows", "sales.ts"), block("ts", "sales.revenue"));
    const day = (year: number) => new Date(Date.UTC(year, 5, 1));
    const orders = [
      { region: "north", price: 10, day: day(2023) },
      { region: "south", price: 7, day: day(2023) },
      { region: "south", price: 8, day: day(2023) },
      { region: "north", price: 1, day: day(2024) },
    ];
    await writeParquet(
      orders,
      { region: "string", price: "double", day: "date" },
      pathToFileURL(join(root, "data", "orders", "part.parquet")).href,
    );
    const { default: config } = (await import(
      `data:text/javascript,${encodeURIComponent(block("ts", "clusters: [").replace(/import .*\n/, "const defineConfig = (config) => config;\n"))}`
    )) as { readonly default: object };
    orchestrator = await startOrchestrator({
      root,
      config: parseConfig({ ...config, grpcPort: 0, httpPort: 0 }, "README.md"),
      log: pino({ level: "silent" }),
      localCluster: async () => cluster,
    });
  });

  afterAll(async () => {
    await orchestrator?.stop();
    await rm(root, { recursive: true, force: true });
  });

  it("shows tasks and a configuration that run", async () => {
    using client = createClient(orchestrator!.grpcAddress);
    const { execution } = await client.executions.startExecution({
      task: "sales.main",
      jsonArguments: fromJson(ListValueSchema, [[2023, 2024]]),
    });
    const ended = await client.executions.waitExecution({ id: execution!.id });
    expect(ended.execution?.error?.message).toBeUndefined();
    expect(jsonFromValue(valueFromMessage(ended.execution!.result!))).toEqual([
      { year: 2023, region: "south" },
      { year: 2024, region: "north" },
    ]);
  }, 300_000);

  it("names RPCs that exist", async () => {
    const named = [...readme.matchAll(/firesteel\.v1\.(\w+)\/(\w+)/g)].map(
      ([, service, method]) => `${service}.${method}`,
    );
    const protocol = await Promise.all(
      ["execution", "task", "submission"].map((name) =>
        readFile(new URL(`../../proto/firesteel/v1/${name}.proto`, import.meta.url), "utf8"),
      ),
    );
    const existing = protocol.flatMap((text) => {
      const service = /service (\w+)/.exec(text)?.[1];
      return [...text.matchAll(/rpc (\w+)/g)].map(([, method]) => `${service}.${method}`);
    });
    expect(named.length).toBeGreaterThan(2);
    expect(existing).toEqual(expect.arrayContaining(named));
  });

  it("gives each run-time dependency a word", async () => {
    const { dependencies } = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8")) as {
      readonly dependencies: Readonly<Record<string, string>>;
    };
    const missing = Object.keys(dependencies).filter(
      (name) => !readme.includes(name.replace(/^@(connectrpc|electric-sql)\//, "")),
    );
    expect(missing).toEqual([]);
  });
});
