/**
 * The project's configuration: `firesteel.config.ts` at the project's root; `parse-config.ts` checks it, so that code of tasks, which reads this module, does not load what that needs.
 *
 * This is the only module that reads `process.env`.
 */

import type { ClusterSettings } from "./route/livy/clusters/cluster-config.ts";
import type { RouteRule } from "./route/livy/clusters/routing.ts";
import type { ClusterAuth } from "./route/livy/http/credentials.ts";
import type { TimeOuts, TlsFiles } from "./route/livy/http/endpoint.ts";

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

/** Where the `local` cluster is looked for while it is down: the default ports of Livy and of the ResourceManager's web interface, which `firesteel cluster up` takes if they are free. */
export const LOCAL_PORTS: { readonly livy: number; readonly resourceManagerWeb: number } = {
  livy: 8998,
  resourceManagerWeb: 8088,
};
