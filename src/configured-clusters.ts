/**
 * The clusters of a configuration as the gateway wants them: URLs of the local one filled in, paths of files made absolute, header providers loaded.
 */

import { pathToFileURL } from "node:url";
import { type Config, LOCAL_PORTS, type ServerConfig } from "./config.ts";
import { type AccessOwner, accessOf } from "./configured-access.ts";
import { isUri } from "./evaluate/file-identity.ts";
import type { ClusterConfig } from "./route/livy/clusters/cluster-config.ts";
import type { RouteRule } from "./route/livy/clusters/routing.ts";
import type { EndpointAccess } from "./route/livy/http/endpoint.ts";

/** Addresses of the cluster that runs on this machine. */
export interface LocalCluster {
  readonly livyUrl: string;
  readonly resourceManagerUrl: string;
}

/**
 * The clusters of a configuration.
 *
 * @throws FiresteelError `invalid_argument` for a header provider that cannot be loaded
 */
export async function configuredClusters(
  root: string,
  config: Config,
  localCluster: () => Promise<LocalCluster | null>,
): Promise<readonly ClusterConfig[]> {
  return Promise.all(
    config.clusters.map(async (entry): Promise<ClusterConfig> => {
      const { resourceManager: yarn, historyServer, auth: _, tls: __, ...plain } = entry;
      const local = entry.url === "local" ? ((await localCluster()) ?? DEFAULT_LOCAL) : null;
      const url = local?.livyUrl ?? entry.url;
      const access = await accessOf(root, ownerOf(entry.name), entry);
      const witness = <U extends string | readonly string[]>(server: Server<U>) =>
        witnessOf(root, entry.name, server, { url, ...access });
      const resourceManager = yarn === undefined ? localWitness(local) : serverOf(yarn);
      const history = historyServer === undefined ? null : serverOf(historyServer);
      return {
        ...plain,
        ...access,
        url,
        ...(resourceManager === null ? {} : { resourceManager: await witness(resourceManager) }),
        ...(history === null ? {} : { historyServer: await witness(history) }),
        ...(local === null ? {} : { whenDown: "start it with `firesteel cluster up`" }),
      };
    }),
  );
}

/** The routing rules of a configuration, with inputs as URIs: what is written as a path is meant from the project's root. */
export function configuredRoutes(root: string, { routes }: Pick<Config, "routes">): readonly RouteRule[] {
  const folder = pathToFileURL(root).href.replace(/\/$/, "");
  const uriOf = (place: string): string => {
    if (isUri(place)) return place;
    return place.startsWith("/") ? `file://${place}` : `${folder}/${place.replace(/^\.\//, "")}`;
  };
  return routes.map((rule) => (rule.inputs === undefined ? rule : { ...rule, inputs: rule.inputs.map(uriOf) }));
}

const DEFAULT_LOCAL: LocalCluster = {
  livyUrl: `http://127.0.0.1:${LOCAL_PORTS.livy}`,
  resourceManagerUrl: `http://127.0.0.1:${LOCAL_PORTS.resourceManagerWeb}`,
};

/** A server beside Livy, with one URL or several. */
type Server<U> = Omit<ServerConfig, "url"> & { readonly url: U };

function serverOf<U extends string | readonly string[]>(setting: U | Server<U>): Server<U> {
  return typeof setting === "object" && "url" in setting ? setting : { url: setting };
}

function localWitness(local: LocalCluster | null): ServerConfig | null {
  return local === null ? null : { url: local.resourceManagerUrl };
}

/** Livy's credentials are for Livy's own host; what another is to be shown is said in its own entry. */
async function witnessOf<U extends string | readonly string[]>(
  root: string,
  cluster: string,
  server: Server<U>,
  livy: EndpointAccess & { readonly url: string },
): Promise<EndpointAccess & { readonly url: U }> {
  const { url: _, ...shared } = livy;
  const same = [server.url].flat().every((one) => URL.parse(one)?.origin === URL.parse(livy.url)?.origin);
  return { ...(same ? shared : {}), url: server.url, ...(await accessOf(root, ownerOf(cluster), server)) };
}

function ownerOf(cluster: string): AccessOwner {
  return { title: `cluster ${cluster}`, name: cluster };
}
