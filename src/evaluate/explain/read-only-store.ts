/**
 * The store as a dry run sees it: reads are real, writes go nowhere.
 */

import type { DatasetRecord, JobRecord, Store } from "../ports.ts";

/** A store that nothing is written to. */
export interface ReadOnlyStore {
  readonly store: Store;
  /** Jobs as they would have been recorded, each as it was told last. */
  readonly jobs: ReadonlyMap<string, JobRecord>;
}

/** Datasets that would be recorded are remembered, so that they are found again; the stat cache of files is written, since it is as true without a run. */
export function readOnlyStore(store: Store): ReadOnlyStore {
  const jobs = new Map<string, JobRecord>();
  const datasets = new Map<string, DatasetRecord[]>();
  const instead: Pick<Store, "recordJobs" | "recordCalls" | "recordShallow" | "recordDataset" | "findDataset"> = {
    recordJobs: async (records) => {
      for (const job of records) jobs.set(job.id, job);
    },
    recordCalls: async () => {},
    recordShallow: async () => {},
    recordDataset: async (dataset) => {
      datasets.set(dataset.identity, [dataset, ...(datasets.get(dataset.identity) ?? [])]);
    },
    findDataset: async (identity) => [...(datasets.get(identity) ?? []), ...(await store.findDataset(identity))],
  };
  return {
    jobs,
    store: new Proxy(store, {
      get(target, key) {
        const value: unknown = Reflect.get(key in instead ? instead : target, key);
        return typeof value === "function" && !(key in instead) ? value.bind(target) : value;
      },
    }),
  };
}
