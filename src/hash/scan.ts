/**
 * Looks for what an encoding mentions: files, directories, datasets, codecs.
 */

import { DatasetValue, DirectoryValue, FileValue } from "../define/external.ts";
import { Major, readHead, readText, skipItem } from "./cbor.ts";
import { decodeValue } from "./decode.ts";
import { Tag } from "./tags.ts";

/** What a value's encoding points at outside the store: the files, directories and datasets in it. */
export interface Externals {
  readonly files: readonly FileValue[];
  readonly directories: readonly DirectoryValue[];
  readonly datasets: readonly DatasetValue[];
}

/** The files, directories and datasets that occur in an encoding, each once. */
export function findExternals(bytes: Uint8Array): Externals {
  const files = new Map<string, FileValue>();
  const directories = new Map<string, DirectoryValue>();
  const datasets = new Map<string, DatasetValue>();
  visitTags(bytes, 0, bytes.length, (tag, offset) => {
    if (tag !== Tag.file && tag !== Tag.directory && tag !== Tag.dataset) return;
    const encoded = bytes.subarray(offset, skipItem(bytes, offset));
    const value = decodeValue(encoded);
    if (value instanceof FileValue) files.set(`${value.by} ${value.version} ${value.path}`, value);
    else if (value instanceof DirectoryValue) directories.set(Buffer.from(encoded).toString("latin1"), value);
    else if (value instanceof DatasetValue) datasets.set(value.identity, value);
  });
  return { files: [...files.values()], directories: [...directories.values()], datasets: [...datasets.values()] };
}

/** The first bytes of the head of {@link Tag.instance}. */
const INSTANCE_HEAD = Uint8Array.of(0xd9, Tag.instance >> 8, Tag.instance & 0xff);

/** The names of the codecs whose instances occur in an encoding. */
export function codecsIn(bytes: Uint8Array): ReadonlySet<string> {
  const names = new Set<string>();
  // A quick search first: most values have none.
  if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(INSTANCE_HEAD) < 0) return names;
  visitTags(bytes, 0, bytes.length, (tag, _, content) => {
    if (tag === Tag.instance) names.add(readText(bytes, readHead(bytes, content).next).value);
  });
  return names;
}

/** Calls `visit` for every tag between two offsets of an encoding, with the offset of its head and of its content. */
export function visitTags(
  bytes: Uint8Array,
  start: number,
  end: number,
  visit: (tag: number, offset: number, content: number) => void,
): void {
  // Items follow one another in a flat run of heads, so nesting needs no bookkeeping.
  let at = start;
  while (at < end) {
    const { major, argument, next } = readHead(bytes, at);
    if (major === Major.tag) visit(argument, at, next);
    at = major === Major.bytes || major === Major.text ? next + argument : next;
  }
}
