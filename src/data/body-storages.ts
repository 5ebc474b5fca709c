/**
 * The storages that the bodies on this thread read from.
 */

import type { Storages } from "../evaluate/file-identity.ts";
import { createStorages, type StorageSettings } from "../route/storage/storages.ts";

let storages: Storages = createStorages();

/** Sets how they are reached. @internal */
export function setBodyStorages(settings: StorageSettings): void {
  storages = createStorages(settings);
}

/** By scheme. */
export function bodyStorages(): Storages {
  return storages;
}
