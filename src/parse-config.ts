/**
 * Checks the project's configuration.
 */

import { availableParallelism } from "node:os";
import { z } from "zod";
import {
  type AuthConfig,
  type ClusterConfig,
  type Config,
  environment,
  type ResourceManagerConfig,
  type ServerConfig,
  type StorageConfig,
} from "./config.ts";
import { Code, FiresteelError } from "./errors.ts";
import type { LimitEach } from "./route/livy/clusters/admission.ts";
import { problemOf, type RouteRule } from "./route/livy/clusters/routing.ts";
import type { TimeOuts, TlsFiles } from "./route/livy/http/endpoint.ts";
import { SESSION_DEFAULTS, type SessionsConfig } from "./route/livy/sessions/session-request.ts";

const name = z.string().regex(/^[A-Za-z][\w-]*$/, "must be a word of letters, digits, _ and -");
const port = z.number().int().min(0).max(65535);
const count = z.number().int().positive();
const database = z.string().regex(/^(embedded$|postgres(ql)?:\/\/)/, 'must be "embedded" or a postgres:// URL');
const texts = z.record(z.string(), z.string());

const secret = z.string().min(1);
const auth: z.ZodType<AuthConfig> = z.union(
  [
    z.strictObject({ kind: z.literal("none") }),
    z.strictObject({ kind: z.literal("basic"), user: z.string(), password: z.string() }),
    z.strictObject({ kind: z.literal("basic"), user: z.string(), passwordFile: secret }),
    z.strictObject({ kind: z.literal("bearer"), token: secret }),
    z.strictObject({ kind: z.literal("bearer"), tokenFile: secret }),
    z.strictObject({
      kind: z.literal("bearer"),
      tokenCommand: z.array(z.string()).min(1),
      refreshMs: count.exactOptional(),
    }),
    z.strictObject({
      kind: z.literal("provider"),
      module: z.string().min(1),
      options: z.record(z.string(), z.unknown()).exactOptional(),
    }),
  ],
  {
    error:
      'must be { kind: "none" }, { kind: "basic", user, password or passwordFile }, { kind: "bearer", token, tokenFile or tokenCommand } or { kind: "provider", module }',
  },
);

const tls: z.ZodType<TlsFiles> = z
  .strictObject({
    ca: z.string().exactOptional(),
    cert: z.string().exactOptional(),
    key: z.string().exactOptional(),
    passphrase: z.string().exactOptional(),
    serverName: z.string().exactOptional(),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), {
    error: "cert and key belong together",
  });

const server: z.ZodType<ServerConfig> = z.strictObject({
  url: z.url(),
  auth: auth.exactOptional(),
  headers: texts.exactOptional(),
  tls: tls.exactOptional(),
});

const urls = z.union([z.url(), z.array(z.url()).min(1)], { error: "must be a URL or a list of them" });

const resourceManager: z.ZodType<string | readonly string[] | ResourceManagerConfig> = z.union(
  [
    urls,
    z.strictObject({
      url: urls,
      auth: auth.exactOptional(),
      headers: texts.exactOptional(),
      tls: tls.exactOptional(),
    }),
  ],
  { error: "must be a URL, a list of them or { url, auth, headers, tls }" },
);

const timeOuts: z.ZodType<TimeOuts> = z.strictObject({
  connectMs: count.exactOptional(),
  headersMs: count.exactOptional(),
  bodyMs: count.exactOptional(),
});

const limitEach: z.ZodType<LimitEach> = z.union([count, z.record(z.string(), count)], {
  error: "must be a whole number from 1, or such numbers by name",
});
const sessions: z.ZodType<SessionsConfig> = z
  .strictObject({
    max: count.exactOptional(),
    min: z.number().int().nonnegative().exactOptional(),
    idleTimeoutMs: count.exactOptional(),
    recycleAfter: count.exactOptional(),
    maxPerUser: count.exactOptional(),
    mode: z.enum(["batch", "statement", "auto"]).exactOptional(),
    autoBytes: z.number().int().nonnegative().exactOptional(),
    cancelMs: count.exactOptional(),
    driverMemory: z.string().min(1).exactOptional(),
    driverCores: count.exactOptional(),
    executorMemory: z.string().min(1).exactOptional(),
    executorCores: count.exactOptional(),
    numExecutors: count.exactOptional(),
    queue: z.string().min(1).exactOptional(),
  })
  .refine(({ min = 0, max = SESSION_DEFAULTS.max }) => min <= max, { error: "min must not be above max (2)" });

const witness: z.ZodType<string | ServerConfig> = z.union([z.url(), server], {
  error: "must be a URL or { url, auth, headers, tls }",
});

const cluster: z.ZodType<ClusterConfig> = z.strictObject({
  name,
  url: z.union([z.url(), z.literal("local")], { error: 'must be a URL or "local"' }),
  resourceManager: resourceManager.exactOptional(),
  historyServer: witness.exactOptional(),
  labels: texts.exactOptional(),
  auth: auth.exactOptional(),
  headers: texts.exactOptional(),
  tls: tls.exactOptional(),
  timeOuts: timeOuts.exactOptional(),
  connections: count.exactOptional(),
  maxLive: count.exactOptional(),
  maxPerSecond: z.number().positive().exactOptional(),
  perQueue: limitEach.exactOptional(),
  perUser: limitEach.exactOptional(),
  probeMs: z.number().int().min(50).exactOptional(),
  tickMs: z.number().int().min(50).exactOptional(),
  conf: texts.exactOptional(),
  sessions: sessions.exactOptional(),
  spark: count.exactOptional(),
});

