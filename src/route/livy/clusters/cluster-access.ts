/** How a cluster is reached: its Livy server, and the witnesses beside it. */

import type { Clock } from "../../../clock.ts";
import { createLivyClient, type LivyClient } from "../http/client.ts";
import type { Endpoint, EndpointOptions } from "../http/endpoint.ts";
import { DriverLogs } from "../witness/driver-logs.ts";
import { createHistoryServer, type HistoryServer } from "../witness/history-server.ts";
import { createResourceManager, type ResourceManager } from "../witness/resource-manager.ts";
import type { ClusterConfig } from "./cluster-config.ts";

/** How a cluster is reached. */
export interface Access {
  readonly client: LivyClient;
  readonly resourceManager: ResourceManager | null;
  /** Null where no ResourceManager is configured. */
  readonly driverLogs: DriverLogs | null;
  readonly historyServer: HistoryServer | null;
}

interface AccessWorld {
  readonly clock: Clock;
  readonly connect: (options: EndpointOptions) => Endpoint;
}

/** Makes what a cluster is reached by; opens no connection yet. Throws `invalid_argument` for a URL that is none. */
export function accessTo(config: ClusterConfig, { clock, connect }: AccessWorld): Access {
  const { name: cluster, historyServer } = config;
  const user = config.user ?? process.env["USER"] ?? process.env["LOGNAME"];
  const resourceManager =
    config.resourceManager === undefined
      ? null
      : createResourceManager({ cluster, ...config.resourceManager, ...(user ? { user } : {}) }, connect);
  return {
    client: createLivyClient(config, connect),
    resourceManager,
    driverLogs: resourceManager === null ? null : new DriverLogs(clock, resourceManager),
    historyServer: historyServer === undefined ? null : createHistoryServer({ cluster, ...historyServer }, connect),
  };
}

/** The settings that decide about that. */
export function accessOf(config: ClusterConfig): unknown {
  const { url, resourceManager, historyServer, auth, headers, tls, timeOuts, connections, user } = config;
  return { url, resourceManager, historyServer, auth, headers, tls, timeOuts, connections, user };
}

/** Gives up what is under way. */
export async function closeAccess({ client, resourceManager, driverLogs, historyServer }: Access): Promise<void> {
  driverLogs?.close();
  await Promise.all([client, resourceManager, historyServer].map((server) => server?.[Symbol.asyncDispose]()));
}
