/**
 * Why a recorded result cannot be used: which files and datasets that it names are not what they were.
 */

import { isAbsolute, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { findExternals } from "../hash/scan.ts";
import type { Inputs, InputsContext } from "./inputs.ts";
import type { DatasetRecord, DatasetStore } from "./ports.ts";

/** How files and datasets are looked at. */
export interface Look {
  readonly inputs: Inputs;
  readonly context: Pick<InputsContext, "root" | "storages">;
  readonly store: DatasetStore;
}

/** The places that make a result invalid, in words: `file data/x.csv is gone`. */
export async function invalidPlaces(result: Uint8Array, { inputs, context, store }: Look): Promise<readonly string[]> {
  const { files, directories, datasets } = findExternals(result);
  const places: string[] = [];
  for (const file of files) {
    if ((await inputs.files.findChanged([file], [])) !== null)
      places.push(`file ${file.path} ${await changeWords(file.path, context)}`);
  }
  for (const directory of directories) {
    if ((await inputs.files.findChanged([], [directory])) !== null)
      places.push(`directory ${directory.path} ${await changeWords(directory.path, context)}`);
  }
  for (const { identity } of datasets) {
    if ((await inputs.locate(identity)) !== null) continue;
    const [last] = await store.findDataset(identity);
    places.push(
      last
        ? `dataset ${shownPlace(last.location, context.root)}: ${await changeOf(last, context)}`
        : `dataset ${identity.slice(0, 12)}: no place of it is known`,
    );
  }
  return places;
}

async function changeWords(path: string, { root, storages }: Look["context"]): Promise<string> {
  const local = path.startsWith("file:") || !/^[a-z][a-z0-9+.-]+:/i.test(path);
  if (!local) return "is not what it was";
  const at = path.startsWith("file:") ? fileURLToPath(path) : resolve(root, path);
  const found = await storages.get("file:")?.stat(pathToFileURL(at).href);
  return found === null ? "is gone" : "has another content";
}

async function changeOf(record: DatasetRecord, { storages }: Look["context"]): Promise<string> {
  const storage = storages.get(record.location.slice(0, record.location.indexOf(":") + 1));
  if (!storage) return "its storage cannot be read";
  let gone = 0;
  let first: string | undefined;
  for (const { path, bytes, modified, etag } of record.files) {
    const stat = await storage.stat(path === "" ? record.location : `${record.location}/${path}`);
    const name = path === "" ? "the file" : decodeURIComponent(path);
    if (stat === null) {
      gone++;
      first ??= `${name} is gone`;
    } else if (stat.bytes !== bytes) first ??= `${name} had ${bytes} bytes and has ${stat.bytes}`;
    else if ((modified !== undefined && stat.modified !== modified) || (etag !== undefined && stat.etag !== etag))
      first ??= `${name} was written to`;
  }
  if (gone === record.files.length && gone > 1) return `all its ${gone} files are gone`;
  return first ?? "it changed while it was looked at";
}

/** A location from the project's root where it is below it. */
export function shownPlace(location: string, root: string): string {
  if (!location.startsWith("file:")) return location;
  const path = fileURLToPath(location);
  const below = relative(root, path);
  return below.startsWith("..") || isAbsolute(below) ? path : below;
}