const words = z.array(z.string().min(1)).min(1);
const route: z.ZodType<RouteRule> = z.strictObject({
  tasks: words.exactOptional(),
  tags: words.exactOptional(),
  labels: texts.exactOptional(),
  inputs: words.exactOptional(),
  to: z.union([z.strictObject({ clusters: words }), z.strictObject({ labels: texts })], {
    error: "must be { clusters: [names] } or { labels: { name: value } }",
  }),
});

const webUrl = z.string().regex(/^https?:\/\/[^/]/, "must be an http: or https: URL");

const storage: z.ZodType<StorageConfig> = z.strictObject({
  hdfs: z
    .record(
      z.string().regex(/^[^/@]+$/, "must be what stands between hdfs:// and the next slash"),
      z.strictObject({
        url: z.union([webUrl, z.array(webUrl).min(1)], { error: "must be an http: or https: URL, or a list of them" }),
        user: z.string().min(1).exactOptional(),
        auth: auth.exactOptional(),
        headers: texts.exactOptional(),
        tls: tls.exactOptional(),
        timeOuts: timeOuts.exactOptional(),
      }),
    )
    .exactOptional(),
  s3: z
    .strictObject({
      endpoint: webUrl.exactOptional(),
      region: z.string().min(1).exactOptional(),
      pathStyle: z.boolean().exactOptional(),
      profile: z.string().min(1).exactOptional(),
    })
    .exactOptional(),
});

const OWN_EXECUTORS: readonly string[] = ["inline", "thread", "process", "spark"];

const schema: z.ZodType<Config> = z.strictObject({
  flows: z.array(z.string().min(1)).min(1),
  warehouse: z.string().default(".firesteel/warehouse"),
  storage: storage.default({}),
  database: database.default("embedded"),
  values: z.string().min(1).exactOptional(),
  clusters: z.array(cluster).default([]),
  routes: z.array(route).default([]),
  limits: z.record(z.string(), count).default({}),
  executors: z
    .record(
      name.refine((text) => !OWN_EXECUTORS.includes(text), { error: `must not be one of ${OWN_EXECUTORS.join(", ")}` }),
      z.union([
        z.string().min(1),
        z.strictObject({ module: z.string().min(1), options: z.record(z.string(), z.unknown()).exactOptional() }),
      ]),
    )
    .default({}),
  workers: count.default(() => availableParallelism()),
  grpcPort: port.default(8470),
  httpPort: port.default(8471),
});

/**
 * Checks a configuration and fills the defaults in. `FIRESTEEL_GRPC_PORT`, `FIRESTEEL_HTTP_PORT` and `FIRESTEEL_DATABASE` go before what the file says.
 *
 * @throws FiresteelError `invalid_argument` that names every wrong or unknown key
 */
export function parseConfig(
  value: unknown,
  file: string,
  env: Readonly<Record<string, string | undefined>> = environment,
): Config {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => {
      if (issue.code === "unrecognized_keys")
        return `unknown key${issue.keys.length > 1 ? "s" : ""} ${[...issue.path.map(String), ""].join(".")}${issue.keys.join(", ")}`;
      return `${issue.path.map(String).join(".") || "it"}: ${issue.message}`;
    });
    throw new FiresteelError(Code.invalidArgument, `${file} is not valid: ${problems.join("; ")}`);
  }
  const config = parsed.data;
  const twice = config.clusters.find(
    (entry, i) => config.clusters.findIndex((other) => other.name === entry.name) !== i,
  );
  if (twice)
    throw new FiresteelError(Code.invalidArgument, `${file} is not valid: two clusters are named ${twice.name}`);
  const named = config.clusters.map(({ name, labels = {} }) => ({ name, labels }));
  for (const [i, rule] of config.routes.entries()) {
    const problem = problemOf(rule, named);
    if (problem !== null)
      throw new FiresteelError(Code.invalidArgument, `${file} is not valid: routes.${i}.${problem}`);
  }
  return {
    ...config,
    ...portOf(env, "FIRESTEEL_GRPC_PORT", "grpcPort"),
    ...portOf(env, "FIRESTEEL_HTTP_PORT", "httpPort"),
    ...databaseOf(env["FIRESTEEL_DATABASE"]),
  };
}

function portOf<K extends string>(
  env: Readonly<Record<string, string | undefined>>,
  variable: string,
  key: K,
): Partial<Record<K, number>> {
  const text = env[variable];
  if (text === undefined || text === "") return {};
  const parsed = port.safeParse(/^\d+$/.test(text) ? Number(text) : Number.NaN);
  if (!parsed.success) throw new FiresteelError(Code.invalidArgument, `${variable} is no port (0 to 65535): ${text}`);
  return { [key]: parsed.data } as Partial<Record<K, number>>;
}

function databaseOf(text: string | undefined): Partial<Pick<Config, "database">> {
  if (text === undefined || text === "") return {};
  const parsed = database.safeParse(text);
  if (parsed.success) return { database: parsed.data };
  // Not shown: it may be a URL with a password and a typing error.
  throw new FiresteelError(Code.invalidArgument, 'FIRESTEEL_DATABASE must be "embedded" or a postgres:// URL');
}
