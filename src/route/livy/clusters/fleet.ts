/**
 * All clusters of this process: those that are configured, and those that were taken out of the configuration while something of ours is still there. The configuration can change while work runs:
 *
 * - a new cluster takes work at once;
 * - one that changed keeps its submissions: limits and labels count from now on, another address or other credentials for the next request. Another address is another way to the same cluster; another cluster is another name;
 * - one that was taken out takes nothing new, and is let go when the last of its submissions is gone.
 */

import { Code, FiresteelError } from "../../../errors.ts";
import type { ClusterDrain } from "../../../evaluate/ports.ts";
import type { Cluster } from "./cluster.ts";
import type { ClusterConfig } from "./cluster-config.ts";
import { type RouteRule, Routes } from "./routing.ts";

/** What can change while work runs. */
export interface FleetConfig {
  readonly clusters: readonly ClusterConfig[];
  readonly routes?: readonly RouteRule[];
}

export class Fleet implements AsyncDisposable {
  readonly #make: (config: ClusterConfig) => Cluster;
  /** In the order of the configuration; those that were taken out come last. */
  readonly #all = new Map<string, Cluster>();
  #routes: Routes<Cluster> = new Routes<Cluster>([], []);
  #drains: readonly ClusterDrain[] = [];

  /** @throws FiresteelError `invalid_argument` for two clusters of one name, a URL that is none, or a rule that can send nothing anywhere */
  constructor(config: FleetConfig, make: (config: ClusterConfig) => Cluster) {
    this.#make = make;
    this.configure(config);
  }

  get all(): ReadonlyMap<string, Cluster> {
    return this.#all;
  }

  /** Where work may go among those that are configured. */
  get routes(): Routes<Cluster> {
    return this.#routes;
  }

  /** Puts another configuration in force; throws as the constructor does, and then leaves the old one as it is. */
  configure({ clusters: configs, routes = [] }: FleetConfig): void {
    const names = new Set<string>();
    for (const { name } of configs) {
      if (names.has(name)) throw new FiresteelError(Code.invalidArgument, `two clusters have one name: ${name}`);
      names.add(name);
    }
    const labelled = configs.map(({ name, labels = {} }) => ({ name, labels, rowsOf: () => "" }));
    new Routes(labelled, routes);
    const made = new Map(
      configs.filter(({ name }) => !this.#all.has(name)).map((config) => [config.name, this.#make(config)]),
    );
    const changes = configs.map((config) => this.#all.get(config.name)?.reconfigured(config));
    // From here on nothing throws.
    const before = new Map(this.#all);
    this.#all.clear();
    for (const change of changes) change?.();
    for (const { name } of configs) this.#all.set(name, before.get(name) ?? made.get(name)!);
    this.#routes = new Routes([...this.#all.values()], routes);
    for (const [name, cluster] of before) {
      if (names.has(name)) continue;
      this.#all.set(name, cluster);
      cluster.leave();
    }
    this.drain(this.#drains);
  }

  /** The error for a name that no cluster has. */
  unknown(name: string): FiresteelError {
    const names = [...this.#all.keys()].sort().join(", ") || "none";
    return new FiresteelError(Code.invalidArgument, `cluster is not known (there are: ${names}): ${name}`);
  }

  /** These are drained, and no others. */
  drain(drains: readonly ClusterDrain[]): void {
    this.#drains = drains;
    for (const [name, cluster] of this.#all) cluster.drained = drains.find((one) => one.cluster === name) ?? null;
  }

  /** Lets go of clusters that were taken out and of which nothing is needed any more. */
  async sweep(needed: (name: string) => boolean): Promise<void> {
    const idle = [...this.#all].filter(([name, { isConfigured }]) => !isConfigured && !needed(name));
    for (const [name] of idle) this.#all.delete(name);
    await Promise.all(idle.map(([, cluster]) => cluster[Symbol.asyncDispose]()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#all.values()].map((cluster) => cluster[Symbol.asyncDispose]()));
  }
}
