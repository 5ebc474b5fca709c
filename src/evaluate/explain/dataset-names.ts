/** How datasets in arguments are shown. */

import { findExternals } from "../../hash/scan.ts";
import { mentionsExternals } from "../bodies.ts";
import { shownPlace } from "../invalid-result.ts";
import type { DatasetStore } from "../ports.ts";
import type { DatasetNames } from "./argument-change.ts";

/** Names for the datasets in these encodings: the places where they were verified last. */
export async function datasetNames(
  encodings: readonly (readonly Uint8Array[])[],
  store: DatasetStore,
  root: string,
): Promise<DatasetNames> {
  const names = new Map<string, string>();
  for (const bytes of encodings.flat()) {
    if (!mentionsExternals(bytes)) continue;
    for (const { identity } of findExternals(bytes).datasets) {
      if (names.has(identity)) continue;
      const [last] = await store.findDataset(identity);
      if (last) names.set(identity, shownPlace(last.location, root));
    }
  }
  return names;
}
