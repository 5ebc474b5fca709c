import { describe, expect, it } from "vitest";
import { defineConfig } from "../src/config.ts";
import { parseConfig } from "../src/parse-config.ts";

const FILE = "firesteel.config.ts";
const flows = ["flows/*.ts"];
const parse = (value: unknown, env: Record<string, string> = {}) => parseConfig(value, FILE, env);

describe("the configuration", () => {
  it("needs flow modules only", () => {
    expect(parse(defineConfig({ flows }))).toEqual({
      flows,
      warehouse: ".firesteel/warehouse",
      storage: {},
      database: "embedded",
      clusters: [],
      routes: [],
      limits: {},
      executors: {},
      workers: expect.any(Number),
      grpcPort: 8470,
      httpPort: 8471,
    });
  });

  it("keeps what is written", () => {
    const full = {
      flows,
      executors: { command: "./command.ts", far: { module: "./far.ts", options: { host: "a" } } },
      warehouse: "/data",
      storage: {
        hdfs: {
          "nn:8020": { url: "http://nn:9870", user: "etl", timeOuts: { headersMs: 1 } },
          pair: {
            url: ["https://nn1:9871", "https://nn2:9871"],
            auth: { kind: "bearer" as const, tokenFile: "t" },
            tls: { ca: "ca" },
          },
        },
        s3: { endpoint: "http://s3:9000", region: "eu-1", pathStyle: false, profile: "p" },
      },
      database: "postgres://u:p@db/x",
      clusters: [
        {
          name: "main",
          url: "http://livy:8998",
          resourceManager: "http://rm:8088",
          labels: { size: "large" },
          auth: { kind: "basic" as const, user: "u", password: "p" },
          headers: { "X-Requested-By": "me" },
          maxLive: 4,
          maxPerSecond: 0.5,
          perQueue: { etl: 2, "*": 8 },
          perUser: 3,
          tickMs: 250,
          probeMs: 60_000,
          conf: { "spark.a": "b" },
          sessions: {
            max: 3,
            min: 1,
            idleTimeoutMs: 1_000,
            recycleAfter: 50,
            maxPerUser: 2,
            mode: "auto" as const,
            autoBytes: 0,
            cancelMs: 100,
            driverMemory: "1g",
            executorCores: 2,
            queue: "warm",
          },
        },
        { name: "near", url: "local" },
      ],
      routes: [
        { tasks: ["a.*"], tags: ["x"], labels: { size: "large" }, inputs: ["data"], to: { clusters: ["main"] } },
        { to: { labels: { size: "large" } } },
      ],
      limits: { db: 3 },
      workers: 2,
      grpcPort: 0,
      httpPort: 1,
    };
    expect(parse(full)).toEqual(full);
    for (const name of ["inline", "spark", "a b"])
      expect(() => parse({ flows, executors: { [name]: "./a.ts" } })).toThrow("executors");
  });

  it.each<[string, unknown, RegExp]>([
    [
      "more sessions kept than there may be",
      { flows, clusters: [{ name: "a", url: "local", sessions: { min: 3 } }] },
      /clusters\.0\.sessions: min must not be above max/,
    ],
    ["nothing", undefined, /^firesteel\.config\.ts is not valid: it: /],
    ["no flow modules", { flows: [] }, /: flows: /],
    [
      "no URL of WebHDFS",
      { flows, storage: { hdfs: { a: { url: "hdfs://a" } } } },
      /: storage\.hdfs\.a\.url: must be an http/,
    ],
    ["a path for an HDFS", { flows, storage: { hdfs: { "a/b": { url: "http://a" } } } }, /storage\.hdfs\.a\/b: /],
    [
      "a key in the configuration",
      { flows, storage: { s3: { accessKeyId: "x" } } },
      /unknown key storage\.s3\.accessKeyId/,
    ],
    ["an unknown key", { flows, cluster: [] }, /: unknown key cluster$/],
    [
      "two unknown keys inside",
      { flows, clusters: [{ name: "a", url: "local", uri: 1, x: 2 }] },
      /: unknown keys clusters\.0\.uri, x$/,
    ],
    ["a bad port", { flows, grpcPort: 65_536 }, /: grpcPort: /],
    ["a broken port", { flows, grpcPort: 1.5 }, /: grpcPort: /],
    ["a limit of nothing", { flows, limits: { db: 0 } }, /: limits\.db: /],
    [
      "a database that is none",
      { flows, database: "mysql://x" },
      /: database: must be "embedded" or a postgres:\/\/ URL/,
    ],
    ["a cluster without a URL", { flows, clusters: [{ name: "a" }] }, /: clusters\.0\.url: /],
    ["a URL that is none", { flows, clusters: [{ name: "a", url: "livy" }] }, /: clusters\.0\.url: /],
    ["a name with a space", { flows, clusters: [{ name: "a b", url: "local" }] }, /clusters\.0\.name: must be a word/],
    [
      "two clusters of one name",
      {
        flows,
        clusters: [
          { name: "a", url: "local" },
          { name: "a", url: "local" },
        ],
      },
      /two clusters are named a$/,
    ],
    [
      "half an authorisation",
      { flows, clusters: [{ name: "a", url: "local", auth: { kind: "basic", user: "u" } }] },
      /clusters\.0\.auth: must be .* passwordFile/,
    ],
    [
      "a certificate without its key",
      { flows, clusters: [{ name: "a", url: "https://a", tls: { cert: "a.pem" } }] },
      /clusters\.0\.tls: cert and key belong together/,
    ],
    [
      "a limit of no submissions",
      { flows, clusters: [{ name: "a", url: "local", perUser: { ann: 0 } }] },
      /clusters\.0\.perUser\.ann: /,
    ],
    [
      "a rule without a target",
      { flows, routes: [{ tasks: ["a"] }] },
      /routes\.0\.to: must be \{ clusters: \[names\] \}/,
    ],
    [
      "a rule for a cluster that there is not",
      { flows, clusters: [{ name: "a", url: "local" }], routes: [{ to: { clusters: ["b"] } }] },
      /routes\.0\.to: cluster is not known \(there are: a\): b$/,
    ],
    ["more than one problem", { flows: "x", workers: 0 }, /flows: .*; .*workers: /],
  ])("is refused with %s", (_, value, message) => {
    expect(() => parse(value)).toThrow(
      expect.objectContaining({ code: "invalid_argument", message: expect.stringMatching(message) }),
    );
  });

  it("yields to the environment", () => {
    expect(
      parse({ flows }, { FIRESTEEL_GRPC_PORT: "0", FIRESTEEL_HTTP_PORT: "81", FIRESTEEL_DATABASE: "postgresql://h/d" }),
    ).toMatchObject({ grpcPort: 0, httpPort: 81, database: "postgresql://h/d" });
    expect(parse({ flows }, { FIRESTEEL_GRPC_PORT: "", FIRESTEEL_DATABASE: "" })).toMatchObject({
      grpcPort: 8470,
      database: "embedded",
    });
  });

  it.each([
    [{ FIRESTEEL_GRPC_PORT: "http" }, "FIRESTEEL_GRPC_PORT is no port (0 to 65535): http"],
    [{ FIRESTEEL_HTTP_PORT: "0x50" }, "FIRESTEEL_HTTP_PORT is no port (0 to 65535): 0x50"],
    [{ FIRESTEEL_HTTP_PORT: " " }, "FIRESTEEL_HTTP_PORT is no port (0 to 65535):  "],
    [{ FIRESTEEL_DATABASE: "mysql://u:secret@h" }, 'FIRESTEEL_DATABASE must be "embedded" or a postgres:// URL'],
  ])("refuses %j", (env, message) => {
    expect(() => parse({ flows }, env as Record<string, string>)).toThrow(
      expect.objectContaining({ code: "invalid_argument", message }),
    );
  });
});
