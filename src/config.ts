/**
 * The project's configuration: `firesteel.config.ts` at the project's root.
 *
 * This is the only module that reads `process.env`.
 */

import { availableParallelism } from "node:os";
import { z } from "zod";
import { Code, FiresteelError } from "./errors.ts";
import type { LimitEach } from "./route/livy/clusters/admission.ts";
import type { ClusterSettings } from "./route/livy/clusters/cluster-config.ts";
import { problemOf, type RouteRule } from "./route/livy/clusters/routing.ts";
import type { ClusterAuth } from "./route/livy/http/credentials.ts";
import type { TimeOuts, TlsFiles } from "./route/livy/http/endpoint.ts";
import { SESSION_DEFAULTS, type SessionsConfig } from "./route/livy/sessions/session-request.ts";

/** The variables that this process was started with; the code of tasks sees the same. */
export const environment: Readonly<Record<string, string | undefined>> = process.env;

/** How a cluster wants to be talked to: {@link ClusterAuth}, with a provider named by its module because this file's export must be plain data. */
export type AuthConfig =
  | Exclude<ClusterAuth, { readonly kind: "provider" }>
  | {
      readonly kind: "provider";
      /** Exports as its default a `HeaderProviderFactory`; a path from the project's root. */
      readonly module: string;
      /** Handed to the factory. */
      readonly options?: Readonly<Record<string, unknown>>;
    };

/** A server beside Livy that is reached in its own way. */
export interface ServerConfig {
  readonly url: string;
  readonly auth?: AuthConfig;
  readonly headers?: Readonly<Record<string, string>>;
  readonly tls?: TlsFiles;
}

/** A ResourceManager: the root of its API where the URL ends in `/v1` (`.../gateway/TOPOLOGY/resourcemanager/v1` of Knox), several URLs where one of several is active. */
export interface ResourceManagerConfig extends Omit<ServerConfig, "url"> {
  readonly url: string | readonly string[];
}

/** A cluster's entry. */
export interface ClusterConfig extends ClusterSettings {
  /** Livy's base URL; `local` means the cluster of `firesteel cluster up`. */
  readonly url: string;
  /** The YARN ResourceManager: the second witness of what became of a job. A URL on Livy's own host and port (a gateway such as Knox) is reached as Livy is; any other with what is said here. */
  readonly resourceManager?: string | readonly string[] | ResourceManagerConfig;
  /** Spark's History Server: asked what became of applications that the ResourceManager has forgotten. Reached in the same way. */
  readonly historyServer?: string | ServerConfig;
  readonly auth?: AuthConfig;
  readonly headers?: Readonly<Record<string, string>>;
  /** Files in PEM, paths from the project's root. */
  readonly tls?: TlsFiles;
  readonly timeOuts?: TimeOuts;
  /** Most connections to Livy at once. @default 8 */
  readonly connections?: number;
}

/** How an HDFS is reached. */
export interface HdfsConfig extends Omit<ServerConfig, "url"> {
  /** Base URL of WebHDFS, as far as before `/webhdfs/v1`: of the NameNode, of HttpFS or of a gateway such as Knox; several for several NameNodes. */
  readonly url: string | readonly string[];
  /** Who we say we are where nobody asks for proof. */
  readonly user?: string;
  readonly timeOuts?: TimeOuts;
}

/** How S3 is reached. Credentials come from where the SDK looks by default: environment, profile, web identity, container, instance. */
export interface S3Config {
  /** Of a server that is not Amazon's. */
  readonly endpoint?: string;
  /** @default what the environment or the profile says */
  readonly region?: string;
  /** `endpoint/bucket/key` rather than `bucket.endpoint/key`. @default whether there is an `endpoint` */
  readonly pathStyle?: boolean;
  /** Of the SDK's configuration files. */
  readonly profile?: string;
}

/** Storages beside this machine's disk. */
export interface StorageConfig {
  /** By what stands between `hdfs://` and the next slash. */
  readonly hdfs?: Readonly<Record<string, HdfsConfig>>;
  readonly s3?: S3Config;
}

/** An executor's entry. */
export interface ExecutorConfig {
  readonly module: string;
  /** Handed to its factory. */
  readonly options?: Readonly<Record<string, unknown>>;
}

/** What `firesteel.config.ts` exports. */
export interface FiresteelConfig {
  /** Flow modules: paths or globs from the project's root. */
  readonly flows: readonly string[];
  /** Where outputs, staged files and small datasets go: a path from the root, or a `file:`, `hdfs:` or `s3:` URI that the clusters can reach too. @default ".firesteel/warehouse" */
  readonly warehouse?: string;
  /** How HDFS and S3 are reached. */
  readonly storage?: StorageConfig;
  /** `embedded` keeps the database in `.firesteel/db`; otherwise a `postgres://` URL. @default "embedded" */
  readonly database?: string;
  /** Folder of large values (over 64 KiB) when the database is Postgres: a path from the root that all orchestrators of the database can see. Needed when the warehouse is no folder. @default "values" in the warehouse */
  readonly values?: string;
  readonly clusters?: readonly ClusterConfig[];
  /** Which work goes to which clusters: the first rule that holds decides; without one it may go to any. */
  readonly routes?: readonly RouteRule[];
  /** Limit name to the number of bodies that may hold it at once. */
  readonly limits?: Readonly<Record<string, number>>;
  /**
   * Executors of your own by name: a module that exports its factory as its default (a path from the project's root), alone or with options for it. Tasks choose one by `executor: "name"`. They are named by
   * module because this file's export must be plain data. See `docs/executors.md`.
   */
  readonly executors?: Readonly<Record<string, string | ExecutorConfig>>;
  /** Workers of the `thread` and of the `process` executor. @default the number of cores */
  readonly workers?: number;
  /** Loopback port of gRPC; 0 takes a free one. @default 8470 */
  readonly grpcPort?: number;
  /** Loopback port of HTTP; 0 takes a free one. @default 8471 */
  readonly httpPort?: number;
}

/** The configuration with all defaults filled in. */
export type Config = Required<Omit<FiresteelConfig, "values">> & Pick<FiresteelConfig, "values">;

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
 * Types the configuration; returns it as it is.
 *
 * @example
 * ```ts
 * import { defineConfig } from "firesteel";
 *
 * export default defineConfig({ flows: ["flows/*.ts"], clusters: [{ name: "local", url: "local" }] });
 * ```
 */
export function defineConfig(config: FiresteelConfig): FiresteelConfig {
  return config;
}

/**
 * Checks a configuration and fills the defaults in. `FIRESTEEL_GRPC_PORT`, `FIRESTEEL_HTTP_PORT` and `FIRESTEEL_DATABASE` go before what the file says.
 *
 * @throws FiresteelError `invalid_argument` that names every wrong or unknown key
 */
export function parseConfig(
  value: unknown,
  file: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
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

/** Where the `local` cluster is looked for while it is down: the default ports of Livy and of the ResourceManager's web interface, which `firesteel cluster up` takes if they are free. */
export const LOCAL_PORTS: { readonly livy: number; readonly resourceManagerWeb: number } = {
  livy: 8998,
  resourceManagerWeb: 8088,
};
